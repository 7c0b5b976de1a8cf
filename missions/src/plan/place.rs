//! The mission that a planning command is about: its directory, its branch, its lock.

use super::PlanError;
use crate::git::{Checkout, Head};
use crate::handle::{self, HandleProblem, NamedMission};
use crate::meta::MissionMeta;
use crate::project::{Project, SPECS};
use crate::status_writer::{self, require_plain};
use kitty_runtime::lock::FileLock;
use std::path::{Path, PathBuf};

/// A mission in the primary checkout.
#[derive(Debug)]
pub(super) struct Place {
    /// The primary checkout, where missions and their status live.
    pub(super) checkout: Checkout,
    /// What is checked out where the command was started.
    pub(super) current_branch: String,
    /// The mission's directory.
    pub(super) directory: PathBuf,
    /// The directory's name.
    pub(super) slug: String,
    /// `meta.json`.
    pub(super) meta: MissionMeta,
    /// The branch that it is planned on.
    pub(super) target: String,
}

impl Place {
    /// Finds the mission; without a handle it must be the only one.
    pub(super) fn find(
        project: &Project,
        handle: Option<&str>,
        target_override: Option<&str>,
    ) -> Result<Self, PlanError> {
        let not_git = || PlanError::NotARepository {
            path: project.root.clone(),
        };
        let started_in = project.checkout.as_ref().ok_or_else(not_git)?;
        let checkout = Checkout::discover(started_in.program(), &project.root)?;
        let checkout = checkout.ok_or_else(not_git)?;
        let NamedMission {
            slug,
            directory,
            meta,
        } = named(project, handle)?;
        require_plain(project, &directory)?;
        if let Some(topology) = &meta.topology
            && topology.contains("coord")
        {
            return Err(PlanError::TopologyNotAvailable {
                slug,
                topology: topology.clone(),
            });
        }
        let target = target_override.or(meta.target_branch.as_deref());
        let target = target.ok_or_else(|| PlanError::NoTargetBranch { slug: slug.clone() })?;
        let head = started_in.head()?;
        Ok(Self {
            current_branch: head.branch().unwrap_or("HEAD").to_owned(),
            target: target.to_owned(),
            checkout,
            directory,
            slug,
            meta,
        })
    }

    /// Finds a mission in the linked worktree that `--owned-checkout` names.
    ///
    /// The mission must be named, have the topology `single_branch`, and its branch must be the one
    /// that is checked out there.
    pub(super) fn find_owned(
        project: &Project,
        path: &Path,
        handle: Option<&str>,
        target_override: Option<&str>,
    ) -> Result<Self, PlanError> {
        let handle = handle.map(str::trim).filter(|handle| !handle.is_empty());
        let handle = handle.ok_or(PlanError::OwnedMissionNotNamed)?;
        let owned = project.owned(path).ok_or_else(|| PlanError::NotOwned {
            path: path.to_owned(),
        })?;
        let place = Self::find(&owned, Some(handle), target_override)?;
        if place.meta.topology.as_deref() != Some("single_branch") {
            return Err(PlanError::OwnedTopology { slug: place.slug });
        }
        Ok(place)
    }

    /// Refuses unless the primary checkout is on the mission's target branch and has a commit.
    pub(super) fn require_target(&self) -> Result<(), PlanError> {
        let current = match self.checkout.head()? {
            Head::Branch { name, .. } if name == self.target => return Ok(()),
            Head::Branch { name, .. } | Head::Unborn { name } => format!("'{name}'"),
            Head::Detached { .. } => "no branch".to_owned(),
        };
        Err(PlanError::WrongBranch {
            root: self.checkout.root().to_owned(),
            current,
            target: self.target.clone(),
        })
    }

    /// Takes the lock that everybody holds who writes the mission's status.
    pub(super) fn lock(&self) -> Result<FileLock, PlanError> {
        let lock = status_writer::lock(&self.checkout, &self.slug)?;
        status_writer::sweep(&self.directory);
        Ok(lock)
    }

    /// A file of the mission, relative to the checkout.
    pub(super) fn in_checkout(&self, file: &Path) -> PathBuf {
        file.strip_prefix(self.checkout.root())
            .expect("missions lie in the checkout")
            .to_owned()
    }

    /// A file of the mission, relative to the project, with slashes.
    pub(super) fn in_project(&self, name: &str) -> String {
        format!("{SPECS}/{}/{name}", self.slug)
    }
}

/// Finds the mission that a handle means; without one it must be the only one.
fn named(project: &Project, given: Option<&str>) -> Result<NamedMission, PlanError> {
    let available = || match handle::names(&project.specs()) {
        Ok(available) => Ok(available),
        Err(problem) => Err(of_handle(problem)),
    };
    let Some(given) = given.map(str::trim) else {
        let available = available()?;
        return match available.as_slice() {
            [only] => handle::find(project, only).map_err(of_handle),
            _ => Err(PlanError::MissionNotNamed { available }),
        };
    };
    match handle::find(project, given) {
        Err(HandleProblem::NotFound { .. }) => Err(PlanError::MissionNotFound {
            given: given.chars().take(80).collect(),
            available: available()?,
        }),
        found => found.map_err(of_handle),
    }
}

fn of_handle(problem: HandleProblem) -> PlanError {
    match problem {
        HandleProblem::NotFound { handle } => PlanError::MissionNotFound {
            given: handle,
            available: Vec::new(),
        },
        HandleProblem::Unusable { slug, problem } => PlanError::Meta { slug, problem },
        HandleProblem::Unlistable { path, source } => PlanError::Unreadable {
            path,
            reason: source.to_string(),
        },
    }
}
