//! Advisory locks between processes, each with a name and a deadline.
//!
//! The lock is the kernel's (`flock` on POSIX, `LockFileEx` on Windows): it ends with the process
//! that holds it, however that process ends. A lock file is created once and never removed, because
//! removing it would let two processes lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest pause between two tries; short, so that a released lock is noticed at once.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// An exclusive lock, released when it is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

/// The lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process held it for the whole time.
    #[error(
        "{name} is held by another process; waited {} ms for {}. Retry in a moment",
        waited.as_millis(),
        path.display()
    )]
    Timeout {
        /// What the lock protects.
        name: &'static str,
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The lock file cannot be used.
    #[error("{name} cannot be locked at {}: {source}", path.display())]
    Io {
        /// What the lock protects.
        name: &'static str,
        /// The lock file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl FileLock {
    /// Tries once.
    ///
    /// Returns `None` when another process holds the lock. The lock file is created (0600) when it
    /// is missing; its directory must exist.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn try_acquire(name: &'static str, path: &Path) -> Result<Option<Self>, LockError> {
        let failed = |source| LockError::Io {
            name,
            path: path.to_owned(),
            source,
        };
        let file = open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self {
                file,
                path: path.to_owned(),
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Tries until the deadline.
    ///
    /// # Errors
    /// [`LockError::Timeout`] when another process holds it all the time, else [`LockError::Io`].
    pub fn acquire(name: &'static str, path: &Path, limit: Duration) -> Result<Self, LockError> {
        let started = Instant::now();
        let mut pause = Duration::from_micros(200);
        loop {
            if let Some(lock) = Self::try_acquire(name, path)? {
                return Ok(lock);
            }
            let waited = started.elapsed();
            if waited >= limit {
                return Err(LockError::Timeout {
                    name,
                    path: path.to_owned(),
                    waited,
                });
            }
            wait(pause.min(limit.saturating_sub(waited)));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tells whether a process holds the lock now; creates nothing and keeps nothing locked.
    ///
    /// # Errors
    /// [`LockError::Io`]; a lock file that is missing is held by nobody.
    pub fn is_held(name: &'static str, path: &Path) -> Result<bool, LockError> {
        let failed = |source| LockError::Io {
            name,
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened.map_err(failed)?,
        };
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| false).map_err(failed),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Returns the locked file, for records that live inside a lock file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Returns the path of the lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for FileLock {
    /// Unlocks by name instead of by closing: a process that another thread is starting right now
    /// holds a copy of the descriptor until its `exec`, and would keep the lock that long.
    fn drop(&mut self) {
        // Closing follows, which unlocks as well once no copy is left.
        let _ = self.file.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "file locks of the standard library have no timeout"
)]
pub(crate) fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_times_out_with_its_name_and_is_free_after_the_drop() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        let limit = Duration::from_millis(30);
        let held = FileLock::acquire("the test lock", &path, limit).unwrap();
        assert!(
            FileLock::try_acquire("the test lock", &path)
                .unwrap()
                .is_none()
        );
        let error = FileLock::acquire("the test lock", &path, limit).unwrap_err();
        assert!(
            error.to_string().starts_with("the test lock is held"),
            "{error}"
        );
        drop(held);
        assert!(
            FileLock::try_acquire("the test lock", &path)
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn looking_whether_a_lock_is_held_creates_and_keeps_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        let is_held = || FileLock::is_held("the test lock", &path).unwrap();
        assert!(!is_held());
        assert!(!path.exists());
        let held = FileLock::try_acquire("the test lock", &path)
            .unwrap()
            .unwrap();
        assert!(is_held());
        drop(held);
        assert!(!is_held());
    }

    #[test]
    fn a_missing_directory_is_an_error_and_not_a_timeout() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing/x.lock");
        assert!(matches!(
            FileLock::try_acquire("the test lock", &path),
            Err(LockError::Io { .. })
        ));
    }

    #[test]
    fn a_dropped_lock_is_free_although_a_copy_of_its_descriptor_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        let held = FileLock::try_acquire("the test lock", &path)
            .unwrap()
            .unwrap();
        let copy = held.file().try_clone().unwrap();
        drop(held);
        assert!(
            FileLock::try_acquire("the test lock", &path)
                .unwrap()
                .is_some()
        );
        drop(copy);
    }
}
