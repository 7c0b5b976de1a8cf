//! The accounts of a take-over: what was read and what became of it.

use super::source::FileHash;
use kitty_runtime::legacy_files::LegacyKind;
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows that were read.
    pub rows: usize,
    /// Rows that are records of a project's queue now, by this run or an earlier one.
    pub imported: usize,
    /// Rows that say what another row says.
    pub duplicates: usize,
    /// Rows that a server has.
    pub delivered: usize,
    /// Rows that are kept apart for somebody else.
    pub held: usize,
    /// Rows that cannot be delivered.
    pub quarantined: usize,
    /// Rows of which none of this can be said; always 0.
    pub unaccounted: usize,
}

/// A queue file and what became of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// The file, below the state root.
    pub source: String,
    /// Which release wrote it.
    pub kind: LegacyKind,
    /// What became of its rows.
    pub counts: Counts,
    /// Its files before.
    pub files: Vec<FileHash>,
    /// Whether they are the same now.
    pub unchanged: bool,
    /// Lines of a log of failed uploads, which are no tasks and stay there.
    pub failure_log: usize,
}

/// What a project got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProjectCounts {
    /// Events.
    pub events: usize,
    /// Bodies.
    pub bodies: usize,
    /// Of both, how many this run appended.
    pub added: usize,
}

/// The accounts of a take-over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueReport {
    /// Every queue file.
    pub sources: Vec<SourceReport>,
    /// Files that cannot be read, with the reason; their rows are not counted.
    pub unreadable: BTreeMap<String, String>,
    /// Files whose name no release gave to a queue.
    pub misnamed: Vec<String>,
    /// All sources together.
    pub total: Counts,
    /// What each project got.
    pub projects: BTreeMap<String, ProjectCounts>,
    /// Quarantined rows by reason.
    pub quarantine: BTreeMap<String, usize>,
    /// Held rows by whose they are.
    pub held: BTreeMap<String, usize>,
}

impl Counts {
    /// Compares what was read with what became of it.
    pub(super) fn closed(self, read: usize) -> Self {
        let known = self.imported + self.duplicates + self.delivered + self.held + self.quarantined;
        Self {
            rows: read,
            unaccounted: read.abs_diff(known),
            ..self
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            imported: self.imported + other.imported,
            duplicates: self.duplicates + other.duplicates,
            delivered: self.delivered + other.delivered,
            held: self.held + other.held,
            quarantined: self.quarantined + other.quarantined,
            unaccounted: self.unaccounted + other.unaccounted,
        }
    }
}
