//! Records that are stored before what they tell of has happened.
//!
//! A command that changes something outside of the state root (a status log in git) first *holds* its
//! records: they are framed, gated and durable, but no owner sees them. Then it makes the change, and
//! then *publishes* them with one rename. What a process that dies in between leaves is decided by
//! looking whether the change happened: the claim beside the records says where to look.
//!
//! | Killed | Left in `inbox/held` | What [`HeldFile`] leads to |
//! |---|---|---|
//! | before the records are complete | a claim without records | removed |
//! | before the change | claim and records | withdrawn: the rows are not in the log |
//! | after the change | claim and records | published: the rows are in the log |
//! | after the publication | a claim without records | removed |

use super::{AppendError, Inbox, file_name, frame};
use crate::crashsafe::{self, Durability};
use crate::fs::read_all;
use crate::lock::{FileLock, LockError};
use crate::record::RecordView;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Says which change the records tell of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The status log, absolute.
    pub log: PathBuf,
    /// The lock that the writer of the log holds until it has published or withdrawn.
    pub lock: PathBuf,
    /// The ids of the rows; they are appended together or not at all.
    pub rows: Vec<String>,
    /// Whether the log is made by the change: where it is missing, the change did not happen.
    pub creates_log: bool,
}

/// Records that wait for their change; it is for their holder to publish or withdraw them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "held records are published or withdrawn"]
pub struct Held {
    name: String,
}

/// What a process left behind, or holds right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFile {
    /// The records.
    pub held: Held,
    /// Their claim; `None` when it cannot be read.
    pub claim: Option<Claim>,
    /// Whether the records are there.
    pub has_records: bool,
}

/// What became of records that were found held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// How many files were published: their rows are in the log.
    pub published: usize,
    /// How many were withdrawn: their rows are not.
    pub withdrawn: usize,
    /// How many belong to a process that is at work.
    pub in_work: usize,
    /// Why the others stay as they are.
    pub undecided: Vec<String>,
}

/// Whether the change that a claim names happened.
enum Fate {
    Happened,
    DidNotHappen,
    /// Somebody else has settled it in this moment.
    Settled,
    Unknown(String),
}

/// Who holds the lock of a claim.
enum Locked {
    ByOther,
    /// `None` where there is no directory for a lock: nobody can be writing there.
    ByUs(Option<FileLock>),
    Unknown(String),
}

/// Tries to take the lock of a claim; never waits.
fn lock_of(claim: &Claim) -> Locked {
    match FileLock::try_acquire(LOCK_NAME, &claim.lock) {
        Ok(Some(lock)) => Locked::ByUs(Some(lock)),
        Ok(None) => Locked::ByOther,
        Err(LockError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Locked::ByUs(None)
        }
        Err(error) => Locked::Unknown(error.to_string()),
    }
}

impl Inbox {
    /// Stores records that no owner sees yet; durable against a power cut when it returns.
    ///
    /// # Errors
    /// [`AppendError`]; then nothing is held.
    pub fn hold(
        &self,
        lamport: u64,
        records: &[RecordView<'_>],
        claim: &Claim,
    ) -> Result<Held, AppendError> {
        let bytes = frame(records)?;
        file_name(lamport, records)
            .and_then(|name| self.write_held(name, &bytes, claim))
            .map_err(|source| AppendError::Io {
                path: self.paths.inbox_held(),
                source,
            })
    }

    fn write_held(&self, name: String, bytes: &[u8], claim: &Claim) -> io::Result<Held> {
        let held = Held { name };
        let filesystem = &*self.filesystem;
        crashsafe::create_dir_all(filesystem, &self.paths.inbox_new())?;
        crashsafe::create_dir_all(filesystem, &self.paths.inbox_held())?;
        let text = serde_json::to_vec(claim).map_err(io::Error::other)?;
        let written = crashsafe::replace(
            filesystem,
            &self.claim_of(&held),
            &text,
            Durability::PowerCut,
        )
        .and_then(|()| {
            crashsafe::replace(
                filesystem,
                &self.records_of(&held),
                bytes,
                Durability::PowerCut,
            )
        });
        if let Err(error) = written {
            // Never acknowledged; what cannot be removed is swept as abandoned.
            let _ = self.withdraw(&held);
            return Err(error);
        }
        Ok(held)
    }

    /// Gives held records to the owner; durable against a power cut when it returns.
    ///
    /// Publishing twice has the effect of publishing once.
    ///
    /// # Errors
    /// The file system's; then the records are still held, or already published.
    pub fn publish(&self, held: &Held) -> io::Result<()> {
        let target = self.paths.inbox_new().join(&held.name);
        match self.filesystem.rename(&self.records_of(held), &target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.filesystem.sync_dir(&self.paths.inbox_new())?;
        self.remove(self.claim_of(held))
    }

    /// Removes held records whose change did not happen.
    ///
    /// # Errors
    /// The file system's.
    pub fn withdraw(&self, held: &Held) -> io::Result<()> {
        self.remove(self.records_of(held))?;
        self.remove(self.claim_of(held))
    }

    /// Lists what is held, in the order of the clock; a missing directory holds nothing.
    ///
    /// # Errors
    /// The file system's.
    pub fn held(&self) -> io::Result<Vec<HeldFile>> {
        let names = match self.filesystem.list(&self.paths.inbox_held()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut stems: Vec<&str> = names
            .iter()
            .filter_map(|name| name.strip_suffix(CLAIM).or(Some(name)))
            .filter(|name| super::count_of(name).is_some())
            .collect();
        stems.sort_unstable();
        stems.dedup();
        let files = stems.into_iter().map(|stem| {
            let held = Held {
                name: stem.to_owned(),
            };
            let claim = read_all(&*self.filesystem, &self.claim_of(&held)).ok();
            HeldFile {
                claim: claim.and_then(|text| serde_json::from_slice(&text).ok()),
                has_records: names.iter().any(|name| name == stem),
                held,
            }
        });
        Ok(files.collect())
    }

    /// Settles what processes left behind that died between their change and its publication.
    ///
    /// Whoever still works on its change holds the lock of its claim, and is left alone: nothing here
    /// waits. A log that cannot be read decides nothing: its records stay held and are counted.
    ///
    /// # Errors
    /// The file system's.
    pub fn reconcile(&self) -> io::Result<Reconciled> {
        let mut done = Reconciled::default();
        for file in self.held()? {
            let lock = match file.claim.as_ref().map(lock_of) {
                Some(Locked::ByOther) => {
                    done.in_work += 1;
                    continue;
                }
                Some(Locked::Unknown(why)) => {
                    done.undecided.push(why);
                    continue;
                }
                Some(Locked::ByUs(lock)) => lock,
                None => None,
            };
            match self.fate(&file) {
                Fate::Happened => {
                    self.publish(&file.held)?;
                    done.published += 1;
                }
                Fate::DidNotHappen => {
                    self.withdraw(&file.held)?;
                    done.withdrawn += 1;
                }
                Fate::Settled => {}
                Fate::Unknown(why) => done.undecided.push(why),
            }
            drop(lock);
        }
        Ok(done)
    }

    /// Tells what [`reconcile`](Self::reconcile) would do now; changes nothing.
    ///
    /// # Errors
    /// The file system's.
    pub fn reconcilable(&self) -> io::Result<Reconciled> {
        let mut found = Reconciled::default();
        for file in self.held()? {
            let is_held = |claim: &Claim| FileLock::is_held(LOCK_NAME, &claim.lock);
            match file.claim.as_ref().map(is_held) {
                Some(Ok(true)) => {
                    found.in_work += 1;
                    continue;
                }
                Some(Err(error)) => {
                    found.undecided.push(error.to_string());
                    continue;
                }
                Some(Ok(false)) | None => {}
            }
            match self.fate(&file) {
                Fate::Happened => found.published += 1,
                Fate::DidNotHappen => found.withdrawn += 1,
                Fate::Settled => {}
                Fate::Unknown(why) => found.undecided.push(why),
            }
        }
        Ok(found)
    }

    /// The bytes of everything that is held, for whoever asks which records are known.
    ///
    /// # Errors
    /// The file system's; a file that is settled in this moment is left out.
    pub fn held_contents(&self) -> io::Result<Vec<Vec<u8>>> {
        let read = |file: HeldFile| read_all(&*self.filesystem, &self.records_of(&file.held)).ok();
        Ok(self.held()?.into_iter().filter_map(read).collect())
    }

    /// Decides over records whose writer is gone.
    ///
    /// The listing may be older than the lock, so what is there is looked at again.
    fn fate(&self, file: &HeldFile) -> Fate {
        let is_there = |path: &Path| self.filesystem.open_read(path).is_ok();
        let has_records = is_there(&self.records_of(&file.held));
        let Some(claim) = &file.claim else {
            if !has_records && !is_there(&self.claim_of(&file.held)) {
                return Fate::Settled;
            }
            let path = self.claim_of(&file.held);
            return Fate::Unknown(format!("{} cannot be read", path.display()));
        };
        if !has_records {
            return Fate::DidNotHappen;
        }
        let log = match std::fs::read(&claim.log) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound && claim.creates_log => {
                return Fate::DidNotHappen;
            }
            Err(error) => return Fate::Unknown(format!("{}: {error}", claim.log.display())),
        };
        let is_there = |id: &String| memchr::memmem::find(&log, id.as_bytes()).is_some();
        if claim.rows.iter().any(is_there) {
            Fate::Happened
        } else {
            Fate::DidNotHappen
        }
    }

    fn remove(&self, path: PathBuf) -> io::Result<()> {
        match self.filesystem.remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn records_of(&self, held: &Held) -> PathBuf {
        self.paths.inbox_held().join(&held.name)
    }

    fn claim_of(&self, held: &Held) -> PathBuf {
        self.paths
            .inbox_held()
            .join(format!("{}{CLAIM}", held.name))
    }
}

/// Ends the name of a claim.
const CLAIM: &str = ".claim";
/// What the lock of a claim protects.
const LOCK_NAME: &str = "the status of the mission";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::os_filesystem;
    use crate::record::{CaptureScope, RecordKind};
    use kitty_config::ScopePaths;

    fn inbox() -> (tempfile::TempDir, Inbox) {
        let directory = tempfile::tempdir().unwrap();
        let paths = ScopePaths::at(directory.path().join("scope"));
        (directory, Inbox::new(os_filesystem(), paths))
    }

    fn claim() -> Claim {
        Claim {
            log: "/mission/status.events.jsonl".into(),
            lock: "/git/lock".into(),
            rows: vec!["A".to_owned()],
            creates_log: false,
        }
    }

    fn record() -> RecordView<'static> {
        RecordView {
            sequence: 0,
            kind: RecordKind::Event,
            captured_ms: 1,
            scope: CaptureScope::NOBODY,
            id: "A",
            payload: b"{}",
        }
    }

    #[test]
    fn what_is_held_is_seen_by_no_owner_until_it_is_published_once() {
        let (_directory, inbox) = inbox();
        let held = inbox.hold(7, &[record()], &claim()).unwrap();
        assert!(inbox.waiting().unwrap().is_empty());
        let listed = inbox.held().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].claim, Some(claim()));
        assert!(listed[0].has_records);
        inbox.publish(&held).unwrap();
        inbox.publish(&held).unwrap();
        assert_eq!(inbox.waiting().unwrap().len(), 1);
        assert!(inbox.held().unwrap().is_empty());
    }

    #[test]
    fn what_was_left_behind_is_settled_by_the_log_and_never_while_its_lock_is_held() {
        let (directory, inbox) = inbox();
        let claim = |log: &str, row: &str| Claim {
            log: directory.path().join(log),
            lock: directory.path().join("status.lock"),
            rows: vec![row.to_owned()],
            creates_log: log == "made",
        };
        crashsafe::replace(
            &*inbox.filesystem,
            &directory.path().join("log"),
            b"{\"event_id\": \"HAPPENED\"}\n",
            Durability::ProcessDeath,
        )
        .unwrap();
        for (lamport, claim) in [
            (1, claim("log", "HAPPENED")),
            (2, claim("log", "NOT")),
            (3, claim("gone", "NOBODY-KNOWS")),
            (4, claim("made", "NEVER-MADE")),
        ] {
            let _ = inbox.hold(lamport, &[record()], &claim).unwrap();
        }
        let lock = FileLock::try_acquire("test", &directory.path().join("status.lock"));
        let lock = lock.unwrap().unwrap();
        assert_eq!(inbox.reconcilable().unwrap().in_work, 4);
        assert_eq!(inbox.reconcile().unwrap().in_work, 4);
        drop(lock);
        let foreseen = inbox.reconcilable().unwrap();
        assert_eq!(inbox.held().unwrap().len(), 4);
        let settled = inbox.reconcile().unwrap();
        assert_eq!(foreseen, settled);
        assert_eq!((settled.published, settled.withdrawn), (1, 2));
        assert_eq!(settled.undecided.len(), 1);
        assert_eq!(inbox.waiting().unwrap().len(), 1);
        assert_eq!(inbox.held().unwrap().len(), 1);
    }

    #[test]
    fn what_is_withdrawn_is_gone() {
        let (_directory, inbox) = inbox();
        let held = inbox.hold(7, &[record()], &claim()).unwrap();
        inbox.withdraw(&held).unwrap();
        inbox.withdraw(&held).unwrap();
        assert!(inbox.waiting().unwrap().is_empty());
        assert!(inbox.held().unwrap().is_empty());
    }

    #[test]
    fn a_claim_without_records_and_one_that_cannot_be_read_are_listed_as_such() {
        let (_directory, inbox) = inbox();
        let held = inbox.hold(7, &[record()], &claim()).unwrap();
        std::fs::remove_file(inbox.records_of(&held)).unwrap();
        let broken = inbox.hold(8, &[record()], &claim()).unwrap();
        crashsafe::replace(
            &*inbox.filesystem,
            &inbox.claim_of(&broken),
            b"{",
            Durability::ProcessDeath,
        )
        .unwrap();
        let listed = inbox.held().unwrap();
        assert!(!listed[0].has_records && listed[0].claim.is_some());
        assert!(listed[1].has_records && listed[1].claim.is_none());
    }
}
