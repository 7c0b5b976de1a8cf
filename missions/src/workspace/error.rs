//! Why a lane has no workspace.

use super::InvalidName;
use crate::git::GitError;
use std::io;
use std::path::PathBuf;

/// A workspace cannot be made or completed.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// `lanes.json` or `meta.json` holds a name that cannot be a directory or a branch.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The project is not in git.
    #[error("the project is not in a git repository: run `git init` and commit it first")]
    NoRepository,
    /// The target branch does not exist.
    #[error(
        "the target branch {0} does not exist: create it, or correct `target_branch` in lanes.json"
    )]
    NoTarget(String),
    /// `.worktrees` is a link or a file.
    #[error("{} must be a directory of the project and no link: remove it and try again", path.display())]
    Folder {
        /// The `.worktrees` of the project.
        path: PathBuf,
    },
    /// Something else is where the worktree belongs.
    #[error(
        "{} exists and is not a worktree of this repository: move it away and try again",
        path.display()
    )]
    NotOurs {
        /// Where the worktree belongs.
        path: PathBuf,
    },
    /// The worktree has something else checked out.
    #[error(
        "the worktree {} has {} checked out instead of {expected}: run `git switch {expected}` there",
        path.display(),
        found.as_deref().unwrap_or("no branch")
    )]
    OtherBranch {
        /// The worktree.
        path: PathBuf,
        /// The branch of the lane.
        expected: String,
        /// What is checked out.
        found: Option<String>,
    },
    /// The lane's branch is checked out in another place.
    #[error(
        "{branch} is checked out at {}: switch to another branch there and try again",
        path.display()
    )]
    Elsewhere {
        /// The branch of the lane.
        branch: String,
        /// The other worktree.
        path: PathBuf,
    },
    /// The worktree has uncommitted changes.
    #[error(
        "the worktree of {lane} at {} has uncommitted changes ({}): commit or stash them, then try again",
        path.display(),
        listed(paths)
    )]
    Dirty {
        /// The lane.
        lane: String,
        /// The worktree.
        path: PathBuf,
        /// What is uncommitted, relative to the worktree.
        paths: Vec<PathBuf>,
    },
    /// A merge into the lane conflicts; the lane is as it was.
    #[error(
        "{source_name} cannot be merged into {lane}, both changed {}: merge it in the lane's worktree by hand, commit, then try again",
        listed(paths)
    )]
    Conflict {
        /// The lane.
        lane: String,
        /// What was to be merged: a lane with its branch, or the planning commit.
        source_name: String,
        /// The paths that both sides changed.
        paths: Vec<PathBuf>,
    },
    /// The lane does not contain what it must build on.
    #[error("the lane does not contain {}", missing.join(", "))]
    Ancestry {
        /// What is missing, described for people and for `missing_refs`.
        missing: Vec<String>,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A directory cannot be looked at.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// How many paths a message names.
const NAMED: usize = 5;

/// Names the first few paths.
pub(crate) fn listed(paths: &[PathBuf]) -> String {
    let mut names: Vec<String> = paths
        .iter()
        .take(NAMED)
        .map(|path| path.display().to_string().escape_debug().to_string())
        .collect();
    if paths.len() > NAMED {
        names.push(format!("{} more", paths.len() - NAMED));
    }
    names.join(", ")
}
