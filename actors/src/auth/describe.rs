//! What can be said about a session without its secrets.

use super::messages::{SessionAnswer, SessionDetail, SessionOrigin, SessionSummary};
use super::store::{Presence, ReadPurpose, SessionStore, StoreError, Stored};
use jiff::Timestamp;
use kitty_runtime::diagnostic::Diagnostic;

/// The code of the one diagnostic that names why a session does not count.
pub const UNUSABLE_SESSION: &str = "auth.session_unusable";

/// Answers [`super::messages::GetSession`] from a store; blocks, creates and rewrites nothing.
///
/// Every failure is "no session" plus one diagnostic that names the cause.
#[must_use]
pub fn describe(store: &dyn SessionStore, detail: SessionDetail, now: Timestamp) -> SessionAnswer {
    let described = match detail {
        SessionDetail::Presence => store.presence(now).map(|presence| (presence, None)),
        SessionDetail::Summary => store
            .read(ReadPurpose::Inspect)
            .map(|stored| summarize(stored, store.label(), now)),
    };
    match described {
        Ok((presence, summary)) => SessionAnswer {
            origin: SessionOrigin::Store,
            presence,
            summary,
            diagnostic: None,
        },
        Err(error) => unusable(&error),
    }
}

/// Answers for a process that has its token from the environment.
pub(crate) const fn from_environment() -> SessionAnswer {
    SessionAnswer {
        origin: SessionOrigin::Environment,
        presence: Presence::Present {
            verified: false,
            refresh_token_expires_at: None,
        },
        summary: None,
        diagnostic: None,
    }
}

/// Answers for a store that cannot be used.
pub(crate) fn unusable(error: &StoreError) -> SessionAnswer {
    let message = format!("the stored session counts as none: {error}");
    SessionAnswer {
        origin: SessionOrigin::Store,
        presence: Presence::Absent,
        summary: None,
        diagnostic: Some(Diagnostic::warning(UNUSABLE_SESSION, "session", message)),
    }
}

fn summarize(
    stored: Option<Stored>,
    storage: &'static str,
    now: Timestamp,
) -> (Presence, Option<SessionSummary>) {
    let Some(Stored { session, issuer }) = stored else {
        return (Presence::Absent, None);
    };
    let presence = Presence::of(session.refresh_token_expires_at, now);
    let summary = SessionSummary {
        user_id: session.user_id,
        email: session.email,
        name: session.name,
        teams: session.teams,
        default_team_id: session.default_team_id,
        session_id: session.session_id,
        access_token_expires_at: session.access_token_expires_at,
        refresh_token_expires_at: session.refresh_token_expires_at,
        last_used_at: session.last_used_at,
        auth_method: session.auth_method,
        storage,
        storage_backend: session.storage_backend,
        issuer,
    };
    (presence, Some(summary))
}
