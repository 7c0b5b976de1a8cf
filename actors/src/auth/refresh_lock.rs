//! The lock under which exactly one process refreshes.
//!
//! Shared with the Python CLI (reference/auth-state-daemon.md 4): an exclusive `flock` on
//! `auth/refresh.lock`, in which the holder writes who it is and which it empties when it lets go.
//! The lock is the truth; the record may be a dead holder's and only helps people.

use super::pause::Pauses;
use jiff::Timestamp;
use kitty_config::AuthPaths;
use kitty_runtime::crashsafe;
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::lock::{FileLock, LockError};
use kitty_runtime::python_json;
use kitty_runtime::time::{SharedTime, iso, parse_iso};
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a refresh waits for another process's refresh.
pub const REFRESH_LOCK_LIMIT: Duration = Duration::from_secs(10);

/// The pause between two tries. The Python CLI pauses for 0.1 s; a shorter one of ours would starve
/// it, a longer one would make fifty waiters miss their limit.
const POLL: Duration = Duration::from_millis(20);

const NAME: &str = "the refresh of the auth session";
const SCHEMA_VERSION: u32 = 1;

/// Opens the refresh lock; holds nothing itself.
#[derive(Debug, Clone)]
pub struct RefreshLock {
    path: PathBuf,
    filesystem: SharedFilesystem,
    time: SharedTime,
    hostname: String,
}

/// Who holds the refresh lock: sorted keys, shared with the Python CLI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RecordFile {
    host: String,
    pid: u32,
    schema_version: u32,
    started_at: String,
    version: String,
}

impl RefreshLock {
    /// Creates a handle; touches no file.
    #[must_use]
    pub fn new(
        paths: &AuthPaths,
        filesystem: SharedFilesystem,
        time: SharedTime,
        hostname: impl Into<String>,
    ) -> Self {
        Self {
            path: paths.refresh_lock(),
            filesystem,
            time,
            hostname: hostname.into(),
        }
    }

    /// Tries once; `None` when another process holds the lock.
    ///
    /// # Errors
    /// [`LockError`] when the lock file cannot be used.
    pub fn try_enter(&self) -> Result<Option<RefreshGuard>, LockError> {
        if let Some(directory) = self.path.parent() {
            crashsafe::create_dir_all(self.filesystem.as_ref(), directory).map_err(|source| {
                LockError::Io {
                    name: NAME,
                    path: self.path.clone(),
                    source,
                }
            })?;
        }
        let lock = FileLock::try_acquire(NAME, &self.path)?;
        Ok(lock.map(|lock| {
            // The record helps people and decides nothing, so failing to write it is no failure.
            let _ = self.sign(lock.file());
            RefreshGuard { lock }
        }))
    }

    /// Tries until the limit, without blocking the thread; `None` when it passed.
    ///
    /// # Errors
    /// [`LockError`] when the lock file cannot be used.
    pub async fn enter(
        &self,
        pauses: &dyn Pauses,
        limit: Duration,
    ) -> Result<Option<RefreshGuard>, LockError> {
        let attempts = async {
            loop {
                if let Some(guard) = self.try_enter()? {
                    return Ok(Some(guard));
                }
                pauses.pause(POLL).await;
            }
        };
        tokio::time::timeout(limit, attempts)
            .await
            .unwrap_or(Ok(None))
    }

    fn sign(&self, mut file: &File) -> io::Result<()> {
        let record = python_json::line(&RecordFile {
            host: self.hostname.clone(),
            pid: std::process::id(),
            schema_version: SCHEMA_VERSION,
            started_at: iso(self.time.now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(record.as_bytes())
    }
}

/// The held refresh lock; dropping it empties the record and lets go.
#[derive(Debug)]
pub struct RefreshGuard {
    lock: FileLock,
}

impl Drop for RefreshGuard {
    fn drop(&mut self) {
        // A record that stays only misleads people; the lock itself ends with the file.
        let _ = self.lock.file().set_len(0);
    }
}

/// What `auth doctor` tells about the refresh lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshLockState {
    /// Whether a process holds it right now.
    pub held: bool,
    /// Who says to hold it, or to have held it until it died.
    pub holder: Option<RefreshHolder>,
}

/// Who holds the refresh lock, by its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshHolder {
    /// The host name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// When it took the lock.
    pub started_at: Option<Timestamp>,
    /// Its version.
    pub version: String,
}

/// Looks at the refresh lock without taking it and without creating it.
///
/// # Errors
/// The file system's.
pub fn inspect(path: &Path) -> io::Result<RefreshLockState> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(RefreshLockState {
                held: false,
                holder: None,
            });
        }
        other => other?,
    };
    let held = match file.try_lock_shared() {
        Ok(()) => {
            file.unlock()?;
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => return Err(error),
    };
    let mut text = String::new();
    (&file).take(4096).read_to_string(&mut text)?;
    let record: Option<RecordFile> = serde_json::from_str(&text).ok();
    Ok(RefreshLockState {
        held,
        holder: record.map(|record| RefreshHolder {
            host: record.host,
            pid: record.pid,
            started_at: parse_iso(&record.started_at),
            version: record.version,
        }),
    })
}

/// What came of freeing the refresh lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The record of a holder that is gone was emptied.
    Emptied,
    /// A process holds the lock and lives; nothing was done.
    HolderLives,
    /// Another host wrote the record; whether its process lives cannot be told from here.
    OtherHost,
    /// There was nothing to free.
    Nothing,
}

/// Empties the record that a dead holder left; creates nothing, and never takes the lock from anybody.
///
/// The kernel's lock ends with its holder, so having it proves that the holder is gone; `hostname` is
/// this machine's, because a lock on a shared disk proves nothing about another one.
///
/// # Errors
/// The file system's.
pub fn release_left_behind(path: &Path, hostname: &str) -> io::Result<Released> {
    let file = match File::options().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Released::Nothing),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Released::HolderLives),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The record counts as it is now that nobody can change it.
    let mut text = String::new();
    (&file).take(4096).read_to_string(&mut text)?;
    let host = serde_json::from_str::<RecordFile>(&text).map(|record| record.host);
    if text.is_empty() {
        return Ok(Released::Nothing);
    }
    if host.is_ok_and(|host| host != hostname) {
        return Ok(Released::OtherHost);
    }
    file.set_len(0)?;
    Ok(Released::Emptied)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::auth::pause::TimerPauses;
    use crate::auth::testing::{TestRoot, later, mode_of};
    use kitty_runtime::fs::{OsFilesystem, os_filesystem, read_all};

    fn lock(root: &TestRoot) -> RefreshLock {
        RefreshLock::new(&root.paths(), os_filesystem(), root.time(), "example-host")
    }

    #[test]
    fn the_record_has_the_bytes_of_the_reference_while_held_and_none_after() {
        let root = TestRoot::new();
        let path = root.paths().refresh_lock();
        assert!(!inspect(&path).unwrap().held);
        assert!(!path.exists());
        let guard = lock(&root).try_enter().unwrap().unwrap();
        let text = String::from_utf8(read_all(&OsFilesystem, &path).unwrap()).unwrap();
        let expected = format!(
            "{{\"host\": \"example-host\", \"pid\": {}, \"schema_version\": 1, \"started_at\": \
             \"2026-01-02T03:04:05+00:00\", \"version\": \"{}\"}}",
            std::process::id(),
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(text, expected);
        assert_eq!(mode_of(&path), 0o600);
        let state = inspect(&path).unwrap();
        assert!(state.held);
        assert_eq!(state.holder.unwrap().started_at, Some(later(0)));
        drop(guard);
        assert_eq!(read_all(&OsFilesystem, &path).unwrap(), b"");
        assert!(!inspect(&path).unwrap().held);
    }

    #[test]
    fn a_held_lock_is_not_had_within_the_limit() {
        let root = TestRoot::new();
        let guard = lock(&root).try_enter().unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let lock = lock(&root);
        let attempt = || runtime.block_on(lock.enter(&TimerPauses, Duration::from_millis(50)));
        assert!(attempt().unwrap().is_none());
        drop(guard);
        assert!(attempt().unwrap().is_some());
    }

    #[test]
    fn only_what_a_dead_holder_of_this_host_left_is_emptied() {
        let root = TestRoot::new();
        let path = root.paths().refresh_lock();
        let release = || release_left_behind(&path, "example-host").unwrap();
        assert_eq!(release(), Released::Nothing);
        assert!(!path.exists());
        let guard = lock(&root).try_enter().unwrap().unwrap();
        let record = read_all(&OsFilesystem, &path).unwrap();
        assert_eq!(release(), Released::HolderLives);
        assert_eq!(read_all(&OsFilesystem, &path).unwrap(), record);
        drop(guard);
        assert_eq!(release(), Released::Nothing);
        let leave = |text: &[u8]| {
            let mut file = File::create(&path).unwrap();
            file.write_all(text).unwrap();
        };
        leave(&record);
        assert_eq!(release(), Released::Emptied);
        assert_eq!(read_all(&OsFilesystem, &path).unwrap(), b"");
        leave(b"garbage");
        assert_eq!(release(), Released::Emptied);
        let foreign = String::from_utf8(record).unwrap();
        leave(foreign.replace("example-host", "another-host").as_bytes());
        assert_eq!(release(), Released::OtherHost);
        assert_ne!(read_all(&OsFilesystem, &path).unwrap(), b"");
    }
}
