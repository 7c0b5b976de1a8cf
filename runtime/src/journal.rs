//! The journal: append-only segments of records, the truth about a scope.
//!
//! Only the owner of the scope appends; anybody may read. Records carry a sequence number that rises
//! by one and is never used twice, because what targets answered is remembered by sequence. A
//! segment is named after its first sequence and holds about [`SEGMENT_LIMIT`] bytes.
//!
//! An append that fails leaves the journal as it was: the bytes are cut off again, or the segment is
//! closed and the next append starts another. A torn tail, which only an interrupted append leaves,
//! is copied aside and cut at the next open. Damage in the middle stays where it is; readers skip to
//! the next readable record and report it.

mod reader;
mod segment;

pub use reader::{Cursor, Damage, JournalView, Slab, SlabEntry};

use crate::crashsafe::{self, Durability};
use crate::fs::{FileHandle, Filesystem, SharedFilesystem};
use crate::record::{FrameError, RecordView};
use kitty_config::ScopePaths;
use segment::{SEGMENT_HEADER, encode_header};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A segment is closed when it has grown beyond this, 16 MiB.
pub const SEGMENT_LIMIT: u64 = 16 << 20;
/// How far sequences jump when damage may have hidden some that were used.
const JUMP_AFTER_DAMAGE: u64 = 1 << 20;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its sequence number.
    pub sequence: u64,
    /// The first sequence of its segment, which names the file.
    pub segment: u64,
    /// Offset of its frame in the file.
    pub offset: u64,
    /// Bytes of its frame.
    pub length: u32,
}

/// Up to where the journal was known when it was closed; everything before is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The next sequence to be given.
    pub next_sequence: u64,
    /// Where the next record to be indexed stands.
    pub cursor: Cursor,
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A record cannot be framed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The disk refused.
    #[error("the journal at {} failed: {source}. Free some space or check the permissions", path.display())]
    Io {
        /// The journal's directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

#[derive(Debug)]
struct Active {
    first_sequence: u64,
    file: Box<dyn FileHandle>,
    length: u64,
}

/// The journal as its owner sees it.
#[derive(Debug)]
pub struct Journal {
    view: JournalView,
    filesystem: SharedFilesystem,
    directory: PathBuf,
    damaged: PathBuf,
    active: Option<Active>,
    next_sequence: u64,
    segment_limit: u64,
}

impl Journal {
    /// Opens the journal of a scope for appending; the caller owns the scope.
    ///
    /// The last segment's tail is read from `mark` on; a torn tail is copied to `journal/damaged/`
    /// and cut. What was found is reported, never refused.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the directory cannot be listed or a segment cannot be read at all.
    pub fn open(
        filesystem: &SharedFilesystem,
        paths: &ScopePaths,
        scope_name: &str,
        mark: Mark,
    ) -> Result<(Self, Vec<Damage>), JournalError> {
        let directory = paths.journal();
        let failed = |source| JournalError::Io {
            path: directory.clone(),
            source,
        };
        let view = JournalView::open(filesystem, paths, scope_name).map_err(failed)?;
        let mut journal = Self {
            view,
            filesystem: filesystem.clone(),
            directory: directory.clone(),
            damaged: paths.journal_damaged(),
            active: None,
            next_sequence: mark.next_sequence.max(1),
            segment_limit: SEGMENT_LIMIT,
        };
        let damage = journal.recover_tail(mark).map_err(failed)?;
        Ok((journal, damage))
    }

    /// Uses smaller segments; for tests that want several.
    #[must_use]
    pub const fn with_segment_limit(mut self, bytes: u64) -> Self {
        self.segment_limit = bytes;
        self
    }

    /// Returns the reading side.
    #[must_use]
    pub const fn view(&self) -> &JournalView {
        &self.view
    }

    /// Returns the sequence that the next record gets.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Returns the mark behind the last record.
    #[must_use]
    pub fn end(&self) -> Mark {
        Mark {
            next_sequence: self.next_sequence,
            cursor: self.view.end(),
        }
    }

    /// Appends records in order, each with the next sequence, and forces them to stable storage once.
    ///
    /// # Errors
    /// [`JournalError`]; then none of the records is in the journal, and their sequences are free
    /// unless the disk refused to forget them.
    pub fn append(&mut self, records: &[RecordView<'_>]) -> Result<Vec<Position>, JournalError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(records.iter().map(RecordView::framed_length).sum());
        let mut positions = Vec::with_capacity(records.len());
        for (sequence, record) in (self.next_sequence..).zip(records) {
            let offset = bytes.len() as u64;
            RecordView {
                sequence,
                ..*record
            }
            .encode(&mut bytes)?;
            let length = u32::try_from(record.framed_length()).expect("a frame is below 4 GiB");
            positions.push(Position {
                sequence,
                segment: 0,
                offset,
                length,
            });
        }
        let (segment, base) = self.write(&bytes).map_err(|source| JournalError::Io {
            path: self.directory.clone(),
            source,
        })?;
        for position in &mut positions {
            position.segment = segment;
            position.offset += base;
        }
        self.next_sequence += records.len() as u64;
        Ok(positions)
    }

    /// Deletes a whole segment; the active one is closed first.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn delete_segment(&mut self, first_sequence: u64) -> Result<(), JournalError> {
        self.take_out(first_sequence, |filesystem, path| {
            crashsafe::remove(filesystem, path)
        })
    }

    /// Moves a whole segment to `journal/damaged/`, where no reader looks.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn set_segment_aside(&mut self, first_sequence: u64) -> Result<(), JournalError> {
        let aside = self.damaged.clone();
        self.take_out(first_sequence, |filesystem, path| {
            crashsafe::create_dir_all(filesystem, &aside)?;
            filesystem.rename(path, &segment::path(&aside, first_sequence))
        })
    }

    fn take_out(
        &mut self,
        first_sequence: u64,
        take: impl FnOnce(&dyn Filesystem, &Path) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        if self
            .active
            .as_ref()
            .is_some_and(|active| active.first_sequence == first_sequence)
        {
            self.active = None;
        }
        let path = segment::path(&self.directory, first_sequence);
        take(&*self.filesystem, &path).map_err(|source| JournalError::Io {
            path: self.directory.clone(),
            source,
        })?;
        self.view.forget(first_sequence);
        Ok(())
    }

    /// Writes bytes at the end of the active segment; returns the segment and the offset.
    fn write(&mut self, bytes: &[u8]) -> io::Result<(u64, u64)> {
        let mut active = match self.active.take() {
            Some(active) if active.length < self.segment_limit => active,
            _ => self.start_segment()?,
        };
        let base = active.length;
        match active
            .file
            .write_all(bytes)
            .and_then(|()| active.file.sync_data())
        {
            Ok(()) => {
                active.length += bytes.len() as u64;
                self.view.set_length(active.first_sequence, active.length);
                let first_sequence = active.first_sequence;
                self.active = Some(active);
                Ok((first_sequence, base))
            }
            Err(error) => {
                self.abandon(active, base);
                Err(error)
            }
        }
    }

    /// Takes back a failed write; what cannot be taken back must never share its sequences.
    fn abandon(&mut self, active: Active, length: u64) {
        let cut = active
            .file
            .set_length(length)
            .and_then(|()| active.file.sync_data());
        if cut.is_err() {
            self.next_sequence += JUMP_AFTER_DAMAGE;
        }
    }

    fn start_segment(&mut self) -> io::Result<Active> {
        let first_sequence = self.next_sequence;
        let path = segment::path(&self.directory, first_sequence);
        crashsafe::create_dir_all(&*self.filesystem, &self.directory)?;
        let mut file = match self.filesystem.create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // An earlier start failed half-way: nothing was acknowledged in it.
                let file = self.filesystem.open_append(&path, false)?;
                file.set_length(0)?;
                file
            }
            other => other?,
        };
        file.write_all(&encode_header(self.view.tag()))?;
        file.sync_data()?;
        self.filesystem.sync_dir(&self.directory)?;
        drop(file);
        let file = self.filesystem.open_append(&path, false)?;
        self.view.set_length(first_sequence, SEGMENT_HEADER);
        Ok(Active {
            first_sequence,
            file,
            length: SEGMENT_HEADER,
        })
    }

    fn recover_tail(&mut self, mark: Mark) -> io::Result<Vec<Damage>> {
        let Some(last) = self.view.last_segment() else {
            return Ok(Vec::new());
        };
        self.next_sequence = self.next_sequence.max(last);
        let start = if mark.cursor.segment == last {
            mark.cursor.offset
        } else {
            0
        };
        let mut damage = Vec::new();
        let mut cursor = Cursor {
            segment: last,
            offset: start,
        };
        while let Some(slab) = self.view.read(cursor, usize::MAX, 4 << 20)? {
            if let Some(entry) = slab.entries().last() {
                self.next_sequence = self.next_sequence.max(entry.position.sequence + 1);
            }
            damage.extend(slab.damage().iter().cloned());
            cursor = slab.next();
        }
        if !damage.is_empty() || self.view.length(last) < SEGMENT_HEADER {
            self.next_sequence += JUMP_AFTER_DAMAGE;
        }
        let mut length = self.view.length(last);
        if let Some(torn) = damage.last().filter(|torn| torn.tail) {
            self.keep_torn_bytes(torn)?;
            length = torn.from.max(SEGMENT_HEADER);
        }
        if length < SEGMENT_HEADER || length >= self.segment_limit {
            return Ok(damage);
        }
        let file = self
            .filesystem
            .open_append(&segment::path(&self.directory, last), false)?;
        if length != self.view.length(last) {
            file.set_length(length)?;
            file.sync_data()?;
            self.view.set_length(last, length);
        }
        self.active = Some(Active {
            first_sequence: last,
            file,
            length,
        });
        Ok(damage)
    }

    /// Copies bytes that will be cut to `journal/damaged/`, so that nothing is destroyed.
    fn keep_torn_bytes(&self, torn: &Damage) -> io::Result<()> {
        let file = self
            .filesystem
            .open_read(&segment::path(&self.directory, torn.segment))?;
        let length = usize::try_from(torn.to - torn.from).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        let length = segment::read_fully(&*file, &mut bytes, torn.from)?;
        let name = format!("{:020}-{}.bytes", torn.segment, torn.from);
        let target = self.damaged.join(name);
        crashsafe::replace(
            &*self.filesystem,
            &target,
            &bytes[..length],
            Durability::ProcessDeath,
        )
    }
}

#[cfg(test)]
mod tests;
