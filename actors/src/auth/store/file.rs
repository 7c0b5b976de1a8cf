//! The session in an encrypted file, byte-compatible with the Python CLI.
//!
//! Reading takes no lock and creates nothing: a rename replaces the session as a whole, and a
//! session that does not open is read again, because the salt beside it may just have been
//! replaced. Changing takes `session.lock`, which is created once and stays.

use super::envelope::{Envelope, HostIdentity, Key, SALT_LENGTH, Salt};
use super::private_file::{FileFacts, Links, PrivateFile, facts_of};
use super::{
    Deleted, Exchanged, Presence, ReadPurpose, STORE_LOCK_LIMIT, SessionStore, StoreError, Stored,
    hot_path, issuer, key_cache,
};
use crate::auth::session::{StoredSession, Team, TokenPair, default_team_id};
use jiff::Timestamp;
use kitty_config::{AuthPaths, ServerUrl};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::lock::FileLock;
use kitty_runtime::time::SharedTime;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often files that change under the reader are read again.
const READ_ATTEMPTS: usize = 8;

/// Keeps the session in `auth/session.json`, shared with the Python CLI.
#[derive(Debug)]
pub struct FileSessionStore {
    paths: AuthPaths,
    filesystem: SharedFilesystem,
    time: SharedTime,
    host: HostIdentity,
    hints: bool,
    /// A key that is known to be right: it was derived here, or it opened a session.
    proven: Mutex<Option<ProvenKey>>,
}

#[derive(Debug)]
struct ProvenKey {
    salt: Salt,
    key: Key,
    cached_on_disk: bool,
}

/// The two files that make a session, as they were read.
#[derive(PartialEq, Eq)]
struct RawSession {
    session: PrivateFile,
    salt: Option<Vec<u8>>,
}

impl FileSessionStore {
    /// Creates a handle; touches no file.
    #[must_use]
    pub fn new(
        paths: AuthPaths,
        filesystem: SharedFilesystem,
        time: SharedTime,
        host: HostIdentity,
    ) -> Self {
        Self {
            paths,
            filesystem,
            time,
            host,
            hints: true,
            proven: Mutex::new(None),
        }
    }

    /// Sets whether the hint and the cached key are used
    /// (`SPEC_KITTY_DISABLE_SESSION_HOT_PATH=1` turns both off).
    #[must_use]
    pub fn with_hints(mut self, hints: bool) -> Self {
        self.hints = hints;
        self
    }

    fn proven(&self) -> MutexGuard<'_, Option<ProvenKey>> {
        // The value is replaced as a whole, so a panic elsewhere cannot leave half of one.
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proven_key(&self, salt: &Salt) -> Option<Key> {
        let proven = self.proven();
        let found = proven.as_ref().filter(|proven| proven.salt == *salt);
        found.map(|proven| proven.key.clone())
    }

    fn remember(&self, salt: Salt, key: &Key, cached_on_disk: bool) {
        *self.proven() = Some(ProvenKey {
            salt,
            key: key.clone(),
            cached_on_disk,
        });
    }

    fn cached_key(&self, salt: &Salt) -> Option<Key> {
        self.hints
            .then(|| key_cache::load(&self.paths.derived_key(), salt, &self.host))?
    }

    /// Reads both files; `None` when there is no session.
    fn read_raw(&self) -> Result<Option<RawSession>, StoreError> {
        let path = self.paths.session();
        let session = PrivateFile::read(&path, Links::Follow)
            .map_err(|error| StoreError::unreadable(&path, &error))?;
        let Some(session) = session else {
            return Ok(None);
        };
        check_mode(&self.paths, session.facts)?;
        Ok(Some(RawSession {
            session,
            salt: self.read_salt()?,
        }))
    }

    fn read_salt(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.paths.salt();
        let file = PrivateFile::read(&path, Links::Follow)
            .map_err(|error| StoreError::unreadable(&path, &error))?;
        Ok(file.map(|file| file.bytes.to_vec()))
    }

    fn parse(&self, raw: &RawSession) -> Result<(Envelope, Salt), StoreError> {
        let envelope =
            Envelope::parse(&raw.session.bytes).map_err(|reason| StoreError::NotAnEnvelope {
                path: self.paths.session(),
                reason,
            })?;
        let faulty_salt = |reason: String| StoreError::Salt {
            path: self.paths.salt(),
            reason,
        };
        let salt = raw
            .salt
            .as_ref()
            .ok_or_else(|| faulty_salt("is missing".to_owned()))?;
        let salt = salt.as_slice().try_into().map_err(|_| {
            faulty_salt(format!("has {} bytes instead of {SALT_LENGTH}", salt.len()))
        })?;
        Ok((envelope, salt))
    }

    /// Opens what was read, with the cheapest key that fits.
    fn unseal(&self, raw: &RawSession) -> Result<StoredSession, StoreError> {
        let (envelope, salt) = self.parse(raw)?;
        let plaintext = match self.proven_key(&salt) {
            Some(key) => envelope.open(&key),
            None => self.unseal_anew(&envelope, salt),
        };
        let plaintext = plaintext.ok_or_else(|| StoreError::Sealed {
            path: self.paths.session(),
            written_on: key_cache::other_host(&self.paths.derived_key(), &salt, &self.host),
        })?;
        StoredSession::from_json(&plaintext).map_err(|reason| StoreError::Content {
            path: self.paths.session(),
            reason,
        })
    }

    /// Opens with the cached key, and derives one when that is missing or does not fit.
    fn unseal_anew(&self, envelope: &Envelope, salt: Salt) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        if let Some(key) = self.cached_key(&salt)
            && let Some(plaintext) = envelope.open(&key)
        {
            self.remember(salt, &key, true);
            return Some(plaintext);
        }
        let key = self.host.derive_key(&salt);
        self.remember(salt, &key, false);
        envelope.open(&key)
    }

    /// Reads and opens the session; what does not open is read again while it changes.
    fn open(&self) -> Result<Option<(StoredSession, FileFacts)>, StoreError> {
        settle(
            || self.read_raw(),
            |raw| Ok((self.unseal(raw)?, raw.session.facts)),
        )
    }

    fn stored(&self, session: StoredSession) -> Stored {
        let issuer = issuer::load(&self.paths, &session.session_id);
        Stored { session, issuer }
    }

    fn locked<T>(&self, change: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let directory = self.paths.directory();
        crashsafe::create_dir_all(self.filesystem.as_ref(), directory)
            .map_err(|error| StoreError::unwritable(directory, &error))?;
        let _lock = FileLock::acquire("the session store", &self.paths.lock(), STORE_LOCK_LIMIT)
            .map_err(|error| StoreError::Lock(error.to_string()))?;
        change()
    }

    /// Returns the salt of the store, made anew when it is missing or unusable.
    fn salt_for_writing(&self) -> Result<Salt, StoreError> {
        if let Some(Ok(salt)) = self.read_salt()?.map(Salt::try_from) {
            return Ok(salt);
        }
        let path = self.paths.salt();
        let unwritable = |error: io::Error| StoreError::unwritable(&path, &error);
        let mut salt = [0; SALT_LENGTH];
        getrandom::fill(&mut salt).map_err(|error| unwritable(io::Error::other(error)))?;
        crashsafe::replace(self.filesystem.as_ref(), &path, &salt, Durability::PowerCut)
            .map_err(unwritable)?;
        Ok(salt)
    }

    /// Writes under the lock: the binding, the salt, the session, then what can be made again.
    fn write_locked(&self, next: &Stored) -> Result<(), StoreError> {
        let filesystem = self.filesystem.as_ref();
        if let Some(server) = &next.issuer {
            issuer::save(filesystem, &self.paths, &next.session.session_id, server)
                .map_err(|error| StoreError::unwritable(&self.paths.issuer(), &error))?;
        }
        let salt = self.salt_for_writing()?;
        let key = self.proven_key(&salt).unwrap_or_else(|| {
            let key = self.host.derive_key(&salt);
            self.remember(salt, &key, false);
            key
        });
        let path = self.paths.session();
        Envelope::seal(&key, next.session.to_json().as_bytes())
            .and_then(|envelope| {
                let bytes = envelope.to_file();
                crashsafe::replace(filesystem, &path, bytes.as_bytes(), Durability::PowerCut)
            })
            .map_err(|error| StoreError::unwritable(&path, &error))?;
        if let Ok(Some(facts)) = facts_of(&path) {
            self.publish_hints(&next.session, facts);
        }
        Ok(())
    }

    /// Stores the hint and the key for the next command; failing to costs time and nothing else.
    fn publish_hints(&self, session: &StoredSession, facts: FileFacts) {
        if !self.hints {
            return;
        }
        let (filesystem, now) = (self.filesystem.as_ref(), self.time.now());
        let end = session.refresh_token_expires_at;
        if hot_path::load(&self.paths.hot_path(), facts, now).is_none() {
            let _ = hot_path::publish(filesystem, &self.paths.hot_path(), facts, end, now);
        }
        if let Some(proven) = self
            .proven()
            .as_mut()
            .filter(|proven| !proven.cached_on_disk)
        {
            let path = self.paths.derived_key();
            let (salt, key) = (&proven.salt, &proven.key);
            let saved = key_cache::save(filesystem, &path, salt, &self.host, key);
            proven.cached_on_disk = saved.is_ok();
        }
        // Readers take no lock: a logout may have removed everything meanwhile.
        if matches!(facts_of(&self.paths.salt()), Ok(None)) {
            for path in [self.paths.derived_key(), self.paths.hot_path()] {
                let _ = filesystem.remove_file(&path);
            }
        }
    }

    fn remove_all(&self) -> Result<Deleted, StoreError> {
        let session = self.paths.session();
        let existed = facts_of(&session).map_or(true, |facts| facts.is_some());
        // The salt goes before what `publish_hints` makes: see there.
        for path in [
            session,
            self.paths.salt(),
            self.paths.derived_key(),
            self.paths.hot_path(),
            self.paths.issuer(),
        ] {
            crashsafe::remove(self.filesystem.as_ref(), &path)
                .map_err(|error| StoreError::unwritable(&path, &error))?;
        }
        *self.proven() = None;
        Ok(if existed {
            Deleted::Deleted
        } else {
            Deleted::Absent
        })
    }
}

/// Repeats reading and opening while the files change; the same files failing twice is a failure.
///
/// Two files make a session and a writer replaces them one after the other, so a reader without the
/// lock may meet the old one beside the new one.
fn settle<R: PartialEq, T>(
    mut read: impl FnMut() -> Result<Option<R>, StoreError>,
    mut open: impl FnMut(&R) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut failed: Option<(R, StoreError)> = None;
    for _ in 0..READ_ATTEMPTS {
        let Some(raw) = read()? else {
            return Ok(None);
        };
        match failed {
            Some((seen, error)) if seen == raw => return Err(error),
            _ => {}
        }
        match open(&raw) {
            Ok(opened) => return Ok(Some(opened)),
            Err(error) => failed = Some((raw, error)),
        }
    }
    Err(failed.map_or(StoreError::Interrupted, |(_, error)| error))
}

fn check_mode(paths: &AuthPaths, facts: FileFacts) -> Result<(), StoreError> {
    if facts.is_private() {
        Ok(())
    } else {
        Err(StoreError::UnsafeMode {
            path: paths.session(),
            mode: facts.mode,
        })
    }
}

impl SessionStore for FileSessionStore {
    fn label(&self) -> &'static str {
        "Encrypted session file"
    }

    fn backend(&self) -> &'static str {
        "file"
    }

    fn probe(&self) -> Result<(), StoreError> {
        self.locked(|| {
            let path = self.paths.session().with_extension("probe");
            let filesystem = self.filesystem.as_ref();
            crashsafe::replace(filesystem, &path, b"", Durability::ProcessDeath)
                .and_then(|()| filesystem.remove_file(&path))
                .map_err(|error| StoreError::unwritable(self.paths.directory(), &error))
        })
    }

    fn presence(&self, now: Timestamp) -> Result<Presence, StoreError> {
        let path = self.paths.session();
        let facts = facts_of(&path).map_err(|error| StoreError::unreadable(&path, &error))?;
        let Some(facts) = facts else {
            return Ok(Presence::Absent);
        };
        check_mode(&self.paths, facts)?;
        let hint = self
            .hints
            .then(|| hot_path::load(&self.paths.hot_path(), facts, now))
            .flatten();
        if let Some(hint) = hint {
            return Ok(Presence::of(hint.refresh_token_expires_at, now));
        }
        let Some(raw) = self.read_raw()? else {
            return Ok(Presence::Absent);
        };
        let (envelope, salt) = self.parse(&raw)?;
        let key = self.proven_key(&salt).or_else(|| self.cached_key(&salt));
        let session = key
            .and_then(|key| envelope.open(&key))
            .and_then(|plaintext| StoredSession::from_json(&plaintext).ok());
        Ok(match session {
            Some(session) => Presence::of(session.refresh_token_expires_at, now),
            None => Presence::Present {
                verified: false,
                refresh_token_expires_at: None,
            },
        })
    }

    fn read(&self, purpose: ReadPurpose) -> Result<Option<Stored>, StoreError> {
        let Some((session, facts)) = self.open()? else {
            return Ok(None);
        };
        if purpose == ReadPurpose::Use {
            self.publish_hints(&session, facts);
        }
        Ok(Some(self.stored(session)))
    }

    fn write(&self, next: &Stored) -> Result<(), StoreError> {
        self.locked(|| self.write_locked(next))
    }

    fn exchange(&self, expected: &TokenPair, next: &Stored) -> Result<Exchanged, StoreError> {
        self.locked(|| {
            let current = self.open()?.map(|(session, _)| session);
            match current {
                Some(session) if session.pair() == *expected => {
                    self.write_locked(next)?;
                    Ok(Exchanged::Written)
                }
                other => Ok(Exchanged::Superseded(
                    other.map(|session| Box::new(self.stored(session))),
                )),
            }
        })
    }

    fn update_teams(
        &self,
        session_id: &str,
        teams: &[Team],
        issuer: &ServerUrl,
    ) -> Result<Option<Stored>, StoreError> {
        self.locked(|| {
            let current = self.open()?.map(|(session, _)| session);
            let Some(mut session) = current.filter(|session| session.session_id == session_id)
            else {
                return Ok(None);
            };
            session.teams = teams.to_vec();
            session.default_team_id = default_team_id(teams).to_owned();
            let next = Stored {
                session,
                issuer: Some(issuer.clone()),
            };
            self.write_locked(&next)?;
            Ok(Some(next))
        })
    }

    fn delete(&self, only: Option<&TokenPair>) -> Result<Deleted, StoreError> {
        let directory = self.paths.directory();
        if matches!(directory.try_exists(), Ok(false)) {
            return Ok(Deleted::Absent);
        }
        self.locked(|| {
            let Some(pair) = only else {
                return self.remove_all();
            };
            match self.open()? {
                None => Ok(Deleted::Absent),
                Some((session, _)) if session.pair() == *pair => self.remove_all(),
                Some((session, _)) => Ok(Deleted::Newer(Box::new(self.stored(session)))),
            }
        })
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
