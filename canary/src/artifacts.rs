//! Evidence on disk: written once, sealed by a manifest, verified by anybody later.
//!
//! ```text
//! <artifacts>/sync_identity_boundary/<tag>-attempt<N>/
//!     runs/run-<1..4>.json   one result each
//!     canary.log             every call of the binary under test, and what it answered
//!     latest.json            a copy of the last run
//!     SHA256SUMS             the manifest; without it an attempt was never finished
//! ```
//!
//! Every file is created new, forced to disk and made read-only; an attempt never reuses a directory.

mod manifest;
mod verify;

pub use manifest::MANIFEST;
pub use verify::{Finding, Protocol, manifest_digest, verify};

use crate::result::CanaryRunResult;
use kitty_runtime::crashsafe;
use kitty_runtime::fs::Filesystem;
use manifest::Manifest;
use std::io;
use std::path::{Path, PathBuf};

/// The folder that all attempts lie in.
pub const FOLDER: &str = "sync_identity_boundary";
/// The copy of the last run.
pub const LATEST: &str = "latest.json";
/// The folder of the runs.
pub const RUNS: &str = "runs";

/// Evidence that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file system refused.
    #[error("{path}: {source}. Check the permissions of the artifacts directory.")]
    Io {
        /// What was worked on.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A tag that names no directory.
    #[error(
        "the tag `{0}` cannot name a directory; use letters, digits, dots, dashes and underscores"
    )]
    Tag(String),
    /// A result that contradicts itself is not evidence.
    #[error("run {number} is not written because it contradicts itself: {contradictions}")]
    Contradiction {
        /// The run.
        number: u8,
        /// What does not follow.
        contradictions: String,
    },
    /// Nothing was run.
    #[error("there is no run to seal; run the canary first")]
    Empty,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.display().to_string();
    move |source| ArtifactError::Io { path, source }
}

/// An attempt that is being written.
#[derive(Debug)]
pub struct Attempt<'a> {
    filesystem: &'a dyn Filesystem,
    directory: PathBuf,
    manifest: Manifest,
    latest: Option<String>,
}

/// An attempt that is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Where it lies.
    pub directory: PathBuf,
    /// The SHA-256 of its manifest: whoever keeps this word can tell whether anything was exchanged,
    /// the manifest included.
    pub digest: String,
}

impl<'a> Attempt<'a> {
    /// Makes the directory of the next attempt for a tag: one more than the highest that is there.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn begin(
        filesystem: &'a dyn Filesystem,
        artifacts: &Path,
        tag: &str,
    ) -> Result<Self, ArtifactError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        if tag.is_empty() || tag.starts_with('.') || !tag.chars().all(fits) {
            return Err(ArtifactError::Tag(tag.to_owned()));
        }
        let folder = artifacts.join(FOLDER);
        crashsafe::create_dir_all(filesystem, &folder).map_err(at(&folder))?;
        let directory = Self::new_directory(filesystem, &folder, tag)?;
        let runs = directory.join(RUNS);
        filesystem.create_dir(&runs).map_err(at(&runs))?;
        filesystem.sync_dir(&directory).map_err(at(&directory))?;
        Ok(Self {
            filesystem,
            directory,
            manifest: Manifest::default(),
            latest: None,
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

    /// Returns where the attempt lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes the result of a run; a number that is there already is refused.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn write_run(&mut self, result: &CanaryRunResult) -> Result<(), ArtifactError> {
        let contradictions = result.contradictions();
        if !contradictions.is_empty() {
            return Err(ArtifactError::Contradiction {
                number: result.run_number,
                contradictions: contradictions.join("; "),
            });
        }
        let text = result.to_json();
        self.write(&run_file(result.run_number), text.as_bytes())?;
        self.latest = Some(text);
        Ok(())
    }

    /// Writes a file of the attempt, for example a log.
    ///
    /// # Errors
    /// [`ArtifactError`], also when it is there already.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), ArtifactError> {
        write_once(self.filesystem, &self.directory.join(name), bytes)?;
        self.manifest.add(name, bytes);
        Ok(())
    }

    /// Writes `latest.json` and the manifest; nothing is added afterwards.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn seal(mut self) -> Result<Sealed, ArtifactError> {
        let latest = self.latest.take().ok_or(ArtifactError::Empty)?;
        self.write(LATEST, latest.as_bytes())?;
        let manifest = self.manifest.to_string();
        let path = self.directory.join(MANIFEST);
        write_once(self.filesystem, &path, manifest.as_bytes())?;
        Ok(Sealed {
            digest: manifest::digest(manifest.as_bytes()),
            directory: self.directory,
        })
    }
}

/// Returns the name of a run's file below its attempt.
#[must_use]
pub fn run_file(number: u8) -> String {
    format!("{RUNS}/run-{number}.json")
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

#[cfg(test)]
mod tests;
