//! What goes into the core and what comes out of it.

use crate::auth::endpoints::{MeAnswer, RefreshAnswer};
use crate::auth::error::AuthError;
use crate::auth::messages::{LoggedOut, Membership, SessionEnded, SessionRefreshed};
use crate::auth::secret::{AccessToken, Secret, TokenFingerprint};
use crate::auth::session::{Team, TokenPair};
use crate::auth::store::{Deleted, Exchanged, StoreError, Stored};
use crate::transport::TransportError;
use kitty_config::ServerUrl;
use kitty_runtime::diagnostic::Diagnostic;
use std::time::Duration;

/// Names one asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

/// Names one effect whose outcome is awaited; an outcome with another ticket is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// What came of waiting for the refresh lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LockOutcome {
    Acquired,
    /// Another process held it all the time.
    TimedOut,
    Failed(String),
}

/// What happens to the actor.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    AccessToken {
        request: RequestId,
        rejected: Option<TokenFingerprint>,
        limit: Duration,
    },
    Membership {
        request: RequestId,
        rehydrate: bool,
        limit: Duration,
    },
    Logout {
        request: RequestId,
    },
    DeadlinePassed {
        request: RequestId,
    },
    Read(Ticket, Result<Option<Stored>, StoreError>),
    Locked(Ticket, LockOutcome),
    Refreshed(Ticket, Result<RefreshAnswer, TransportError>),
    Exchanged(Ticket, Result<Exchanged, StoreError>),
    Deleted(Ticket, Result<Deleted, StoreError>),
    Me(Ticket, Result<MeAnswer, AuthError>),
    TeamsStored(Ticket, Result<Option<Stored>, StoreError>),
}

/// What the actor does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Reads the stored session; answered by [`Input::Read`].
    Read(Ticket),
    /// Waits for the refresh lock; answered by [`Input::Locked`].
    AcquireLock(Ticket),
    /// Gives the refresh lock back.
    ReleaseLock,
    /// Sends the refresh token to its server; answered by [`Input::Refreshed`].
    SendRefresh {
        ticket: Ticket,
        server: ServerUrl,
        refresh_token: Secret,
    },
    /// Stores a session in place of the expected one; answered by [`Input::Exchanged`].
    Exchange {
        ticket: Ticket,
        expected: TokenPair,
        next: Box<Stored>,
    },
    /// Deletes the session of a pair, or any; answered by [`Input::Deleted`].
    Delete {
        ticket: Ticket,
        only: Option<TokenPair>,
    },
    /// Asks the server for the teams; answered by [`Input::Me`].
    FetchMe { ticket: Ticket, token: AccessToken },
    /// Stores teams; answered by [`Input::TeamsStored`].
    StoreTeams {
        ticket: Ticket,
        session_id: String,
        teams: Vec<Team>,
        issuer: ServerUrl,
    },
    /// Sends [`Input::DeadlinePassed`] after a time.
    Wake { request: RequestId, after: Duration },
    /// Answers an asker; each asker is answered once.
    Answer(RequestId, Answer),
    /// Tells the listeners.
    Refreshed(SessionRefreshed),
    /// Tells the listeners.
    Ended(SessionEnded),
    /// Writes a diagnostic to the log.
    Report(Diagnostic),
}

/// An answer to an asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Token(Result<AccessToken, AuthError>),
    Membership(Result<Membership, AuthError>),
    LoggedOut(Result<LoggedOut, StoreError>),
}
