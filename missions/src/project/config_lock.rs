//! The lock that every change of `.kittify/config.yaml` is made under.
//!
//! Replacing the file is atomic, but two programs that read it, change a line and write it back at
//! once would lose one of the changes. The lock lies in the common git directory, so that all
//! worktrees share it and no working tree shows it; outside of git it lies beside the file.

use super::{MARKER, Project};
use crate::git::Checkout;
use kitty_runtime::crashsafe;
use kitty_runtime::fs::OsFilesystem;
use kitty_runtime::lock::{FileLock, LockError};
use std::path::PathBuf;
use std::time::Duration;

/// What the lock is called in errors.
const NAME: &str = "the project's configuration";
/// How long another program may take to change a line.
const LIMIT: Duration = Duration::from_secs(5);

impl Project {
    /// Waits for the right to change `.kittify/config.yaml`, which is given back with the value.
    ///
    /// Whoever reads the file before it has the lock must read it again. Waits five seconds at most.
    /// What a killed program left beside the file goes.
    ///
    /// # Errors
    /// [`LockError`] when another program holds it all the time, or it cannot be made.
    pub fn lock_config(&self) -> Result<FileLock, LockError> {
        let path = self.config_lock();
        if let Some(directory) = path.parent() {
            crashsafe::create_dir_all(&OsFilesystem, directory).map_err(|source| {
                LockError::Io {
                    name: NAME,
                    path: directory.to_owned(),
                    source,
                }
            })?;
        }
        let lock = FileLock::acquire(NAME, &path, LIMIT)?;
        let file = self.config_file();
        // A link stays a link: it is replaced where it points to.
        let file = file.canonicalize().unwrap_or(file);
        crashsafe::sweep_beside(&OsFilesystem, &file);
        Ok(lock)
    }

    fn config_lock(&self) -> PathBuf {
        match &self.checkout {
            Some(checkout) => lock_directory(checkout).join("project-config.lock"),
            None => self.root.join(MARKER).join(".config.yaml.lock"),
        }
    }
}

/// Returns the directory of the locks that all worktrees of a repository share.
pub(crate) fn lock_directory(checkout: &Checkout) -> PathBuf {
    checkout.common_dir().join("spec-kitty-locks")
}
