//! Where a gate works, and the processes that work there: a gate that was killed leaves both, and the
//! next one ends them before it begins.

use super::super::world::WorldError;
use kitty_config::env;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{SharedFilesystem, read_all};
use kitty_runtime::process::{Listed, ProcessSignal, of_this_user};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in the gate's directory that says where its scratch directory is.
const NOTE: &str = "scratch.path";
/// How long a process that was left behind may take to end in order.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A directory for work that nothing remains of.
#[derive(Debug)]
pub struct Scratch {
    directory: PathBuf,
    note: PathBuf,
    filesystem: SharedFilesystem,
}

impl Scratch {
    /// How the name of a scratch directory begins; nothing else is ever removed.
    ///
    /// Short, because machines of the canary lie in it and a socket's path may have 100 bytes or so.
    pub const PREFIX: &'static str = "kg-";

    /// Takes an empty directory for a gate whose lock the caller holds, after what an earlier process
    /// of that gate left has been ended and removed.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn take(
        filesystem: SharedFilesystem,
        gate: &Path,
        directory: &Path,
    ) -> Result<Self, WorldError> {
        let note = gate.join(NOTE);
        let failed = |error: io::Error| WorldError(format!("{}: {error}", note.display()));
        match read_all(&*filesystem, &note) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(bytes) => {
                let left = PathBuf::from(String::from_utf8_lossy(&bytes).trim());
                must_be_scratch(&left)?;
                end_processes_below(&left);
                remove(&left)?;
            }
        }
        let directory = directory.canonicalize().map_err(failed)?;
        let text = format!("{}\n", directory.display());
        crashsafe::replace(&*filesystem, &note, text.as_bytes(), Durability::PowerCut)
            .map_err(failed)?;
        Ok(Self {
            directory,
            note,
            filesystem,
        })
    }

    /// Returns a path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Ends what still runs in it and empties it.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn clear(&self) -> Result<(), WorldError> {
        end_processes_below(&self.directory);
        // The directory itself stays: its name was made for this process alone.
        empty(&self.directory)
            .and_then(|()| self.filesystem.create_dir(&self.path("home")).map(drop))
            .map_err(|error| WorldError(format!("{}: {error}", self.directory.display())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        end_processes_below(&self.directory);
        // What stays is removed by the gate's next process, which finds the note.
        if remove(&self.directory).is_ok() {
            let _ = crashsafe::remove(&*self.filesystem, &self.note);
        }
    }
}

/// Nothing is ended or removed because a file that anybody may have changed says so.
fn must_be_scratch(directory: &Path) -> Result<(), WorldError> {
    let name = directory.file_name().unwrap_or_default();
    let prefix = Scratch::PREFIX.as_bytes();
    if directory.is_absolute() && name.as_encoded_bytes().starts_with(prefix) {
        return Ok(());
    }
    Err(WorldError(format!(
        "{NOTE} names `{}`, which is no scratch directory of a gate; remove that file",
        directory.display()
    )))
}

fn remove(directory: &Path) -> Result<(), WorldError> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WorldError(format!("{}: {error}", directory.display())))
        }
        _ => Ok(()),
    }
}

fn empty(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Ends every process of this user whose state root lies below a directory.
fn end_processes_below(directory: &Path) {
    let below = |listed: &Listed| {
        let root = listed.variable(env::SPEC_KITTY_HOME.name);
        root.is_some_and(|root| Path::new(root).starts_with(directory))
    };
    for listed in of_this_user(|_| true).iter().filter(|listed| below(listed)) {
        let process = &listed.identity;
        if process.signal(ProcessSignal::Terminate) && !process.ends_within(END_LIMIT) {
            let _ = process.signal(ProcessSignal::Kill);
            let _ = process.ends_within(END_LIMIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kitty_runtime::fs::os_filesystem;

    #[test]
    fn what_an_earlier_process_left_is_removed_and_nothing_else_ever_is() {
        let filesystem = os_filesystem();
        let base = tempfile::tempdir().unwrap();
        let fresh = |name: &str| {
            let path = base.path().join(name);
            filesystem.create_dir(&path).unwrap();
            path
        };
        let gate = fresh("gate");
        let note = gate.join(NOTE);
        let left = Scratch::take(filesystem.clone(), &gate, &fresh("kg-1")).unwrap();
        left.clear().unwrap();
        // As a process that was killed leaves it.
        let left = std::mem::ManuallyDrop::new(left);
        let next = Scratch::take(filesystem.clone(), &gate, &fresh("kg-2")).unwrap();
        assert!(!left.directory.exists() && next.directory.exists());
        drop(next);
        assert!(!note.exists() && !base.path().join("kg-2").exists());

        let other = fresh("other");
        for text in [other.to_str().unwrap(), "", "/", "kg-3", "/nowhere/../x"] {
            let bytes = text.as_bytes();
            crashsafe::replace(&*filesystem, &note, bytes, Durability::ProcessDeath).unwrap();
            let refused = Scratch::take(filesystem.clone(), &gate, &other).unwrap_err();
            assert!(
                refused.0.contains("no scratch directory"),
                "{text}: {refused}"
            );
        }
        assert!(other.exists());
    }
}
