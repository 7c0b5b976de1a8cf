//! Why git could not be read or written.

use std::io;
use std::path::PathBuf;

/// Git cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// No `git` on the search path.
    #[error("the `git` program was not found: install git and make sure it is on PATH")]
    Missing,
    /// The repository belongs to somebody else.
    #[error(
        "git does not trust {} because another user owns it: run `git config --global --add safe.directory {}`",
        path.display(),
        path.display()
    )]
    NotTrusted {
        /// The top of the checkout.
        path: PathBuf,
    },
    /// Neither libgit2 nor the program can read the repository.
    #[error("the git repository at {} cannot be read: {detail}", path.display())]
    Unreadable {
        /// The top of the checkout, or its `.git`.
        path: PathBuf,
        /// What git said.
        detail: String,
    },
    /// A call did not end in time; git was ended and reaped.
    #[error(
        "git did not {purpose} within {seconds} s and was stopped: a hook or a signing prompt may be waiting"
    )]
    TimedOut {
        /// What git was to do.
        purpose: &'static str,
        /// The deadline.
        seconds: f64,
    },
    /// Another git process held the index, a reference or the configuration for the whole time.
    #[error("git could not {purpose} because another git process holds a lock: {detail}")]
    Locked {
        /// What git was to do.
        purpose: &'static str,
        /// What git said; names the lock file.
        detail: String,
    },
    /// A linked worktree stayed half made or half removed for the whole time.
    #[error(
        "git could not {purpose} because another git process is making or removing a worktree, or was ended while it did: {detail}; if no git is running, remove the directory named there"
    )]
    WorktreeInTheMaking {
        /// What git was to do.
        purpose: &'static str,
        /// What git said; names the file of the worktree below the git directory.
        detail: String,
    },
    /// Git said no.
    #[error("git could not {purpose}: {detail}")]
    Failed {
        /// What git was to do.
        purpose: &'static str,
        /// What git said: one line without credentials.
        detail: String,
    },
    /// A hook of the user refused the commit.
    #[error("the {hooks} hook refused the commit: {detail}")]
    HookRefused {
        /// The hooks that may have refused, for example `pre-commit`.
        hooks: String,
        /// What the hook printed: one line without credentials.
        detail: String,
    },
    /// Git does not know who commits.
    #[error(
        "git does not know who you are: set `git config user.name` and `git config user.email`"
    )]
    NoIdentity,
    /// The operating system refused.
    #[error("git could not be run to {purpose}: {source}")]
    Io {
        /// What git was to do.
        purpose: &'static str,
        /// The reason.
        source: io::Error,
    },
}
