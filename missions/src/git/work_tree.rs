//! What is uncommitted in a checkout, and what git left unfinished there.

use super::graph::path;
use super::program::{Call, arguments, quiet};
use super::{Checkout, GitError};
use std::io::Read as _;
use std::path::PathBuf;

/// The most that is read of a merge message.
const MESSAGE_BYTES: u64 = 64 * 1024;

/// One uncommitted path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Relative to the root; an untracked directory counts once.
    pub path: PathBuf,
    /// Whether git does not track it.
    pub is_untracked: bool,
    /// Git's two letters: what is staged, and what is not; `??` when it is untracked.
    pub code: String,
}

impl Checkout {
    /// Lists what is modified, staged, unmerged or untracked and not ignored, submodules included.
    ///
    /// The index is not written, and no file watcher of the configuration is started.
    ///
    /// # Errors
    /// Git's refusal, a timeout, or a missing program.
    pub fn changes(&self) -> Result<Vec<Change>, GitError> {
        let mut all = arguments(["--no-optional-locks"]);
        all.extend(quiet([
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=normal",
            "--ignore-submodules=none",
        ]));
        let finished = self.program.require(&Call {
            purpose: "look for uncommitted changes",
            directory: &self.root,
            arguments: &all,
            runs_hooks: false,
            reads_output: true,
        })?;
        let records = finished.output.split(|byte| *byte == 0);
        Ok(records
            .filter_map(|record| {
                let (code, name) = record.split_at_checked(3)?;
                Some(Change {
                    path: path(name),
                    is_untracked: code.starts_with(b"??"),
                    code: String::from_utf8_lossy(&code[..2]).into_owned(),
                })
            })
            .collect())
    }

    /// Returns the first line of the message of a merge that was begun here and not concluded.
    #[must_use]
    pub fn unfinished_merge(&self) -> Option<String> {
        if !self.git_dir.join("MERGE_HEAD").exists() {
            return None;
        }
        let mut bytes = Vec::new();
        let read = std::fs::File::open(self.git_dir.join("MERGE_MSG"))
            .and_then(|file| file.take(MESSAGE_BYTES).read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes);
        Some(match read {
            Ok(_) => text.lines().next().unwrap_or_default().to_owned(),
            Err(_) => String::new(),
        })
    }

    /// Gives up a merge that was begun here: the files of HEAD come back.
    ///
    /// # Errors
    /// Git's refusal.
    pub fn abort_merge(&self) -> Result<(), GitError> {
        let all = quiet(["merge", "--abort"]);
        self.call("abort the merge", &all, true).map(drop)
    }

    /// Moves the checked-out branch to a commit, keeping uncommitted changes.
    ///
    /// # Errors
    /// Git's refusal, above all when an uncommitted change would be overwritten.
    pub fn reset_keep(&self, commit: &str) -> Result<(), GitError> {
        let mut all = quiet(["reset", "--quiet", "--keep"]);
        all.push(commit.into());
        self.call("reset the checkout", &all, true).map(drop)
    }
}
