//! What the auth actor is built from.

use super::messages::{SessionEnded, SessionRefreshed};
use super::pause::SharedPauses;
use super::refresh_lock::RefreshLock;
use super::secret::Secret;
use super::store::SharedStore;
use crate::transport::SharedTransport;
use actix::Recipient;
use kitty_config::{Environment, env};
use kitty_runtime::time::SharedTime;

/// What the auth actor works with.
#[derive(Debug, Clone)]
pub struct AuthPorts {
    /// Keeps the session.
    pub store: SharedStore,
    /// Keeps other processes from refreshing at the same time.
    pub lock: RefreshLock,
    /// Reaches the server.
    pub transport: SharedTransport,
    /// Tells the time.
    pub time: SharedTime,
    /// Lets time pass.
    pub pauses: SharedPauses,
}

/// Who is told what happened to the session; a listener that is full or gone misses it.
#[derive(Default)]
pub struct AuthListeners {
    /// Told of every new access token.
    pub refreshed: Vec<Recipient<SessionRefreshed>>,
    /// Told of the end of the session.
    pub ended: Vec<Recipient<SessionEnded>>,
}

/// Returns the token of `SPEC_KITTY_ACCESS_TOKEN`, which wins over every stored session.
#[must_use]
pub fn environment_token(environment: &Environment) -> Option<Secret> {
    environment
        .text(env::SPEC_KITTY_ACCESS_TOKEN)
        .map(Secret::new)
}
