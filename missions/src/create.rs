//! Creates a mission: its directory, its first status rows and one commit, or nothing at all.
//!
//! What a process that is killed leaves behind, by the moment it dies:
//!
//! | Killed | Left | The next creation |
//! |---|---|---|
//! | while writing | an unfinished tree in the git directory, nothing in the working tree | removes it |
//! | after the rename | a complete mission that is not committed (perhaps staged) | makes another; `status` shows both |
//! | after the commit | a complete, committed mission that nobody was told of | makes another |
//!
//! No reader ever meets half a mission, and the kernel releases the lock. Every failure that is not
//! a kill is undone: directory, index, branch and commit are as before.
//!
//! Source: reference orchestrator-missions, section 4.1.

mod answer;
mod error;
mod metadata;
mod mission;
mod place;
mod request;
mod scaffold;
mod undo;

pub use crate::lifecycle::{LifecycleEvent, SCHEMA_VERSION};
pub use answer::MissionAnswer;
pub use error::CreateError;
pub use request::{MISSION_TYPES, MissionOptions, Topology};

use crate::git::{Checkout, Committed, GitError, Head};
use crate::project::{Project, ProjectConfig, SPECS};
use crate::row_witness::{NewRow, RowWitness, claim};
use crate::status_log;
use kitty_runtime::fs::Filesystem;
use kitty_runtime::id::EventIds;
use kitty_runtime::lock::FileLock;
use kitty_runtime::time::TimeSource;
use mission::{Mission, mint};
use place::{Place, lock, owned_checkout};
use request::Request;
use scaffold::{COMMITTED, Site};
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};
use undo::Undo;

/// What a creation works with.
#[derive(Debug, Clone, Copy)]
pub struct Tools<'a> {
    /// Writes the mission's files; `files::WorktreeFilesystem` outside of tests.
    pub filesystem: &'a dyn Filesystem,
    /// Tells the time.
    pub time: &'a dyn TimeSource,
    /// Makes ids.
    pub ids: &'a EventIds,
    /// The program's version, for the answer.
    pub version: &'a str,
    /// Knows every row before it is written.
    pub witness: &'a dyn RowWitness,
}

/// A mission that exists and is committed.
///
/// Serialises as its [`answer`](Self::answer).
#[derive(Debug, Clone)]
pub struct CreatedMission {
    /// What is printed.
    pub answer: MissionAnswer,
    /// `MissionCreated` and `SpecifyStarted`: the rows of the status log, and the events to send.
    pub events: [LifecycleEvent; 2],
    /// The ULID of the mission.
    pub mission_id: String,
    /// The slug with the mid8: the name of the directory.
    pub mission_slug: String,
    /// The mission's directory.
    pub directory: PathBuf,
    /// The commit of the scaffold.
    pub committed: Committed,
}

impl Serialize for CreatedMission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.answer.serialize(serializer)
    }
}

/// Creates a mission and commits its scaffold (everything but `spec.md`).
///
/// Needs a project, a git repository with a commit, and a branch that is checked out; the default
/// branch will do. Nothing that the user staged or modified is touched. The files are on stable
/// storage when this returns; git's own objects are as durable as git is configured to make them.
///
/// # Errors
/// [`CreateError`]; unless it is [`CreateError::NotUndone`], everything is as it was before.
pub fn create(
    project: &Project,
    options: &MissionOptions,
    tools: &Tools<'_>,
) -> Result<CreatedMission, CreateError> {
    let config = project.config()?;
    let request = Request::check(options, &config)?;
    let owned = owned_checkout(project, options.owned_checkout.as_deref())?;
    let place = Place::find(project, owned.as_ref())?;
    if let Head::Unborn { .. } = place.checkout.head()? {
        return Err(CreateError::NoCommit);
    }
    let lock = lock(place.checkout, tools)?;
    let mut undo = Undo::new(place.checkout, tools.filesystem);
    match attempt(&place, &request, &config, &lock, tools, &mut undo) {
        Ok(created) => Ok(created),
        Err(cause) => Err(undo.after(cause)),
    }
}

fn attempt(
    place: &Place<'_>,
    request: &Request,
    config: &ProjectConfig,
    lock: &FileLock,
    tools: &Tools<'_>,
    undo: &mut Undo<'_>,
) -> Result<CreatedMission, CreateError> {
    let checkout = place.checkout;
    let branch = planning_branch(checkout, request, undo)?;
    let topology = topology(checkout, request, &branch)?;
    let site = Site {
        filesystem: tools.filesystem,
        specs: place.root.join(SPECS),
        aside: checkout.common_dir().join("spec-kitty-unfinished"),
    };
    site.prepare(&mut undo.made)?;
    site.sweep();
    let id = mint(&site, request, tools)?;
    let mission = Mission::describe(request, config, &id, &branch, topology, tools);
    let log = site.specs.join(&mission.slug).join(status_log::FILE_NAME);
    let rows = mission.events.each_ref().map(NewRow::Lifecycle);
    tools
        .witness
        .before(&rows, claim(&log, lock.path(), &rows))?;
    let directory = site.place(&mission.slug, &mission.scaffold(), &mut undo.made)?;
    let paths = paths_in(checkout, &directory);
    let of_git = |error| CreateError::of_git(&place.root, error);
    if let Err(error) = checkout.stage(&paths) {
        // Only git that was stopped may have written the index all the same.
        if matches!(error, GitError::TimedOut { .. }) {
            undo.staged = paths;
        }
        return Err(of_git(error));
    }
    undo.staged.clone_from(&paths);
    let message = format!("Add scaffold for feature {}", mission.slug);
    let committed = checkout.commit_only(&paths, &message).map_err(of_git)?;
    let answer = mission.answer(&directory, place, tools);
    Ok(CreatedMission {
        answer,
        directory,
        committed,
        mission_id: mission.id,
        mission_slug: mission.slug,
        events: mission.events,
    })
}

/// The paths to commit, relative to the checkout.
fn paths_in(checkout: &Checkout, directory: &Path) -> Vec<PathBuf> {
    let below = directory
        .strip_prefix(checkout.root())
        .expect("missions are made inside the checkout");
    COMMITTED.iter().map(|name| below.join(name)).collect()
}

/// Returns the branch that the mission is planned on, checking out `--start-branch` first.
fn planning_branch(
    checkout: &Checkout,
    request: &Request,
    undo: &mut Undo<'_>,
) -> Result<String, CreateError> {
    let mut head = checkout.head()?;
    if let Some(start) = &request.start_branch
        && head.branch() != Some(start)
    {
        undo.switched = Some(checkout.switch_to(start)?);
        head = checkout.head()?;
    }
    let current = match head {
        Head::Branch { name, .. } => name,
        Head::Unborn { .. } => return Err(CreateError::NoCommit),
        Head::Detached { .. } => return Err(CreateError::DetachedHead),
    };
    match &request.target_branch {
        Some(target) if *target != current => Err(CreateError::TargetNotCheckedOut {
            current,
            target: target.clone(),
        }),
        _ if request.pr_bound && !request.branch_confirmed => {
            Err(CreateError::BranchNotConfirmed { branch: current })
        }
        _ => Ok(current),
    }
}

/// On the primary branch work is kept apart in lanes; a branch of its own needs no further ones.
fn topology(checkout: &Checkout, request: &Request, branch: &str) -> Result<Topology, CreateError> {
    match request.topology {
        Some(topology) => Ok(topology),
        None if checkout.primary_branch(branch)? == branch => Ok(Topology::Lanes),
        None => Ok(Topology::SingleBranch),
    }
}
