//! Where the project is, and what its `.kittify/config.yaml` says; only `tracker` writes.

mod config;
mod config_lock;
pub mod sections;
pub mod tracker;

pub use config::{ConfigProblem, ProjectConfig, ProjectSection};
pub(crate) use config::{LIMIT, document};
pub(crate) use config_lock::lock_directory;

use crate::git::{Checkout, GitError, GitProgram};
use std::io;
use std::path::{Path, PathBuf};

/// The directory that makes a directory a project.
pub const MARKER: &str = ".kittify";
/// The directory of the missions.
pub const SPECS: &str = "kitty-specs";

/// The project cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// No `.kittify` here or above.
    #[error(
        "no Spec Kitty project at {} or above it: make one with `spec-kitty init` in its root",
        start.display()
    )]
    NotFound {
        /// Where the search began.
        start: PathBuf,
    },
    /// Git cannot tell which checkout this is.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A directory cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// A project and the checkout that the command was started in.
#[derive(Debug)]
pub struct Project {
    /// The project's root in the primary checkout (in the worktree itself when the repository is
    /// bare): absolute, without symbolic links.
    pub root: PathBuf,
    /// The checkout that the command was started in; `None` outside of git. It may be a linked
    /// worktree while `root` lies in the primary checkout.
    pub checkout: Option<Checkout>,
}

impl Project {
    /// Finds the project.
    ///
    /// `repo_root` is the value of `SPECIFY_REPO_ROOT`: an existing directory wins, and needs no
    /// `.kittify`; anything else is ignored. Otherwise the search walks up from `start` to the
    /// nearest `.kittify`. From a linked worktree the project is that of the primary checkout,
    /// because missions and their status live there (reference orchestrator-missions, 1.1).
    ///
    /// # Errors
    /// [`ProjectError`]; a repository that git refuses is an error, none at all is not.
    pub fn locate(
        git: &GitProgram,
        start: &Path,
        repo_root: Option<&Path>,
    ) -> Result<Self, ProjectError> {
        if let Some(given) = repo_root.filter(|path| path.is_dir()) {
            let given = resolved(given)?;
            let checkout = Checkout::discover(git, &given)?;
            let root = in_primary(&given, checkout.as_ref(), false)?.unwrap_or(given);
            return Ok(Self { root, checkout });
        }
        let start = resolved(start)?;
        let checkout = Checkout::discover(git, &start)?;
        for directory in start.ancestors() {
            let top = checkout
                .as_ref()
                .is_some_and(|checkout| checkout.root() == directory);
            let marked = directory.join(MARKER).is_dir();
            if (marked || top)
                && let Some(root) = in_primary(directory, checkout.as_ref(), true)?
            {
                return Ok(Self { root, checkout });
            }
            if marked {
                // The search may have left a repository inside the project (a submodule).
                let inside = |checkout: &Checkout| directory.starts_with(checkout.root());
                let checkout = match checkout {
                    Some(checkout) if !inside(&checkout) => Checkout::discover(git, directory)?,
                    other => other,
                };
                let root = directory.to_owned();
                return Ok(Self { root, checkout });
            }
        }
        Err(ProjectError::NotFound { start })
    }

    /// `.kittify/config.yaml`.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.root.join(MARKER).join("config.yaml")
    }

    /// Returns the project as another checkout of its repository has it; `None` when the path is no
    /// such checkout.
    #[must_use]
    pub fn owned(&self, path: &Path) -> Option<Self> {
        let of_project = self.checkout.as_ref()?;
        let root = path.canonicalize().ok()?;
        let checkout = Checkout::open(of_project.program(), &root).ok()??;
        if checkout.common_dir() != of_project.common_dir() {
            return None;
        }
        let primary = checkout.primary_root().ok()?;
        let below = match primary {
            Some(primary) => self.root.strip_prefix(primary).ok()?.to_owned(),
            None => PathBuf::new(),
        };
        Some(Self {
            root: checkout.root().join(below).components().collect(),
            checkout: Some(checkout),
        })
    }

    /// `kitty-specs/`.
    #[must_use]
    pub fn specs(&self) -> PathBuf {
        self.root.join(SPECS)
    }

    /// Reads `.kittify/config.yaml`; a missing file is an empty configuration.
    ///
    /// # Errors
    /// [`ConfigProblem`] names the file and, where there is one, the field.
    pub fn config(&self) -> Result<ProjectConfig, ConfigProblem> {
        ProjectConfig::read(&self.config_file())
    }
}

/// Maps a directory of a linked worktree to the primary checkout, if that has it (and, where
/// `marked`, if it has a `.kittify` there).
fn in_primary(
    directory: &Path,
    checkout: Option<&Checkout>,
    marked: bool,
) -> Result<Option<PathBuf>, ProjectError> {
    let Some(checkout) = checkout.filter(|checkout| checkout.is_linked()) else {
        return Ok(None);
    };
    let Some(primary) = checkout.primary_root()? else {
        return Ok(None);
    };
    let Ok(below) = directory.strip_prefix(checkout.root()) else {
        return Ok(None);
    };
    let candidate = if below.as_os_str().is_empty() {
        primary
    } else {
        primary.join(below)
    };
    let there = if marked {
        candidate.join(MARKER).is_dir()
    } else {
        candidate.is_dir()
    };
    Ok(there.then_some(candidate))
}

fn resolved(path: &Path) -> Result<PathBuf, ProjectError> {
    path.canonicalize().map_err(|source| ProjectError::Io {
        path: path.to_owned(),
        source,
    })
}
