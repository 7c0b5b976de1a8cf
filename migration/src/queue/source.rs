//! A queue file: copied, hashed and read; the file itself is never opened by SQLite.
//!
//! SQLite may write while it reads (it recovers a write-ahead log, it rolls back a journal). So the
//! file and its companions are copied into a private directory first, and the copy is opened. The
//! originals are hashed before and after, so that a program that writes meanwhile is noticed.

use super::row::{Cell, Row};
use crate::sha256;
use kitty_runtime::legacy_files::{LegacyFile, Stamp};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{Column as _, ConnectOptions as _, Connection as _, Decode, Row as _, TypeInfo as _};
use sqlx::{Sqlite, SqliteConnection, ValueRef as _};
use std::io;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database. `-shm` is an index of `-wal` that is made again.
const COMPANIONS: [&str; 4] = ["", "-wal", "-journal", "-shm"];

/// A queue file cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system refused.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another program writes it right now.
    #[error(
        "{} is being written by another program: stop the Python CLI and its daemon, then run `spec-kitty upgrade` again",
        path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It is no database, or a damaged one.
    #[error("{} is not a readable SQLite database: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        reason: String,
    },
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileHash {
    /// Its path below the state root.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// A queue file and its rows.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub file: LegacyFile,
    /// How it looked before it was read.
    pub stamp: Stamp,
    /// The file and what SQLite keeps beside it.
    pub files: Vec<FileHash>,
    /// The rows of every table that was asked for.
    pub rows: Vec<Row>,
}

impl Source {
    /// Reads the rows of tables; a table that the file does not have has none.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn read(file: &LegacyFile, tables: &[&'static str]) -> Result<Self, SourceError> {
        let io = |source| SourceError::Io {
            path: file.path.clone(),
            source,
        };
        let directory = tempfile::tempdir().map_err(io)?;
        let busy = || SourceError::Busy {
            path: file.path.clone(),
        };
        let stamp = Stamp::of(&file.path).ok_or_else(busy)?;
        let files = copy(file, directory.path()).map_err(io)?;
        if hashes(file).map_err(io)? != files || Stamp::of(&file.path) != Some(stamp) {
            return Err(busy());
        }
        let copy = directory.path().join("copy");
        let rows = if files.first().is_some_and(|file| file.bytes == 0) && files.len() == 1 {
            // A database that nothing was ever written to.
            Vec::new()
        } else {
            let reading = read_tables(&copy, tables);
            within_runtime(reading).map_err(|reason| SourceError::Damaged {
                path: file.path.clone(),
                reason,
            })?
        };
        Ok(Self {
            file: file.clone(),
            stamp,
            files,
            rows,
        })
    }

    /// Looks again whether the files are still what they were.
    ///
    /// # Errors
    /// [`SourceError::Busy`], or the operating system's.
    pub fn verify(&self) -> Result<(), SourceError> {
        let now = hashes(&self.file).map_err(|source| SourceError::Io {
            path: self.file.path.clone(),
            source,
        })?;
        if now == self.files {
            Ok(())
        } else {
            Err(SourceError::Busy {
                path: self.file.path.clone(),
            })
        }
    }
}

fn beside(path: &Path, companion: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(companion);
    name.into()
}

/// Hashes a file and its companions; those that do not exist are left out.
fn hashes(file: &LegacyFile) -> io::Result<Vec<FileHash>> {
    each(file, |_, _| Ok(()))
}

/// Copies a file and what SQLite needs beside it.
fn copy(file: &LegacyFile, directory: &Path) -> io::Result<Vec<FileHash>> {
    let target = directory.join("copy");
    each(file, |companion, bytes| {
        if companion == "-shm" {
            return Ok(());
        }
        use std::io::Write as _;
        std::fs::File::create_new(beside(&target, companion))?.write_all(bytes)
    })
}

fn each(
    file: &LegacyFile,
    mut with: impl FnMut(&str, &[u8]) -> io::Result<()>,
) -> io::Result<Vec<FileHash>> {
    let mut found = Vec::new();
    for companion in COMPANIONS {
        let bytes = match std::fs::read(beside(&file.path, companion)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !companion.is_empty() => {
                continue;
            }
            other => other?,
        };
        with(companion, &bytes)?;
        found.push(FileHash {
            name: format!("{}{companion}", file.name),
            bytes: bytes.len() as u64,
            sha256: sha256(&bytes),
        });
    }
    Ok(found)
}

fn within_runtime<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| error.to_string())?.block_on(work)
}

async fn read_tables(copy: &Path, tables: &[&'static str]) -> Result<Vec<Row>, String> {
    let options = SqliteConnectOptions::new()
        .filename(copy)
        .disable_statement_logging();
    let said = |error: sqlx::Error| error.to_string();
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .map_err(said)?;
    let present: Vec<(String,)> =
        sqlx::query_as("SELECT name FROM sqlite_master WHERE type = 'table'")
            .fetch_all(&mut connection)
            .await
            .map_err(said)?;
    let mut rows = Vec::new();
    for table in tables.iter().copied() {
        if !present.iter().any(|(name,)| name == table) {
            continue;
        }
        // The names are constants of this crate.
        let query = format!("SELECT rowid AS \"__rowid\", * FROM \"{table}\" ORDER BY rowid");
        let found = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_all(&mut connection)
            .await
            .map_err(said)?;
        for row in &found {
            rows.push(take(table, row).map_err(said)?);
        }
    }
    connection.close().await.map_err(said)?;
    Ok(rows)
}

fn take(table: &'static str, row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let mut columns = Vec::with_capacity(row.columns().len());
    for column in row.columns() {
        columns.push((column.name().to_owned(), cell(row, column.ordinal())?));
    }
    let (_, first) = columns.remove(0);
    let rowid = match first {
        Cell::Integer(rowid) => rowid,
        _ => 0,
    };
    Ok(Row {
        table,
        rowid,
        columns,
    })
}

/// Takes a value by the type it has, whatever its column was declared as.
fn cell(row: &SqliteRow, index: usize) -> Result<Cell, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().name().to_owned();
    let decode = |source| sqlx::Error::ColumnDecode {
        index: index.to_string(),
        source,
    };
    Ok(match kind.as_str() {
        "INTEGER" => Cell::Integer(Decode::<Sqlite>::decode(value).map_err(decode)?),
        "REAL" => Cell::Real(Decode::<Sqlite>::decode(value).map_err(decode)?),
        "TEXT" => Cell::Text(Decode::<Sqlite>::decode(value).map_err(decode)?),
        _ => Cell::Blob(Decode::<Sqlite>::decode(value).map_err(decode)?),
    })
}
