//! Ingest: inbox files become journal records.

use super::{OwnerError, ScopeOwner};
use crate::inbox::InboxFile;
use crate::mailbox::Key;
use crate::record::{Piece, RecordView, identity, pieces};
use crate::status_file::DamageReport;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Files and bytes per journal append: large enough that one fsync is shared by many commands, small
/// enough that a long absence does not end in a large process.
const FILES_PER_APPEND: usize = 1000;
const BYTES_PER_APPEND: usize = 1 << 20;
/// Appends after which the status is written, so that readers have little of the journal to read when a
/// long ingest is broken off.
const APPENDS_PER_STATUS: usize = 16;
/// A temporary file this old belongs to a process that died while writing it.
const STALE_AFTER: Duration = Duration::from_secs(3600);

/// Files and what stands in them.
type Batch<'f> = Vec<(&'f InboxFile, Vec<u8>)>;

/// What an ingest did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ingested {
    /// Records that are in the journal now.
    pub records: u64,
    /// Records that were there already.
    pub known: u64,
    /// Files of which not every record could be read; what could be read was taken.
    pub damaged_files: u64,
}

impl ScopeOwner {
    /// Moves everything that waits in the inbox into the journal.
    ///
    /// Files are removed only after their records are in the journal and indexed; a crash at any
    /// point means that the rest happens at the next ingest.
    ///
    /// # Errors
    /// [`OwnerError`]; what was moved before stays moved.
    pub fn ingest(&mut self) -> Result<Ingested, OwnerError> {
        self.inbox
            .sweep(is_stale)
            .map_err(|source| self.io_error(source))?;
        let files = self
            .inbox
            .waiting()
            .map_err(|source| self.io_error(source))?;
        let mut total = Ingested::default();
        let (mut rest, mut appends) = (files.as_slice(), 0);
        while !rest.is_empty() {
            let batch = self.read_batch(rest)?;
            self.store_batch(&batch, &mut total)?;
            rest = &rest[batch.len()..];
            appends += 1;
            if appends % APPENDS_PER_STATUS == 0 {
                self.write_status()?;
            }
        }
        Ok(total)
    }

    /// Reads the next files, up to the size of one append; at least one.
    fn read_batch<'f>(&self, files: &'f [InboxFile]) -> Result<Batch<'f>, OwnerError> {
        let (mut batch, mut bytes) = (Batch::new(), 0);
        for file in files.iter().take(FILES_PER_APPEND) {
            if bytes >= BYTES_PER_APPEND {
                break;
            }
            let content = match self.inbox.read(file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                other => other.map_err(|source| self.io_error(source))?,
            };
            bytes += content.len();
            batch.push((file, content));
        }
        Ok(batch)
    }

    fn store_batch(&mut self, batch: &Batch<'_>, total: &mut Ingested) -> Result<(), OwnerError> {
        let mut records: Vec<RecordView<'_>> = Vec::new();
        let mut seen = HashSet::new();
        let mut damaged = HashSet::new();
        for (file, content) in batch {
            let mut readable = 0;
            for piece in pieces(content, 0) {
                let Piece::Record(record, _) = piece else {
                    continue;
                };
                readable += 1;
                let known_by = identity(record.kind, record.id, record.scope);
                if self.is_indexed(&known_by)? || !seen.insert(known_by) {
                    total.known += 1;
                } else {
                    records.push(record);
                }
            }
            if readable != file.records {
                damaged.insert(&file.name);
            }
        }
        total.records += records.len() as u64;
        self.journal.append(&records)?;
        self.mending(Self::index)?;
        for (file, _) in batch {
            if damaged.contains(&file.name) {
                total.damaged_files += 1;
                self.keep_damaged(file)?;
            } else {
                self.inbox
                    .discard(file)
                    .map_err(|source| self.io_error(source))?;
            }
        }
        Ok(())
    }

    fn is_indexed(&mut self, id: &str) -> Result<bool, OwnerError> {
        self.mending(|owner| Ok(owner.store.get(&Key::Index(id.to_owned()))?.is_some()))
    }

    fn keep_damaged(&mut self, file: &InboxFile) -> Result<(), OwnerError> {
        match self.inbox.set_aside(file) {
            Ok(_) => {
                let text = format!(
                    "not every record of inbox file {} could be read; it is kept in inbox/damaged",
                    file.name
                );
                self.damage.push(DamageReport::now(&self.ports.time, text));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(self.io_error(source)),
        }
    }
}

fn is_stale(path: &Path) -> bool {
    let modified = path.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > STALE_AFTER))
}
