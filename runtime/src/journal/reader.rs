//! Reading a journal: any process, at any time, without a lock.

use super::Position;
use super::segment::{self, HeaderCheck, SEGMENT_HEADER, ScopeTag, check_header, read_fully};
use crate::fs::{FileHandle, SharedFilesystem};
use crate::record::{CaptureScope, Decoded, RecordKind, RecordView, decode, next_magic};
use kitty_config::ScopePaths;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The first sequence of the segment.
    pub segment: u64,
    /// Offset in its file; anything inside the header means its first record.
    pub offset: u64,
}

/// Bytes of a segment that hold no readable record, or a segment that may not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The first sequence of the segment.
    pub segment: u64,
    /// First damaged byte.
    pub from: u64,
    /// First byte after the damage.
    pub to: u64,
    /// Whether nothing readable follows in the segment.
    pub tail: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.tail { "torn tail" } else { "damage" };
        let name = segment::file_name(self.segment);
        write!(
            formatter,
            "{kind} in journal/{name}, bytes {} to {}",
            self.from, self.to
        )
    }
}

/// One record inside a [`Slab`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlabEntry {
    /// Where it stands in the journal.
    pub position: Position,
    /// What it is.
    pub kind: RecordKind,
    /// When it was captured, in milliseconds since the Unix epoch.
    pub captured_ms: u64,
    /// For whom.
    pub scope: CaptureScope,
    id: Range<usize>,
    payload: Range<usize>,
}

/// Consecutive records and the bytes they were read from, so that payloads need not be copied.
#[derive(Debug, Clone, Default)]
pub struct Slab {
    bytes: Vec<u8>,
    entries: Vec<SlabEntry>,
    damage: Vec<Damage>,
    segment: u64,
    next: Cursor,
}

impl Slab {
    /// Returns the records in order.
    #[must_use]
    pub fn entries(&self) -> &[SlabEntry] {
        &self.entries
    }

    /// Returns the damage that was skipped.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Returns the first sequence of the segment that was read.
    #[must_use]
    pub const fn segment(&self) -> u64 {
        self.segment
    }

    /// Returns where the next slab begins.
    #[must_use]
    pub const fn next(&self) -> Cursor {
        self.next
    }

    /// Returns the id of a record of this slab.
    #[must_use]
    pub fn id(&self, entry: &SlabEntry) -> &str {
        std::str::from_utf8(&self.bytes[entry.id.clone()]).expect("ids were checked when decoded")
    }

    /// Returns the payload of a record of this slab.
    #[must_use]
    pub fn payload(&self, entry: &SlabEntry) -> &[u8] {
        &self.bytes[entry.payload.clone()]
    }

    fn push(&mut self, record: &RecordView<'_>, segment: u64, at: usize, base: u64) {
        let id = at + crate::record::HEADER_LENGTH;
        let payload = id + record.id.len();
        self.entries.push(SlabEntry {
            position: Position {
                sequence: record.sequence,
                segment,
                offset: base + at as u64,
                length: u32::try_from(record.framed_length()).expect("a frame is below 4 GiB"),
            },
            kind: record.kind,
            captured_ms: record.captured_ms,
            scope: record.scope,
            id: id..payload,
            payload: payload..payload + record.payload.len(),
        });
    }
}

/// The segments of a journal as they stand.
#[derive(Debug, Clone)]
pub struct JournalView {
    filesystem: SharedFilesystem,
    directory: PathBuf,
    tag: ScopeTag,
    lengths: BTreeMap<u64, u64>,
    foreign: Vec<u64>,
}

impl JournalView {
    /// Lists the segments of a scope; reads their headers and changes nothing.
    ///
    /// Segments of another scope are left out ([`JournalView::foreign`]); no code path reads them.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(
        filesystem: &SharedFilesystem,
        paths: &ScopePaths,
        scope_name: &str,
    ) -> io::Result<Self> {
        let directory = paths.journal();
        let tag = ScopeTag::of(scope_name);
        let (mut lengths, mut foreign) = (BTreeMap::new(), Vec::new());
        for first in segment::list(&**filesystem, &directory)? {
            let file = match filesystem.open_read(&segment::path(&directory, first)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let mut header = [0; SEGMENT_HEADER as usize];
            let count = read_fully(&*file, &mut header, 0)?;
            match check_header(&header[..count], tag) {
                HeaderCheck::Foreign => foreign.push(first),
                HeaderCheck::Ours | HeaderCheck::Damaged => {
                    lengths.insert(first, file.length()?);
                }
            }
        }
        Ok(Self {
            filesystem: filesystem.clone(),
            directory,
            tag,
            lengths,
            foreign,
        })
    }

    /// Returns the first sequences of the segments, rising.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.lengths.keys().copied()
    }

    /// Returns the segments that carry another scope's name.
    #[must_use]
    pub fn foreign(&self) -> &[u64] {
        &self.foreign
    }

    /// Returns the bytes of all segments together.
    #[must_use]
    pub fn total_length(&self) -> u64 {
        self.lengths.values().sum()
    }

    /// Returns the cursor behind the last record.
    #[must_use]
    pub fn end(&self) -> Cursor {
        let last = self.lengths.last_key_value();
        last.map_or_else(Cursor::default, |(segment, length)| Cursor {
            segment: *segment,
            offset: *length,
        })
    }

    pub(super) const fn tag(&self) -> ScopeTag {
        self.tag
    }

    pub(super) fn last_segment(&self) -> Option<u64> {
        self.lengths.keys().next_back().copied()
    }

    /// Returns the bytes of a segment, 0 when there is none.
    #[must_use]
    pub fn length(&self, segment: u64) -> u64 {
        self.lengths.get(&segment).copied().unwrap_or(0)
    }

    pub(super) fn set_length(&mut self, segment: u64, length: u64) {
        self.lengths.insert(segment, length);
    }

    pub(super) fn forget(&mut self, segment: u64) {
        self.lengths.remove(&segment);
    }

    /// Reads one record where it is known to stand; `None` when no readable record stands there.
    ///
    /// # Errors
    /// The file system's; a missing segment is `None`.
    pub fn record_at(&self, position: Position) -> io::Result<Option<Slab>> {
        let path = segment::path(&self.directory, position.segment);
        let file = match self.filesystem.open_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut bytes = vec![0; position.length as usize];
        let count = read_fully(&*file, &mut bytes, position.offset)?;
        bytes.truncate(count);
        let Decoded::Record(record, _) = decode(&bytes) else {
            return Ok(None);
        };
        if record.sequence != position.sequence {
            return Ok(None);
        }
        let mut slab = Slab::default();
        slab.push(&record, position.segment, 0, position.offset);
        slab.bytes = bytes;
        Ok(Some(slab))
    }

    /// Reads records from a cursor on: at most `max_records`, and about `max_bytes`, at least one.
    ///
    /// Returns `None` at the end. A slab may be empty when only damage was passed.
    ///
    /// # Errors
    /// The file system's.
    pub fn read(
        &self,
        from: Cursor,
        max_records: usize,
        max_bytes: usize,
    ) -> io::Result<Option<Slab>> {
        let Some((segment, offset)) = self.normalise(from) else {
            return Ok(None);
        };
        let path = segment::path(&self.directory, segment);
        let file = match self.filesystem.open_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Slab {
                    segment,
                    next: self.after(segment),
                    ..Slab::default()
                }));
            }
            other => other?,
        };
        let reading = Reading {
            segment,
            length: self.length(segment),
            max_records,
            max_bytes,
        };
        let mut slab = reading.read(&*file, offset)?;
        if slab.next.offset >= reading.length {
            slab.next = self.after(segment);
        }
        Ok(Some(slab))
    }

    /// Turns a cursor into a segment that exists and an offset where a record may start.
    fn normalise(&self, cursor: Cursor) -> Option<(u64, u64)> {
        let (segment, length) = self.lengths.range(cursor.segment..).next()?;
        if *segment > cursor.segment {
            return Some((*segment, SEGMENT_HEADER));
        }
        if cursor.offset < *length {
            return Some((*segment, cursor.offset.max(SEGMENT_HEADER)));
        }
        let (segment, _) = self.lengths.range(cursor.segment + 1..).next()?;
        Some((*segment, SEGMENT_HEADER))
    }

    fn after(&self, segment: u64) -> Cursor {
        match self.lengths.range(segment + 1..).next() {
            Some((next, _)) => Cursor {
                segment: *next,
                offset: SEGMENT_HEADER,
            },
            None => Cursor {
                segment,
                offset: self.length(segment),
            },
        }
    }
}

/// One pass over a part of a segment.
struct Reading {
    segment: u64,
    length: u64,
    max_records: usize,
    max_bytes: usize,
}

impl Reading {
    fn read(&self, file: &dyn FileHandle, offset: u64) -> io::Result<Slab> {
        let mut slab = Slab {
            segment: self.segment,
            ..Slab::default()
        };
        let mut wanted = self.max_bytes.clamp(4096, 64 << 20);
        loop {
            let available =
                usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
            slab.bytes.resize(wanted.min(available), 0);
            let count = read_fully(file, &mut slab.bytes, offset)?;
            slab.bytes.truncate(count);
            let whole_rest = count >= available || count < wanted.min(available);
            match self.parse(&mut slab, offset, whole_rest) {
                Parsed::Done => return Ok(slab),
                Parsed::NeedsMore(total) => wanted = total,
            }
        }
    }

    /// Splits what was read into records; `whole_rest` says that the segment ends here.
    fn parse(&self, slab: &mut Slab, base: u64, whole_rest: bool) -> Parsed {
        let bytes = std::mem::take(&mut slab.bytes);
        let mut at = 0;
        let mut damaged_from = None;
        let mut needed = None;
        while at < bytes.len() && slab.entries.len() < self.max_records {
            match decode(&bytes[at..]) {
                Decoded::Record(record, length) => {
                    self.close_damage(slab, base, damaged_from.take(), at, false);
                    slab.push(&record, self.segment, at, base);
                    at += length;
                }
                Decoded::Incomplete(total) if !whole_rest => {
                    needed = Some(at + total);
                    break;
                }
                Decoded::Incomplete(_) | Decoded::Damaged => {
                    damaged_from.get_or_insert(at);
                    at = next_magic(&bytes, at + 1).unwrap_or(bytes.len());
                }
            }
        }
        if !whole_rest && (needed.is_some() || damaged_from.is_some()) {
            // What stands here may end beyond what was read: leave it to the next slab, or read more.
            at = damaged_from.take().unwrap_or(at);
            if slab.entries.is_empty() {
                let more = needed.unwrap_or(0).max(bytes.len() * 2);
                slab.bytes = bytes;
                slab.damage.clear();
                return Parsed::NeedsMore(more);
            }
        }
        self.close_damage(slab, base, damaged_from, at, whole_rest);
        let offset = if whole_rest && at == bytes.len() {
            self.length
        } else {
            base + at as u64
        };
        slab.next = Cursor {
            segment: self.segment,
            offset,
        };
        slab.bytes = bytes;
        Parsed::Done
    }

    fn close_damage(&self, slab: &mut Slab, base: u64, from: Option<usize>, to: usize, tail: bool) {
        if let Some(start) = from {
            slab.damage.push(Damage {
                segment: self.segment,
                from: base + start as u64,
                to: base + to as u64,
                tail,
            });
        }
    }
}

enum Parsed {
    Done,
    NeedsMore(usize),
}
