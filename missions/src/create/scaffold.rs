//! The directory of a new mission: written aside, then moved into place whole.
//!
//! The tree is written and fsynced in the git directory, where a killed process leaves nothing in
//! the working tree, and appears under its name by one rename. A reader therefore sees no mission or
//! a complete one. When the git directory is on another file system, a hidden directory beside the
//! missions takes its place. Leftovers of killed processes are removed by the next creation, under
//! the lock that all creations hold.

use super::CreateError;
use crate::files::is_plain_directory;
use kitty_runtime::crashsafe::sync_parent;
use kitty_runtime::fs::Filesystem;
use std::io;
use std::path::{Path, PathBuf};

/// The directories below the mission's, parents first.
const DIRECTORIES: [&str; 3] = ["tasks", "checklists", "research"];
/// Ends the names of hidden directories that are still being written.
const UNFINISHED: &str = ".unfinished";

/// The files of a mission, relative to its directory, with their content.
pub(super) struct Scaffold {
    pub(super) files: [(&'static str, String); 5],
}

/// The files that are committed with the scaffold; `spec.md` is committed when it is written.
pub(super) const COMMITTED: [&str; 4] = [
    "meta.json",
    "status.events.jsonl",
    "tasks/README.md",
    "tasks/.gitkeep",
];

/// Where missions are made.
pub(super) struct Site<'a> {
    pub(super) filesystem: &'a dyn Filesystem,
    /// `kitty-specs/`.
    pub(super) specs: PathBuf,
    /// The directory for unfinished trees, in the git directory.
    pub(super) aside: PathBuf,
}

/// What was made, so that it can be removed again.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    /// The directory that the tree is in at the moment.
    tree: Option<PathBuf>,
    /// Directories around it that did not exist before, outermost first.
    around: Vec<PathBuf>,
}

impl Site<'_> {
    /// Makes `kitty-specs/` if it is missing, and refuses a link in its place.
    pub(super) fn prepare(&self, made: &mut Made) -> Result<(), CreateError> {
        let specs = &self.specs;
        let plain = is_plain_directory(specs).map_err(|error| CreateError::of_io(specs, error))?;
        if !plain && specs.symlink_metadata().is_ok() {
            return Err(CreateError::UnsafePath {
                path: specs.clone(),
            });
        }
        if !plain {
            self.make_directory(specs)?;
            made.around.push(specs.clone());
            sync_parent(self.filesystem, specs)
                .map_err(|error| CreateError::of_io(specs, error))?;
        }
        Ok(())
    }

    /// Removes what killed processes left; the caller holds the lock of all creations.
    ///
    /// Nothing depends on its success: what stays is tried again by the next creation.
    pub(super) fn sweep(&self) {
        let unfinished = |entry: &PathBuf| {
            entry
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with('.') && name.ends_with(UNFINISHED))
        };
        for folder in [&self.aside, &self.specs] {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            for entry in entries
                .flatten()
                .map(|entry| entry.path())
                .filter(unfinished)
            {
                let _ = std::fs::remove_dir_all(entry);
            }
        }
    }

    /// Writes the tree and moves it to `kitty-specs/<name>`, all of it stable on disk.
    pub(super) fn place(
        &self,
        name: &str,
        scaffold: &Scaffold,
        made: &mut Made,
    ) -> Result<PathBuf, CreateError> {
        let target = self.specs.join(name);
        if target.symlink_metadata().is_ok() {
            return Err(CreateError::Exists {
                slug: name.to_owned(),
            });
        }
        if self.make_directory(&self.aside)? {
            made.around.push(self.aside.clone());
        }
        for folder in [&self.aside, &self.specs] {
            let unfinished = folder.join(format!(".{name}{UNFINISHED}"));
            made.tree = Some(unfinished.clone());
            self.write(&unfinished, scaffold)?;
            match self.filesystem.rename(&unfinished, &target) {
                Ok(()) => {
                    made.tree = Some(target.clone());
                    self.filesystem
                        .sync_dir(&self.specs)
                        .map_err(|error| CreateError::of_io(&self.specs, error))?;
                    let _ = std::fs::remove_dir(&self.aside);
                    return Ok(target);
                }
                Err(error)
                    if error.kind() == io::ErrorKind::CrossesDevices && folder == &self.aside =>
                {
                    let mut first_try = Made {
                        tree: made.tree.take(),
                        around: Vec::new(),
                    };
                    let left = first_try.remove(self.filesystem);
                    debug_assert!(left.is_empty(), "{left:?}");
                }
                Err(error) => return Err(CreateError::of_io(&target, error)),
            }
        }
        unreachable!("the second folder is on the file system of the target")
    }

    fn write(&self, tree: &Path, scaffold: &Scaffold) -> Result<(), CreateError> {
        self.make_directory(tree)?;
        for directory in DIRECTORIES {
            self.make_directory(&tree.join(directory))?;
        }
        // All are written before the first is forced out, so that one journal commit takes them all.
        let mut written = Vec::with_capacity(scaffold.files.len());
        for (name, content) in &scaffold.files {
            let path = tree.join(name);
            let write = || -> io::Result<_> {
                let mut file = self.filesystem.create_new(&path)?;
                file.write_all(content.as_bytes())?;
                Ok(file)
            };
            let file = write().map_err(|error| CreateError::of_io(&path, error))?;
            written.push((path, file));
        }
        for (path, file) in written {
            file.sync_data()
                .map_err(|error| CreateError::of_io(&path, error))?;
        }
        for directory in [tree.join("tasks"), tree.to_owned()] {
            self.filesystem
                .sync_dir(&directory)
                .map_err(|error| CreateError::of_io(&directory, error))?;
        }
        Ok(())
    }

    fn make_directory(&self, path: &Path) -> Result<bool, CreateError> {
        self.filesystem
            .create_dir(path)
            .map_err(|error| CreateError::of_io(path, error))
    }
}

impl Made {
    /// Removes what was made and nothing else: a directory that holds anything more stays.
    ///
    /// Returns what could not be removed, each with its reason.
    pub(super) fn remove(&mut self, filesystem: &dyn Filesystem) -> Vec<String> {
        let mut left = Vec::new();
        let mut note = |path: &Path, outcome: io::Result<()>| match outcome {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                left.push(format!("{} ({error})", path.display()));
            }
            _ => {}
        };
        if let Some(tree) = self.tree.take() {
            let files = COMMITTED.iter().chain(std::iter::once(&"spec.md"));
            for file in files.map(|name| tree.join(name)) {
                note(&file, filesystem.remove_file(&file));
            }
            let below = DIRECTORIES.iter().map(|name| tree.join(name));
            for directory in below.chain(std::iter::once(tree.clone())) {
                note(&directory, std::fs::remove_dir(&directory));
            }
        }
        for directory in self.around.drain(..).rev() {
            // Somebody else may have begun to use it in the meantime.
            let _ = std::fs::remove_dir(&directory);
        }
        left
    }
}
