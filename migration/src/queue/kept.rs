//! Rows that are not delivered, kept whole: the quarantine, and what is held for somebody else.
//!
//! One JSON object a line, from which every value of the row can be restored bit by bit. A row stays
//! in the file until it is seen again with another fate, also when its source is gone by then.

use super::row::Row;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{Filesystem, read_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::io;
use std::path::Path;

/// One kept row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptRow {
    /// The file it stands in, below the state root.
    pub source: String,
    /// The table.
    pub table: String,
    /// Its position in the table.
    pub rowid: i64,
    /// Lower-case hexadecimal, over the row as it is rendered here.
    pub sha256: String,
    /// Why it is kept, in a word: the reason of a quarantine, or whose it is.
    pub reason: String,
    /// What exactly.
    pub detail: String,
    /// Every column.
    pub row: Value,
}

/// Names a row, whatever becomes of it.
pub type RowName = (String, String, i64, String);

impl KeptRow {
    /// Renders a row.
    #[must_use]
    pub fn of(source: &str, row: &Row, reason: &str, detail: &str) -> Self {
        let rendered = row.to_json();
        Self {
            source: source.to_owned(),
            table: row.table.to_owned(),
            rowid: row.rowid,
            sha256: crate::sha256(rendered.to_string().as_bytes()),
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            row: rendered,
        }
    }

    /// Names it.
    #[must_use]
    pub fn name(&self) -> RowName {
        (
            self.source.clone(),
            self.table.clone(),
            self.rowid,
            self.sha256.clone(),
        )
    }
}

/// Names a row.
#[must_use]
pub fn name_of(source: &str, row: &Row) -> RowName {
    let hash = crate::sha256(row.to_json().to_string().as_bytes());
    (source.to_owned(), row.table.to_owned(), row.rowid, hash)
}

/// Reads a file of kept rows; a missing one is empty.
///
/// # Errors
/// The file system's; `InvalidData` when a line is damaged, so that it is never overwritten.
pub fn read(filesystem: &dyn Filesystem, path: &Path) -> io::Result<Vec<KeptRow>> {
    let bytes = match read_all(filesystem, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(io::Error::from))
        .collect()
}

/// Stores rows beside those that were stored before and were not seen now.
///
/// # Errors
/// Those of [`read`], and the file system's.
pub fn store(
    filesystem: &dyn Filesystem,
    path: &Path,
    rows: Vec<KeptRow>,
    seen: &HashSet<RowName>,
) -> io::Result<()> {
    let before = read(filesystem, path)?;
    let mut all: Vec<KeptRow> = before
        .iter()
        .filter(|row| !seen.contains(&row.name()))
        .cloned()
        .collect();
    all.extend(rows);
    if all == before {
        return Ok(());
    }
    let mut bytes = Vec::new();
    for row in &all {
        serde_json::to_writer(&mut bytes, row)?;
        bytes.push(b'\n');
    }
    crashsafe::replace(filesystem, path, &bytes, Durability::PowerCut)
}
