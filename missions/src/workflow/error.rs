//! Why a step of a mission is refused.

use crate::handle::HandleProblem;
use crate::integration::IntegrationError;
use crate::lane::Lane;
use crate::lanes_manifest::LanesProblem;
use crate::status_log::LogProblem;
use crate::status_writer::StatusError;
use crate::transition::Refusal;
use crate::work_package::WorkPackageProblem;
use crate::workspace::WorkspaceError;
use std::io;
use std::path::PathBuf;

/// A step is refused or failed; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// The mission cannot be found or read.
    #[error(transparent)]
    Handle(#[from] HandleProblem),
    /// The mission keeps its status on a coordination branch.
    #[error(
        "mission {slug} has the topology {topology}, which this program does not drive: \
         finish it with the program that made it, or set `topology` in its meta.json to `lanes` \
         after removing `coordination_branch`"
    )]
    Topology {
        /// The mission.
        slug: String,
        /// Its topology.
        topology: String,
    },
    /// The work package has no file.
    #[error("Work package '{wp_id}' not found in {mission}")]
    NoSuchPackage {
        /// As typed.
        wp_id: String,
        /// As typed.
        mission: String,
    },
    /// A work package file cannot be used.
    #[error(transparent)]
    Package(#[from] WorkPackageProblem),
    /// `lanes.json` cannot be used.
    #[error(transparent)]
    Lanes(#[from] LanesProblem),
    /// The status log cannot be used.
    #[error(transparent)]
    Log(#[from] LogProblem),
    /// The status cannot be written.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// Dependencies are not done.
    #[error(
        "dependencies_not_satisfied: {wp_id} depends on {}; all dependencies must be approved or \
         done before implementation can start",
        unsatisfied.join(", ")
    )]
    Dependencies {
        /// The work package.
        wp_id: String,
        /// What it waits for.
        unsatisfied: Vec<String>,
    },
    /// Somebody else has claimed it.
    #[error("WP {wp_id} is already claimed for {what} by '{holder}'")]
    Claimed {
        /// The work package.
        wp_id: String,
        /// `implementation` or `review`.
        what: &'static str,
        /// Who has it.
        holder: String,
        /// Who asks.
        requesting: String,
    },
    /// It was never seeded.
    #[error("WP {wp_id} is not finalized; run `spec-kitty agent mission finalize-tasks`")]
    NotFinalized {
        /// The work package.
        wp_id: String,
    },
    /// It is in a lane that this cannot start from.
    #[error("WP {wp_id} is in '{lane}', cannot start {what}")]
    WrongLane {
        /// The work package.
        wp_id: String,
        /// Where it is.
        lane: Lane,
        /// `implementation` or `review`.
        what: &'static str,
    },
    /// The word is no lane.
    #[error(
        "Unknown lane: '{typed}'. The lanes are {}",
        Lane::DISPLAYED.map(Lane::as_str).join(", ")
    )]
    UnknownLane {
        /// As typed.
        typed: String,
    },
    /// No mission is named, and which one is meant cannot be told.
    #[error(
        "{}",
        if candidates.is_empty() {
            "there is no mission yet: create one with `spec-kitty agent mission create <slug>`".to_owned()
        } else {
            format!("name the mission with --mission; there are {}", candidates.join(", "))
        }
    )]
    WhichMission {
        /// The slugs of all missions.
        candidates: Vec<String>,
    },
    /// An agent's move is refused.
    #[error(transparent)]
    Move(#[from] super::MoveRefusal),
    /// The transition is not allowed.
    #[error(transparent)]
    Transition(#[from] Refusal),
    /// Nothing was committed on the lane.
    #[error(
        "{wp_id} cannot move to for_review: no implementation commit on lane {lane} ({branch}) \
         beyond {base}. Commit the work in the lane worktree first, or pass --force if there is \
         genuinely nothing to commit."
    )]
    NothingToReview {
        /// The work package.
        wp_id: String,
        /// Its lane.
        lane: String,
        /// The lane's branch.
        branch: String,
        /// What the lane was made from.
        base: String,
    },
    /// The mission has no lanes to merge.
    #[error(
        "mission {slug} has no lanes.json: run `spec-kitty agent mission finalize-tasks` first"
    )]
    NoLanes {
        /// The mission.
        slug: String,
    },
    /// The mission cannot be merged.
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    /// The workspace cannot be made.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// Work packages are left.
    #[error("Mission has {} incomplete WP(s)", incomplete.len())]
    NotReady {
        /// The work packages, in order.
        incomplete: Vec<String>,
    },
    /// The mission changed CI workflows and does not say how they were tested.
    #[error(
        "Workflow run evidence required: this mission changed {}; say in {} how the workflows were run",
        changed.join(", "),
        path.display()
    )]
    EvidenceRequired {
        /// The workflow files, relative to the repository.
        changed: Vec<String>,
        /// The file that has to exist.
        path: PathBuf,
    },
    /// The project's configuration cannot be understood.
    #[error(transparent)]
    Config(#[from] crate::project::ConfigProblem),
    /// A file of the mission cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file or its directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file of the mission cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] crate::git::GitError),
}
