//! Selection: which records are to be sent to a target next, in order.

use super::{OwnerError, ScopeOwner};
use crate::journal::{Cursor, Slab, SlabEntry};
use crate::mailbox::{chunk_of, slot_of};
use crate::outcome::DeliveryState;
use crate::record::RecordKind;
use crate::target::{DeliveryTarget, TargetKey};
use std::collections::BTreeMap;

/// How much one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Records.
    pub records: usize,
    /// Payload bytes; a single larger record is a batch of its own.
    pub bytes: usize,
}

/// One record to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// Its index in the slab.
    pub index: usize,
    /// Its sequence.
    pub sequence: u64,
    /// Where it stood before.
    pub state: DeliveryState,
}

/// Consecutive records, those of them that are to be sent, and those that are held back.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    slab: Slab,
    /// To be sent, in order.
    pub selected: Vec<Selected>,
    /// Captured for somebody else and not marked as held yet.
    pub newly_held: Vec<u64>,
    /// Where the next selection begins.
    pub next: Cursor,
}

impl Selection {
    /// Returns the id and payload of a selected record.
    #[must_use]
    pub fn record(&self, selected: &Selected) -> (&str, &[u8]) {
        let entry = &self.slab.entries()[selected.index];
        (self.slab.id(entry), self.slab.payload(entry))
    }
}

/// The rows of states that one selection looks at.
pub(super) struct States<'a> {
    owner: &'a ScopeOwner,
    target: TargetKey,
    chunks: BTreeMap<u64, (Vec<u8>, Vec<u8>)>,
}

impl<'a> States<'a> {
    pub(super) fn new(owner: &'a ScopeOwner, target: &DeliveryTarget) -> Self {
        Self {
            owner,
            target: target.key(),
            chunks: BTreeMap::new(),
        }
    }

    /// Returns where a record stands, `None` for a second copy.
    pub(super) fn of(&mut self, sequence: u64) -> Result<Option<DeliveryState>, OwnerError> {
        let chunk = chunk_of(sequence);
        if !self.chunks.contains_key(&chunk) {
            let rows = (
                self.owner.chunk(self.target, chunk)?,
                self.owner.copies(chunk)?,
            );
            self.chunks.insert(chunk, rows);
        }
        let (states, copies) = &self.chunks[&chunk];
        let slot = slot_of(sequence);
        Ok((copies[slot] == 0).then(|| DeliveryState::from_byte(states[slot])))
    }
}

impl ScopeOwner {
    /// Selects the next records of a kind for a target from a cursor on; `None` at the end.
    ///
    /// A selection may be empty when everything it passed is answered.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn select(
        &mut self,
        target: &DeliveryTarget,
        kind: RecordKind,
        from: Cursor,
        limits: BatchLimits,
    ) -> Result<Option<Selection>, OwnerError> {
        self.mending(|owner| {
            let slab = owner
                .journal
                .view()
                .read(from, limits.records, limits.bytes);
            let Some(slab) = slab.map_err(|source| owner.io_error(source))? else {
                return Ok(None);
            };
            owner.notice(slab.damage())?;
            owner.choose(target, kind, slab, limits).map(Some)
        })
    }

    fn choose(
        &self,
        target: &DeliveryTarget,
        kind: RecordKind,
        slab: Slab,
        limits: BatchLimits,
    ) -> Result<Selection, OwnerError> {
        let mut states = States::new(self, target);
        let mut selection = Selection {
            next: slab.next(),
            ..Selection::default()
        };
        let mut bytes = 0;
        for (index, entry) in slab.entries().iter().enumerate() {
            let sequence = entry.position.sequence;
            if entry.kind != kind {
                continue;
            }
            let Some(state) = states.of(sequence)? else {
                continue;
            };
            if !target.accepts(entry.scope) {
                if state == DeliveryState::Queued {
                    selection.newly_held.push(sequence);
                }
                continue;
            }
            if !state.is_open() {
                continue;
            }
            bytes += slab.payload(entry).len();
            if bytes > limits.bytes && !selection.selected.is_empty() {
                selection.next = start_of(entry);
                break;
            }
            selection.selected.push(Selected {
                index,
                sequence,
                state,
            });
        }
        selection.slab = slab;
        Ok(selection)
    }

    /// Tells whether a record is a second copy of an id.
    pub(super) fn is_second_copy(&self, sequence: u64) -> Result<bool, OwnerError> {
        Ok(self.copies(chunk_of(sequence))?[slot_of(sequence)] != 0)
    }

    /// Returns when the oldest open event for a target was captured, looking at a bounded part.
    pub(super) fn oldest_open_ms(
        &mut self,
        target: &DeliveryTarget,
    ) -> Result<Option<u64>, OwnerError> {
        let limits = BatchLimits {
            records: 1000,
            bytes: 4 << 20,
        };
        let mut cursor = self.target(target)?.low_water;
        for _ in 0..64 {
            let Some(selection) = self.select(target, RecordKind::Event, cursor, limits)? else {
                return Ok(None);
            };
            if let Some(first) = selection.selected.first() {
                return Ok(Some(selection.slab.entries()[first.index].captured_ms));
            }
            cursor = selection.next;
        }
        Ok(None)
    }
}

fn start_of(entry: &SlabEntry) -> Cursor {
    Cursor {
        segment: entry.position.segment,
        offset: entry.position.offset,
    }
}
