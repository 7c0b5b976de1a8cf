//! The locks of those who write a project's files at other times.
//!
//! Reading a file and replacing it is not one step: a row that another process appended in between
//! would be lost. So each file is replaced under the lock that its writers hold, one lock at a time;
//! upgrades of one project keep each other out by a lock of their own, which comes first.

use super::RewriteError;
use kitty_missions::project::{Project, SPECS};
use kitty_missions::status_writer;
use kitty_runtime::crashsafe;
use kitty_runtime::fs::OsFilesystem;
use kitty_runtime::lock::{FileLock, LockError};
use std::path::Path;
use std::time::Duration;

/// What the lock of upgrades is called in errors.
const NAME: &str = "the upgrade of this project";
/// How long another upgrade may take: one of a thousand missions takes seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until no other upgrade or rollback of the project runs.
pub(super) fn lock_upgrade(directory: &Path) -> Result<FileLock, LockError> {
    let path = directory.join("upgrade.lock");
    crashsafe::create_dir_all(&OsFilesystem, directory).map_err(|source| LockError::Io {
        name: NAME,
        path: directory.to_owned(),
        source,
    })?;
    FileLock::acquire(NAME, &path, LIMIT)
}

/// Keeps those out who write the file that is rewritten now.
pub(super) struct Writers<'a> {
    project: &'a Project,
    held: Option<(Owner, FileLock)>,
}

/// Who writes a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    /// Whoever changes the configuration.
    Configuration,
    /// Whoever changes the status of the mission.
    Mission(String),
}

impl Owner {
    fn of(path: &str) -> Self {
        let below = path.strip_prefix(SPECS);
        let mission = below.and_then(|rest| rest.strip_prefix('/')?.split('/').next());
        mission.map_or(Self::Configuration, |slug| Self::Mission(slug.to_owned()))
    }
}

impl<'a> Writers<'a> {
    pub(super) const fn new(project: &'a Project) -> Self {
        Self {
            project,
            held: None,
        }
    }

    /// Waits until nobody else writes the file, below the project's root with `/`; they wait until this
    /// value goes or asks for a file that others write.
    pub(super) fn exclude(&mut self, path: &str) -> Result<(), RewriteError> {
        let owner = Owner::of(path);
        if self.held.as_ref().is_some_and(|(held, _)| *held == owner) {
            return Ok(());
        }
        // Given back first: whoever holds two locks may wait for one who holds the other.
        self.held = None;
        let lock = match (&owner, &self.project.checkout) {
            (Owner::Mission(slug), Some(checkout)) => status_writer::lock(checkout, slug)?,
            // Outside of git nothing writes a mission's status.
            (Owner::Mission(_), None) => return Ok(()),
            (Owner::Configuration, _) => self.project.lock_config()?,
        };
        self.held = Some((owner, lock));
        Ok(())
    }
}
