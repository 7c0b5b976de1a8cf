//! The owner lease: at most one process moves a scope's records at a time.
//!
//! The kernel's lock on `owner.lock` is the truth; it ends with the process, however that ends.
//! `owner.json` is a hint for people and for other processes, and may be stale or missing.

use crate::crashsafe::{self, Durability};
use crate::fs::{SharedFilesystem, read_all};
use crate::lock::{FileLock, LockError};
use crate::time::{SharedTime, iso};
use kitty_config::ScopePaths;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the protocol between processes of this program.
pub const PROTOCOL_VERSION: u32 = 1;

/// Who says that it owns a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// Its process id.
    pub pid: u32,
    /// The release it runs.
    pub version: String,
    /// The protocol it speaks.
    pub protocol: u32,
    /// What it is doing, for example `sync now`.
    pub purpose: String,
    /// When it took the lease.
    pub acquired_at: String,
}

/// The lease of one scope, given back when it is dropped or the process ends.
#[derive(Debug)]
pub struct OwnerLease {
    filesystem: SharedFilesystem,
    paths: ScopePaths,
    _lock: FileLock,
}

impl OwnerLease {
    /// Takes the lease if nobody holds it; `None` when another process does.
    ///
    /// # Errors
    /// [`LockError::Io`] when the lock file cannot be used.
    pub fn try_acquire(
        filesystem: &SharedFilesystem,
        paths: &ScopePaths,
        time: &SharedTime,
        purpose: &str,
    ) -> Result<Option<Self>, LockError> {
        Self::prepare(filesystem, paths)?;
        let lock = FileLock::try_acquire(NAME, &paths.owner_lock())?;
        Ok(lock.map(|lock| Self::taken(filesystem, paths, time, purpose, lock)))
    }

    /// Takes the lease, waiting for another process to give it back.
    ///
    /// # Errors
    /// [`LockError::Timeout`] when another process holds it for the whole time.
    pub fn acquire(
        filesystem: &SharedFilesystem,
        paths: &ScopePaths,
        time: &SharedTime,
        purpose: &str,
        limit: Duration,
    ) -> Result<Self, LockError> {
        Self::prepare(filesystem, paths)?;
        let lock = FileLock::acquire(NAME, &paths.owner_lock(), limit)?;
        Ok(Self::taken(filesystem, paths, time, purpose, lock))
    }

    fn prepare(filesystem: &SharedFilesystem, paths: &ScopePaths) -> Result<(), LockError> {
        crashsafe::create_dir_all(&**filesystem, paths.directory()).map_err(|source| {
            LockError::Io {
                name: NAME,
                path: paths.owner_lock(),
                source,
            }
        })
    }

    fn taken(
        filesystem: &SharedFilesystem,
        paths: &ScopePaths,
        time: &SharedTime,
        purpose: &str,
        lock: FileLock,
    ) -> Self {
        let record = OwnerRecord {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL_VERSION,
            purpose: purpose.to_owned(),
            acquired_at: iso(time.now()),
        };
        let text = serde_json::to_vec(&record).expect("a record of text and numbers serializes");
        // A hint that cannot be written is no reason not to own.
        let _ = crashsafe::replace(
            &**filesystem,
            &paths.owner_record(),
            &text,
            Durability::ProcessDeath,
        );
        Self {
            filesystem: filesystem.clone(),
            paths: paths.clone(),
            _lock: lock,
        }
    }
}

impl Drop for OwnerLease {
    fn drop(&mut self) {
        let _ = self.filesystem.remove_file(&self.paths.owner_record());
    }
}

const NAME: &str = "the owner lease of the queue";

/// Reads the hint about who owns a scope; `None` when there is none or it cannot be read.
#[must_use]
pub fn recorded_owner(filesystem: &SharedFilesystem, paths: &ScopePaths) -> Option<OwnerRecord> {
    serde_json::from_slice(&read_all(&**filesystem, &paths.owner_record()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::os_filesystem;
    use crate::time::system_time;

    #[test]
    fn one_process_owns_and_says_so_until_it_lets_go() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ScopePaths::at(directory.path().join("scope"));
        let (filesystem, time) = (os_filesystem(), system_time());
        let take = || OwnerLease::try_acquire(&filesystem, &paths, &time, "a test").unwrap();
        let lease = take().unwrap();
        assert!(take().is_none());
        let owner = recorded_owner(&filesystem, &paths).unwrap();
        assert_eq!(
            (owner.pid, owner.purpose.as_str()),
            (std::process::id(), "a test")
        );
        let limit = Duration::from_millis(20);
        assert!(OwnerLease::acquire(&filesystem, &paths, &time, "another", limit).is_err());
        drop(lease);
        assert_eq!(recorded_owner(&filesystem, &paths), None);
        assert!(take().is_some());
    }
}
