//! Where the status of a mission lies: nobody else writes there, no link leads away, and nothing that
//! a killed writer left is in the way.

use super::StatusError;
use crate::files::{WorktreeFilesystem, is_plain_directory};
use crate::git::Checkout;
use crate::project::Project;
use crate::{snapshot, status_log, work_package};
use kitty_runtime::crashsafe;
use kitty_runtime::lock::FileLock;
use std::io;
use std::path::Path;

/// Takes the lock that every writer of a mission's status holds, the Python CLI included.
///
/// # Errors
/// [`StatusError::Lock`] when another process holds it all the time.
pub fn lock(checkout: &Checkout, slug: &str) -> Result<FileLock, StatusError> {
    let directory = checkout.common_dir().join("spec-kitty-locks");
    if let Err(source) = std::fs::create_dir(&directory)
        && source.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(StatusError::Unwritable {
            path: directory,
            source,
        });
    }
    let path = directory.join(format!("{slug}.status.lock"));
    Ok(FileLock::acquire(
        "the status of the mission",
        &path,
        checkout.program().status_lock_limit(),
    )?)
}

/// Refuses a mission whose directory, or whose status, is a link or lies behind one.
///
/// A repository that somebody else wrote may hold links; what follows them leaves the repository.
///
/// # Errors
/// [`StatusError::NotPlain`].
pub(crate) fn require_plain(project: &Project, directory: &Path) -> Result<(), StatusError> {
    let unreadable = |path: &Path, source: io::Error| StatusError::Unreadable {
        path: path.to_owned(),
        problem: source.into(),
    };
    let refused = |path: &Path| StatusError::NotPlain {
        path: path.to_owned(),
    };
    let mut folder = project.root.clone();
    for part in directory.strip_prefix(&project.root).unwrap_or(directory) {
        folder.push(part);
        if !is_plain_directory(&folder).map_err(|source| unreadable(&folder, source))? {
            return Err(refused(&folder));
        }
    }
    for name in [status_log::FILE_NAME, snapshot::FILE_NAME] {
        let file = directory.join(name);
        match file.symlink_metadata() {
            Ok(metadata) if !metadata.is_file() => return Err(refused(&file)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unreadable(&file, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes what writers that were killed left in a mission; the caller holds the lock of its status.
pub(crate) fn sweep(mission: &Path) {
    let folders = [mission.to_owned(), mission.join(work_package::DIRECTORY)];
    for folder in folders
        .iter()
        .filter(|folder| is_plain_directory(folder).unwrap_or(false))
    {
        crashsafe::sweep(&WorktreeFilesystem, folder);
    }
}
