//! The owner of a scope: the one process that moves records from inbox to journal to target.
//!
//! Every change goes to the journal first and to the mailbox second, so the mailbox can always be
//! made again: indexing is one function over journal records (`ScopeOwner::index`), used after an
//! append, after a crash and for a rebuild alike. When the mailbox turns out damaged, it is moved
//! aside, an empty one is indexed from the journal, and the operation runs again.

mod bodies;
mod compaction;
mod explain;
mod index;
mod ingest;
mod selection;
mod store_factory;

pub use bodies::{BodySelection, OpenBody};
pub use compaction::Retired;
pub use explain::{Explanation, TargetAnswer};
pub use ingest::Ingested;
pub use selection::{BatchLimits, Selected, Selection};
pub use store_factory::{MailboxFactory, MemoryFactory, SledFactory};

use crate::fs::SharedFilesystem;
use crate::inbox::Inbox;
use crate::journal::{Cursor, Journal, JournalError, Mark, SEGMENT_LIMIT};
use crate::lease::OwnerLease;
use crate::mailbox::{
    Attempt, Changes, Key, MailboxStore, Meta, StoreError, TargetRow, pack, unpack,
};
use crate::outcome::{Outcome, OutcomeRecord};
use crate::record::{CaptureScope, RecordKind, RecordView};
use crate::status_file::{DamageReport, StatusFile, TargetStatus};
use crate::target::DeliveryTarget;
use crate::time::SharedTime;
use kitty_config::ScopePaths;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// The scope could not be worked on; nothing that was acknowledged is lost.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The mailbox failed, also after it was rebuilt.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The inbox or a file beside it failed.
    #[error("the queue at {} failed: {source}. Free some space or check the permissions", path.display())]
    Io {
        /// The scope's directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// Where a scope lies and what it is called.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Its files.
    pub paths: ScopePaths,
    /// The project's UUID, or `machine`; written into every segment.
    pub name: String,
}

/// What an owner works with.
#[derive(Debug, Clone)]
pub struct OwnerPorts {
    /// The file system.
    pub filesystem: SharedFilesystem,
    /// The clock on the wall.
    pub time: SharedTime,
    /// How large a journal segment grows; [`SEGMENT_LIMIT`] but for tests that want many.
    pub segment_limit: u64,
}

impl OwnerPorts {
    /// Creates ports with segments of the usual size.
    #[must_use]
    pub const fn new(filesystem: SharedFilesystem, time: SharedTime) -> Self {
        Self {
            filesystem,
            time,
            segment_limit: SEGMENT_LIMIT,
        }
    }
}

/// The process that holds the lease of a scope.
#[derive(Debug)]
pub struct ScopeOwner {
    ports: OwnerPorts,
    scope: Scope,
    inbox: Inbox,
    journal: Journal,
    factory: Box<dyn MailboxFactory>,
    store: Box<dyn MailboxStore>,
    meta: Meta,
    damage: Vec<DamageReport>,
    _lease: OwnerLease,
}

impl ScopeOwner {
    /// Opens a scope whose lease the caller holds; damage is repaired and reported, never refused.
    ///
    /// # Errors
    /// [`OwnerError`] when the disk refuses.
    pub fn open(
        ports: OwnerPorts,
        scope: Scope,
        lease: OwnerLease,
        factory: Box<dyn MailboxFactory>,
    ) -> Result<Self, OwnerError> {
        let mut damage = Vec::new();
        let (store, meta) = open_store(&*factory, &ports, &mut damage)?;
        let (journal, found) =
            Journal::open(&ports.filesystem, &scope.paths, &scope.name, meta.mark)?;
        let journal = journal.with_segment_limit(ports.segment_limit);
        damage.extend(
            found
                .iter()
                .map(|damage| DamageReport::now(&ports.time, damage.to_string())),
        );
        for foreign in journal.view().foreign() {
            let text = format!(
                "segment {foreign} of the journal belongs to another project; it is not read"
            );
            damage.push(DamageReport::now(&ports.time, text));
        }
        let inbox = Inbox::new(ports.filesystem.clone(), scope.paths.clone());
        let mut owner = Self {
            ports,
            scope,
            inbox,
            journal,
            factory,
            store,
            meta,
            damage,
            _lease: lease,
        };
        owner.check_segments()?;
        owner.mending(Self::index)?;
        Ok(owner)
    }

    /// Returns the scope.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the reading side of the journal.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Returns how many events the journal holds.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.meta.events
    }

    /// Returns the damage that was found since the scope was opened.
    #[must_use]
    pub fn damage(&self) -> &[DamageReport] {
        &self.damage
    }

    /// Returns everything that is remembered of a target.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn target(&mut self, target: &DeliveryTarget) -> Result<TargetRow, OwnerError> {
        let target = target.clone();
        self.mending(move |owner| owner.target_row(&target))
    }

    /// Stores what a target answered; durable when it returns, and one transaction in the mailbox.
    ///
    /// `settled` names a stretch of the journal in which every record is answered or held now; the
    /// next drain begins behind it when everything before it is settled too.
    ///
    /// # Errors
    /// [`OwnerError`]; then none of the answers counts and the records will be sent again.
    pub fn record_outcomes(
        &mut self,
        target: &DeliveryTarget,
        outcomes: Vec<Outcome>,
        settled: Option<Range<Cursor>>,
    ) -> Result<(), OwnerError> {
        if outcomes.is_empty() {
            return match settled {
                Some(stretch) => self.update_target(target, |row| row.settle(&stretch)),
                None => Ok(()),
            };
        }
        let record = OutcomeRecord::pack(target, self.now_ms(), outcomes);
        self.journal_outcomes(&record)?;
        let settled = settled.as_ref().map(|stretch| (target, stretch));
        self.mending(|owner| owner.index_and_settle(settled))
    }

    /// Appends answers to the journal; whoever calls it indexes them.
    fn journal_outcomes(&mut self, record: &OutcomeRecord) -> Result<(), OwnerError> {
        let payload = serde_json::to_vec(record).expect("outcomes are plain data");
        let id = format!("outcome-{}", self.journal.next_sequence());
        self.journal.append(&[RecordView {
            sequence: 0,
            kind: RecordKind::Outcome,
            captured_ms: record.at_ms,
            scope: CaptureScope::NOBODY,
            id: &id,
            payload: &payload,
        }])?;
        Ok(())
    }

    /// Stores how a try went, and when the next one may be.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn record_attempt(
        &mut self,
        target: &DeliveryTarget,
        attempt: Attempt,
    ) -> Result<(), OwnerError> {
        self.update_target(target, |row| row.attempt = attempt.clone())
    }

    fn update_target(
        &mut self,
        target: &DeliveryTarget,
        change: impl Fn(&mut TargetRow),
    ) -> Result<(), OwnerError> {
        self.mending(|owner| {
            let mut row = owner.target_row(target)?;
            let before = row.clone();
            change(&mut row);
            if row == before {
                return Ok(());
            }
            let mut changes = Changes::default();
            changes.put(&Key::Target(target.key()), pack(&row));
            Ok(owner.store.commit(&changes)?)
        })
    }

    /// Returns the open durable commands of a kind, oldest first: id and payload.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn open_commands(
        &mut self,
        kind: RecordKind,
    ) -> Result<Vec<(String, Vec<u8>)>, OwnerError> {
        self.mending(|owner| owner.read_commands(kind))
    }

    /// Marks a durable command as done, once; a second time has no effect.
    ///
    /// # Errors
    /// [`OwnerError`]; then the command stays open and will be handled again.
    pub fn complete_command(&mut self, kind: RecordKind, id: &str) -> Result<(), OwnerError> {
        self.mending(|owner| {
            let mut changes = Changes::default();
            changes.remove(&Key::Command(kind, id.to_owned()));
            Ok(owner.store.commit(&changes)?)
        })
    }

    /// Writes `status.json` and gives the lease back.
    ///
    /// # Errors
    /// [`OwnerError`] when the file cannot be written; the lease is given back all the same.
    pub fn release(mut self) -> Result<StatusFile, OwnerError> {
        self.write_status()
    }

    /// Writes `status.json`, from which every other process reads how the scope stands.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn write_status(&mut self) -> Result<StatusFile, OwnerError> {
        let status = self.status()?;
        status
            .write(&*self.ports.filesystem, &self.scope.paths.status())
            .map_err(|source| self.io_error(source))?;
        Ok(status)
    }

    fn status(&mut self) -> Result<StatusFile, OwnerError> {
        let rows = self.mending(Self::target_rows)?;
        let mut targets = Vec::with_capacity(rows.len());
        for row in rows {
            let oldest_open_ms = self.oldest_open_ms(&row.target)?;
            targets.push(TargetStatus {
                row,
                oldest_open_ms,
            });
        }
        let known = StatusFile::read(&*self.ports.filesystem, &self.scope.paths.status());
        let mut damage = known.map_or_else(Vec::new, |status| status.damage);
        damage.extend(
            self.damage
                .iter()
                .filter(|new| !damage.contains(new))
                .cloned()
                .collect::<Vec<_>>(),
        );
        Ok(StatusFile::new(
            &self.ports.time,
            self.meta,
            self.journal.view(),
            targets,
            damage,
        ))
    }

    fn target_row(&self, target: &DeliveryTarget) -> Result<TargetRow, OwnerError> {
        Ok(match self.store.get(&Key::Target(target.key()))? {
            Some(value) => unpack(&value)?,
            None => TargetRow::new(target.clone()),
        })
    }

    fn target_rows(&mut self) -> Result<Vec<TargetRow>, OwnerError> {
        let rows = self.store.scan(Key::targets(), None, 1000)?;
        Ok(rows
            .iter()
            .map(|(_, value)| unpack(value))
            .collect::<Result<_, _>>()?)
    }

    /// Runs an operation; when the mailbox turns out damaged, rebuilds it and runs it once more.
    fn mending<T>(
        &mut self,
        operation: impl Fn(&mut Self) -> Result<T, OwnerError>,
    ) -> Result<T, OwnerError> {
        match operation(self) {
            Err(OwnerError::Store(StoreError::Damaged(what))) => {
                let text = format!("{what}; the mailbox was rebuilt from the journal");
                self.damage.push(DamageReport::now(&self.ports.time, text));
                self.rebuild()?;
                operation(self)
            }
            other => other,
        }
    }

    /// Moves the mailbox aside and indexes an empty one from the journal.
    ///
    /// When the next try may be is not in the journal; it is taken over where it can be read.
    fn rebuild(&mut self) -> Result<(), OwnerError> {
        let rows = self
            .store
            .scan(Key::targets(), None, 1000)
            .unwrap_or_default();
        let attempts: Vec<TargetRow> = rows
            .iter()
            .filter_map(|(_, row)| unpack(row).ok())
            .collect();
        self.store = Box::new(crate::mailbox::MemoryStore::default());
        self.factory
            .set_aside()
            .map_err(|source| self.io_error(source))?;
        self.store = self.factory.open()?;
        self.meta = Meta::default();
        self.meta.mark = Mark::default();
        self.index()?;
        let mut changes = Changes::default();
        for known in attempts {
            let mut row = self.target_row(&known.target)?;
            row.attempt = known.attempt;
            row.bodies.not_before_ms = known.bodies.not_before_ms;
            row.bodies.rest_until_ms = known.bodies.rest_until_ms;
            changes.put(&Key::Target(row.target.key()), pack(&row));
        }
        Ok(self.store.commit(&changes)?)
    }

    fn now_ms(&self) -> u64 {
        now_ms(&self.ports.time)
    }

    fn io_error(&self, source: io::Error) -> OwnerError {
        OwnerError::Io {
            path: self.scope.paths.directory().to_owned(),
            source,
        }
    }
}

/// Returns the time in milliseconds since the Unix epoch; before it, zero.
pub fn now_ms(time: &SharedTime) -> u64 {
    u64::try_from(time.now().as_millisecond()).unwrap_or(0)
}

type OpenedStore = (Box<dyn MailboxStore>, Meta);

fn open_store(
    factory: &dyn MailboxFactory,
    ports: &OwnerPorts,
    damage: &mut Vec<DamageReport>,
) -> Result<OpenedStore, OwnerError> {
    let open = || -> Result<OpenedStore, StoreError> {
        let store = factory.open()?;
        let meta = match store.get(&Key::Meta)? {
            Some(value) => unpack(&value)?,
            None => Meta::default(),
        };
        Ok((store, meta))
    };
    match open() {
        Err(StoreError::Damaged(what)) => {
            let text = format!("{what}; the mailbox was rebuilt from the journal");
            damage.push(DamageReport::now(&ports.time, text));
            factory.set_aside().map_err(StoreError::Io)?;
            Ok(open()?)
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
