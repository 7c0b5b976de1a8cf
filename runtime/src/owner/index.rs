//! Indexing: the one function that turns journal records into mailbox rows.

use super::{OwnerError, ScopeOwner};
use crate::journal::{Cursor, Damage, Mark, Slab, SlabEntry};
use crate::mailbox::{
    CHUNK, Changes, Key, MailboxStore, Meta, StoreError, TargetRow, chunk_of, pack, pack_position,
    slot_of, unpack, unpack_position,
};
use crate::outcome::{DeliveryState, OutcomeRecord};
use crate::record::{RecordKind, identity};
use crate::status_file::{DamageReport, StatusFile};
use crate::target::{DeliveryTarget, TargetKey};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// Records per transaction while indexing.
const RECORDS_PER_COMMIT: usize = 2000;
const BYTES_PER_READ: usize = 1 << 20;

/// One row of states.
pub(super) type Chunk = Vec<u8>;

impl ScopeOwner {
    /// Indexes every journal record behind the mark, in transactions of their own.
    ///
    /// Doing it twice has the effect of doing it once, because the mark is part of each transaction.
    pub(super) fn index(&mut self) -> Result<(), OwnerError> {
        self.index_and_settle(None)
    }

    /// Indexes as [`ScopeOwner::index`] does; the transaction that reaches the end of the journal
    /// settles a stretch of it with a target as well.
    pub(super) fn index_and_settle(
        &mut self,
        settled: Option<(&DeliveryTarget, &Range<Cursor>)>,
    ) -> Result<(), OwnerError> {
        let end = self.journal_end();
        let mut cursor = self.meta.mark.cursor;
        loop {
            let slab = self
                .journal
                .view()
                .read(cursor, RECORDS_PER_COMMIT, BYTES_PER_READ);
            let Some(slab) = slab.map_err(|source| self.io_error(source))? else {
                break;
            };
            self.report(slab.damage());
            let segment = slab.segment();
            cursor = slab.next();
            let mut pass = Pass::new(&*self.store, self.meta, self.oldest_sequence());
            for entry in slab.entries() {
                pass.record(&slab, entry)?;
            }
            if let Some((target, stretch)) = settled.filter(|_| cursor >= end) {
                pass.settle(target, stretch)?;
            }
            let (mut changes, mut meta) = pass.finish();
            let indexed = if cursor.segment == segment {
                cursor.offset
            } else {
                self.journal.view().length(segment)
            };
            changes.put(&Key::Segment(segment), pack(&indexed));
            meta.mark = Mark {
                next_sequence: self.journal.next_sequence(),
                cursor,
            };
            self.commit_with(changes, meta)?;
        }
        Ok(())
    }

    /// Remembers damage that a reader passed, once; tells whether any of it was unknown.
    fn report(&mut self, damage: &[Damage]) -> bool {
        if damage.is_empty() {
            return false;
        }
        let file = StatusFile::read(&*self.ports.filesystem, &self.scope.paths.status());
        let reported = file.map_or_else(Vec::new, |status| status.damage);
        let before = self.damage.len();
        for damage in damage {
            let new = DamageReport::now(&self.ports.time, damage.to_string());
            let is_known = |known: &DamageReport| known.what == new.what;
            if !self.damage.iter().any(is_known) && !reported.iter().any(is_known) {
                self.damage.push(new);
            }
        }
        self.damage.len() > before
    }

    /// Reports damage in what is indexed already; when it is new, the mailbox still counts records
    /// that nobody can read any more, so it is made again. Tells whether it was.
    pub(super) fn notice(&mut self, damage: &[Damage]) -> Result<bool, OwnerError> {
        let is_new = self.report(damage);
        if is_new {
            self.rebuild()?;
        }
        Ok(is_new)
    }

    /// Compares the segments with what was indexed of them; records that went missing are reported,
    /// and the mailbox is made again without them.
    pub(super) fn check_segments(&mut self) -> Result<(), OwnerError> {
        let missing = self.mending(|owner| {
            let mut missing = Vec::new();
            for (key, value) in owner.store.scan(Key::segments(), None, usize::MAX)? {
                let indexed: u64 = unpack(&value)?;
                let Some(first) = key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes)) else {
                    continue;
                };
                let length = owner.journal.view().length(first);
                if length < indexed && !owner.journal.view().foreign().contains(&first) {
                    missing.push(Damage {
                        segment: first,
                        from: length,
                        to: indexed,
                        tail: true,
                    });
                }
            }
            Ok(missing)
        })?;
        if missing.is_empty() {
            return Ok(());
        }
        for gap in missing {
            let text =
                format!("{gap} are missing although they were indexed; the mailbox was rebuilt");
            self.damage.push(DamageReport::now(&self.ports.time, text));
        }
        self.rebuild()
    }

    /// Commits changes together with new totals, and takes the totals over once they are stored.
    pub(super) fn commit_with(
        &mut self,
        mut changes: Changes,
        meta: Meta,
    ) -> Result<(), OwnerError> {
        changes.put(&Key::Meta, pack(&meta));
        self.store.commit(&changes)?;
        self.meta = meta;
        Ok(())
    }

    /// Returns the first sequence that the journal may still hold.
    pub(super) fn oldest_sequence(&self) -> u64 {
        self.journal.view().segments().next().unwrap_or(0)
    }

    /// Returns the row of states of a chunk; missing means that all are queued.
    pub(super) fn chunk(&self, target: TargetKey, chunk: u64) -> Result<Chunk, StoreError> {
        read_chunk(&*self.store, &Key::States(target, chunk))
    }

    /// Tells which records of a chunk are second copies.
    pub(super) fn copies(&self, chunk: u64) -> Result<Chunk, StoreError> {
        read_chunk(&*self.store, &Key::Copies(chunk))
    }

    /// Returns where the next record behind a cursor would be, for progress that skips nothing.
    pub(super) fn journal_end(&self) -> Cursor {
        self.journal.view().end()
    }

    pub(super) fn read_commands(
        &mut self,
        kind: RecordKind,
    ) -> Result<Vec<(String, Vec<u8>)>, OwnerError> {
        let prefix = Key::commands(kind);
        let mut commands = Vec::new();
        for (key, value) in self.store.scan(&prefix, None, 10_000)? {
            let position = unpack_position(&value)?;
            let slab = self
                .journal
                .view()
                .record_at(position)
                .map_err(|source| self.io_error(source))?;
            let id = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            if let Some(slab) = slab {
                commands.push((
                    position.sequence,
                    id,
                    slab.payload(&slab.entries()[0]).to_vec(),
                ));
            }
        }
        commands.sort_unstable();
        Ok(commands
            .into_iter()
            .map(|(_, id, payload)| (id, payload))
            .collect())
    }
}

fn read_chunk(store: &dyn MailboxStore, key: &Key) -> Result<Chunk, StoreError> {
    match store.get(key)? {
        Some(row) if row.len() == CHUNK as usize => Ok(row),
        Some(row) => Err(StoreError::Damaged(format!(
            "a row of states has {} bytes",
            row.len()
        ))),
        None => Ok(vec![0; CHUNK as usize]),
    }
}

/// The changes that one slab of records makes.
struct Pass<'a> {
    store: &'a dyn MailboxStore,
    meta: Meta,
    oldest_sequence: u64,
    changes: Changes,
    seen: HashSet<String>,
    chunks: BTreeMap<(TargetKey, u64), Chunk>,
    copies: BTreeMap<u64, Chunk>,
    targets: BTreeMap<TargetKey, TargetRow>,
}

impl<'a> Pass<'a> {
    fn new(store: &'a dyn MailboxStore, meta: Meta, oldest_sequence: u64) -> Self {
        Self {
            store,
            meta,
            oldest_sequence,
            changes: Changes::default(),
            seen: HashSet::new(),
            chunks: BTreeMap::new(),
            copies: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    fn record(&mut self, slab: &Slab, entry: &SlabEntry) -> Result<(), StoreError> {
        match entry.kind {
            RecordKind::Outcome => return self.outcomes(slab.payload(entry)),
            RecordKind::Unknown(_) => return Ok(()),
            _ => {}
        }
        let id = slab.id(entry);
        let known_by = identity(entry.kind, id, entry.scope);
        if self.is_copy(&known_by, entry)? {
            return self.mark_copy(entry.position.sequence);
        }
        let index = Key::Index(known_by.clone().into_owned());
        self.changes.put(&index, pack_position(entry.position));
        self.seen.insert(known_by.into_owned());
        match entry.kind {
            RecordKind::Event => self.meta.events += 1,
            RecordKind::Body => {
                self.meta.bodies += 1;
                let body = Key::Body(entry.position.sequence);
                self.changes.put(&body, pack_position(entry.position));
            }
            kind => self.changes.put(
                &Key::Command(kind, id.to_owned()),
                pack_position(entry.position),
            ),
        }
        Ok(())
    }

    /// Tells whether the id already stands elsewhere in the journal.
    fn is_copy(&self, id: &str, entry: &SlabEntry) -> Result<bool, StoreError> {
        if self.seen.contains(id) {
            return Ok(true);
        }
        match self.store.get(&Key::Index(id.to_owned()))? {
            Some(value) => Ok(unpack_position(&value)?.sequence != entry.position.sequence),
            None => Ok(false),
        }
    }

    fn mark_copy(&mut self, sequence: u64) -> Result<(), StoreError> {
        let chunk = chunk_of(sequence);
        if !self.copies.contains_key(&chunk) {
            self.copies
                .insert(chunk, read_chunk(self.store, &Key::Copies(chunk))?);
        }
        let row = self.copies.get_mut(&chunk).expect("inserted above");
        row[slot_of(sequence)] = 1;
        Ok(())
    }

    /// Applies answers; an unreadable record is skipped, because sending again is safe.
    fn outcomes(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        let Ok(record) = serde_json::from_slice::<OutcomeRecord>(payload) else {
            return Ok(());
        };
        let key = record.target.key();
        let mut row = self.take_target(&record.target)?;
        for (sequence, state) in record.states() {
            if sequence >= self.oldest_sequence {
                let before = self.set_state(key, sequence, state)?;
                let counts = match record.bodies {
                    true => &mut row.bodies.counts,
                    false => &mut row.counts,
                };
                counts.shift(before, state);
                // Most records go from queued to delivered, and a queued one has no detail.
                if before != DeliveryState::Queued {
                    self.changes.remove(&Key::Detail(key, sequence));
                    if record.bodies {
                        self.changes.remove(&Key::Retry(key, sequence));
                    }
                }
            }
        }
        for (sequence, detail) in &record.details {
            self.changes.put(&Key::Detail(key, *sequence), pack(detail));
        }
        for (sequence, retry) in &record.retries {
            self.changes.put(&Key::Retry(key, *sequence), pack(retry));
        }
        let answered = record.runs.iter().any(|run| run.state.is_answered());
        if answered {
            row.attempt.last_success_ms = row.attempt.last_success_ms.max(Some(record.at_ms));
        }
        self.targets.insert(key, row);
        Ok(())
    }

    /// Moves the low water of a target over a stretch, if it has come to its start.
    fn settle(
        &mut self,
        target: &DeliveryTarget,
        stretch: &Range<Cursor>,
    ) -> Result<(), StoreError> {
        let mut row = self.take_target(target)?;
        row.settle(stretch);
        self.targets.insert(target.key(), row);
        Ok(())
    }

    fn take_target(&mut self, target: &DeliveryTarget) -> Result<TargetRow, StoreError> {
        let key = target.key();
        Ok(match self.targets.remove(&key) {
            Some(row) => row,
            None => match self.store.get(&Key::Target(key))? {
                Some(value) => unpack(&value)?,
                None => TargetRow::new(target.clone()),
            },
        })
    }

    fn set_state(
        &mut self,
        key: TargetKey,
        sequence: u64,
        state: DeliveryState,
    ) -> Result<DeliveryState, StoreError> {
        let chunk = chunk_of(sequence);
        if !self.chunks.contains_key(&(key, chunk)) {
            let row = read_chunk(self.store, &Key::States(key, chunk))?;
            self.chunks.insert((key, chunk), row);
        }
        let row = self.chunks.get_mut(&(key, chunk)).expect("inserted above");
        let slot = &mut row[slot_of(sequence)];
        let before = DeliveryState::from_byte(*slot);
        *slot = state as u8;
        Ok(before)
    }

    fn finish(mut self) -> (Changes, Meta) {
        for ((target, chunk), row) in self.chunks {
            self.changes.put(&Key::States(target, chunk), row);
        }
        for (chunk, row) in self.copies {
            self.changes.put(&Key::Copies(chunk), row);
        }
        for (key, row) in self.targets {
            self.changes.put(&Key::Target(key), pack(&row));
        }
        (self.changes, self.meta)
    }
}
