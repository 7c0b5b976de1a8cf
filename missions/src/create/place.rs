//! Which checkout a mission is made in, and the lock that keeps two creations apart.

use super::{CreateError, Tools};
use crate::git::Checkout;
use crate::project::{Project, lock_directory};
use kitty_runtime::lock::FileLock;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another creation in the repository may take; longer than hooks may run.
const LOCK_LIMIT: Duration = Duration::from_secs(150);

/// Where the mission is made.
pub(super) struct Place<'a> {
    pub(super) checkout: &'a Checkout,
    /// The project's root in this checkout.
    pub(super) root: PathBuf,
    /// The primary root, where another checkout is used on request.
    pub(super) primary: Option<&'a Path>,
}

/// Opens the checkout that `--owned-checkout` names; it must belong to the project's repository.
pub(super) fn owned_checkout(
    project: &Project,
    path: Option<&Path>,
) -> Result<Option<Checkout>, CreateError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let foreign = || CreateError::ForeignCheckout {
        path: path.to_owned(),
    };
    let of_project = project.checkout.as_ref().ok_or_else(foreign)?;
    let root = path.canonicalize().map_err(|_| foreign())?;
    let checkout = Checkout::open(of_project.program(), &root)?.ok_or_else(foreign)?;
    if of_project.common_dir() == checkout.common_dir() {
        Ok(Some(checkout))
    } else {
        Err(foreign())
    }
}

impl<'a> Place<'a> {
    pub(super) fn find(
        project: &'a Project,
        owned: Option<&'a Checkout>,
    ) -> Result<Self, CreateError> {
        let checkout = owned.or(project.checkout.as_ref());
        let checkout = checkout.ok_or_else(|| CreateError::NotARepository {
            path: project.root.clone(),
        })?;
        if project.root.starts_with(checkout.root()) {
            return Ok(Self {
                checkout,
                root: project.root.clone(),
                primary: owned.map(|_| project.root.as_path()),
            });
        }
        let primary = checkout.primary_root()?;
        let below = primary.and_then(|primary| {
            let below = project.root.strip_prefix(primary).ok()?;
            Some(below.to_owned())
        });
        match (owned, below) {
            (Some(_), Some(below)) => Ok(Self {
                checkout,
                root: checkout.root().join(below).components().collect(),
                primary: Some(&project.root),
            }),
            (None, Some(_)) => Err(CreateError::LinkedWorktree {
                worktree: checkout.root().to_owned(),
                primary: project.root.clone(),
            }),
            (_, None) => Err(CreateError::NotARepository {
                path: project.root.clone(),
            }),
        }
    }
}

/// Takes the lock that all creations of a repository hold while they write.
pub(super) fn lock(checkout: &Checkout, tools: &Tools<'_>) -> Result<FileLock, CreateError> {
    let directory = lock_directory(checkout);
    tools
        .filesystem
        .create_dir(&directory)
        .map_err(|error| CreateError::of_io(&directory, error))?;
    Ok(FileLock::acquire(
        "the lock of mission creation",
        &directory.join("mission-create.lock"),
        LOCK_LIMIT,
    )?)
}
