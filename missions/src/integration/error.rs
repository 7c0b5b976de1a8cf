//! Why a mission is not integrated.

use crate::git::GitError;
use crate::workspace::{InvalidName, WorkspaceError, listed};
use std::io;
use std::path::PathBuf;

/// A mission cannot be integrated.
#[derive(Debug, thiserror::Error)]
pub enum IntegrationError {
    /// `lanes.json` or `meta.json` holds a name that cannot be a directory or a branch.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The project is not in git.
    #[error("the project is not in a git repository: run `git init` and commit it first")]
    NoRepository,
    /// The target branch is nowhere.
    #[error("Target branch '{0}' does not exist locally or on origin.")]
    NoTarget(String),
    /// A lane was never begun, or its branch is gone.
    #[error("Lane branch {0} does not exist")]
    NoLane(String),
    /// Two branches changed the same lines.
    #[error(
        "{from} cannot be merged into {into}, both changed {}: merge them by hand, commit, then try again",
        listed(paths)
    )]
    Conflict {
        /// The branch that was to be merged.
        from: String,
        /// The branch it was to be merged into.
        into: String,
        /// The paths that both sides changed.
        paths: Vec<PathBuf>,
    },
    /// The squash would be empty.
    #[error("a squash of {from} into {into} would be empty: {into} holds these changes already")]
    NothingToSquash {
        /// The mission branch.
        from: String,
        /// The target branch.
        into: String,
    },
    /// Two worktrees have the branch checked out.
    #[error(
        "{branch} is checked out in {count} worktrees: switch all but one of them to another branch"
    )]
    CheckedOutTwice {
        /// The branch.
        branch: String,
        /// How many worktrees.
        count: usize,
    },
    /// A checkout of the branch cannot follow it.
    #[error(
        "{branch} was not moved because its checkout at {} cannot follow: {detail}",
        path.display()
    )]
    Checkout {
        /// The branch.
        branch: String,
        /// The checkout.
        path: PathBuf,
        /// What git said: names the files that would be overwritten.
        detail: GitError,
    },
    /// Somebody committed on the branch while it was merged.
    #[error("{0} was changed by somebody else meanwhile: try again")]
    Moved(String),
    /// The journal cannot be read or written.
    #[error("the merge journal {} cannot be used: {detail}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The reason.
        detail: String,
    },
    /// The temporary worktree cannot be made or removed.
    #[error("the temporary worktree {} cannot be used: {source}", path.display())]
    Tree {
        /// The worktree.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A worktree of a lane cannot be looked at.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
}
