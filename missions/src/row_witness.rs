//! Whoever must know rows of a status log before they are written.
//!
//! A command that writes rows tells its witness first, under the lock of the mission: the witness
//! stores their events, unseen by anybody, together with a claim that says how to find out later
//! whether the rows were written. So no row is ever in a log without its event being on its way.

use crate::lifecycle::LifecycleEvent;
use crate::status_log::row::Transition;
use kitty_runtime::inbox::Claim;
use std::fmt::Debug;
use std::path::Path;

/// A row that is about to be written.
#[derive(Debug, Clone, Copy)]
pub enum NewRow<'a> {
    /// Something about the mission or one of its phases.
    Lifecycle(&'a LifecycleEvent),
    /// A work package that moves.
    Transition(&'a Transition<'static>),
}

impl NewRow<'_> {
    fn id(&self) -> String {
        match self {
            Self::Lifecycle(row) => row.event_id.to_string(),
            Self::Transition(row) => row.event_id.clone().into_owned(),
        }
    }
}

/// The events of rows were not stored, so the rows were not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotWitnessed(pub String);

/// Is told of rows that are about to be written.
pub trait RowWitness: Debug {
    /// Takes note of rows that are appended to a log together or not at all.
    ///
    /// # Errors
    /// [`NotWitnessed`]; then the rows must not be written.
    fn before(&self, rows: &[NewRow<'_>], claim: Claim) -> Result<(), NotWitnessed>;
}

/// The witness where events are not captured at all.
#[derive(Debug, Clone, Copy)]
pub struct NoWitness;

impl RowWitness for NoWitness {
    fn before(&self, _: &[NewRow<'_>], _: Claim) -> Result<(), NotWitnessed> {
        Ok(())
    }
}

/// Says how to find out later whether rows were written to a log.
pub(crate) fn claim(log: &Path, lock: &Path, rows: &[NewRow<'_>]) -> Claim {
    Claim {
        log: log.to_owned(),
        lock: lock.to_owned(),
        rows: rows.iter().map(NewRow::id).collect(),
        creates_log: !log.exists(),
    }
}
