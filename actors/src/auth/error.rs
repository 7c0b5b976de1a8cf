//! Why there is no token, or no membership.

use super::secret::ForeignServer;
use super::store::StoreError;
use crate::supervise::AskError;
use crate::transport::TransportError;
use std::time::Duration;

/// Authentication did not give what was asked for.
///
/// The wordings that the Python CLI has are kept (reference/auth-state-daemon.md 4); scripts match
/// them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Nobody is logged in.
    #[error("Not authenticated: no valid access token. Run `spec-kitty auth login`.")]
    NoSession,
    /// There is a session that cannot be used; the store says why.
    #[error("Not authenticated: {0}")]
    UnusableSession(StoreError),
    /// No server is configured, so no token can be sent anywhere.
    #[error(
        "No sync server is configured. Set SPEC_KITTY_SAAS_URL, or run \
         `spec-kitty sync server <url>`, then try again."
    )]
    NoServer,
    /// The session belongs to another server than the one that is configured.
    #[error(
        "The session belongs to {issuer}, but {configured} is configured; no token is sent there. \
         Restore the address, or run `spec-kitty auth login`."
    )]
    OtherIssuer {
        /// The server that issued the session.
        issuer: String,
        /// The server that is configured.
        configured: String,
    },
    /// The refresh token has ended; the session was removed if it was still the stored one.
    #[error("Refresh token expired. Run `spec-kitty auth login` to log in again.")]
    RefreshTokenExpired,
    /// The server ended the session; it was removed if it was still the stored one.
    #[error("The server has ended the session. Run `spec-kitty auth login` to log in again.")]
    SessionInvalid,
    /// A token was rejected even after a refresh.
    #[error("Authentication expired. Run `spec-kitty auth login` to re-authenticate.")]
    AuthenticationExpired,
    /// The token of `SPEC_KITTY_ACCESS_TOKEN` was rejected; it cannot be refreshed.
    #[error("The server rejected the token in SPEC_KITTY_ACCESS_TOKEN; supply a valid one.")]
    EnvironmentTokenRejected,
    /// Another process holds the refresh lock, and no valid token appeared meanwhile.
    #[error("Another spec-kitty process is refreshing the auth session; retry in a moment.")]
    RefreshInProgress,
    /// The server saw this refresh token twice, and no newer one is stored.
    #[error(
        "Refresh token replay detected and no newer local token is available. \
         Run `spec-kitty auth login` if this persists."
    )]
    RefreshReplay,
    /// The session was removed or replaced while it was being refreshed.
    #[error("The session changed while it was being refreshed; retry in a moment.")]
    SessionChanged,
    /// The server answered a refresh with something else than tokens; the session is kept.
    #[error("Token refresh failed: HTTP {status} - {body}")]
    RefreshFailed {
        /// The status of the answer.
        status: u16,
        /// Up to 500 characters of it, tokens removed.
        body: String,
    },
    /// The server's answer about the user cannot be used.
    #[error("/api/v1/me: {0}")]
    Membership(String),
    /// The server could not be asked.
    #[error("HTTP transport error: {0}")]
    Transport(TransportError),
    /// The store could not be changed.
    #[error("{0}")]
    Store(StoreError),
    /// The refresh lock cannot be used.
    #[error("{0}")]
    Lock(String),
    /// A token was about to be sent to a server that did not issue it.
    #[error(transparent)]
    ForeignServer(#[from] ForeignServer),
    /// The asker's time ran out; the work goes on and serves the next asker.
    #[error("{what} was not available within {} ms; retry in a moment", after.as_millis())]
    Deadline {
        /// What was asked for.
        what: &'static str,
        /// The time the asker gave.
        after: Duration,
    },
    /// The auth actor went away while it was asked.
    #[error("the auth actor has stopped; retry the command")]
    ActorStopped,
    /// The auth actor did not answer.
    #[error(transparent)]
    Unanswered(AskError),
}

impl AuthError {
    /// Returns the stable code of the diagnostic line (reference/auth-state-daemon.md 6).
    #[must_use]
    pub const fn diagnostic_code(&self) -> &'static str {
        match self {
            Self::RefreshInProgress | Self::RefreshReplay | Self::SessionChanged => {
                "sync.auth_refresh_in_progress"
            }
            _ => "sync.server_auth_failure",
        }
    }

    /// Tells whether a server was asked and gave nothing, so that asking it again at once would cost
    /// the same time for the same answer.
    ///
    /// A session that the server ended is not among these: it is removed, and nobody asks with it.
    #[must_use]
    pub const fn comes_from_the_server(&self) -> bool {
        matches!(
            self,
            Self::Transport(_)
                | Self::RefreshFailed { .. }
                | Self::RefreshReplay
                | Self::AuthenticationExpired
                | Self::EnvironmentTokenRejected
                | Self::Membership(_)
                | Self::Deadline { .. }
        )
    }

    /// Tells whether nobody is logged in (any more), as opposed to a fault that may pass.
    #[must_use]
    pub const fn means_logged_out(&self) -> bool {
        matches!(
            self,
            Self::NoSession
                | Self::UnusableSession(_)
                | Self::RefreshTokenExpired
                | Self::SessionInvalid
                | Self::AuthenticationExpired
                | Self::EnvironmentTokenRejected
        )
    }
}
