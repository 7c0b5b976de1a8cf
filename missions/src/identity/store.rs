//! The identity files in git directories: 0600, durable, written under a lock.

use super::IdentityError;
use crate::files::{Links, ReadProblem, read_text};
use crate::git::Checkout;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::Filesystem;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::lock::FileLock;
use kitty_runtime::python_json;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another process may take to write an identity.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
/// The most that is read of an identity file.
pub(super) const LIMIT: u64 = 64 * 1024;

/// `identity.json`: the UUID of a project whose configuration has none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {
    project_uuid: String,
}

/// The directory of our files in a git directory.
pub(super) fn private_directory(git_dir: &Path) -> PathBuf {
    git_dir.join("spec-kitty")
}

fn identity_file(checkout: &Checkout) -> PathBuf {
    private_directory(checkout.common_dir()).join("identity.json")
}

pub(super) fn read_uuid(checkout: &Checkout) -> Result<Option<ProjectUuid>, IdentityError> {
    let file = identity_file(checkout);
    let Some(stored) = read_json::<IdentityFile>(&file)? else {
        return Ok(None);
    };
    let uuid = stored.project_uuid.parse();
    uuid.map(Some).map_err(|_| IdentityError::Damaged { file })
}

pub(super) fn create_uuid(
    filesystem: &dyn Filesystem,
    checkout: &Checkout,
) -> Result<ProjectUuid, IdentityError> {
    let file = identity_file(checkout);
    let _lock = lock(filesystem, &file, "the project's identity")?;
    if let Some(uuid) = read_uuid(checkout)? {
        return Ok(uuid);
    }
    let uuid = ProjectUuid::random();
    write_json(
        filesystem,
        &file,
        &IdentityFile {
            project_uuid: uuid.to_string(),
        },
    )?;
    Ok(uuid)
}

/// Locks a file's neighbour; the directory is created.
pub(super) fn lock(
    filesystem: &dyn Filesystem,
    file: &Path,
    name: &'static str,
) -> Result<FileLock, IdentityError> {
    let directory = file
        .parent()
        .expect("identity files lie in a directory of ours");
    crashsafe::create_dir_all(filesystem, directory).map_err(|source| IdentityError::Io {
        path: directory.to_owned(),
        source,
    })?;
    Ok(FileLock::acquire(
        name,
        &file.with_extension("lock"),
        LOCK_LIMIT,
    )?)
}

pub(super) fn read_json<T: for<'de> Deserialize<'de>>(
    file: &Path,
) -> Result<Option<T>, IdentityError> {
    let text = match read_text(file, LIMIT, Links::Refuse) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(ReadProblem::Io(source)) => {
            return Err(IdentityError::Io {
                path: file.to_owned(),
                source,
            });
        }
        Err(_) => {
            return Err(IdentityError::Damaged {
                file: file.to_owned(),
            });
        }
    };
    let stored = serde_json::from_str(&text);
    stored.map(Some).map_err(|_| IdentityError::Damaged {
        file: file.to_owned(),
    })
}

pub(super) fn write_json(
    filesystem: &dyn Filesystem,
    file: &Path,
    value: &impl Serialize,
) -> Result<(), IdentityError> {
    let mut text = python_json::indented(value);
    text.push('\n');
    crashsafe::replace(filesystem, file, text.as_bytes(), Durability::PowerCut).map_err(|source| {
        IdentityError::Io {
            path: file.to_owned(),
            source,
        }
    })
}
