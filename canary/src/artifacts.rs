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

mod bundle;
mod manifest;
mod verify;

pub use bundle::Bundle;
pub use manifest::MANIFEST;
pub use verify::{Finding, Protocol, manifest_digest, verify, verify_bundle};

use crate::result::CanaryRunResult;
use kitty_runtime::fs::Filesystem;
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
    bundle: Bundle<'a>,
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
        let bundle = Bundle::begin(filesystem, &artifacts.join(FOLDER), tag)?;
        bundle.folder(RUNS)?;
        Ok(Self {
            bundle,
            latest: None,
        })
    }

    /// Returns where the attempt lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.bundle.directory()
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
        self.bundle.write(name, bytes)
    }

    /// Writes `latest.json` and the manifest; nothing is added afterwards.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn seal(mut self) -> Result<Sealed, ArtifactError> {
        let latest = self.latest.take().ok_or(ArtifactError::Empty)?;
        self.write(LATEST, latest.as_bytes())?;
        self.bundle.seal()
    }
}

/// Returns the name of a run's file below its attempt.
#[must_use]
pub fn run_file(number: u8) -> String {
    format!("{RUNS}/run-{number}.json")
}

#[cfg(test)]
mod tests;
