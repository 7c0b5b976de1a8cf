//! What the gate needs from outside, as ports.

use super::core::Gate;
use super::facts::{Act, Answer, IssueRef, IssueState, Question, Release, Rows, Witness};
use super::snapshot::Snapshot;
use serde_json::Value;
use std::fmt;

/// The outside could not be asked; the gate is where it was and may be activated again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WorldError(pub String);

impl WorldError {
    /// Creates an error from whatever says what is the matter.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Everything outside of the gate.
pub trait World: fmt::Debug {
    /// Finds something out; may be asked again when the gate was killed before the answer was kept.
    ///
    /// # Errors
    /// [`WorldError`].
    fn answer(&mut self, question: &Question, gate: &Gate) -> Result<Answer, WorldError>;

    /// Does something once: an act that is done already, which its id tells, is not repeated.
    ///
    /// # Errors
    /// [`WorldError`].
    fn perform(&mut self, act: &Act) -> Result<Witness, WorldError>;
}

/// The issue tracker.
pub trait Tracker: fmt::Debug {
    /// Returns the state of an issue.
    ///
    /// # Errors
    /// [`WorldError`].
    fn state(&self, issue: &IssueRef) -> Result<IssueState, WorldError>;

    /// Does an act unless it is done already.
    ///
    /// # Errors
    /// [`WorldError`].
    fn perform(&self, act: &Act) -> Result<Witness, WorldError>;
}

/// Where releases are published.
pub trait ReleaseSource: fmt::Debug {
    /// Returns the published releases, in any order.
    ///
    /// # Errors
    /// [`WorldError`].
    fn releases(&self) -> Result<Vec<Release>, WorldError>;
}

/// The Teamspace, as the gate reads it.
pub trait ServerView: fmt::Debug {
    /// Asks a health endpoint: the status and the document, null when there is none.
    ///
    /// # Errors
    /// [`WorldError`] when nobody answers in time.
    fn health(&self, path: &str) -> Result<(u16, Value), WorldError>;

    /// Returns the historical rows that a business rule refused.
    ///
    /// # Errors
    /// [`WorldError`].
    fn rows(&self) -> Result<Rows, WorldError>;

    /// Returns what the server holds; the watched files are left empty.
    ///
    /// # Errors
    /// [`WorldError`].
    fn snapshot(&self) -> Result<Snapshot, WorldError>;

    /// Returns the digest over the events up to a sequence number, and how many of the later ones are
    /// not of the canary's account.
    ///
    /// # Errors
    /// [`WorldError`].
    fn since(&self, sequence: i64) -> Result<(String, u64), WorldError>;
}
