//! The lines that `auth status`, `whoami`, `login` and `logout` print; pure.
//!
//! The wordings are the Python CLI's (reference/auth-state-daemon.md 4, compared line by line with
//! 3.2.7), without its wrapping at 80 columns. The command line prints them and adds nothing.

use super::flows::LoginStep;
use super::messages::{LoggedOut, Revocation, SessionAnswer, SessionOrigin, SessionSummary};
use super::session::{AuthMethod, StoredSession, Team};
use super::store::Presence;
use jiff::Timestamp;

/// Returns the lines of `auth status`; the exit code is always 0.
#[must_use]
pub fn status_lines(answer: &SessionAnswer, now: Timestamp) -> Vec<String> {
    if answer.origin == SessionOrigin::Environment {
        return lines(&[
            "? Cannot verify (access token from SPEC_KITTY_ACCESS_TOKEN)",
            "  No stored session is used while the variable is set.",
        ]);
    }
    match (&answer.presence, &answer.summary) {
        (Presence::Expired { at }, _) => vec![
            format!(
                "X Not authenticated (refresh token expired {} ago)",
                short(seconds_between(*at, now))
            ),
            "  Run spec-kitty auth login to re-authenticate.".to_owned(),
        ],
        (Presence::Present { .. }, Some(summary)) => authenticated_lines(summary, now),
        (Presence::Absent | Presence::Present { .. }, _) => lines(&[
            "X Not authenticated (no active session)",
            "  Run spec-kitty auth login to authenticate.",
        ]),
    }
}

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn authenticated_lines(summary: &SessionSummary, now: Timestamp) -> Vec<String> {
    let access = seconds_between(now, summary.access_token_expires_at);
    let refresh = summary
        .refresh_token_expires_at
        .map(|end| seconds_between(now, end));
    let headline = if access > 0 {
        let refresh = refresh.map_or_else(
            || "refresh server-managed".to_owned(),
            |seconds| format!("refresh valid {}", short(seconds)),
        );
        format!(
            "+ Authenticated (access valid {}; {refresh})",
            short(access)
        )
    } else {
        "? Cannot verify (access token expired; refresh chain not verified offline)".to_owned()
    };
    let mut lines = vec![
        headline,
        String::new(),
        format!("  User:           {} ({})", summary.email, summary.name),
        format!("  User ID:        {}", summary.user_id),
        String::new(),
        "  Teams:".to_owned(),
    ];
    let team = |team: &Team| team_line(team, &summary.default_team_id);
    lines.extend(summary.teams.iter().map(team));
    lines.extend([
        String::new(),
        format!("  Access token:   {}", long(access)),
        format!(
            "  Refresh token:  {}",
            refresh.map_or_else(
                || {
                    "server-managed (legacy session - re-login to populate refresh expiry)"
                        .to_owned()
                },
                long
            )
        ),
        String::new(),
        format!("  Storage:        {}", summary.storage),
        format!("  Session ID:     {}", summary.session_id),
        format!(
            "  Last used:      {}",
            summary.last_used_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        ),
        format!("  Auth method:    {}", method_words(&summary.auth_method)),
    ]);
    lines
}

fn team_line(team: &Team, default_team_id: &str) -> String {
    let notes = match (team.is_private_teamspace, team.id == default_team_id) {
        (true, true) => " (private, not shareable, default)",
        (true, false) => " (private, not shareable)",
        (false, true) => " (default)",
        (false, false) => "",
    };
    format!(
        "    - {} slug: {} ({}){notes}",
        team.name, team.slug, team.role
    )
}

fn method_words(method: &AuthMethod) -> &str {
    match method {
        AuthMethod::AuthorizationCode => "Browser (Authorization Code + PKCE)",
        AuthMethod::DeviceCode => "Headless (Device Authorization Grant)",
        AuthMethod::Other(word) => word,
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}

/// `9d`, `1h`, `59m`, `0m`: the largest unit, rounded down.
fn short(seconds: i64) -> String {
    match seconds {
        86_400.. => format!("{}d", seconds / 86_400),
        3_600.. => format!("{}h", seconds / 3_600),
        _ => format!("{}m", seconds.max(0) / 60),
    }
}

/// `9 days`, `1 hour`, `59 minutes`, `< 1 minute`, `expired`.
fn long(seconds: i64) -> String {
    let count = |number: i64, unit: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!("{number} {unit}{plural}")
    };
    match seconds {
        86_400.. => count(seconds / 86_400, "day"),
        3_600.. => count(seconds / 3_600, "hour"),
        60.. => count(seconds / 60, "minute"),
        1.. => "< 1 minute".to_owned(),
        _ => "expired".to_owned(),
    }
}

/// Returns the line of `auth whoami`; `None` means silence and exit code 1.
#[must_use]
pub fn whoami_line(answer: &SessionAnswer) -> Option<&str> {
    let summary = answer.summary.as_ref()?;
    answer.is_authenticated().then_some(summary.email.as_str())
}

/// Returns the lines of `auth logout`; the exit code is 0 when the session is gone.
///
/// `revocation`: what came of telling the server, if there was something to tell.
#[must_use]
pub fn logout_lines(logged_out: LoggedOut, revocation: Option<&Revocation>) -> Vec<String> {
    if logged_out == LoggedOut::NothingStored {
        return lines(&["i Not logged in."]);
    }
    let mut lines: Vec<String> = revocation.map(revocation_line).into_iter().collect();
    lines.push("+ Logged out.".to_owned());
    lines
}

fn revocation_line(revocation: &Revocation) -> String {
    let cause = match revocation {
        Revocation::Confirmed => return "✓ Server revocation confirmed.".to_owned(),
        Revocation::NetworkError(_) => "network error",
        Revocation::ServerError { .. } => "server error",
    };
    format!("! Server revocation not confirmed ({cause}). Local credentials will still be deleted.")
}

/// Returns what a person sees at one step of a login.
#[must_use]
pub fn login_step_lines(step: &LoginStep) -> Vec<String> {
    match step {
        LoginStep::Code {
            verification_uri,
            complete_uri,
            user_code,
            valid_for,
        } => {
            let mut lines = vec![
                String::new(),
                format!("Visit: {verification_uri}"),
                format!("Code:  {user_code}"),
            ];
            lines.extend(complete_uri.as_ref().map(|uri| format!("Or open: {uri}")));
            let minutes = valid_for.as_secs().div_ceil(60);
            lines.extend([
                String::new(),
                format!("Waiting for authorization (timeout in {minutes} minutes)..."),
            ]);
            lines
        }
        LoginStep::BrowserAddress {
            server,
            url,
            opened,
        } => {
            let mut lines = vec![
                "Opening browser for OAuth authentication...".to_owned(),
                format!("SaaS: {server}"),
            ];
            if !opened {
                lines.push(format!("No browser could be started. Visit: {url}"));
            }
            lines
        }
        LoginStep::Retrying(error) => vec![format!("! {error}")],
        LoginStep::Granted => vec![String::new(), "+ Authorization granted".to_owned()],
    }
}

/// Returns the last lines of a login.
#[must_use]
pub fn logged_in_lines(session: &StoredSession) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("+ Authenticated as {}", session.email),
    ];
    let is_default = |team: &&Team| team.id == session.default_team_id;
    if let Some(team) = session.teams.iter().find(is_default) {
        let note = if team.is_private_teamspace {
            " [Private Teamspace]"
        } else {
            ""
        };
        lines.push(format!("  Default team: {}{note}", team.name));
    }
    lines
}

/// Returns what `auth login` says when there is a session and `--force` is not given.
#[must_use]
pub fn already_logged_in_lines(email: &str) -> Vec<String> {
    vec![
        format!("+ Already logged in as {email}"),
        "Run spec-kitty auth login --force to re-authenticate, or spec-kitty auth logout first."
            .to_owned(),
    ]
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
