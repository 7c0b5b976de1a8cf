//! What the canary needs from outside: a Teamspace to ask, and somebody who watches.

use crate::result::Scenario;
use serde_json::Value;
use std::fmt;

/// A Teamspace that could not be asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct TeamspaceError(pub String);

/// The Teamspace that the binary under test delivers to, as its operator and its reader see it.
pub trait Teamspace: fmt::Debug {
    /// Returns the address, without a slash at the end.
    fn url(&self) -> &str;

    /// Approves a device login, or has a person approve it.
    ///
    /// # Errors
    /// [`TeamspaceError`].
    fn approve(&self, user_code: &str) -> Result<(), TeamspaceError>;

    /// Returns the envelopes of the account's Private Teamspace in order of arrival.
    ///
    /// # Errors
    /// [`TeamspaceError`].
    fn events(&self) -> Result<Vec<Value>, TeamspaceError>;

    /// Returns what the server says about its readiness.
    ///
    /// # Errors
    /// [`TeamspaceError`] when it is not ready.
    fn readiness(&self) -> Result<Value, TeamspaceError>;
}

/// Somebody who is told where a run stands.
pub trait Watcher: fmt::Debug {
    /// Hears of a step; `scenario` is missing while a run is prepared or ended.
    fn step(&self, run_number: u8, scenario: Option<Scenario>, step: &str);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn step(&self, _: u8, _: Option<Scenario>, _: &str) {}
}
