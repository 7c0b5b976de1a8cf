//! Where the work packages of a mission stand: `status.json`, byte for byte.
//!
//! Source: reference orchestrator-missions, section 4.5.

mod print;
pub mod retrospective;

use crate::lane::Lane;
use crate::status_log::evidence::ReviewResult;
use crate::status_log::row::{ReviewOverride, TextField};
use retrospective::Retrospective;
use serde_json::Value;
use std::collections::BTreeMap;

/// The name of the file in a mission's directory.
pub const FILE_NAME: &str = "status.json";

/// What a log reduces to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The mission's slug as its first row in time says; empty without rows, or when it is not the
    /// name of a directory.
    pub mission_slug: String,
    /// How many transitions there are, repeated rows counted once.
    pub event_count: usize,
    /// The id of the last transition in time.
    pub last_event_id: Option<String>,
    /// When that was; empty without transitions.
    pub materialized_at: String,
    /// Work packages by id.
    pub work_packages: BTreeMap<String, WorkPackageState>,
    /// The retrospective, if one was asked for.
    pub retrospective: Option<Retrospective>,
}

/// What stands in a slot that can also be cleared: absent, null or a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Slot<T> {
    /// Nobody ever set it; the key is left out.
    #[default]
    Absent,
    /// It was cleared; the key is there and null.
    Cleared,
    /// It is set.
    Set(T),
}

impl<T> Slot<T> {
    /// Returns the value.
    pub const fn get(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Cleared => None,
        }
    }
}

/// Where one work package stands, and what its runtime recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkPackageState {
    /// Its lane; `uninitialized` when only annotations name it.
    pub lane: Lane,
    /// Who moved it there last.
    pub actor: String,
    /// When.
    pub last_transition_at: Option<String>,
    /// By which row.
    pub last_event_id: Option<String>,
    /// How many of its transitions were forced.
    pub force_count: u64,
    /// The process that works on it: a number, or what a policy said.
    pub shell_pid: Slot<Value>,
    /// The text slots, by field. `agent` and `shell_pid_created_at` may come from a policy, which
    /// holds any JSON.
    pub texts: BTreeMap<TextField, Slot<Value>>,
    /// The lane of each subtask.
    pub subtasks: Option<BTreeMap<String, Lane>>,
    /// The notes in time order.
    pub notes: Option<Vec<String>>,
    /// References into a tracker.
    pub tracker_refs: Option<Vec<String>>,
    /// An arbiter's override of the review.
    pub review: Slot<ReviewOverride>,
    /// What the reviewer said last; cleared by a way out of review that says nothing.
    pub review_result: Slot<ReviewResult>,
    /// Why it was canceled, in the lane `canceled` only.
    pub cancellation: Option<Cancellation>,
}

/// Why a work package was canceled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// In words.
    pub reason: Option<String>,
    /// `operator` when a person wrote the reason, `synthetic` when a program made it up.
    pub source: String,
}

impl WorkPackageState {
    /// A work package that no row has moved yet.
    pub(crate) fn unmoved(actor: &str) -> Self {
        Self {
            lane: Lane::Uninitialized,
            actor: actor.to_owned(),
            last_transition_at: None,
            last_event_id: None,
            force_count: 0,
            shell_pid: Slot::Absent,
            texts: BTreeMap::new(),
            subtasks: None,
            notes: None,
            tracker_refs: None,
            review: Slot::Absent,
            review_result: Slot::Absent,
            cancellation: None,
        }
    }

    /// Returns the text of a slot.
    #[must_use]
    pub fn text(&self, field: TextField) -> Option<&str> {
        self.texts.get(&field)?.get()?.as_str()
    }

    /// Tells whether other work may build on it: approved, done, or canceled by a person.
    #[must_use]
    pub fn satisfies_dependents(&self) -> bool {
        match self.lane {
            Lane::Approved | Lane::Done => true,
            Lane::Canceled => {
                let source = self.cancellation.as_ref().map(|why| why.source.as_str());
                source == Some("operator")
            }
            _ => false,
        }
    }

    /// Lists the subtasks of a roster that are not done; an empty roster has none.
    #[must_use]
    pub fn open_subtasks<'a>(&self, roster: &'a [String]) -> Vec<&'a str> {
        let is_done = |id: &str| {
            let lane = self.subtasks.as_ref().and_then(|subtasks| subtasks.get(id));
            lane == Some(&Lane::Done)
        };
        roster
            .iter()
            .map(String::as_str)
            .filter(|id| !is_done(id))
            .collect()
    }
}

impl Snapshot {
    /// Returns the lane of a work package; `genesis` before its first transition.
    #[must_use]
    pub fn lane(&self, wp_id: &str) -> Lane {
        match self.work_packages.get(wp_id).map(|state| state.lane) {
            None | Some(Lane::Uninitialized) => Lane::Genesis,
            Some(lane) => lane,
        }
    }

    /// Counts the work packages of each displayed lane, in display order.
    #[must_use]
    pub fn summary(&self) -> [(Lane, usize); 9] {
        let mut counts = Lane::DISPLAYED.map(|lane| (lane, 0));
        for state in self.work_packages.values() {
            if let Some((_, count)) = counts.iter_mut().find(|(lane, _)| *lane == state.lane) {
                *count += 1;
            }
        }
        counts
    }
}
