//! The inbox: how any process hands over records without waiting for another.
//!
//! All records of one command are one immutable file. It is written in `inbox/tmp`, fsynced, renamed
//! into `inbox/new`, and the directory is fsynced; only then is the caller told yes. Nobody opens
//! sled here and nobody takes a lock. The owner of the scope moves the records into the journal and
//! unlinks the file afterwards, so that a crash between the two only means doing it again.
//!
//! A file is named `<lamport>-<random>-<count>.rec`, or `<lamport>-<random>-b<bodies>-<count>.rec`:
//! sorting names gives the order of the clock, the count tells a file from which records were cut off,
//! and how many of them are bodies is said so that readers count without opening files.

mod held;

pub use held::{Claim, Held, HeldFile, Reconciled};

use crate::crashsafe;
use crate::fs::{SharedFilesystem, read_all};
use crate::record::{FrameError, RecordKind, RecordView};
use kitty_config::ScopePaths;
use std::io;
use std::path::PathBuf;

/// The inbox of one scope.
#[derive(Debug, Clone)]
pub struct Inbox {
    filesystem: SharedFilesystem,
    paths: ScopePaths,
}

/// A complete file that waits for the owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxFile {
    /// Its name; names sort in the order of the clock.
    pub name: String,
    /// How many records were written into it.
    pub records: u32,
}

/// How much waits for the owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Records, as the names of the files say.
    pub records: u64,
    /// Those of them that are bodies.
    pub bodies: u64,
    /// The first file in the order of the clock.
    pub first: Option<InboxFile>,
}

/// The records were not accepted; nothing of them will ever be delivered.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A record cannot be framed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// There was nothing to append.
    #[error("an append needs at least one record")]
    Empty,
    /// The scope holds as many undelivered records as it may.
    #[error(
        "the queue at {} is full ({waiting} undelivered events, the limit is {limit}). Nothing was dropped; \
         deliver them with `spec-kitty sync now` or raise sync.max_queue_size",
        path.display()
    )]
    Full {
        /// The scope's directory.
        path: PathBuf,
        /// How many wait.
        waiting: u64,
        /// How many may.
        limit: u64,
    },
    /// The disk refused.
    #[error("the event could not be stored in {}: {source}. Free some space or check the permissions", path.display())]
    Io {
        /// The inbox.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl Inbox {
    /// Creates a handle; nothing is read or written.
    #[must_use]
    pub const fn new(filesystem: SharedFilesystem, paths: ScopePaths) -> Self {
        Self { filesystem, paths }
    }

    /// Stores records as one unit; durable against a power cut when it returns.
    ///
    /// `lamport` orders the file among the others. The records' own sequence is ignored.
    ///
    /// # Errors
    /// [`AppendError`]; then no part of the records is visible to the owner.
    pub fn append(&self, lamport: u64, records: &[RecordView<'_>]) -> Result<(), AppendError> {
        let bytes = frame(records)?;
        file_name(lamport, records)
            .and_then(|name| self.store(&name, &bytes))
            .map_err(|source| AppendError::Io {
                path: self.paths.inbox_new(),
                source,
            })
    }

    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (temporary, target) = (
            self.paths.inbox_tmp().join(name),
            self.paths.inbox_new().join(name),
        );
        let mut file = match self.filesystem.create_new(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                crashsafe::create_dir_all(&*self.filesystem, &self.paths.inbox_new())?;
                crashsafe::create_dir_all(&*self.filesystem, &self.paths.inbox_tmp())?;
                self.filesystem.create_new(&temporary)?
            }
            other => other?,
        };
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        drop(file);
        if let Err(error) = written.and_then(|()| self.filesystem.rename(&temporary, &target)) {
            // What stays in tmp was never acknowledged; the owner sweeps it later.
            let _ = self.filesystem.remove_file(&temporary);
            return Err(error);
        }
        if let Err(error) = self.filesystem.sync_dir(&self.paths.inbox_new()) {
            // Not acknowledged, so it must not be delivered either, unless the owner was faster.
            let _ = self.filesystem.remove_file(&target);
            return Err(error);
        }
        Ok(())
    }

    /// Lists the complete files in the order of the clock; a missing inbox is an empty one.
    ///
    /// # Errors
    /// The file system's.
    pub fn waiting(&self) -> io::Result<Vec<InboxFile>> {
        let names = match self.filesystem.list(&self.paths.inbox_new()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut files: Vec<InboxFile> = names.into_iter().filter_map(parse_name).collect();
        files.sort_unstable();
        Ok(files)
    }

    /// Counts the records that wait and names the first file, without putting names in order.
    ///
    /// # Errors
    /// The file system's.
    pub fn tally(&self) -> io::Result<Tally> {
        let names = match self.filesystem.list(&self.paths.inbox_new()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tally::default()),
            other => other?,
        };
        let (mut records, mut bodies, mut first) = (0, 0, None::<&String>);
        for name in &names {
            if let Some(count) = count_of(name) {
                records += u64::from(count);
                bodies += u64::from(bodies_of(name).min(count));
                first = Some(first.map_or(name, |known| known.min(name)));
            }
        }
        Ok(Tally {
            records,
            bodies,
            first: first.cloned().and_then(parse_name),
        })
    }

    /// Reads one file.
    ///
    /// # Errors
    /// The file system's.
    pub fn read(&self, file: &InboxFile) -> io::Result<Vec<u8>> {
        read_all(&*self.filesystem, &self.paths.inbox_new().join(&file.name))
    }

    /// Removes a file whose records are in the journal.
    ///
    /// The removal need not be durable: a file that comes back is recognised by its records' ids.
    ///
    /// # Errors
    /// The file system's.
    pub fn discard(&self, file: &InboxFile) -> io::Result<()> {
        match self
            .filesystem
            .remove_file(&self.paths.inbox_new().join(&file.name))
        {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Moves a file that could not be read whole to `inbox/damaged`, where it is kept.
    ///
    /// # Errors
    /// The file system's.
    pub fn set_aside(&self, file: &InboxFile) -> io::Result<PathBuf> {
        let target = self.paths.inbox_damaged().join(&file.name);
        crashsafe::create_dir_all(&*self.filesystem, &self.paths.inbox_damaged())?;
        self.filesystem
            .rename(&self.paths.inbox_new().join(&file.name), &target)?;
        Ok(target)
    }

    /// Removes temporary files that `is_stale` recognises; they were never acknowledged.
    ///
    /// # Errors
    /// The file system's.
    pub fn sweep(&self, is_stale: impl Fn(&std::path::Path) -> bool) -> io::Result<usize> {
        let names = match self.filesystem.list(&self.paths.inbox_tmp()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other?,
        };
        let mut removed = 0;
        for path in names
            .into_iter()
            .map(|name| self.paths.inbox_tmp().join(name))
        {
            if is_stale(&path) {
                self.filesystem.remove_file(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Frames the records of one command; their own sequence is ignored.
fn frame(records: &[RecordView<'_>]) -> Result<Vec<u8>, AppendError> {
    if records.is_empty() {
        return Err(AppendError::Empty);
    }
    let mut bytes = Vec::with_capacity(records.iter().map(RecordView::framed_length).sum());
    for record in records {
        RecordView {
            sequence: 0,
            ..*record
        }
        .encode(&mut bytes)?;
    }
    Ok(bytes)
}

fn file_name(lamport: u64, records: &[RecordView<'_>]) -> io::Result<String> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let (random, count) = (hex::encode(random), records.len());
    let is_body = |record: &&RecordView<'_>| record.kind == RecordKind::Body;
    Ok(match records.iter().filter(is_body).count() {
        0 => format!("{lamport:020}-{random}-{count}.rec"),
        bodies => format!("{lamport:020}-{random}-b{bodies}-{count}.rec"),
    })
}

fn parse_name(name: String) -> Option<InboxFile> {
    let records = count_of(&name)?;
    Some(InboxFile { name, records })
}

/// Returns how many records of a file are bodies, as its name says.
fn bodies_of(name: &str) -> u32 {
    let bodies = name
        .rsplit('-')
        .nth(1)
        .and_then(|part| part.strip_prefix('b'));
    // The random part of other names may begin with the same letter; it has sixteen digits.
    bodies
        .filter(|digits| digits.len() < 15)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

fn count_of(name: &str) -> Option<u32> {
    let (_, count) = name.strip_suffix(".rec")?.rsplit_once('-')?;
    count.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::os_filesystem;
    use crate::record::{CaptureScope, Piece, pieces};

    fn inbox() -> (tempfile::TempDir, Inbox) {
        let directory = tempfile::tempdir().unwrap();
        let inbox = Inbox::new(
            os_filesystem(),
            ScopePaths::at(directory.path().join("scope")),
        );
        (directory, inbox)
    }

    fn record<'a>(id: &'a str, payload: &'a [u8]) -> RecordView<'a> {
        let scope = CaptureScope::NOBODY;
        RecordView {
            sequence: 99,
            kind: RecordKind::Event,
            captured_ms: 1,
            scope,
            id,
            payload,
        }
    }

    #[test]
    fn an_inbox_that_was_never_used_is_empty_and_stays_unmade() {
        let (directory, inbox) = inbox();
        assert!(inbox.waiting().unwrap().is_empty());
        assert_eq!(inbox.tally().unwrap(), Tally::default());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn files_are_listed_in_the_order_of_the_clock_with_their_counts() {
        let (_directory, inbox) = inbox();
        for lamport in [900, 7, 12_345] {
            let (first, second) = (format!("a{lamport}"), format!("b{lamport}"));
            inbox
                .append(lamport, &[record(&first, b"1"), record(&second, b"2")])
                .unwrap();
        }
        let files = inbox.waiting().unwrap();
        let tally = inbox.tally().unwrap();
        assert_eq!((tally.records, tally.first.as_ref()), (6, files.first()));
        let firsts: Vec<String> = files
            .iter()
            .map(|file| {
                assert_eq!(file.records, 2);
                let bytes = inbox.read(file).unwrap();
                match pieces(&bytes, 0).next().unwrap() {
                    Piece::Record(record, 0) => record.id.to_owned(),
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        assert_eq!(firsts, ["a7", "a900", "a12345"]);
    }

    #[test]
    fn bodies_are_counted_apart_from_the_names_of_the_files_alone() {
        let (_directory, inbox) = inbox();
        let body = |id| RecordView {
            kind: RecordKind::Body,
            ..record(id, b"{}")
        };
        inbox
            .append(1, &[record("e", b"1"), body("b1"), body("b2")])
            .unwrap();
        inbox.append(2, &[record("f", b"1")]).unwrap();
        let tally = inbox.tally().unwrap();
        assert_eq!((tally.records, tally.bodies), (4, 2));
        assert_eq!(bodies_of("00000000000000000001-b123456789012345-3.rec"), 0);
    }

    #[test]
    fn nothing_to_append_is_an_error_and_leaves_no_file() {
        let (_directory, inbox) = inbox();
        assert!(matches!(inbox.append(1, &[]), Err(AppendError::Empty)));
        assert!(matches!(
            inbox.append(1, &[record("", b"")]),
            Err(AppendError::Frame(_))
        ));
        assert!(inbox.waiting().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_file_is_kept_out_of_the_way() {
        let (_directory, inbox) = inbox();
        inbox.append(1, &[record("a", b"1")]).unwrap();
        let file = inbox.waiting().unwrap().remove(0);
        let kept = inbox.set_aside(&file).unwrap();
        assert!(kept.is_file());
        assert!(inbox.waiting().unwrap().is_empty());
        inbox.discard(&file).unwrap();
    }
}
