//! Merges, squashes and rebases inside a checkout; a conflict leaves the checkout as it was.

use super::graph::paths;
use super::program::{Call, literal, quiet};
use super::{Checkout, GitError, Head};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

/// Settings of the user that would change what a merge records or leaves behind are overridden:
/// `merge.ff`, `merge.autoStash`, `merge.log`, `branch.<name>.mergeOptions`.
const MERGE: [&str; 6] = [
    "merge",
    "--quiet",
    "--no-edit",
    "--no-autostash",
    "--no-log",
    "--no-stat",
];

/// What a merge, squash or rebase came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// HEAD is this commit now; the same one as before when there was nothing to do.
    At(String),
    /// Both sides changed these paths; nothing was kept of the attempt.
    Conflict(Vec<PathBuf>),
}

impl Checkout {
    /// Merges a commit into what is checked out, by fast-forward where that is possible.
    ///
    /// The checkout must be clean. The user's hooks run. On a conflict the merge is aborted.
    ///
    /// # Errors
    /// Git's refusal (a hook, no identity) or a timeout; then the merge is aborted as well.
    pub fn merge(&self, commit: &str, message: &str) -> Result<Merged, GitError> {
        let mut all = quiet(MERGE);
        all.extend(["--ff", "--commit", "--no-squash", "-m"].map(OsString::from));
        all.extend([message, commit].map(OsString::from));
        self.attempt("merge", &all, "--abort")
    }

    /// Records everything that a commit has beyond HEAD as one new commit, preferring its side
    /// where both changed the same lines. Returns `None` when there is nothing to record.
    ///
    /// For worktrees of our own: a failure resets every file.
    ///
    /// # Errors
    /// Those of [`Self::merge`].
    pub fn squash(&self, commit: &str, message: &str) -> Result<Option<Merged>, GitError> {
        let mut all = quiet(MERGE);
        all.extend(["--ff", "--squash", "-X", "theirs"].map(OsString::from));
        all.push(commit.into());
        let merged = self.attempt("squash", &all, "--hard")?;
        if matches!(merged, Merged::Conflict(_)) || self.changes()?.is_empty() {
            return Ok(matches!(merged, Merged::Conflict(_)).then_some(merged));
        }
        let mut all = quiet(["commit", "--quiet", "--message"]);
        all.push(message.into());
        self.attempt("squash", &all, "--hard").map(Some)
    }

    /// Repeats the commits of the detached HEAD on top of another commit, merges flattened; for
    /// worktrees of our own.
    ///
    /// # Errors
    /// Those of [`Self::merge`].
    pub fn rebase(&self, onto: &str) -> Result<Merged, GitError> {
        let mut all = quiet([
            "rebase",
            "--quiet",
            "--no-autostash",
            "--no-autosquash",
            "--no-fork-point",
            "--no-rebase-merges",
            "--no-stat",
            "--no-update-refs",
        ]);
        all.push(onto.into());
        self.attempt("rebase", &all, "--abort")
    }

    /// Moves the checked-out branch forward to a commit that contains it, and the files with it.
    ///
    /// Uncommitted changes of other files are kept.
    ///
    /// # Errors
    /// Git's refusal, above all when an uncommitted change or an untracked file would be
    /// overwritten or when the branch is not contained in the commit; then nothing changed.
    pub fn fast_forward(&self, commit: &str) -> Result<(), GitError> {
        let mut all = quiet(MERGE);
        all.extend(["--ff-only", "--no-squash"].map(OsString::from));
        all.push(commit.into());
        self.call("move the checkout forward", &all, true).map(drop)
    }

    /// Records files as another commit has them, the missing ones included, as one new commit.
    ///
    /// For worktrees of our own: a failure resets every file.
    ///
    /// # Errors
    /// Those of [`Self::merge`].
    pub fn restore(
        &self,
        commit: &str,
        paths: &BTreeSet<PathBuf>,
        message: &str,
    ) -> Result<Merged, GitError> {
        let mut all = quiet(["restore", "--quiet", "--staged", "--worktree"]);
        all.push(format!("--source={commit}").into());
        all.push("--".into());
        all.extend(paths.iter().map(|path| literal(path)));
        self.call("put files back", &all, true)?;
        let mut all = quiet(["commit", "--quiet", "--message"]);
        all.push(message.into());
        self.attempt("squash", &all, "--hard")
    }

    /// Checks out a commit without a branch; for worktrees of our own, where nothing is kept.
    ///
    /// # Errors
    /// Git's refusal.
    pub fn detach_at(&self, commit: &str) -> Result<(), GitError> {
        let mut all = quiet(["checkout", "--quiet", "--force", "--detach"]);
        all.push(commit.into());
        self.call("check out the commit", &all, true).map(drop)
    }

    fn attempt(
        &self,
        verb: &'static str,
        all: &[OsString],
        undo: &'static str,
    ) -> Result<Merged, GitError> {
        // What is undone below must be what was begun here.
        if self.unfinished_merge().is_some() {
            return Err(GitError::Failed {
                purpose: verb,
                detail: "a merge was begun here and not concluded".to_owned(),
            });
        }
        let outcome = self.program.run(&self.described(verb, all, true));
        if let Ok(finished) = &outcome
            && finished.success
        {
            return self.at_head();
        }
        let conflicts = self.unmerged()?;
        self.undo(verb, undo)?;
        match outcome {
            Ok(_) if !conflicts.is_empty() => Ok(Merged::Conflict(conflicts)),
            Ok(finished) => Err(self.explain(verb, finished)),
            Err(error) => Err(error),
        }
    }

    fn undo(&self, verb: &'static str, undo: &'static str) -> Result<(), GitError> {
        let unfinished = match verb {
            "merge" => self.unfinished_merge().is_some(),
            "rebase" => ["rebase-merge", "rebase-apply"]
                .iter()
                .any(|folder| self.git_dir.join(folder).exists()),
            _ => true,
        };
        if !unfinished {
            return Ok(());
        }
        let all = match verb {
            "squash" => quiet(["reset", "--quiet", undo]),
            verb => quiet([verb, undo]),
        };
        self.call("undo the attempt", &all, true).map(drop)
    }

    fn at_head(&self) -> Result<Merged, GitError> {
        match self.head()? {
            Head::Branch { commit, .. } | Head::Detached { commit } => Ok(Merged::At(commit)),
            Head::Unborn { name } => Err(GitError::Unreadable {
                path: self.root.clone(),
                detail: format!("the branch {name} has no commit"),
            }),
        }
    }

    fn unmerged(&self) -> Result<Vec<PathBuf>, GitError> {
        let all = quiet([
            "diff",
            "--no-ext-diff",
            "--name-only",
            "--diff-filter=U",
            "-z",
        ]);
        let finished = self.program.require(&Call {
            purpose: "list the conflicts",
            directory: &self.root,
            arguments: &all,
            runs_hooks: false,
            reads_output: true,
        })?;
        let mut all: Vec<PathBuf> = paths(&finished.output).collect();
        all.dedup();
        Ok(all)
    }
}
