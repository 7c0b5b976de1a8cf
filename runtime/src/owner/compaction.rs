//! Giving space back: old segments whose records are answered, and a mailbox that has grown.

use super::{OwnerError, ScopeOwner};
use crate::journal::{Cursor, Slab};
use crate::mailbox::{Changes, Key, chunk_of, pack, slot_of};
use crate::outcome::DeliveryState;
use crate::record::RecordKind;
use crate::target::DeliveryTarget;
use std::time::Duration;

/// A mailbox below this is never rebuilt for its size.
const SMALLEST_WORTH_REBUILDING: u64 = 16 << 20;
/// What one indexed record takes in a mailbox that holds nothing else.
const BYTES_PER_ROW: u64 = 128;

/// What was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retired {
    /// Segments that were deleted.
    pub segments: u64,
    /// Events that were in them.
    pub events: u64,
    /// Whether the mailbox was rebuilt because it had grown.
    pub mailbox_rebuilt: bool,
}

impl ScopeOwner {
    /// Deletes the oldest segments in which every record has the target's final answer and is older
    /// than `retention`, and rebuilds the mailbox when it takes far more than it holds.
    ///
    /// Segments go in order, and the last one stays, so that answers outlive what they answer.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn compact(
        &mut self,
        target: &DeliveryTarget,
        retention: Duration,
    ) -> Result<Retired, OwnerError> {
        let mut retired = Retired::default();
        let segments: Vec<u64> = self.journal.view().segments().collect();
        let deletable = segments.len().saturating_sub(1);
        for segment in segments.into_iter().take(deletable) {
            let Some(events) = self.answered_events(target, segment, retention)? else {
                break;
            };
            self.forget(segment)?;
            retired.segments += 1;
            retired.events += events;
        }
        let live = (self.meta.events + self.meta.bodies) * BYTES_PER_ROW;
        let size = self.store.size_on_disk();
        if size > SMALLEST_WORTH_REBUILDING && size > live.saturating_mul(4) {
            self.rebuild()?;
            retired.mailbox_rebuilt = true;
        }
        Ok(retired)
    }

    /// Returns how many events a segment holds, if all of it may be deleted.
    fn answered_events(
        &mut self,
        target: &DeliveryTarget,
        segment: u64,
        retention: Duration,
    ) -> Result<Option<u64>, OwnerError> {
        let youngest = self
            .now_ms()
            .saturating_sub(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX));
        let mut events = 0;
        for slab in self.slabs_of(segment)? {
            for entry in slab.entries() {
                match entry.kind {
                    RecordKind::Event | RecordKind::Body => {}
                    RecordKind::Outcome => continue,
                    // A command may still be open; whether it is, only its row knows.
                    RecordKind::RevokeToken | RecordKind::DrainProject => {
                        let key = Key::Command(entry.kind, slab.id(entry).to_owned());
                        if self.mending(|owner| Ok(owner.store.get(&key)?.is_some()))? {
                            return Ok(None);
                        }
                        continue;
                    }
                    RecordKind::Unknown(_) => return Ok(None),
                }
                let sequence = entry.position.sequence;
                let states =
                    self.mending(|owner| Ok(owner.chunk(target.key(), chunk_of(sequence))?))?;
                let copies = self.mending(|owner| Ok(owner.copies(chunk_of(sequence))?))?;
                if copies[slot_of(sequence)] != 0 {
                    continue;
                }
                let state = DeliveryState::from_byte(states[slot_of(sequence)]);
                if !state.is_answered() || entry.captured_ms > youngest {
                    return Ok(None);
                }
                events += u64::from(entry.kind == RecordKind::Event);
            }
        }
        Ok(Some(events))
    }

    /// Removes every trace of a segment, the file last.
    fn forget(&mut self, segment: u64) -> Result<(), OwnerError> {
        let slabs = self.slabs_of(segment)?;
        self.mending(|owner| {
            let mut meta = owner.meta;
            let mut rows = owner.target_rows()?;
            let mut changes = Changes::default();
            for slab in &slabs {
                for entry in slab.entries() {
                    let sequence = entry.position.sequence;
                    if owner.copies(chunk_of(sequence))?[slot_of(sequence)] != 0 {
                        continue;
                    }
                    match entry.kind {
                        RecordKind::Event => meta.events = meta.events.saturating_sub(1),
                        RecordKind::Body => meta.bodies = meta.bodies.saturating_sub(1),
                        _ => continue,
                    }
                    changes.remove(&Key::Index(slab.id(entry).to_owned()));
                    for row in &mut rows {
                        let chunk = owner.chunk(row.target.key(), chunk_of(sequence))?;
                        let state = DeliveryState::from_byte(chunk[slot_of(sequence)]);
                        row.counts.shift(state, DeliveryState::Queued);
                        changes.remove(&Key::Detail(row.target.key(), sequence));
                    }
                }
            }
            for row in &rows {
                changes.put(&Key::Target(row.target.key()), pack(row));
            }
            owner.commit_with(changes, meta)
        })?;
        Ok(self.journal.delete_segment(segment)?)
    }

    fn slabs_of(&self, segment: u64) -> Result<Vec<Slab>, OwnerError> {
        let (mut slabs, mut cursor) = (Vec::new(), Cursor { segment, offset: 0 });
        while cursor.segment == segment && cursor < self.journal_end() {
            let slab = self.journal.view().read(cursor, usize::MAX, 4 << 20);
            let Some(slab) = slab.map_err(|source| self.io_error(source))? else {
                break;
            };
            cursor = slab.next();
            slabs.push(slab);
        }
        Ok(slabs)
    }
}
