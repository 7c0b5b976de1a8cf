//! Puts rows into the inbox of their project, once, whatever happens meanwhile.
//!
//! A row is appended unless its id is known: from the record of earlier take-overs, the inbox or the
//! journal. The record is written after the inbox, so a process that dies between the two leaves rows
//! that are found in the inbox and are not appended again.

use super::event::Refusal;
use super::item::{Content, Item, Retry};
use kitty_config::ScopePaths;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{SharedFilesystem, read_all};
use kitty_runtime::inbox::{AppendError, Inbox};
use kitty_runtime::journal::{Cursor, JournalView};
use kitty_runtime::lease::OwnerLease;
use kitty_runtime::lock::LockError;
use kitty_runtime::owner::Scope;
use kitty_runtime::record::{CaptureScope, Piece, RecordKind, RecordView, pieces};
use kitty_runtime::time::SharedTime;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;

/// Records and bytes of one inbox file.
const RECORDS_PER_FILE: usize = 500;
const BYTES_PER_FILE: usize = 4 << 20;
/// Records and bytes of the journal that are looked at in one read.
const RECORDS_PER_READ: usize = 10_000;
const BYTES_PER_READ: usize = 8 << 20;

/// Rows could not be put into a project's queue, or taken out of it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The inbox refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Another process delivers for the project.
    #[error(transparent)]
    Lease(#[from] LockError),
    /// The same.
    #[error(
        "another process delivers for project {project}: stop it with `spec-kitty sync daemon stop`, then run this command again"
    )]
    Busy {
        /// The project.
        project: String,
    },
    /// The operating system refused.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// What was appended is not there.
    #[error("record {id} of project {project} cannot be read back; the legacy queue is unchanged")]
    NotThere {
        /// The project.
        project: String,
        /// The record.
        id: String,
    },
}

/// One line of `migrated.jsonl`: a row that became a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigratedRow {
    /// The record's id.
    pub id: String,
    /// `event` or `body`.
    pub kind: String,
    /// The file it came from, below the state root.
    pub source: String,
    /// The table.
    pub table: String,
    /// Its position in the table.
    pub rowid: i64,
    /// Of the bytes that were stored, lower-case hexadecimal.
    pub sha256: String,
    /// When it was captured, in milliseconds since the Unix epoch.
    pub captured_ms: u64,
    /// What was changed in it, in order; empty when its bytes are those of the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// How often it was tried before.
    pub retry: Retry,
}

/// A row that is to become a record.
#[derive(Debug)]
pub struct NewRecord {
    /// Its line in the record of the take-over.
    pub line: MigratedRow,
    /// For whom it is.
    pub scope: CaptureScope,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl NewRecord {
    /// Makes the record of an item; `None` when the item cannot be one.
    #[must_use]
    pub fn of(item: &Item, source: &str, scope: CaptureScope) -> Option<Self> {
        let (kind, id, bytes, changes) = match &item.content {
            Content::Event(Ok(sound)) => (
                RecordKind::Event,
                sound.id.clone(),
                sound.bytes.clone(),
                sound.changes.clone(),
            ),
            Content::Body(Ok(sound)) => (
                RecordKind::Body,
                sound.task.id(),
                sound.task.to_bytes(),
                Vec::new(),
            ),
            Content::Event(Err(Refusal { .. })) | Content::Body(Err(Refusal { .. })) => {
                return None;
            }
        };
        let line = MigratedRow {
            id,
            kind: if kind == RecordKind::Event {
                "event"
            } else {
                "body"
            }
            .to_owned(),
            source: source.to_owned(),
            table: item.row.table.to_owned(),
            rowid: item.row.rowid,
            sha256: crate::sha256(&bytes),
            captured_ms: item.captured_ms,
            changes,
            retry: item.retry.clone(),
        };
        Some(Self { line, scope, bytes })
    }

    /// Makes the record of an item whose owner is another one now.
    #[must_use]
    pub fn adopted(item: &Item, source: &str, scope: CaptureScope) -> Option<Self> {
        let content = match &item.content {
            Content::Event(Ok(sound)) => Content::Event(Ok(sound.adopted())),
            other => other.clone(),
        };
        let item = Item {
            content,
            ..item.clone()
        };
        Self::of(&item, source, scope)
    }

    fn kind(&self) -> RecordKind {
        if self.line.kind == "event" {
            RecordKind::Event
        } else {
            RecordKind::Body
        }
    }

    fn view(&self) -> RecordView<'_> {
        RecordView {
            sequence: 0,
            kind: self.kind(),
            captured_ms: self.line.captured_ms,
            scope: self.scope,
            id: &self.line.id,
            payload: &self.bytes,
        }
    }
}

/// The queue of one project, as a take-over sees it.
#[derive(Debug)]
pub struct ProjectQueue<'a> {
    filesystem: &'a SharedFilesystem,
    scope: Scope,
}

impl<'a> ProjectQueue<'a> {
    /// Creates a handle; nothing is read or written.
    #[must_use]
    pub const fn new(filesystem: &'a SharedFilesystem, scope: Scope) -> Self {
        Self { filesystem, scope }
    }

    const fn paths(&self) -> &ScopePaths {
        &self.scope.paths
    }

    fn inbox(&self) -> Inbox {
        Inbox::new(self.filesystem.clone(), self.paths().clone())
    }

    fn io(&self, source: io::Error) -> ImportError {
        ImportError::Io {
            path: self.paths().directory().to_owned(),
            source,
        }
    }

    /// Appends records in their order; returns how many were not there before.
    ///
    /// # Errors
    /// [`ImportError`]; what was appended before stays, and a second call goes on.
    pub fn import(&self, records: &[NewRecord]) -> Result<usize, ImportError> {
        let stored = self.stored()?;
        let mut noted: HashSet<String> = self.lines()?.into_iter().map(|line| line.id).collect();
        let mut added = 0;
        let mut at = 0;
        while at < records.len() {
            let (mut bytes, mut end) = (0, at);
            while end < records.len() && end - at < RECORDS_PER_FILE && bytes < BYTES_PER_FILE {
                bytes += records[end].bytes.len();
                end += 1;
            }
            let is_new = |record: &&NewRecord| {
                let id = &record.line.id;
                !noted.contains(id) && !stored.contains_key(id)
            };
            let new: Vec<RecordView<'_>> = records[at..end]
                .iter()
                .filter(is_new)
                .map(NewRecord::view)
                .collect();
            if !new.is_empty() {
                // Its place among all rows, so that a second run keeps their order.
                self.inbox().append(at as u64, &new)?;
                added += new.len();
            }
            let unnoted: Vec<&MigratedRow> = records[at..end]
                .iter()
                .map(|record| &record.line)
                .filter(|line| noted.insert(line.id.clone()))
                .collect();
            self.note(&unnoted).map_err(|error| self.io(error))?;
            at = end;
        }
        self.verify(records, &stored)?;
        Ok(added)
    }

    /// Reads back what was appended and compares it.
    fn verify(
        &self,
        records: &[NewRecord],
        before: &HashMap<String, String>,
    ) -> Result<(), ImportError> {
        let after = self.stored()?;
        let noted: HashMap<String, String> = self
            .lines()?
            .into_iter()
            .map(|line| (line.id, line.sha256))
            .collect();
        for NewRecord { line, .. } in records {
            let is_there = match after.get(&line.id) {
                Some(hash) => *hash == line.sha256 || before.contains_key(&line.id),
                // Delivered, answered and forgotten since an earlier take-over.
                None => false,
            };
            if !is_there && noted.get(&line.id) != Some(&line.sha256)
                || !noted.contains_key(&line.id)
            {
                return Err(ImportError::NotThere {
                    project: self.scope.name.clone(),
                    id: line.id.clone(),
                });
            }
        }
        Ok(())
    }

    /// Collects every id that waits or is in the journal, with the hash of its bytes.
    fn stored(&self) -> Result<HashMap<String, String>, ImportError> {
        let mut found = HashMap::new();
        let inbox = self.inbox();
        for file in inbox.waiting().map_err(|error| self.io(error))? {
            let content = match inbox.read(&file) {
                // Taken into the journal meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(|error| self.io(error))?,
            };
            for piece in pieces(&content, 0) {
                if let Piece::Record(record, _) = piece {
                    found.insert(record.id.to_owned(), crate::sha256(record.payload));
                }
            }
        }
        let view = JournalView::open(self.filesystem, self.paths(), &self.scope.name)
            .map_err(|error| self.io(error))?;
        let mut cursor = Cursor::default();
        while let Some(slab) = view
            .read(cursor, RECORDS_PER_READ, BYTES_PER_READ)
            .map_err(|error| self.io(error))?
        {
            for entry in slab.entries() {
                if matches!(entry.kind, RecordKind::Event | RecordKind::Body) {
                    let hash = crate::sha256(slab.payload(entry));
                    found.insert(slab.id(entry).to_owned(), hash);
                }
            }
            cursor = slab.next();
        }
        Ok(found)
    }

    /// Reads the record of earlier take-overs; a line that was not written whole is left out.
    ///
    /// # Errors
    /// The file system's.
    pub fn lines(&self) -> Result<Vec<MigratedRow>, ImportError> {
        let path = self.paths().migrated_rows();
        let bytes = match read_all(&**self.filesystem, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|source| ImportError::Io { path, source })?,
        };
        let lines = bytes.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    fn note(&self, lines: &[&MigratedRow]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let path = self.paths().migrated_rows();
        let is_new = self.filesystem.open_read(&path).is_err();
        let mut file = self.filesystem.open_append(&path, true)?;
        // A line that was cut off in the middle ends here.
        let mut bytes = if file.length()? > 0 {
            vec![b'\n']
        } else {
            Vec::new()
        };
        for line in lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        if is_new {
            crashsafe::sync_parent(&**self.filesystem, &path)?;
        }
        Ok(())
    }
}

/// What a rollback did in one project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TakenBack {
    /// Rows that are no longer queued.
    pub taken_back: usize,
    /// Rows that were handed to delivery before, and stay.
    pub kept: usize,
}

/// `migrated.undo.json`: what a rollback is taking back.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undo {
    files: Vec<String>,
    ids: Vec<String>,
}

impl ProjectQueue<'_> {
    /// Takes rows back that still wait in the inbox.
    ///
    /// # Errors
    /// [`ImportError`]; a second call goes on.
    pub fn take_back(&self, time: &SharedTime) -> Result<TakenBack, ImportError> {
        let filesystem = &**self.filesystem;
        let lease = OwnerLease::try_acquire(self.filesystem, self.paths(), time, "upgrade")?;
        let Some(lease) = lease else {
            return Err(ImportError::Busy {
                project: self.scope.name.clone(),
            });
        };
        let mut done = TakenBack::default();
        done.taken_back += self.finish_undo()?;
        let ours: HashSet<String> = self.lines()?.into_iter().map(|line| line.id).collect();
        let mut undo = Undo {
            files: Vec::new(),
            ids: Vec::new(),
        };
        let inbox = self.inbox();
        for file in inbox.waiting().map_err(|error| self.io(error))? {
            let content = inbox.read(&file).map_err(|error| self.io(error))?;
            let ids: Option<Vec<String>> = pieces(&content, 0)
                .map(|piece| match piece {
                    Piece::Record(record, _) if ours.contains(record.id) => {
                        Some(record.id.to_owned())
                    }
                    _ => None,
                })
                .collect();
            if let Some(ids) = ids {
                undo.files.push(file.name);
                undo.ids.extend(ids);
            }
        }
        if !undo.ids.is_empty() {
            let bytes = serde_json::to_vec(&undo).expect("names are plain data");
            let path = self.paths().migrated_undo();
            crashsafe::replace(filesystem, &path, &bytes, Durability::PowerCut)
                .map_err(|error| self.io(error))?;
            done.taken_back += self.finish_undo()?;
        }
        done.kept = self.lines()?.len();
        drop(lease);
        Ok(done)
    }

    /// Goes on with a rollback that was interrupted; returns how many rows it took back.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn finish_undo(&self) -> Result<usize, ImportError> {
        let filesystem = &**self.filesystem;
        let path = self.paths().migrated_undo();
        let bytes = match read_all(filesystem, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other.map_err(|error| self.io(error))?,
        };
        let undo: Undo = serde_json::from_slice(&bytes).map_err(|error| self.io(error.into()))?;
        for name in &undo.files {
            crashsafe::remove(filesystem, &self.paths().inbox_new().join(name))
                .map_err(|error| self.io(error))?;
        }
        let gone: HashSet<&String> = undo.ids.iter().collect();
        let mut bytes = Vec::new();
        for line in self.lines()?.iter().filter(|line| !gone.contains(&line.id)) {
            serde_json::to_writer(&mut bytes, line).map_err(|error| self.io(error.into()))?;
            bytes.push(b'\n');
        }
        crashsafe::replace(
            filesystem,
            &self.paths().migrated_rows(),
            &bytes,
            Durability::PowerCut,
        )
        .and_then(|()| crashsafe::remove(filesystem, &path))
        .map_err(|error| self.io(error))?;
        Ok(undo.ids.len())
    }
}
