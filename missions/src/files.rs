//! Files of the user's working tree: how they are made, and how they are read.
//!
//! Files of the state root are for the owner only; files that git tracks get the modes the user's
//! umask says, like every file an editor makes. Reading takes regular files of a bounded size only,
//! so that a named pipe, a device or a link planted in a repository neither blocks nor leaks.

use kitty_runtime::fs::{FileHandle, Filesystem, OsFilesystem};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// The operating system's file system with the user's umask instead of owner-only modes.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorktreeFilesystem;

impl Filesystem for WorktreeFilesystem {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        match std::fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        OpenOptions::new().write(true).create_new(true).open(path)?;
        OsFilesystem.open_append(path, false)
    }

    fn open_append(&self, path: &Path, create: bool) -> io::Result<Box<dyn FileHandle>> {
        if create {
            OpenOptions::new().append(true).create(true).open(path)?;
        }
        OsFilesystem.open_append(path, false)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        OsFilesystem.open_read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFilesystem.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsFilesystem.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsFilesystem.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        OsFilesystem.list(path)
    }
}

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadProblem {
    /// A link, a directory, a pipe or a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// More than this program reads.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: u64,
    },
    /// Not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Whether the last part of a path may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// Reads a text file of at most `limit` bytes; `None` when it does not exist.
pub(crate) fn read_text(
    path: &Path,
    limit: u64,
    links: Links,
) -> Result<Option<String>, ReadProblem> {
    let mut options = OpenOptions::new();
    options.read(true);
    // A named pipe without a writer would block the open itself.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    if links == Links::Refuse {
        match path.symlink_metadata() {
            Ok(metadata) if !metadata.is_file() => return Err(ReadProblem::NotRegular),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    bounded(&file, limit).map(Some)
}

fn bounded(file: &File, limit: u64) -> Result<String, ReadProblem> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadProblem::NotRegular);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadProblem::TooLarge { limit });
    }
    String::from_utf8(bytes).map_err(|_| ReadProblem::NotText)
}

/// Tells whether a path is a directory itself and not a link to one.
pub(crate) fn is_plain_directory(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_pipe_and_a_device_are_refused_without_blocking() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let status = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap();
        assert!(status.success());
        for (path, links) in [
            (pipe.as_path(), Links::Follow),
            (pipe.as_path(), Links::Refuse),
            (Path::new("/dev/zero"), Links::Follow),
            (directory.path(), Links::Follow),
        ] {
            let read = read_text(path, 10, links);
            assert!(matches!(read, Err(ReadProblem::NotRegular)), "{read:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_only_where_that_is_allowed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        crate::tests_support::write(&target, "text");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(
            read_text(&link, 10, Links::Follow).unwrap().as_deref(),
            Some("text")
        );
        assert!(matches!(
            read_text(&link, 10, Links::Refuse),
            Err(ReadProblem::NotRegular)
        ));
    }

    #[test]
    fn a_file_above_the_limit_is_refused_and_a_missing_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        crate::tests_support::write(&path, "12345");
        assert!(matches!(
            read_text(&path, 4, Links::Refuse),
            Err(ReadProblem::TooLarge { limit: 4 })
        ));
        assert!(read_text(&path, 5, Links::Refuse).unwrap().is_some());
        for links in [Links::Follow, Links::Refuse] {
            let missing = directory.path().join("missing");
            assert!(read_text(&missing, 4, links).unwrap().is_none());
        }
    }

    #[cfg(unix)]
    #[test]
    fn files_of_the_tree_get_the_modes_of_the_umask_and_not_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let by_hand = directory.path().join("by-hand");
        File::create(&by_hand).unwrap();
        let ours = directory.path().join("ours");
        let mut file = WorktreeFilesystem.create_new(&ours).unwrap();
        file.write_all(b"x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&ours), mode(&by_hand));
        assert!(WorktreeFilesystem.create_new(&ours).is_err());
    }
}
