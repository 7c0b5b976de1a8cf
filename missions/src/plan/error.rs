//! Why planning could not go on.

use crate::git::GitError;
use crate::meta::MetaProblem;
use crate::row_witness::NotWitnessed;
use crate::status_writer::StatusError;
use std::io;
use std::path::PathBuf;

/// Planning could not go on.
///
/// `Display` is the one line of `{"error": …}`. Refusals of what was asked or written change nothing;
/// after a failure of git or the disk the files are as the last commit of the command left them.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No mission, or more than one, and none was named.
    #[error(
        "name the mission with --mission: {}",
        if available.is_empty() { "there is none yet".to_owned() } else { available.join(", ") }
    )]
    MissionNotNamed {
        /// The missions of the project.
        available: Vec<String>,
    },
    /// No mission has this handle, or several have.
    #[error(
        "no single mission is called {given:?}: {}",
        if available.is_empty() { "there is none yet".to_owned() } else { format!("use one of {}", available.join(", ")) }
    )]
    MissionNotFound {
        /// What was typed, at most 80 characters of it.
        given: String,
        /// The missions of the project.
        available: Vec<String>,
    },
    /// The mission's `meta.json` cannot be used.
    #[error("the mission {slug} cannot be used: {problem}")]
    Meta {
        /// The mission's directory name.
        slug: String,
        /// What is wrong.
        problem: MetaProblem,
    },
    /// The mission says on no branch it is planned.
    #[error(
        "the mission {slug} names no target branch: pass --target-branch, or add `target_branch` to its meta.json"
    )]
    NoTargetBranch {
        /// The mission's directory name.
        slug: String,
    },
    /// A topology with a coordination branch.
    #[error(
        "the mission {slug} has the topology {topology:?}, which this release does not work on: finish it with the program that created it"
    )]
    TopologyNotAvailable {
        /// The mission's directory name.
        slug: String,
        /// The topology.
        topology: String,
    },
    /// The mission's files belong to another branch than the one that is checked out.
    #[error(
        "{} is on {current} and the mission is planned on '{target}': run `git switch {target}` there first",
        root.display()
    )]
    WrongBranch {
        /// The primary checkout.
        root: PathBuf,
        /// What is checked out, with quotes, or that nothing is.
        current: String,
        /// The mission's target branch.
        target: String,
    },
    /// `--owned-checkout` without `--mission`.
    #[error("--owned-checkout needs the mission: add --mission <slug>")]
    OwnedMissionNotNamed,
    /// `--owned-checkout` names something else.
    #[error(
        "{} is no checkout of this project's repository: name one that `git worktree list` shows",
        path.display()
    )]
    NotOwned {
        /// As typed.
        path: PathBuf,
    },
    /// A mission with lanes has its status in the primary checkout.
    #[error("--owned-checkout is for missions of the topology single_branch, and {slug} is none")]
    OwnedTopology {
        /// The mission.
        slug: String,
    },
    /// No repository.
    #[error("{} is not in a git repository: run `git init` there and commit", path.display())]
    NotARepository {
        /// The project's root.
        path: PathBuf,
    },
    /// The specification is missing.
    #[error("{} is missing: write the specification first", path.display())]
    SpecMissing {
        /// Where it must be.
        path: PathBuf,
    },
    /// A file or directory cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another process works on the mission, or its status lies elsewhere.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The events of the rows could not be stored.
    #[error(transparent)]
    NotWitnessed(#[from] NotWitnessed),
    /// Git refused.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Something failed, and so did putting a file back.
    #[error("{cause}; these files could not be put back: {}", left.join(", "))]
    NotUndone {
        /// The first failure.
        cause: Box<PlanError>,
        /// What is left, each with its reason.
        left: Vec<String>,
    },
}

impl PlanError {
    /// Returns a stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissionNotNamed { .. } => "MISSION_NOT_NAMED",
            Self::MissionNotFound { .. } => "MISSION_NOT_FOUND",
            Self::Meta { .. } => "MISSION_META_UNUSABLE",
            Self::NoTargetBranch { .. } => "NO_TARGET_BRANCH",
            Self::TopologyNotAvailable { .. } => "TOPOLOGY_NOT_AVAILABLE",
            Self::WrongBranch { .. } => "WRONG_BRANCH",
            Self::OwnedMissionNotNamed => "MISSION_NOT_NAMED",
            Self::NotOwned { .. } => "OWNED_CHECKOUT_REFUSED",
            Self::OwnedTopology { .. } => "OWNED_TOPOLOGY_UNSUPPORTED",
            Self::NotARepository { .. } => "NOT_A_REPOSITORY",
            Self::SpecMissing { .. } => "SPEC_FILE_MISSING",
            Self::Unreadable { .. } | Self::Io { .. } => "FILE_NOT_USABLE",
            Self::Status(StatusError::Lock(_)) => "MISSION_BUSY",
            Self::Status(_) => "FILE_NOT_USABLE",
            Self::Git(_) => "GIT_FAILED",
            Self::NotWitnessed(_) => "EVENT_NOT_STORED",
            Self::NotUndone { cause, .. } => cause.code(),
        }
    }
}
