//! Why a mission was not created.

use crate::git::GitError;
use crate::project::{ConfigProblem, ProjectError};
use crate::row_witness::NotWitnessed;
use kitty_runtime::lock::LockError;
use std::io;
use std::path::{Path, PathBuf};

/// A mission was not created; everything is as it was unless [`CreateError::NotUndone`] says more.
///
/// `Display` is the one line of `{"error": …}`.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The events of the mission could not be stored.
    #[error(transparent)]
    NotWitnessed(#[from] NotWitnessed),
    /// The name cannot be a slug.
    #[error(
        "{:?} is not a mission slug: use lower-case letters and digits joined by single hyphens, for example user-auth",
        shortened(slug)
    )]
    InvalidSlug {
        /// What was typed.
        slug: String,
    },
    /// The name makes a directory name that file systems refuse.
    #[error(
        "the mission slug is {length} characters long: use at most {} characters",
        super::request::LONGEST_SLUG
    )]
    SlugTooLong {
        /// Its length.
        length: usize,
    },
    /// A text option was given without text.
    #[error("{option} is empty: give it a text or leave it out")]
    EmptyText {
        /// The option as typed.
        option: &'static str,
    },
    /// No such mission type.
    #[error(
        "unknown mission type {:?}: use one of {}",
        shortened(given),
        super::request::MISSION_TYPES.join(", ")
    )]
    UnknownType {
        /// What was typed.
        given: String,
    },
    /// The project does not use this type.
    #[error(
        "mission type '{given}' is not activated in this project: use one of {}, or add it to `mission_type_activations` in .kittify/config.yaml",
        activated.join(", ")
    )]
    TypeNotActivated {
        /// What was asked for.
        given: &'static str,
        /// What the project uses.
        activated: Vec<String>,
    },
    /// The project's list of types is empty.
    #[error(
        "no mission type is activated in this project: add one of {} to `mission_type_activations` in .kittify/config.yaml",
        super::request::MISSION_TYPES.join(", ")
    )]
    NoTypeActivated,
    /// The topology does not exist, or is not built.
    #[error(
        "topology {:?} is not available: use single_branch or lanes",
        shortened(given)
    )]
    TopologyNotAvailable {
        /// What was typed.
        given: String,
    },
    /// `--branch-strategy` has one value.
    #[error(
        "unknown branch strategy {:?}: use already-confirmed",
        shortened(given)
    )]
    UnknownBranchStrategy {
        /// What was typed.
        given: String,
    },
    /// A mission for a pull request would be planned on the branch it is merged into.
    #[error(
        "a pull-request mission would be planned on '{branch}', the branch it is merged into: use --start-branch, or pass --branch-strategy already-confirmed"
    )]
    BranchNotConfirmed {
        /// The branch.
        branch: String,
    },
    /// Two options name two branches.
    #[error(
        "--start-branch '{start}' and --target-branch '{target}' differ, but a mission has one planning branch: leave --target-branch out"
    )]
    BranchesDiffer {
        /// `--start-branch`.
        start: String,
        /// `--target-branch`.
        target: String,
    },
    /// Git accepts no such branch name.
    #[error("{:?} is not a valid branch name", shortened(name))]
    InvalidBranch {
        /// What was typed.
        name: String,
    },
    /// The scaffold would be committed to another branch than asked for.
    #[error(
        "the checkout is on '{current}' and not on the target branch '{target}': switch to it first, or use --start-branch"
    )]
    TargetNotCheckedOut {
        /// What is checked out.
        current: String,
        /// What was asked for.
        target: String,
    },
    /// No repository.
    #[error("{} is not in a git repository: run `git init` there and commit", path.display())]
    NotARepository {
        /// The project's root.
        path: PathBuf,
    },
    /// A repository without a commit.
    #[error(
        "the repository has no commit yet: run `git commit --allow-empty -m \"Initial commit\"` first"
    )]
    NoCommit,
    /// No branch is checked out.
    #[error("HEAD is detached: check out a branch, or use --start-branch")]
    DetachedHead,
    /// A linked worktree is not the place of a mission.
    #[error(
        "{} is a linked worktree: run the command in {}, or pass --owned-checkout",
        worktree.display(),
        primary.display()
    )]
    LinkedWorktree {
        /// Where the command was started.
        worktree: PathBuf,
        /// The project's root.
        primary: PathBuf,
    },
    /// `--owned-checkout` names something else.
    #[error("{} is not a checkout of this project's repository", path.display())]
    ForeignCheckout {
        /// What was given.
        path: PathBuf,
    },
    /// A mission with exactly this slug exists.
    #[error("the mission '{slug}' exists already: choose another slug")]
    Exists {
        /// The existing mission's slug.
        slug: String,
    },
    /// A link or a file stands where a directory must be.
    #[error(
        "{} is not a plain directory (a link or a file): missions are kept inside the checkout",
        path.display()
    )]
    UnsafePath {
        /// The path.
        path: PathBuf,
    },
    /// Nothing can be written.
    #[error("{} cannot be written (read-only or not permitted): check its permissions", path.display())]
    ReadOnly {
        /// The path.
        path: PathBuf,
    },
    /// No space, or the quota is used up.
    #[error("the disk is full, {} cannot be written: free some space and run the command again", path.display())]
    DiskFull {
        /// The path.
        path: PathBuf,
    },
    /// Another failure of the file system.
    #[error("{} cannot be written: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another process creates a mission here.
    #[error(transparent)]
    Busy(#[from] LockError),
    /// Git refused.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The project cannot be found.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The configuration cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
    /// Something failed, and so did taking back what was done before.
    #[error("{cause}; it could not be undone completely, look at: {}", left.join(", "))]
    NotUndone {
        /// The first failure.
        cause: Box<CreateError>,
        /// What is left, each with its reason.
        left: Vec<String>,
    },
}

impl CreateError {
    /// Returns the stable code that today's answer has beside the message, where it has one.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::NoTypeActivated => Some("CHARTER_PACK_CONFIG_INVALID"),
            Self::BranchesDiffer { .. } => Some("START_BRANCH_TARGET_MISMATCH"),
            Self::InvalidBranch { .. } => Some("START_BRANCH_FAILED"),
            Self::BranchNotConfirmed { .. } => Some("BRANCH_STRATEGY_CONFIRMATION_REQUIRED"),
            Self::NotWitnessed(_) => Some("event_not_stored"),
            Self::NotUndone { cause, .. } => cause.code(),
            _ => None,
        }
    }

    /// Names the failure of a file system call at a path.
    pub(super) fn of_io(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let path = path.to_owned();
        match source.kind() {
            PermissionDenied | ReadOnlyFilesystem => Self::ReadOnly { path },
            StorageFull | QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }

    /// Names a refusal of git; a full disk and a read-only tree are recognised in what it says.
    pub(super) fn of_git(root: &Path, error: GitError) -> Self {
        if let GitError::Failed { detail, .. } = &error {
            let path = root.to_owned();
            if detail.contains("Read-only file system") || detail.contains("Permission denied") {
                return Self::ReadOnly { path };
            }
            if FULL.iter().any(|words| detail.contains(words)) || is_full(root) {
                return Self::DiskFull { path };
            }
        }
        Self::Git(error)
    }
}

/// A disk with less than this free, in bytes, is full for git.
#[cfg(unix)]
const LITTLE: u64 = 256 * 1024;

/// Tells whether the disk below a path has no room; git does not always say why it cannot write.
#[cfg(unix)]
fn is_full(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE)
}

#[cfg(not(unix))]
fn is_full(_: &Path) -> bool {
    false
}

/// How the system and git say that a disk is full.
const FULL: [&str; 3] = [
    "No space left on device",
    "Disk quota exceeded",
    "Out of diskspace",
];

/// The start of what somebody typed, for a message of one line.
fn shortened(text: &str) -> &str {
    text.char_indices()
        .nth(80)
        .map_or(text, |(end, _)| &text[..end])
}
