//! Git: read through libgit2, written through the `git` program.
//!
//! Reading in process keeps queries at microseconds; where libgit2 refuses (another owner, reftable,
//! SHA-256 objects) the program is asked instead. Writing starts the program, because hooks, signing
//! and configuration belong to the user. A directory inside the tree that merely looks like a bare
//! repository is never opened: only a `.git` entry makes a checkout.

/// Asks whichever reader the checkout has.
macro_rules! ask {
    ($self:ident, $reader:ident => $call:expr) => {
        match &$self.reader {
            Reader::Library($reader) => $call,
            Reader::Program($reader) => $call,
        }
    };
}

mod branch;
mod commit;
mod error;
mod graph;
mod interference;
mod library;
mod merge;
mod output;
mod program;
mod push;
mod questions;
mod record;
mod remote;
mod wait;
mod work_tree;
mod worktree;

pub use commit::{Committed, Switched};
pub use error::GitError;
pub use merge::Merged;
pub use program::GitProgram;
pub use push::Pushed;
pub use remote::repo_slug;
pub use work_tree::Change;
pub use worktree::{At, Worktree};

use library::Library;
use questions::Questions;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A branch with at least one commit.
    Branch {
        /// The name without `refs/heads/`.
        name: String,
        /// The commit, in hexadecimal.
        commit: String,
    },
    /// A branch that has no commit yet.
    Unborn {
        /// The name without `refs/heads/`.
        name: String,
    },
    /// A commit without a branch.
    Detached {
        /// The commit, in hexadecimal.
        commit: String,
    },
}

impl Head {
    /// Returns the branch, if one is checked out.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        match self {
            Self::Branch { name, .. } | Self::Unborn { name } => Some(name),
            Self::Detached { .. } => None,
        }
    }

    /// Returns the commit, if there is one.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Branch { commit, .. } | Self::Detached { commit } => Some(commit),
            Self::Unborn { .. } => None,
        }
    }
}

/// One working tree: the primary checkout of a repository, or a linked worktree.
pub struct Checkout {
    program: GitProgram,
    root: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    reader: Reader,
}

enum Reader {
    Library(Library),
    Program(Questions),
}

impl fmt::Debug for Checkout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Checkout")
            .field("root", &self.root)
            .field("git_dir", &self.git_dir)
            .field("common_dir", &self.common_dir)
            .field("in_process", &matches!(self.reader, Reader::Library(_)))
            .finish_non_exhaustive()
    }
}

/// Names that are taken for the primary branch when nothing else tells, in this order.
const COMMON_PRIMARY_BRANCHES: [&str; 3] = ["main", "master", "develop"];

impl Checkout {
    /// Finds the checkout that a directory lies in; `None` outside of every repository.
    ///
    /// # Errors
    /// [`GitError::NotTrusted`], [`GitError::Unreadable`], or that the program cannot be run.
    pub fn discover(program: &GitProgram, start: &Path) -> Result<Option<Self>, GitError> {
        let start = start.canonicalize().map_err(|source| GitError::Io {
            purpose: "find the repository",
            source,
        })?;
        for directory in start.ancestors() {
            if directory.join(".git").exists()
                && let Some(checkout) = Self::open(program, directory)?
            {
                return Ok(Some(checkout));
            }
        }
        Ok(None)
    }

    /// Opens the checkout whose top is this directory.
    ///
    /// # Errors
    /// Those of [`Self::discover`].
    pub fn open(program: &GitProgram, root: &Path) -> Result<Option<Self>, GitError> {
        let (places, reader) = match Library::open(root) {
            Ok(Some((places, library))) => (places, Reader::Library(library)),
            Ok(None) => return Ok(None),
            Err(refusal) => match Questions::open(program, root) {
                Ok(Some((places, questions))) => (places, Reader::Program(questions)),
                Ok(None) => return Ok(None),
                Err(GitError::Missing) => return Err(library::refused(root, &refusal)),
                Err(error) => return Err(error),
            },
        };
        Ok(Some(Self {
            program: program.clone(),
            root: places.root,
            git_dir: places.git_dir,
            common_dir: places.common_dir,
            reader,
        }))
    }

    /// The program that writes here.
    #[must_use]
    pub const fn program(&self) -> &GitProgram {
        &self.program
    }

    /// The top of the working tree, absolute and without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The checkout's own git directory: `.git`, or `.git/worktrees/<name>` of the primary.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git directory that all worktrees of the repository share.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Tells whether this is a linked worktree.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.git_dir != self.common_dir
    }

    /// Returns the top of the primary checkout: this one's unless it is linked; `None` when the
    /// worktrees belong to a bare repository.
    ///
    /// # Errors
    /// Those of [`Self::discover`].
    pub fn primary_root(&self) -> Result<Option<PathBuf>, GitError> {
        if !self.is_linked() {
            return Ok(Some(self.root.clone()));
        }
        ask!(self, reader => reader.primary_root(&self.common_dir))
    }

    /// Returns what is checked out now.
    ///
    /// # Errors
    /// [`GitError::Unreadable`], or that the program cannot be run.
    pub fn head(&self) -> Result<Head, GitError> {
        ask!(self, reader => reader.head(&self.root))
    }

    /// Returns the URL of the remote `origin` as it is configured; it may hold credentials.
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn origin_url(&self) -> Result<Option<String>, GitError> {
        ask!(self, reader => reader.origin_url(&self.root))
    }

    /// Returns `owner/repo` of the remote `origin`.
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn repo_slug(&self) -> Result<Option<String>, GitError> {
        Ok(self.origin_url()?.as_deref().and_then(repo_slug))
    }

    /// Tells whether the ignore rules cover a path (relative to the root).
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn is_ignored(&self, path: &Path) -> Result<bool, GitError> {
        ask!(self, reader => reader.is_ignored(&self.root, path))
    }

    /// Returns the commit that a full reference name resolves to.
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn reference(&self, name: &str) -> Result<Option<String>, GitError> {
        ask!(self, reader => reader.reference(&self.root, name))
    }

    /// Returns the repository's primary branch: what `origin/HEAD` names, else the current branch if
    /// it is called `main`, `master` or `develop`, else the first of these that exists, else the
    /// current branch.
    ///
    /// # Errors
    /// Those of [`Self::head`].
    pub fn primary_branch(&self, current: &str) -> Result<String, GitError> {
        if let Some(branch) = ask!(self, reader => reader.origin_head(&self.root))? {
            return Ok(branch);
        }
        if COMMON_PRIMARY_BRANCHES.contains(&current) {
            return Ok(current.to_owned());
        }
        for branch in COMMON_PRIMARY_BRANCHES {
            for folder in ["refs/heads", "refs/remotes/origin"] {
                if self.reference(&format!("{folder}/{branch}"))?.is_some() {
                    return Ok(branch.to_owned());
                }
            }
        }
        Ok(current.to_owned())
    }

    /// Tells whether a path (relative to the root) is in the tree of a commit.
    fn is_in_commit(&self, commit: &str, path: &Path) -> Result<bool, GitError> {
        ask!(self, reader => reader.is_in_commit(&self.root, commit, path))
    }

    /// Returns the id of a file's content in a commit; `None` when the commit has no such path.
    fn blob(&self, commit: &str, path: &Path) -> Result<Option<String>, GitError> {
        ask!(self, reader => reader.blob(&self.root, commit, path))
    }

    /// Returns the first parent of a commit.
    fn first_parent(&self, commit: &str) -> Result<Option<String>, GitError> {
        ask!(self, reader => reader.first_parent(&self.root, commit))
    }
}

/// The three directories of a checkout, absolute and without symbolic links.
struct Places {
    root: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
}

/// Tells whether a branch may have this name.
///
/// A leading dash is refused as well, because the `git` program would take it for an option.
#[must_use]
pub fn is_branch_name(name: &str) -> bool {
    !name.starts_with('-') && git2::Branch::name_is_valid(name).unwrap_or(false)
}
