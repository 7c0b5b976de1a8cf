//! `rewritten.json`: which files were rewritten, from what into what, and how far that is.

use crate::project::Change;
use crate::sha256;
use serde::{Deserialize, Serialize};

/// The version of the manifest's format.
pub(super) const VERSION: u32 = 1;

/// One rewritten file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewritten {
    /// Its path below the project's root, with `/`.
    pub path: String,
    /// Of its original, lower-case hexadecimal.
    pub sha256_before: String,
    /// Of what was written.
    pub sha256_after: String,
    /// What was done, in words.
    pub actions: Vec<String>,
    /// Whether it was committed and unmodified before, so that the change may be committed.
    pub commit: bool,
}

/// How far a rewrite is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Some files may be rewritten and some not.
    Applying,
    /// All are, and were read back.
    Verified,
    /// They are committed.
    Committed,
}

/// What a rewrite did or is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub(super) version: u32,
    /// How far it is.
    pub stage: Stage,
    /// The files.
    pub files: Vec<Rewritten>,
}

impl Manifest {
    /// Notes a change; of a file that was rewritten before, the first original stays the original.
    pub(super) fn note(&mut self, change: &Change, clean: bool) {
        let (before, after) = (sha256(&change.before), sha256(&change.after));
        let known = self.files.iter_mut().find(|file| file.path == change.path);
        match known {
            Some(file) if file.sha256_after == before => {
                file.sha256_after = after;
                file.commit = clean;
                file.actions.extend(change.actions.iter().cloned());
            }
            Some(file) => {
                file.sha256_before = before;
                file.sha256_after = after;
                // A run that was killed here saw it clean; only its own change can have come since.
                file.commit |= clean;
                file.actions.clone_from(&change.actions);
            }
            None => self.files.push(Rewritten {
                path: change.path.clone(),
                sha256_before: before,
                sha256_after: after,
                actions: change.actions.clone(),
                commit: clean,
            }),
        }
    }
}
