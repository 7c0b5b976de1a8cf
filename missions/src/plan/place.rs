//! The mission that a planning command is about: its directory, its branch, its lock.

use super::PlanError;
use crate::files::is_plain_directory;
use crate::git::{Checkout, Head};
use crate::meta::MissionMeta;
use crate::project::{Project, SPECS};
use kitty_runtime::fs::Filesystem;
use kitty_runtime::lock::FileLock;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another process may hold the mission's status; longer than hooks may run.
const LOCK_LIMIT: Duration = Duration::from_secs(150);
/// The length of the handle that a mission's id begins with.
const MID8: usize = 8;

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
        let slug = resolve(&project.specs(), handle)?;
        let directory = project.specs().join(&slug);
        let meta = MissionMeta::read(&directory).map_err(|problem| PlanError::Meta {
            slug: slug.clone(),
            problem,
        })?;
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
    pub(super) fn lock(&self, filesystem: &dyn Filesystem) -> Result<FileLock, PlanError> {
        let directory = self.checkout.common_dir().join("spec-kitty-locks");
        filesystem
            .create_dir(&directory)
            .map_err(|source| PlanError::Io {
                path: directory.clone(),
                source,
            })?;
        let file = directory.join(format!("{}.status.lock", self.slug));
        Ok(FileLock::acquire(
            "the status of the mission",
            &file,
            LOCK_LIMIT,
        )?)
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

/// Finds the directory that a handle means: its name, the mission's id, the id's first eight
/// characters, or the name without them when only one mission has it.
fn resolve(specs: &Path, handle: Option<&str>) -> Result<String, PlanError> {
    let available = missions(specs)?;
    let Some(given) = handle.map(str::trim) else {
        return match available.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(PlanError::MissionNotNamed { available }),
        };
    };
    if let Some(exact) = available.iter().find(|name| *name == given) {
        return Ok(exact.clone());
    }
    let found = |matches: &dyn Fn(&str) -> bool| {
        let mut found = available.iter().filter(|name| matches(name));
        match (found.next(), found.next()) {
            (Some(one), None) => Some(one.clone()),
            _ => None,
        }
    };
    let id = |name: &str| MissionMeta::read(&specs.join(name)).ok()?.mission_id;
    let by_id = |name: &str| {
        (given.len() == MID8 || given.len() == 26)
            && id(name).is_some_and(|id| {
                id.get(..given.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(given))
            })
    };
    let by_human_slug = |name: &str| {
        name.strip_prefix(given)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|rest| rest.len() == MID8 && !given.is_empty())
    };
    found(&by_id)
        .or_else(|| found(&by_human_slug))
        .ok_or_else(|| PlanError::MissionNotFound {
            given: given.chars().take(80).collect(),
            available,
        })
}

/// Lists the directories of missions, by name; links are none.
fn missions(specs: &Path) -> Result<Vec<String>, PlanError> {
    let unreadable = |error: std::io::Error| PlanError::Unreadable {
        path: specs.to_owned(),
        reason: error.to_string(),
    };
    let entries = match std::fs::read_dir(specs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && is_plain_directory(&entry.path()).unwrap_or(false)
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
