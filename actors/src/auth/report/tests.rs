use super::*;
use crate::auth::describe::describe;
use crate::auth::messages::SessionDetail;
use crate::auth::session::StoredSession;
use crate::auth::store::{SessionStore as _, Stored};
use crate::auth::testing::{TestRoot, later, session};
use crate::transport::TransportError;
use std::time::Duration;

fn answer(session: StoredSession) -> SessionAnswer {
    let root = TestRoot::new();
    let stored = Stored {
        session,
        issuer: None,
    };
    root.store().write(&stored).unwrap();
    describe(&root.store(), SessionDetail::Summary, later(0))
}

fn headline(session: StoredSession) -> Vec<String> {
    let mut lines = status_lines(&answer(session), later(0));
    lines.truncate(2);
    lines
}

#[test]
fn the_status_is_that_of_the_python_cli_line_by_line() {
    let session = session("one").expiring_at(3599).refreshable_until(800_000);
    assert_eq!(
        status_lines(&answer(session), later(0)).join("\n"),
        "+ Authenticated (access valid 59m; refresh valid 9d)\n\
         \n\
         \x20 User:           a@b.co (Zoë)\n\
         \x20 User ID:        u-1\n\
         \n\
         \x20 Teams:\n\
         \x20   - Shared slug: t-shared (member)\n\
         \x20   - Private slug: t-private (owner) (private, not shareable, default)\n\
         \n\
         \x20 Access token:   59 minutes\n\
         \x20 Refresh token:  9 days\n\
         \n\
         \x20 Storage:        Encrypted session file\n\
         \x20 Session ID:     s-1\n\
         \x20 Last used:      2026-01-02T03:04:05Z\n\
         \x20 Auth method:    Browser (Authorization Code + PKCE)"
    );
}

#[test]
fn a_shared_default_team_and_an_unknown_refresh_end_have_their_words() {
    let lines = status_lines(&answer(session("one").with_shared_team_only()), later(0));
    assert_eq!(
        lines[0],
        "+ Authenticated (access valid 1h; refresh server-managed)"
    );
    assert_eq!(lines[6], "    - Shared slug: t-shared (member) (default)");
    assert_eq!(
        lines[9],
        "  Refresh token:  server-managed (legacy session - re-login to populate refresh expiry)"
    );
}

#[test]
fn each_state_has_its_headline() {
    assert_eq!(
        headline(session("one").expiring_at(-100).refreshable_until(7000))[0],
        "? Cannot verify (access token expired; refresh chain not verified offline)"
    );
    for (seconds, ago) in [(30, "0m"), (4000, "1h"), (90_000, "1d")] {
        assert_eq!(
            headline(session("one").refreshable_until(-seconds)),
            [
                format!("X Not authenticated (refresh token expired {ago} ago)"),
                "  Run spec-kitty auth login to re-authenticate.".to_owned(),
            ]
        );
    }
    let root = TestRoot::new();
    let nobody = describe(&root.store(), SessionDetail::Summary, later(0));
    assert_eq!(
        status_lines(&nobody, later(0)),
        [
            "X Not authenticated (no active session)",
            "  Run spec-kitty auth login to authenticate.",
        ]
    );
    assert_eq!(whoami_line(&nobody), None);
    assert_eq!(whoami_line(&answer(session("one"))), Some("a@b.co"));
    assert_eq!(
        whoami_line(&answer(session("one").refreshable_until(-1))),
        None
    );
}

#[test]
fn durations_are_rounded_down_to_their_largest_unit() {
    for (seconds, short_form, long_form) in [
        (-5, "0m", "expired"),
        (0, "0m", "expired"),
        (1, "0m", "< 1 minute"),
        (59, "0m", "< 1 minute"),
        (60, "1m", "1 minute"),
        (3_599, "59m", "59 minutes"),
        (3_600, "1h", "1 hour"),
        (86_399, "23h", "23 hours"),
        (86_400, "1d", "1 day"),
        (800_000, "9d", "9 days"),
    ] {
        assert_eq!(
            (short(seconds).as_str(), long(seconds).as_str()),
            (short_form, long_form)
        );
    }
}

#[test]
fn a_logout_says_what_the_server_said() {
    let network = Revocation::NetworkError(TransportError::Timeout {
        name: "the token revocation",
        endpoint: String::new(),
        after: Duration::from_secs(10),
    });
    let gone = LoggedOut::SessionDeleted;
    for (revocation, line) in [
        (Revocation::Confirmed, "✓ Server revocation confirmed."),
        (
            network,
            "! Server revocation not confirmed (network error). Local credentials will still be \
             deleted.",
        ),
        (
            Revocation::ServerError { status: 500 },
            "! Server revocation not confirmed (server error). Local credentials will still be \
             deleted.",
        ),
    ] {
        assert_eq!(
            logout_lines(gone, Some(&revocation)),
            [line, "+ Logged out."]
        );
    }
    assert_eq!(logout_lines(gone, None), ["+ Logged out."]);
    assert_eq!(
        logout_lines(LoggedOut::NothingStored, None),
        ["i Not logged in."]
    );
}

#[test]
fn a_headless_login_shows_what_the_python_cli_shows() {
    let step = LoginStep::Code {
        verification_uri: "https://a.example/v".to_owned(),
        complete_uri: Some("https://a.example/v?c=1".to_owned()),
        user_code: "ABCD-1234".to_owned(),
        valid_for: Duration::from_secs(900),
    };
    let mut lines = login_step_lines(&step);
    lines.extend(login_step_lines(&LoginStep::Granted));
    lines.extend(logged_in_lines(&session("one")));
    assert_eq!(
        lines,
        [
            "",
            "Visit: https://a.example/v",
            "Code:  ABCD-1234",
            "Or open: https://a.example/v?c=1",
            "",
            "Waiting for authorization (timeout in 15 minutes)...",
            "",
            "+ Authorization granted",
            "",
            "+ Authenticated as a@b.co",
            "  Default team: Private [Private Teamspace]",
        ]
    );
}
