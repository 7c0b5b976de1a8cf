//! `SHA256SUMS`: one line per file, in the one form that there is.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The file's name.
pub const MANIFEST: &str = "SHA256SUMS";

/// The digests of the files of an attempt, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    files: BTreeMap<String, String>,
}

/// Returns the SHA-256 of bytes in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Manifest {
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.files.insert(name.to_owned(), digest(bytes));
    }

    /// Reads a manifest; only the very form that this program writes is one, so that no byte of it can
    /// be changed without a trace.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut manifest = Self::default();
        for line in text.lines() {
            let (digest, name) = line.split_once("  ")?;
            manifest.files.insert(name.to_owned(), digest.to_owned());
        }
        (manifest.to_string() == text).then_some(manifest)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(name, digest)| (name.as_str(), digest.as_str()))
    }

    pub(super) fn names(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, digest) in &self.files {
            writeln!(formatter, "{digest}  {name}")?;
        }
        Ok(())
    }
}
