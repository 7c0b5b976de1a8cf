//! What the canary needs from outside: a Teamspace to ask, and somebody who watches.

use crate::result::Scenario;
use crate::suite::Case;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

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

/// What the Teamspace suite needs of the Teamspace besides.
pub trait LiveTeamspace: Teamspace {
    /// Returns a mission with its work packages and their lanes, as the reading API shows it; `None` when
    /// the Teamspace does not know it.
    ///
    /// # Errors
    /// [`TeamspaceError`].
    fn mission(&self, slug: &str) -> Result<Option<Value>, TeamspaceError>;

    /// Counts the rows that failed for good.
    ///
    /// # Errors
    /// [`TeamspaceError`].
    fn failed_rows(&self) -> Result<u64, TeamspaceError>;

    /// Subscribes to every event that is stored from now on.
    ///
    /// # Errors
    /// [`TeamspaceError`].
    fn subscribe(&self) -> Result<Box<dyn Subscription>, TeamspaceError>;

    /// Makes a way to the Teamspace that can be taken away.
    ///
    /// # Errors
    /// [`TeamspaceError`].
    fn uplink(&self) -> Result<Box<dyn Uplink>, TeamspaceError>;
}

/// An event as it is told of while it happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Its place in the server's order.
    pub sequence: i64,
    /// The envelope.
    pub envelope: Value,
}

/// An open line over which events are told of.
pub trait Subscription: fmt::Debug {
    /// Waits for the next event; `None` when none came in time.
    ///
    /// # Errors
    /// [`TeamspaceError`] when the line has ended.
    fn next(&mut self, limit: Duration) -> Result<Option<Live>, TeamspaceError>;
}

/// One machine's way to the Teamspace.
pub trait Uplink: fmt::Debug {
    /// Returns the address at which the machine reaches the Teamspace, whether it is open or not.
    fn url(&self) -> &str;

    /// Returns what the machine's environment has besides, as it is now.
    fn environment(&self) -> Vec<(&'static str, String)>;

    /// Opens or closes it. While it is closed nothing gets through.
    fn set_open(&self, open: bool);
}

/// Somebody who is told where the Teamspace suite stands.
pub trait SuiteWatcher: fmt::Debug {
    /// Hears of a step.
    fn step(&self, case: Case, step: &str);
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
