//! The log of a gate: one line per input, each with the SHA-256 of the line before it.
//!
//! A line is on stable storage before the gate acts on it. A line without its end was never
//! acknowledged and is cut off; anything else that does not chain is a log that somebody changed, and
//! no gate goes on from it. Whoever keeps the digest of the last line can prove the whole log.

use super::core::Standing;
use super::digest;
use super::facts::Input;
use kitty_runtime::crashsafe;
use kitty_runtime::fs::{Filesystem, read_all};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// What the first line has in place of the digest of a line before it.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Counts from 1.
    pub number: u64,
    /// When it was written, ISO 8601; for people, nothing follows from it.
    pub at: String,
    /// The digest of the line before it.
    pub previous: String,
    /// What came in.
    pub input: Input,
    /// Where the gate stood before.
    pub from: Standing,
    /// Where it stands since.
    pub to: Standing,
}

/// A log that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("{path}: {source}. Check the permissions and the space of the gate's directory.")]
    Io {
        /// The file.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line does not follow from the one before it.
    #[error(
        "{path}, line {line}: {what}. The log was changed after it was written; start a new gate."
    )]
    Broken {
        /// The file.
        path: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// An open log.
#[derive(Debug)]
pub struct Log<'a> {
    filesystem: &'a dyn Filesystem,
    path: PathBuf,
    number: u64,
    head: String,
    /// The bytes that are known to be whole.
    length: u64,
}

impl<'a> Log<'a> {
    /// Reads a log; one that is missing is empty. Changes nothing.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(
        filesystem: &'a dyn Filesystem,
        path: &Path,
    ) -> Result<(Self, Vec<Entry>), LogError> {
        let mut log = Self {
            filesystem,
            path: path.to_owned(),
            number: 0,
            head: GENESIS.to_owned(),
            length: 0,
        };
        let bytes = match read_all(filesystem, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((log, Vec::new())),
            read => read.map_err(|source| log.io(source))?,
        };
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let mut entries = Vec::new();
        for (at, line) in bytes[..whole]
            .split_inclusive(|byte| *byte == b'\n')
            .enumerate()
        {
            let line = &line[..line.len() - 1];
            let entry = log.follow(line).map_err(|what| LogError::Broken {
                path: path.display().to_string(),
                line: at + 1,
                what,
            })?;
            entries.push(entry);
        }
        log.length = whole as u64;
        Ok((log, entries))
    }

    fn follow(&mut self, line: &[u8]) -> Result<Entry, String> {
        let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if entry.previous != self.head {
            return Err("it does not carry the digest of the line before it".to_owned());
        }
        if entry.number != self.number + 1 {
            return Err(format!(
                "its number is {} after {}",
                entry.number, self.number
            ));
        }
        self.number = entry.number;
        self.head = digest(line);
        Ok(entry)
    }

    /// Appends a line; it is on stable storage when this returns.
    ///
    /// # Errors
    /// [`LogError::Io`]; then the log must be opened anew, because it is not known what was stored.
    pub fn append(
        &mut self,
        at: String,
        input: &Input,
        from: &Standing,
        to: &Standing,
    ) -> Result<(), LogError> {
        let entry = Entry {
            number: self.number + 1,
            at,
            previous: self.head.clone(),
            input: input.clone(),
            from: from.clone(),
            to: to.clone(),
        };
        let mut line = serde_json::to_vec(&entry).expect("every field has a JSON form");
        let head = digest(&line);
        line.push(b'\n');
        self.write(&line).map_err(|source| self.io(source))?;
        self.number = entry.number;
        self.head = head;
        self.length += line.len() as u64;
        Ok(())
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut file = self.filesystem.open_append(&self.path, true)?;
        if file.length()? != self.length {
            // What a killed gate left of a line that it never acted on.
            file.set_length(self.length)?;
        }
        file.write_all(line)?;
        file.sync_data()?;
        crashsafe::sync_parent(self.filesystem, &self.path)
    }

    /// Returns the digest of the last line.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    fn io(&self, source: io::Error) -> LogError {
        LogError::Io {
            path: self.path.display().to_string(),
            source,
        }
    }
}
