//! The session in the operating system's keyring, for machines where no file may hold it.
//!
//! Opt-in, probed before a login, and never replaced by the file store behind the user's back: a
//! keyring that fails is a named error (user need 22; the Python CLI dropped its keyring because
//! the opposite was true).
//!
//! On Linux the kernel's own key service is used (keyutils) and not Secret Service: it compiles two
//! small crates instead of 126, answers in 25 us instead of 7 ms, and works without a desktop and
//! D-Bus, which is where a keyring instead of a file is asked for (measured in
//! reference/feasibility.md 6). The price: a reboot, or three days without use, is a logout. macOS
//! uses the keychain, Windows the credential manager.
//!
//! Every call runs on a thread of its own with a deadline, because a keyring may show a prompt and
//! wait for ever. That thread is left behind when it does.

use super::{
    Deleted, Exchanged, Presence, ReadPurpose, STORE_LOCK_LIMIT, SessionStore, StoreError, Stored,
};
use crate::auth::session::{StoredSession, Team, TokenPair, default_team_id};
use jiff::Timestamp;
use keyring_core::{CredentialStore, Entry, Error as KeyringError};
use kitty_config::{AuthPaths, ServerUrl};
use kitty_runtime::crashsafe;
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::lock::FileLock;
use kitty_runtime::python_json;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the keyring may take for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The name under which the keyring lists our entries.
const SERVICE: &str = "spec-kitty";

const SCHEMA_VERSION: u32 = 1;

type Opener = dyn Fn() -> Result<Arc<CredentialStore>, KeyringError> + Send + Sync;

/// Keeps the session in the operating system's keyring, one entry per state root.
pub struct KeyringSessionStore {
    paths: AuthPaths,
    filesystem: SharedFilesystem,
    open: Arc<Opener>,
    user: String,
    limit: Duration,
}

impl fmt::Debug for KeyringSessionStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyringSessionStore")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct RecordOut<'a> {
    issuer: Option<&'a str>,
    schema_version: u32,
    session: &'a StoredSession,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordIn {
    issuer: Option<String>,
    schema_version: u32,
    session: Box<RawValue>,
}

impl KeyringSessionStore {
    /// Creates a handle on this platform's keyring; asks it nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Keyring`] when this program knows no keyring for the platform.
    pub fn of_this_platform(
        paths: AuthPaths,
        filesystem: SharedFilesystem,
    ) -> Result<Self, StoreError> {
        let open = platform_store().ok_or_else(|| StoreError::Keyring {
            reason: "there is none for this platform".to_owned(),
        })?;
        Ok(Self::new(paths, filesystem, open, ANSWER_LIMIT))
    }

    fn new(
        paths: AuthPaths,
        filesystem: SharedFilesystem,
        open: Arc<Opener>,
        limit: Duration,
    ) -> Self {
        let root = paths.directory().to_string_lossy().into_owned();
        let digest: [u8; 32] = Sha256::digest(root).into();
        Self {
            paths,
            filesystem,
            open,
            user: format!("session-{}", hex::encode(&digest[..8])),
            limit,
        }
    }

    /// Asks the keyring on a thread of its own and waits for the answer, but not for ever.
    fn ask<T: Send + 'static>(
        &self,
        user: &str,
        question: impl FnOnce(&Entry) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let refused = |reason: String| StoreError::Keyring { reason };
        let (open, user) = (Arc::clone(&self.open), user.to_owned());
        let (sender, receiver) = mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("keyring".to_owned())
            .spawn(move || {
                let answer = open()
                    .and_then(|store| store.build(SERVICE, &user, None))
                    .and_then(|entry| question(&entry));
                // Nobody listens any more when the deadline has passed.
                let _ = sender.send(answer);
            })
            .map_err(|error| refused(error.to_string()))?;
        match receiver.recv_timeout(self.limit) {
            Ok(answer) => answer.map_err(|error| refused(error.to_string())),
            Err(_) => Err(refused(format!(
                "it did not answer within {} ms",
                self.limit.as_millis()
            ))),
        }
    }

    fn load(&self) -> Result<Option<Stored>, StoreError> {
        let secret = self.ask(&self.user, |entry| match entry.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(KeyringError::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })?;
        secret.map(|secret| parse(&secret)).transpose()
    }

    fn save(&self, next: &Stored) -> Result<(), StoreError> {
        let text = Zeroizing::new(python_json::line(&RecordOut {
            issuer: next.issuer.as_ref().map(ServerUrl::as_str),
            schema_version: SCHEMA_VERSION,
            session: &next.session,
        }));
        self.ask(&self.user, move |entry| entry.set_secret(text.as_bytes()))
    }

    fn locked<T>(&self, change: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let directory = self.paths.directory();
        crashsafe::create_dir_all(self.filesystem.as_ref(), directory)
            .map_err(|error| StoreError::unwritable(directory, &error))?;
        let _lock = FileLock::acquire("the session store", &self.paths.lock(), STORE_LOCK_LIMIT)
            .map_err(|error| StoreError::Lock(error.to_string()))?;
        change()
    }

    fn remove(&self) -> Result<Deleted, StoreError> {
        self.ask(&self.user, |entry| match entry.delete_credential() {
            Ok(()) => Ok(Deleted::Deleted),
            Err(KeyringError::NoEntry) => Ok(Deleted::Absent),
            Err(error) => Err(error),
        })
    }
}

fn parse(secret: &[u8]) -> Result<Stored, StoreError> {
    let damaged = |reason: String| StoreError::Keyring {
        reason: format!("its entry for {SERVICE} is unusable: {reason}"),
    };
    let record: RecordIn = serde_json::from_slice(secret)
        .map_err(|_| damaged("it is no session record".to_owned()))?;
    if record.schema_version != SCHEMA_VERSION {
        return Err(damaged(format!("its version is {}", record.schema_version)));
    }
    let session = StoredSession::from_json(record.session.get().as_bytes())
        .map_err(|error| damaged(error.to_string()))?;
    let issuer = record
        .issuer
        .map(|issuer| ServerUrl::parse(&issuer))
        .transpose()
        .map_err(|error| damaged(error.to_string()))?;
    Ok(Stored { session, issuer })
}

#[cfg(target_os = "linux")]
fn platform_store() -> Option<Arc<Opener>> {
    Some(Arc::new(|| {
        Ok(linux_keyutils_keyring_store::Store::new()? as Arc<CredentialStore>)
    }))
}

#[cfg(target_os = "macos")]
fn platform_store() -> Option<Arc<Opener>> {
    Some(Arc::new(|| {
        Ok(apple_native_keyring_store::keychain::Store::new()? as Arc<CredentialStore>)
    }))
}

#[cfg(windows)]
fn platform_store() -> Option<Arc<Opener>> {
    Some(Arc::new(|| {
        Ok(windows_native_keyring_store::Store::new()? as Arc<CredentialStore>)
    }))
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn platform_store() -> Option<Arc<Opener>> {
    None
}

impl SessionStore for KeyringSessionStore {
    fn label(&self) -> &'static str {
        "Operating system keyring"
    }

    fn backend(&self) -> &'static str {
        "keyring"
    }

    fn probe(&self) -> Result<(), StoreError> {
        let user = format!("{}-probe", self.user);
        self.ask(&user, |entry| {
            entry.set_secret(b"probe")?;
            let kept = entry.get_secret()?;
            entry.delete_credential()?;
            if kept == b"probe" {
                Ok(())
            } else {
                Err(KeyringError::BadStoreFormat(
                    "a test entry came back changed".to_owned(),
                ))
            }
        })
    }

    fn presence(&self, now: Timestamp) -> Result<Presence, StoreError> {
        Ok(self.load()?.map_or(Presence::Absent, |stored| {
            Presence::of(stored.session.refresh_token_expires_at, now)
        }))
    }

    fn read(&self, _purpose: ReadPurpose) -> Result<Option<Stored>, StoreError> {
        self.load()
    }

    fn write(&self, next: &Stored) -> Result<(), StoreError> {
        self.locked(|| self.save(next))
    }

    fn exchange(&self, expected: &TokenPair, next: &Stored) -> Result<Exchanged, StoreError> {
        self.locked(|| match self.load()? {
            Some(current) if current.session.pair() == *expected => {
                self.save(next)?;
                Ok(Exchanged::Written)
            }
            other => Ok(Exchanged::Superseded(other.map(Box::new))),
        })
    }

    fn update_teams(
        &self,
        session_id: &str,
        teams: &[Team],
        issuer: &ServerUrl,
    ) -> Result<Option<Stored>, StoreError> {
        self.locked(|| {
            let current = self.load()?;
            let Some(mut next) = current.filter(|stored| stored.session.session_id == session_id)
            else {
                return Ok(None);
            };
            next.session.teams = teams.to_vec();
            next.session.default_team_id = default_team_id(teams).to_owned();
            next.issuer = Some(issuer.clone());
            self.save(&next)?;
            Ok(Some(next))
        })
    }

    fn delete(&self, only: Option<&TokenPair>) -> Result<Deleted, StoreError> {
        self.locked(|| {
            let Some(pair) = only else {
                return self.remove();
            };
            match self.load()? {
                None => Ok(Deleted::Absent),
                Some(stored) if stored.session.pair() == *pair => self.remove(),
                Some(stored) => Ok(Deleted::Newer(Box::new(stored))),
            }
        })
    }
}

#[cfg(test)]
mod tests;
