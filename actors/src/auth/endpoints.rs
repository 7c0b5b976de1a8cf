//! The requests of the login server and the meaning of its answers; pure.
//!
//! Source: reference/auth-state-daemon.md 4. The server is not ours alone: unknown keys are
//! ignored, an optional value of a surprising type counts as absent, and a required one that is
//! missing is an error without the value.

use super::messages::Revocation;
use super::secret::{AccessToken, ForeignServer, Secret};
use super::session::{StoredSession, Team, to_microseconds};
use crate::transport::{HttpRequest, HttpResponse, Method};
use jiff::{SignedDuration, Timestamp};
use kitty_config::ServerUrl;
use kitty_runtime::time;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The OAuth client that every command line of Spec Kitty is.
pub(crate) const CLIENT_ID: &str = "cli_native";

/// The OAuth scope of a login.
pub(crate) const SCOPE: &str = "offline_access";

/// How long one exchange with the login server may take.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(10);

/// How long an access token lives when the server does not say.
const DEFAULT_LIFETIME: i64 = 3600;

/// The longest lifetime that is believed: ten years.
const MAXIMUM_LIFETIME: i64 = 10 * 366 * 24 * 3600;

/// How much of an unexpected answer is shown.
const SNIPPET: usize = 500;

fn post(name: &'static str, server: &ServerUrl, path: &str, form: &[(&str, &str)]) -> HttpRequest {
    HttpRequest::new(name, Method::Post, server.endpoint(path), EXCHANGE_LIMIT).form(form)
}

/// Asks for new tokens in exchange for a refresh token.
pub(crate) fn refresh_request(server: &ServerUrl, refresh_token: &Secret) -> HttpRequest {
    post(
        "the token refresh",
        server,
        "/oauth/token",
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
            ("client_id", CLIENT_ID),
        ],
    )
}

/// Asks for the first tokens in exchange for the code of a browser login.
pub(crate) fn code_request(
    server: &ServerUrl,
    code: &Secret,
    redirect_uri: &str,
    verifier: &Secret,
) -> HttpRequest {
    post(
        "the token request",
        server,
        "/oauth/token",
        &[
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri),
            ("client_id", CLIENT_ID),
            ("code_verifier", verifier.expose()),
        ],
    )
}

/// Asks for a code that the user confirms on another device.
pub(crate) fn device_request(server: &ServerUrl) -> HttpRequest {
    let form = [("client_id", CLIENT_ID), ("scope", SCOPE)];
    post("the device code request", server, "/oauth/device", &form)
}

/// Asks whether the user has confirmed.
pub(crate) fn device_poll_request(server: &ServerUrl, device_code: &Secret) -> HttpRequest {
    post(
        "the device code poll",
        server,
        "/oauth/token",
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device_code.expose()),
            ("client_id", CLIENT_ID),
        ],
    )
}

/// Asks the server to forget a refresh token and its session.
pub(crate) fn revoke_request(server: &ServerUrl, refresh_token: &Secret) -> HttpRequest {
    let form = [
        ("token", refresh_token.expose()),
        ("token_type_hint", "refresh_token"),
    ];
    post("the token revocation", server, "/oauth/revoke", &form)
}

/// Asks who the user is and which teams they belong to.
pub(crate) fn me_request(token: &AccessToken) -> Result<HttpRequest, ForeignServer> {
    let url = token.server().endpoint("/api/v1/me");
    let request = HttpRequest::new("the membership request", Method::Get, url, EXCHANGE_LIMIT);
    token.authorize(request)
}

/// Asks whether the session behind a token is alive.
pub(crate) fn session_status_request(token: &AccessToken) -> Result<HttpRequest, ForeignServer> {
    let url = token.server().endpoint("/api/v1/session-status");
    let request = HttpRequest::new("the session status", Method::Get, url, EXCHANGE_LIMIT);
    token.authorize(request)
}

/// Tokens as a server grants them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TokenGrant {
    /// The bearer token.
    pub(crate) access_token: Secret,
    /// The next refresh token; `None` keeps the old one.
    pub(crate) refresh_token: Option<Secret>,
    /// The granted scope; `None` keeps the old one.
    pub(crate) scope: Option<String>,
    /// The lifetime of the access token in seconds.
    pub(crate) expires_in: i64,
    /// The server's count of refreshes.
    pub(crate) generation: Option<i64>,
    /// When the refresh token ends.
    pub(crate) refresh_end: RefreshEnd,
    /// The server's id of the session; counts at login only.
    pub(crate) session_id: Option<String>,
}

/// What a server says about the end of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshEnd {
    /// A moment.
    At(Timestamp),
    /// A number of seconds from now.
    In(i64),
    /// Nothing: what was known before still holds.
    Unsaid,
}

impl RefreshEnd {
    /// Turns it into a moment.
    pub(crate) fn resolve(self, now: Timestamp, previous: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            Self::At(moment) => Some(to_microseconds(moment)),
            Self::In(seconds) => Some(after(now, seconds)),
            Self::Unsaid => previous,
        }
    }
}

impl fmt::Debug for TokenGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenGrant")
            .field("access_token", &self.access_token)
            .field("refresh_token", &self.refresh_token)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

impl TokenGrant {
    /// Returns when the access token ends.
    pub(crate) fn access_end(&self, now: Timestamp) -> Timestamp {
        after(now, self.expires_in)
    }

    /// Returns the session with these tokens; identity and teams stay.
    #[must_use]
    pub(crate) fn renew(&self, session: &StoredSession, now: Timestamp) -> StoredSession {
        let now = to_microseconds(now);
        let mut renewed = session.clone();
        renewed.access_token = self.access_token.clone();
        if let Some(refresh_token) = &self.refresh_token {
            renewed.refresh_token = refresh_token.clone();
        }
        if let Some(scope) = &self.scope {
            renewed.scope.clone_from(scope);
        }
        renewed.issued_at = now;
        renewed.last_used_at = now;
        renewed.access_token_expires_at = self.access_end(now);
        renewed.refresh_token_expires_at = self
            .refresh_end
            .resolve(now, session.refresh_token_expires_at);
        renewed.generation = self.generation;
        renewed
    }
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    let lifetime = SignedDuration::from_secs(seconds.clamp(0, MAXIMUM_LIFETIME));
    to_microseconds(now.checked_add(lifetime).unwrap_or(Timestamp::MAX))
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<Secret>,
    refresh_token: Option<Secret>,
    #[serde(default)]
    scope: Value,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    generation: Value,
    #[serde(default)]
    refresh_token_expires_at: Value,
    #[serde(default)]
    refresh_token_expires_in: Value,
    #[serde(default)]
    session_id: Value,
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond the range saturates and is clamped later"
)]
fn whole(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|number| number as i64))
}

/// Reads tokens out of a successful answer.
///
/// # Errors
/// In words, without a value: no JSON, or no access token.
pub(crate) fn parse_grant(response: &HttpResponse) -> Result<TokenGrant, &'static str> {
    let answer: TokenAnswer =
        serde_json::from_slice(&response.body).map_err(|_| "the answer holds no usable tokens")?;
    let given = |token: &Secret| !token.expose().is_empty();
    let refresh_end = text(&answer.refresh_token_expires_at)
        .and_then(|text| time::parse_iso(&text))
        .map(RefreshEnd::At)
        .or_else(|| whole(&answer.refresh_token_expires_in).map(RefreshEnd::In))
        .unwrap_or(RefreshEnd::Unsaid);
    Ok(TokenGrant {
        access_token: answer
            .access_token
            .filter(given)
            .ok_or("the answer holds no access_token")?,
        refresh_token: answer.refresh_token.filter(given),
        scope: text(&answer.scope),
        expires_in: whole(&answer.expires_in).unwrap_or(DEFAULT_LIFETIME),
        generation: whole(&answer.generation),
        refresh_end,
        session_id: text(&answer.session_id),
    })
}

/// Returns the `error` word of an OAuth error answer.
pub(crate) fn error_word(response: &HttpResponse) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        error: String,
    }
    serde_json::from_slice(&response.body)
        .ok()
        .map(|answer: ErrorAnswer| answer.error)
}

/// Returns the beginning of an answer for an error message, tokens removed.
pub(crate) fn snippet(response: &HttpResponse, secrets: &[&Secret]) -> String {
    // Redacted before it is cut, so that no half of a token is left at the end.
    let mut text = String::from_utf8_lossy(&response.body).into_owned();
    for secret in secrets.iter().filter(|secret| !secret.expose().is_empty()) {
        text = text.replace(secret.expose(), "<redacted>");
    }
    text.chars().take(SNIPPET).collect()
}

/// What a server says to a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefreshAnswer {
    /// New tokens.
    Granted(TokenGrant),
    /// The refresh token has ended (`invalid_grant`).
    Expired,
    /// The session is no more (`session_invalid`).
    Invalid,
    /// The token was used before, which may just have been another process
    /// (`refresh_replay_benign_retry`).
    Replay,
    /// Anything else: says nothing about the session, which is kept.
    Failed {
        /// The status of the answer.
        status: u16,
        /// Up to 500 characters of it, tokens removed.
        body: String,
    },
}

/// Reads the answer to a refresh.
pub(crate) fn parse_refresh(response: &HttpResponse, refresh_token: &Secret) -> RefreshAnswer {
    let failed = |body: String| RefreshAnswer::Failed {
        status: response.status,
        body,
    };
    if response.status == 200 {
        return match parse_grant(response) {
            Ok(grant) => RefreshAnswer::Granted(grant),
            Err(reason) => failed(reason.to_owned()),
        };
    }
    match (response.status, error_word(response).as_deref()) {
        (400 | 401, Some("invalid_grant")) => RefreshAnswer::Expired,
        (400 | 401, Some("session_invalid")) => RefreshAnswer::Invalid,
        (409, Some("refresh_replay_benign_retry")) => RefreshAnswer::Replay,
        _ => failed(snippet(response, &[refresh_token])),
    }
}

/// Who the user is, as `/api/v1/me` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The server's id of the user.
    pub(crate) user_id: String,
    /// The user's e-mail address.
    pub(crate) email: String,
    /// The user's name; the e-mail address when the server gave none.
    pub(crate) name: String,
    /// The user's teams, at least one.
    pub(crate) teams: Vec<Team>,
    /// When the refresh token ends, if the server says.
    pub(crate) refresh_token_expires_at: Option<Timestamp>,
}

/// What a server says about the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MeAnswer {
    /// The user is known.
    Member(Box<Profile>),
    /// The access token was rejected.
    Unauthorized,
    /// The answer cannot be used, in words.
    Unusable(String),
}

#[derive(Deserialize)]
struct ProfileAnswer {
    user_id: String,
    email: String,
    name: Option<String>,
    teams: Vec<TeamAnswer>,
    #[serde(default)]
    refresh_token_expires_at: Value,
}

#[derive(Deserialize)]
struct TeamAnswer {
    id: String,
    name: String,
    role: String,
    #[serde(default)]
    is_private_teamspace: bool,
    slug: Option<String>,
}

/// Reads the answer about the user, strictly: what decides where events may go is not guessed.
pub(crate) fn parse_me(response: &HttpResponse) -> MeAnswer {
    match response.status {
        200 => {}
        401 => return MeAnswer::Unauthorized,
        status => return MeAnswer::Unusable(format!("the server answered HTTP {status}")),
    }
    // The words of serde may quote values, so they are not passed on.
    let Ok(answer) = serde_json::from_slice::<ProfileAnswer>(&response.body) else {
        return MeAnswer::Unusable("the answer lacks user_id, email or complete teams".to_owned());
    };
    if answer.teams.is_empty() {
        return MeAnswer::Unusable("the answer names no team".to_owned());
    }
    if answer.user_id.is_empty() || answer.teams.iter().any(|team| team.id.is_empty()) {
        return MeAnswer::Unusable("the answer holds an empty id".to_owned());
    }
    let teams = answer.teams.into_iter().map(|team| {
        let slug = team.slug.filter(|slug| !slug.is_empty());
        let slug = slug.unwrap_or_else(|| team.id.clone());
        Team::new(&team.id, &team.name, &team.role, team.is_private_teamspace).with_slug(slug)
    });
    MeAnswer::Member(Box::new(Profile {
        teams: teams.collect(),
        name: answer.name.unwrap_or_else(|| answer.email.clone()),
        user_id: answer.user_id,
        email: answer.email,
        refresh_token_expires_at: text(&answer.refresh_token_expires_at)
            .and_then(|text| time::parse_iso(&text))
            .map(to_microseconds),
    }))
}

/// Reads the answer to a revocation: only the server's own word counts.
pub(crate) fn parse_revoke(response: &HttpResponse) -> Revocation {
    #[derive(Deserialize)]
    struct RevokeAnswer {
        revoked: bool,
    }
    let confirmed = response.status == 200
        && serde_json::from_slice(&response.body).is_ok_and(|answer: RevokeAnswer| answer.revoked);
    if confirmed {
        Revocation::Confirmed
    } else {
        Revocation::ServerError {
            status: response.status,
        }
    }
}

#[cfg(test)]
mod tests;
