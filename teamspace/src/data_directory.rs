//! The directory a server owns: its lock, its approval key, its database file.
//!
//! Nothing else in this crate joins a path. The directory is 0700 and every file in it 0600, made
//! so before the first byte is written, because SQLite gives its side files the mode of the
//! database.

mod owner_only;

use self::owner_only::{create_directories, is_open_to_others, restrict, sync_directory, writable};
use crate::secret::ApprovalKey;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

const DATABASE: &str = "teamspace.db";
const APPROVAL_KEY: &str = "approval.key";
const LOCK: &str = "server.lock";
const UNFINISHED_KEY: &str = ".approval.key.tmp";

/// A key file is 33 bytes; more than this is not one.
const LONGEST_KEY_FILE: u64 = 256;

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirectoryError {
    /// A file or directory cannot be read or written.
    #[error("cannot {action} {}: {source}; check that this user may write there", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The directory holds somebody else's files.
    #[error(
        "{} is not a Teamspace data directory and not empty; name a new or an empty directory",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Another server runs on it.
    #[error(
        "another Teamspace server is running on {} (it holds {}); stop it or name another \
         data directory",
        directory.display(),
        lock.display()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// There is no store yet.
    #[error("{} does not exist; start the Teamspace server once to create it", path.display())]
    NoStore {
        /// The database file.
        path: PathBuf,
    },
    /// The approval key cannot be trusted.
    #[error(
        "{} {problem}; delete it to get a new key at the next start, or restore it \
         (32 hexadecimal digits, mode 0600)",
        path.display()
    )]
    ApprovalKey {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A data directory that exists and is ours.
#[derive(Debug, Clone)]
pub(crate) struct DataDirectory {
    path: PathBuf,
}

/// Keeps a second server away; released when it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DataDirectory {
    /// Makes the directory, or takes one that is empty or was made by an earlier start.
    pub(crate) fn prepare(path: &Path) -> Result<Self, DataDirectoryError> {
        let directory = Self {
            path: path.to_owned(),
        };
        create_directories(path).map_err(failed("create", path))?;
        if !directory.is_ours().map_err(failed("list", path))? {
            return Err(DataDirectoryError::Foreign {
                path: path.to_owned(),
            });
        }
        restrict(path, 0o700).map_err(failed("restrict", path))?;
        Ok(directory)
    }

    /// Takes a directory in which a server has run.
    pub(crate) fn existing(path: &Path) -> Result<Self, DataDirectoryError> {
        let directory = Self {
            path: path.to_owned(),
        };
        let database = directory.database();
        match fs::metadata(&database) {
            Ok(_) => Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(DataDirectoryError::NoStore { path: database })
            }
            Err(error) => Err(failed("open", &database)(error)),
        }
    }

    /// Returns the database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    fn approval_key_file(&self) -> PathBuf {
        self.path.join(APPROVAL_KEY)
    }

    /// Takes the server's lock; at once or not at all.
    pub(crate) fn lock(&self) -> Result<DirectoryLock, DataDirectoryError> {
        let path = self.path.join(LOCK);
        let file = writable()
            .read(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(DirectoryLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DataDirectoryError::InUse {
                directory: self.path.clone(),
                lock: path,
            }),
            Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }

    /// Makes the database file before SQLite does, with the right mode, and makes its name stable.
    pub(crate) fn ensure_database(&self) -> Result<(), DataDirectoryError> {
        let path = self.database();
        let failed = failed("create", &path);
        let made = writable().create(true).truncate(false).open(&path);
        made.and_then(|file| {
            restrict(&path, 0o600)?;
            file.sync_all()
        })
        .and_then(|()| sync_directory(&self.path))
        .map_err(failed)
    }

    /// Reads the approval key; makes one at the first start.
    pub(crate) fn approval_key(&self) -> Result<ApprovalKey, DataDirectoryError> {
        let path = self.approval_key_file();
        match File::open(&path) {
            Ok(file) => read_key(&path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_key(&path),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    fn make_key(&self, path: &Path) -> Result<ApprovalKey, DataDirectoryError> {
        let key = ApprovalKey::random()
            .map_err(|error| failed("make a key for", path)(io::Error::other(error)))?;
        let temporary = self.path.join(UNFINISHED_KEY);
        let written = writable()
            .create(true)
            .truncate(true)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(key.expose().as_bytes())?;
                file.write_all(b"\n")?;
                file.sync_all()
            });
        written
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| sync_directory(&self.path))
            .map_err(failed("write", path))?;
        Ok(key)
    }

    fn is_ours(&self) -> io::Result<bool> {
        let mut empty = true;
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if [DATABASE, APPROVAL_KEY, LOCK, UNFINISHED_KEY]
                .iter()
                .any(|ours| name == **ours)
            {
                return Ok(true);
            }
            empty = false;
        }
        Ok(empty)
    }
}

fn read_key(path: &Path, file: File) -> Result<ApprovalKey, DataDirectoryError> {
    let problem = |problem| DataDirectoryError::ApprovalKey {
        path: path.to_owned(),
        problem,
    };
    if is_open_to_others(&file).map_err(failed("inspect", path))? {
        return Err(problem("can be read by other users"));
    }
    let mut text = String::new();
    match file.take(LONGEST_KEY_FILE).read_to_string(&mut text) {
        Ok(_) => ApprovalKey::parse(&text).ok_or_else(|| problem("does not hold an approval key")),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(problem("does not hold an approval key"))
        }
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirectoryError {
    let path = path.to_owned();
    move |source| DataDirectoryError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[cfg(unix)]
    #[test]
    fn directory_and_files_belong_to_the_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep/data");
        let directory = DataDirectory::prepare(&path).unwrap();
        directory.ensure_database().unwrap();
        let key = directory.approval_key().unwrap();
        let _lock = directory.lock().unwrap();
        assert_eq!(mode(&path), 0o700);
        for file in [DATABASE, APPROVAL_KEY, LOCK] {
            assert_eq!(mode(&path.join(file)), 0o600, "{file}");
        }
        assert_eq!(directory.approval_key().unwrap().expose(), key.expose());
    }

    #[test]
    fn a_second_lock_names_the_directory_and_the_next_step() {
        let root = tempfile::tempdir().unwrap();
        let directory = DataDirectory::prepare(root.path()).unwrap();
        let held = directory.lock().unwrap();
        let refused = directory.lock().unwrap_err().to_string();
        assert!(refused.contains("server.lock"), "{refused}");
        assert!(refused.contains("stop it"), "{refused}");
        drop(held);
        directory.lock().unwrap();
    }

    #[test]
    fn a_directory_with_foreign_files_is_refused_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        File::create(root.path().join("thesis.tex")).unwrap();
        let refused = DataDirectory::prepare(root.path()).unwrap_err();
        assert!(matches!(refused, DataDirectoryError::Foreign { .. }));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_damaged_or_readable_key_is_named_and_never_replaced() {
        let root = tempfile::tempdir().unwrap();
        let directory = DataDirectory::prepare(root.path()).unwrap();
        let key = directory.approval_key().unwrap();
        let path = directory.approval_key_file();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let refused = directory.approval_key().unwrap_err().to_string();
        assert!(refused.contains("approval.key"), "{refused}");
        assert!(!refused.contains(key.expose()));
        restrict(&path, 0o600).unwrap();
        File::create(&path).unwrap().write_all(b"\xff\xfe").unwrap();
        assert!(matches!(
            directory.approval_key(),
            Err(DataDirectoryError::ApprovalKey { .. })
        ));
    }
}
