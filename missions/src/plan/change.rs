//! Files that change together and are put back together.

use super::PlanError;
use crate::files::{Links, read_text};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::Filesystem;
use std::path::{Path, PathBuf};

/// The most that is read of a file of a mission.
pub(super) const LIMIT: u64 = 64 << 20;

/// Reads a file of a mission; `None` when it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<String>, PlanError> {
    read_text(path, LIMIT, Links::Refuse).map_err(|problem| PlanError::Unreadable {
        path: path.to_owned(),
        reason: problem.to_string(),
    })
}

/// What was written so far, with the content that was there before.
pub(super) struct Changes<'a> {
    filesystem: &'a dyn Filesystem,
    before: Vec<(PathBuf, Option<String>)>,
}

impl<'a> Changes<'a> {
    pub(super) fn new(filesystem: &'a dyn Filesystem) -> Self {
        Self {
            filesystem,
            before: Vec::new(),
        }
    }

    /// Gives a file this content, durably; a file that has it already is not touched.
    pub(super) fn write(&mut self, path: &Path, text: &str) -> Result<(), PlanError> {
        let before = read(path)?;
        if before.as_deref() == Some(text) {
            return Ok(());
        }
        self.before.push((path.to_owned(), before));
        self.replace(path, text).map_err(|source| PlanError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Adds lines to a log; a last line without its end is ended first.
    pub(super) fn append(&mut self, path: &Path, lines: &str) -> Result<(), PlanError> {
        let mut text = read(path)?.unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(lines);
        self.write(path, &text)
    }

    /// Keeps what was written: it is committed.
    pub(super) fn keep(&mut self) {
        self.before.clear();
    }

    /// Keeps one of the files.
    pub(super) fn keep_file(&mut self, path: &Path) {
        self.before.retain(|(changed, _)| changed != path);
    }

    /// Puts back what was not kept, and returns the failure to report.
    pub(super) fn undo(self, cause: PlanError) -> PlanError {
        let mut left = Vec::new();
        for (path, before) in self.before.iter().rev() {
            let undone = match before {
                Some(text) => self.replace(path, text),
                None => crashsafe::remove(self.filesystem, path),
            };
            if let Err(error) = undone {
                left.push(format!("{} ({error})", path.display()));
            }
        }
        if left.is_empty() {
            return cause;
        }
        PlanError::NotUndone {
            cause: Box::new(cause),
            left,
        }
    }

    fn replace(&self, path: &Path, text: &str) -> std::io::Result<()> {
        crashsafe::replace(self.filesystem, path, text.as_bytes(), Durability::PowerCut)
    }
}
