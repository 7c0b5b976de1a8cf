//! `status.json`: how a scope stood when its owner last looked.
//!
//! Written by the owner, read by everybody: a reader never opens the mailbox. What was added to the
//! journal or the inbox since is counted from there ([`crate::snapshot`]).

use crate::crashsafe::{self, Durability};
use crate::fs::{Filesystem, read_all};
use crate::journal::JournalView;
use crate::mailbox::{Meta, TargetRow};
use crate::time::{SharedTime, iso};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The version of the format.
const VERSION: u32 = 1;
/// How many reports of damage are kept.
const KEPT_REPORTS: usize = 50;

/// Damage that was found and survived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DamageReport {
    /// When it was found.
    pub at: String,
    /// What it was and what was done.
    pub what: String,
}

impl DamageReport {
    pub(crate) fn now(time: &SharedTime, what: String) -> Self {
        Self {
            at: iso(time.now()),
            what,
        }
    }
}

/// How a scope stands with one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetStatus {
    /// Counts, tries and how far it has come.
    pub row: TargetRow,
    /// When the oldest open event was captured, in milliseconds since the Unix epoch.
    pub oldest_open_ms: Option<u64>,
}

/// The content of `status.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusFile {
    version: u32,
    /// When it was written.
    pub written_at: String,
    /// How far the journal is indexed, and totals.
    pub meta: Meta,
    /// The bytes of all segments.
    pub journal_bytes: u64,
    /// The targets that were ever tried.
    pub targets: Vec<TargetStatus>,
    /// Damage, oldest first.
    pub damage: Vec<DamageReport>,
}

impl StatusFile {
    pub(crate) fn new(
        time: &SharedTime,
        meta: Meta,
        journal: &JournalView,
        targets: Vec<TargetStatus>,
        mut damage: Vec<DamageReport>,
    ) -> Self {
        damage.drain(..damage.len().saturating_sub(KEPT_REPORTS));
        let journal_bytes = journal.total_length();
        Self {
            version: VERSION,
            written_at: iso(time.now()),
            meta,
            journal_bytes,
            targets,
            damage,
        }
    }

    /// Reads the file; `None` when it is missing, unreadable or of another version.
    #[must_use]
    pub fn read(filesystem: &dyn Filesystem, path: &Path) -> Option<Self> {
        let status: Self = serde_json::from_slice(&read_all(filesystem, path).ok()?).ok()?;
        (status.version == VERSION).then_some(status)
    }

    /// Writes the file; it can be made again, so it survives the process and not a power cut.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn write(&self, filesystem: &dyn Filesystem, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).expect("a status is plain data");
        crashsafe::replace(filesystem, path, &text, Durability::ProcessDeath)
    }
}
