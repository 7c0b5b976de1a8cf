//! The life of a work package, step by step: what an orchestrator, an agent or a person may do next.
//!
//! Every operation locks the mission's status ([`StatusWriter`]), decides, and returns the rows that
//! are to be written as a [`Step`]. Writing them is left to the caller, who stores the events of the
//! rows first, so that no row is ever in git without its event being on its way.
//!
//! Source: reference orchestrator-missions, sections 1.5 and 4.

mod acceptance;
mod error;
mod hand_over;
mod history;
mod inspect;
mod lane_gate;
mod merge;
mod packages;
mod review_cycle;
mod rows;
mod select;
mod start;
mod state;
mod subtasks;
mod transition;
mod workspaces;

pub use acceptance::{Acceptance, accept};
pub use error::WorkflowError;
pub use hand_over::{
    Feedback, HandedOver, MoveRefusal, MoveRequest, RuntimeFacts, SelfReview, SubtaskReset,
    guard_branch, move_task,
};
pub use history::{HistoryEntry, append_history, mark_subtasks};
pub use inspect::{Inspection, diagnose, validate};
pub use merge::{Integrated, MergeReady, prepare_merge};
pub use packages::Packages;
pub use review_cycle::ReviewCycle;
pub use start::{Started, start_implementation, start_review};
pub use state::{MissionState, ReadyPackage, StatePackage, list_ready, mission_state};
pub use subtasks::{Form, Found, Marking, find_subtasks};
pub use transition::{Moved, TransitionRequest, transition};
pub use workspaces::{Place, place_of};

use crate::git::GitProgram;
use crate::handle::{self, NamedMission};
use crate::project::Project;
use crate::status_log::row::Row;
use crate::status_writer::{FileChange, StatusError, StatusWriter, Written};
use kitty_runtime::id::EventIds;
use kitty_runtime::time::TimeSource;
use std::path::PathBuf;

/// What every operation works with.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// The git program.
    pub git: &'a GitProgram,
    /// The project.
    pub project: &'a Project,
    /// Tells the time.
    pub time: &'a dyn TimeSource,
    /// Makes ids.
    pub ids: &'a EventIds,
}

/// Rows that are to be written, and how they are committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Commits that are made before this one, in order.
    pub before: Vec<Part>,
    /// The rows, in order.
    pub rows: Vec<Row<'static>>,
    /// Further files that belong to the step.
    pub changes: Vec<FileChange>,
    /// The message of the commit.
    pub message: String,
    /// The number that the mission gets by being closed.
    pub closes_as: Option<u64>,
}

/// One commit of a step that makes several.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The rows, in order.
    pub rows: Vec<Row<'static>>,
    /// Further files that belong to the commit.
    pub changes: Vec<FileChange>,
    /// The message of the commit.
    pub message: String,
}

impl Step {
    /// A step that writes rows and nothing else.
    #[must_use]
    pub const fn of_rows(rows: Vec<Row<'static>>, message: String) -> Self {
        Self {
            before: Vec::new(),
            rows,
            changes: Vec::new(),
            message,
            closes_as: None,
        }
    }

    /// A step of several commits; `None` without any.
    #[must_use]
    pub fn of_parts(mut parts: Vec<Part>) -> Option<Self> {
        let last = parts.pop()?;
        Some(Self {
            before: parts,
            changes: last.changes,
            ..Self::of_rows(last.rows, last.message)
        })
    }

    /// Every row of the step, in order.
    pub fn all_rows(&self) -> impl Iterator<Item = &Row<'static>> {
        let before = self.before.iter().flat_map(|part| &part.rows);
        before.chain(&self.rows)
    }

    /// Writes and commits every part; when one fails, those before it are taken back.
    ///
    /// # Errors
    /// [`StatusError`]; after [`StatusError::NotRestored`] the first parts stand, otherwise nothing.
    pub fn write(&self, writer: &mut StatusWriter) -> Result<Written, StatusError> {
        let mut written = Vec::new();
        for part in &self.before {
            match writer.write(&part.rows, &part.changes, &part.message) {
                Ok(done) => written.push(done),
                Err(error) => return Err(writer.take_all_back(written, error)),
            }
        }
        let last = writer.write(&self.rows, &self.changes, &self.message);
        last.map_err(|error| writer.take_all_back(written, error))
    }
}

impl Part {
    /// A commit of one row.
    #[must_use]
    pub fn of_row(row: Row<'static>, message: String) -> Self {
        Self {
            rows: vec![row],
            changes: Vec::new(),
            message,
        }
    }
}

impl Desk<'_> {
    /// Finds a mission whose topology this program knows.
    ///
    /// # Errors
    /// [`WorkflowError::Handle`], [`WorkflowError::Topology`].
    pub fn mission(&self, typed: &str) -> Result<NamedMission, WorkflowError> {
        let mission = handle::find(self.project, typed)?;
        match mission.meta.topology.as_deref() {
            Some(topology) if topology.contains("coord") => Err(WorkflowError::Topology {
                slug: mission.slug,
                topology: topology.to_owned(),
            }),
            _ => Ok(mission),
        }
    }

    /// Finds the file of a work package.
    ///
    /// # Errors
    /// [`WorkflowError::NoSuchPackage`], or that the directory cannot be listed.
    pub fn package(
        &self,
        mission: &NamedMission,
        typed: &str,
        wp_id: &str,
    ) -> Result<PathBuf, WorkflowError> {
        let found = crate::work_package::find(&mission.directory, wp_id)?;
        found.ok_or_else(|| WorkflowError::NoSuchPackage {
            wp_id: wp_id.to_owned(),
            mission: typed.to_owned(),
        })
    }

    /// Locks the status of a mission for writing.
    ///
    /// # Errors
    /// [`WorkflowError::Status`].
    pub fn open(&self, mission: &NamedMission) -> Result<StatusWriter, WorkflowError> {
        Ok(StatusWriter::open(self.git, self.project, mission)?)
    }
}
