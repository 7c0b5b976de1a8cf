//! The store: one SQLite database, one writer, several readers.
//!
//! Every write runs in a transaction that takes SQLite's write lock at its start, on the one
//! connection that writes. So two requests of this server never meet `SQLITE_BUSY`, and what a
//! transaction reads stays true until it commits. A commit returns after the write-ahead log was
//! fsynced (`synchronous = FULL`); no answer is sent before.
//!
//! sqlx is used here and below only. The statements use numbered parameters and `ON CONFLICT`, so
//! that another dialect is another migration and another connection type.

mod accounts;
mod arrivals;
mod bodies;
mod codes;
mod devices;
mod events;
pub(crate) mod failures;
mod reading;
mod sessions;
mod tallies;
pub(crate) mod tracker;

pub(crate) use accounts::{AccountDraft, AccountRefusal, TeamDraft};
pub(crate) use arrivals::Arrivals;
pub(crate) use bodies::{BodyRow, Kept, NewBody};
pub(crate) use codes::{AuthorizationCode, CodeExchange};
pub(crate) use devices::{DeviceAnswer, DeviceDraft, DevicePoll, DeviceVerdict};
pub(crate) use events::{NewEvent, Recorded};
pub(crate) use reading::{Counts, EventFilter, ProjectRow, StoredEvent};
pub(crate) use sessions::{
    AccessState, AuthMethod, NewSession, Rotation, SessionLifetimes, TokenPair,
};

use crate::data_directory::{DataDirectory, DataDirectoryError};
use crate::secret::NoRandomness;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How many requests may read at the same time.
const READERS: u32 = 4;

/// How long closing may take before the process goes on; the log is already durable.
const CLOSE_DEADLINE: Duration = Duration::from_millis(500);

/// Codes that expired are kept this long, so that a client is told "expired" and not "unknown".
const EXPIRED_CODES_KEPT: Duration = Duration::from_secs(3_600);

/// A database larger than this is not checked page by page at start.
const LARGEST_CHECKED_DATABASE: u64 = 256 * 1024 * 1024;

/// Something the store could not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// SQLite or the pool refused.
    #[error("the store failed: {0}; see the server's log, and check disk space")]
    Sql(#[from] sqlx::Error),
    /// No secret could be made.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl StoreError {
    /// Tells whether trying again may help: the store was locked, full, or had no free connection.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
            Self::Sql(sqlx::Error::Database(error)) => {
                // The low byte of SQLite's code: 5 is BUSY, 6 is LOCKED, 13 is FULL.
                let code = error.code().and_then(|code| code.parse::<u32>().ok());
                code.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 13))
            }
            _ => false,
        }
    }
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The data directory is at fault.
    #[error(transparent)]
    Directory(#[from] DataDirectoryError),
    /// The file is not a database, or a damaged one.
    #[error(
        "{} is damaged ({problem}); move it and its -wal and -shm files aside and restore a \
         backup, or start empty",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        problem: String,
    },
    /// Another program holds the database.
    #[error("{} is locked by another program; close it and start again", path.display())]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// A newer release has written it, or the migrations were edited.
    #[error(
        "{} does not have the schema of this release ({problem}); use the release that wrote it, \
         or start the server once to bring it up to date",
        path.display()
    )]
    Schema {
        /// The database file.
        path: PathBuf,
        /// What differs.
        problem: String,
    },
    /// Anything else SQLite reports.
    #[error("{} cannot be opened: {problem}; check that this user may write it", path.display())]
    Unusable {
        /// The database file.
        path: PathBuf,
        /// What SQLite reports.
        problem: String,
    },
}

/// The open database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    arrivals: Arrivals,
}

/// A transaction that holds the write lock.
pub(crate) type Writing = Transaction<'static, Sqlite>;

impl Store {
    /// Opens the database of a server: creates it, checks it and brings its schema up to date.
    pub(crate) async fn open(
        directory: &DataDirectory,
        deadline: Duration,
    ) -> Result<Self, StoreOpenError> {
        directory.ensure_database()?;
        let path = directory.database();
        let store = Self::connect(&path, deadline).await?;
        store.check(&path).await?;
        let migrated = MIGRATIONS.run(&store.writer).await;
        migrated.map_err(|error| describe_migration(&path, error))?;
        Ok(store)
    }

    /// Opens a database that a server has made, while that server may be running.
    pub(crate) async fn open_existing(
        directory: &DataDirectory,
        deadline: Duration,
    ) -> Result<Self, StoreOpenError> {
        let path = directory.database();
        let store = Self::connect(&path, deadline).await?;
        let applied: Result<Option<i64>, sqlx::Error> =
            sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
                .fetch_one(&store.readers)
                .await;
        let applied = match applied {
            Ok(applied) => applied,
            Err(sqlx::Error::Database(error)) if error.message().contains("no such table") => None,
            Err(error) => return Err(describe(&path, &error)),
        };
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        if applied == newest {
            return Ok(store);
        }
        Err(StoreOpenError::Schema {
            path,
            problem: format!("version {} instead of {}", shown(applied), shown(newest)),
        })
    }

    /// `deadline` is how long a request waits for a connection, and SQLite for another process.
    async fn connect(path: &Path, deadline: Duration) -> Result<Self, StoreOpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // Shorter than the pool's patience, so that a lock is reported as a lock.
            .busy_timeout(deadline / 2)
            .statement_cache_capacity(64);
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(deadline)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let failed = |error: sqlx::Error| describe(path, &error);
        // The writer connects first: it is the one that may have to recover the log.
        let writer = pool().max_connections(1).connect_with(options.clone());
        let writer = writer.await.map_err(failed)?;
        let reading = options.pragma("query_only", "ON");
        let readers = pool().max_connections(READERS).connect_with(reading);
        let readers = readers.await.map_err(failed)?;
        Ok(Self {
            writer,
            readers,
            arrivals: Arrivals::default(),
        })
    }

    async fn check(&self, path: &Path) -> Result<(), StoreOpenError> {
        let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if size > LARGEST_CHECKED_DATABASE {
            tracing::info!(
                size,
                "the database is large; its pages are not checked at start"
            );
            return Ok(());
        }
        let verdict: Result<String, sqlx::Error> = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&self.writer)
            .await;
        match verdict {
            Ok(verdict) if verdict == "ok" => Ok(()),
            Ok(problem) => Err(StoreOpenError::Damaged {
                path: path.to_owned(),
                problem: problem.replace('\n', "; "),
            }),
            Err(error) => Err(describe(path, &error)),
        }
    }

    /// Begins a transaction that may write; waits for its turn, at most the store deadline.
    pub(crate) async fn write(&self) -> Result<Writing, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Returns who tells that events were stored.
    pub(crate) const fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Returns the connections for reading.
    pub(crate) const fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// Closes the connections; the last one folds the log into the database.
    pub(crate) async fn close(&self) {
        let closing = async {
            self.readers.close().await;
            self.writer.close().await;
        };
        if tokio::time::timeout(CLOSE_DEADLINE, closing).await.is_err() {
            tracing::warn!("the store did not close in time; its log is kept for the next start");
        }
    }
}

fn shown(version: Option<i64>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| version.to_string())
}

fn describe_migration(path: &Path, error: MigrateError) -> StoreOpenError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            describe(path, &error)
        }
        other => StoreOpenError::Schema {
            path: path.to_owned(),
            problem: other.to_string(),
        },
    }
}

fn describe(path: &Path, error: &sqlx::Error) -> StoreOpenError {
    let path = path.to_owned();
    let problem = error.to_string();
    if matches!(error, sqlx::Error::PoolTimedOut) {
        // A local file that does not open in time is waiting for somebody's lock.
        return StoreOpenError::Locked { path };
    }
    let code = match error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<u32>().ok()),
        _ => None,
    };
    match code.map(|code| code & 0xff) {
        Some(11 | 26) => StoreOpenError::Damaged { path, problem },
        Some(5 | 6) => StoreOpenError::Locked { path },
        _ => StoreOpenError::Unusable { path, problem },
    }
}
