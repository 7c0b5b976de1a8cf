//! A directory of files that are written once, under a manifest.

use super::manifest::{self, MANIFEST, Manifest};
use super::{ArtifactError, Sealed, at};
use kitty_runtime::crashsafe;
use kitty_runtime::fs::Filesystem;
use std::io;
use std::path::{Path, PathBuf};

/// A bundle that is being written; the directory is its alone.
#[derive(Debug)]
pub struct Bundle<'a> {
    filesystem: &'a dyn Filesystem,
    directory: PathBuf,
    manifest: Manifest,
}

impl<'a> Bundle<'a> {
    /// Makes the directory `<folder>/<tag>-attempt<N>`: one more than the highest that is there.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn begin(
        filesystem: &'a dyn Filesystem,
        folder: &Path,
        tag: &str,
    ) -> Result<Self, ArtifactError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        if tag.is_empty() || tag.starts_with('.') || !tag.chars().all(fits) {
            return Err(ArtifactError::Tag(tag.to_owned()));
        }
        crashsafe::create_dir_all(filesystem, folder).map_err(at(folder))?;
        let directory = Self::new_directory(filesystem, folder, tag)?;
        Ok(Self {
            filesystem,
            directory,
            manifest: Manifest::default(),
        })
    }

    fn new_directory(
        filesystem: &dyn Filesystem,
        folder: &Path,
        tag: &str,
    ) -> Result<PathBuf, ArtifactError> {
        let names = filesystem.list(folder).map_err(at(folder))?;
        let prefix = format!("{tag}-attempt");
        let number = |name: &String| name.strip_prefix(&prefix)?.parse::<u32>().ok();
        let mut next = names.iter().filter_map(number).max().unwrap_or(0) + 1;
        loop {
            let directory = folder.join(format!("{prefix}{next}"));
            // Another process may have taken the number since.
            if filesystem.create_dir(&directory).map_err(at(&directory))? {
                filesystem.sync_dir(folder).map_err(at(folder))?;
                return Ok(directory);
            }
            next += 1;
        }
    }

    /// Makes a folder of the bundle.
    pub(super) fn folder(&self, name: &str) -> Result<(), ArtifactError> {
        let path = self.directory.join(name);
        self.filesystem.create_dir(&path).map_err(at(&path))?;
        self.filesystem
            .sync_dir(&self.directory)
            .map_err(at(&self.directory))
    }

    /// Returns where it lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file.
    ///
    /// # Errors
    /// [`ArtifactError`], also when it is there already.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), ArtifactError> {
        write_once(self.filesystem, &self.directory.join(name), bytes)?;
        self.manifest.add(name, bytes);
        Ok(())
    }

    /// Writes the manifest; nothing is added afterwards.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn seal(self) -> Result<Sealed, ArtifactError> {
        let manifest = self.manifest.to_string();
        let path = self.directory.join(MANIFEST);
        write_once(self.filesystem, &path, manifest.as_bytes())?;
        Ok(Sealed {
            digest: manifest::digest(manifest.as_bytes()),
            directory: self.directory,
        })
    }
}

/// Creates a file that must not exist, forces it to disk and makes it read-only.
fn write_once(filesystem: &dyn Filesystem, path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    let mut file = filesystem.create_new(path).map_err(at(path))?;
    file.write_all(bytes).map_err(at(path))?;
    make_read_only(path).map_err(at(path))?;
    file.sync_data().map_err(at(path))?;
    crashsafe::sync_parent(filesystem, path).map_err(at(path))
}

fn make_read_only(path: &Path) -> io::Result<()> {
    let mut permissions = std::fs::metadata(path)?.permissions();
    #[cfg(unix)]
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o444);
    #[cfg(not(unix))]
    permissions.set_readonly(true);
    std::fs::set_permissions(path, permissions)
}
