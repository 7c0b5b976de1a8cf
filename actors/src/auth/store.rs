//! Where a session is kept: the port, and its two implementations.
//!
//! The file store ([`FileSessionStore`]) is the default and byte-compatible with the Python CLI
//! 3.2.x: a login there is a login here and back. The operating system's keyring
//! ([`KeyringSessionStore`]) is opt-in (`SPEC_KITTY_AUTH_STORE=keyring`), is probed before a login
//! starts, and is never replaced silently by the file store.
//!
//! Every change names the token pair it replaces ([`SessionStore::exchange`],
//! [`SessionStore::delete`]): a process that slept through a refresh cannot overwrite or delete the
//! newer session (user need 21).
//!
//! The calls block: on locks for up to ten seconds, on scrypt for 30 ms. The actor runs them on the
//! blocking pool.

mod envelope;
mod file;
mod hot_path;
mod issuer;
mod key_cache;
mod keyring;
mod private_file;

pub use envelope::HostIdentity;
pub use file::FileSessionStore;
pub use keyring::KeyringSessionStore;

use super::session::{SessionContentError, StoredSession, Team, TokenPair};
use jiff::Timestamp;
use kitty_config::{AuthPaths, Environment, ServerUrl, env};
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::time::SharedTime;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a change of the store waits for other processes.
pub const STORE_LOCK_LIMIT: Duration = Duration::from_secs(10);

/// A session and the server it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The session.
    pub session: StoredSession,
    /// The server that issued it; `None` for a session that the Python CLI wrote, which does not
    /// record it. Such a session is bound by the first refresh.
    pub issuer: Option<ServerUrl>,
}

/// What a session is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadPurpose {
    /// To report on it: nothing is created or rewritten (house rule 7).
    Inspect,
    /// To send its token: the derived key and the hint may be stored for the next command.
    Use,
}

/// Whether there is a session, as far as can be told without paying for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// There is none.
    Absent,
    /// There is one that can still be refreshed.
    Present {
        /// False when only the files were looked at: telling more would have cost scrypt.
        verified: bool,
        /// When its refresh token ends, if that is known.
        refresh_token_expires_at: Option<Timestamp>,
    },
    /// There is one whose refresh token has ended.
    Expired {
        /// When it ended.
        at: Timestamp,
    },
}

impl Presence {
    /// Judges by the end of the refresh token.
    pub(super) fn of(refresh_token_expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        match refresh_token_expires_at {
            Some(at) if at <= now => Self::Expired { at },
            _ => Self::Present {
                verified: true,
                refresh_token_expires_at,
            },
        }
    }
}

/// The outcome of a compare-and-swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchanged {
    /// The expected session stood there and was replaced, durably.
    Written,
    /// Another session stands there, or none; nothing was written.
    Superseded(Option<Box<Stored>>),
}

/// The outcome of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// The session is gone, durably.
    Deleted,
    /// There was none.
    Absent,
    /// Another session stands there than the one to delete; nothing was deleted.
    Newer(Box<Stored>),
}

/// The session store cannot do what was asked.
///
/// Every message names the file (or the keyring), the reason and one next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Others can read or write the session file.
    #[error(
        "Session file {} has unsafe permissions (mode=0o{mode:o}); expected 0600. \
         Fix with: chmod 600 {}", path.display(), path.display()
    )]
    UnsafeMode {
        /// The session file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file cannot be read.
    #[error("{} cannot be read ({reason}); check its owner and permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The session file is not an envelope of version 2.
    #[error(
        "{} is not a session file of this version ({reason}); log in again with \
         `spec-kitty auth login`", path.display()
    )]
    NotAnEnvelope {
        /// The session file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The salt that belongs to the session file is missing or has the wrong length.
    #[error(
        "{} {reason}, so the session beside it cannot be opened; log in again with \
         `spec-kitty auth login`", path.display()
    )]
    Salt {
        /// The salt file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The session does not open with the key of this host and user.
    #[error(
        "{}: the session was written on another host/user or is damaged{}; log in again with \
         `spec-kitty auth login`", path.display(), written_by(written_on.as_ref())
    )]
    Sealed {
        /// The session file.
        path: PathBuf,
        /// The host and user it was written on, when the key cache remembers them.
        written_on: Option<HostIdentity>,
    },
    /// The session opens, but its content is not a session.
    #[error("{}: {reason}; log in again with `spec-kitty auth login`", path.display())]
    Content {
        /// The session file.
        path: PathBuf,
        /// What is wrong with it.
        reason: SessionContentError,
    },
    /// A file cannot be written or removed.
    #[error("{} cannot be written ({reason}); check free space and permissions", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Another process holds the store.
    #[error("{0}")]
    Lock(String),
    /// The keyring refuses.
    #[error(
        "the operating system's keyring cannot be used ({reason}); unlock it, or unset \
         SPEC_KITTY_AUTH_STORE to keep the session in a file"
    )]
    Keyring {
        /// The keyring's words.
        reason: String,
    },
    /// `SPEC_KITTY_AUTH_STORE` names no store.
    #[error("SPEC_KITTY_AUTH_STORE is '{0}'; use `file` or `keyring`, or unset it")]
    UnknownStore(String),
    /// The thread that worked on the store ended early; nothing is known about the outcome.
    #[error("the work on the session store was interrupted; retry the command")]
    Interrupted,
}

fn written_by(identity: Option<&HostIdentity>) -> String {
    identity.map_or_else(String::new, |identity| {
        format!(
            " (it was last opened on host '{}' by user {})",
            identity.hostname, identity.uid
        )
    })
}

impl StoreError {
    fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }

    fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        Self::Unwritable {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

/// Keeps at most one session.
pub trait SessionStore: Debug + Send + Sync {
    /// Returns the store's name as people read it: "Encrypted session file".
    fn label(&self) -> &'static str;

    /// Returns the word for `storage_backend` of a session that is kept here.
    fn backend(&self) -> &'static str;

    /// Proves that a session can be written, before a login asks anything of the user.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was stored.
    fn probe(&self) -> Result<(), StoreError>;

    /// Tells whether there is a session, without deriving a key and without creating a file.
    ///
    /// # Errors
    /// [`StoreError`] when what is there can be told to be unusable.
    fn presence(&self, now: Timestamp) -> Result<Presence, StoreError>;

    /// Reads the session.
    ///
    /// # Errors
    /// [`StoreError`] when there is one that cannot be used.
    fn read(&self, purpose: ReadPurpose) -> Result<Option<Stored>, StoreError>;

    /// Stores a session in place of whatever is there, durably (login).
    ///
    /// # Errors
    /// [`StoreError`]; the old session is then still there.
    fn write(&self, next: &Stored) -> Result<(), StoreError>;

    /// Stores a session in place of the one with this pair, durably (refresh).
    ///
    /// # Errors
    /// [`StoreError`]; the old session is then still there.
    fn exchange(&self, expected: &TokenPair, next: &Stored) -> Result<Exchanged, StoreError>;

    /// Changes the teams of a session, whatever its tokens are by now (rehydrate).
    ///
    /// Returns what is stored afterwards, or `None` when another session stands there, or none.
    ///
    /// # Errors
    /// [`StoreError`]; the old teams are then still there.
    fn update_teams(
        &self,
        session_id: &str,
        teams: &[Team],
        issuer: &ServerUrl,
    ) -> Result<Option<Stored>, StoreError>;

    /// Deletes the session: the one with this pair, or with `None` whatever is there (logout).
    ///
    /// # Errors
    /// [`StoreError`]; with a pair also when what is there cannot be read and compared.
    fn delete(&self, only: Option<&TokenPair>) -> Result<Deleted, StoreError>;
}

/// A session store that several owners share.
pub type SharedStore = Arc<dyn SessionStore>;

/// Opens the store that `SPEC_KITTY_AUTH_STORE` chooses; touches no file.
///
/// # Errors
/// [`StoreError::UnknownStore`], or [`StoreError::Keyring`] when this platform has none.
pub fn open_store(
    environment: &Environment,
    paths: AuthPaths,
    filesystem: SharedFilesystem,
    time: SharedTime,
) -> Result<SharedStore, StoreError> {
    match environment.text(env::SPEC_KITTY_AUTH_STORE) {
        None | Some("file") => {
            let hints = environment.text(env::SPEC_KITTY_DISABLE_SESSION_HOT_PATH) != Some("1");
            let host = HostIdentity::of_this_process();
            let store = FileSessionStore::new(paths, filesystem, time, host);
            Ok(Arc::new(store.with_hints(hints)))
        }
        Some("keyring") => Ok(Arc::new(KeyringSessionStore::of_this_platform(
            paths, filesystem,
        )?)),
        Some(other) => Err(StoreError::UnknownStore(other.to_owned())),
    }
}
