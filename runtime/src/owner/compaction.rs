//! Giving space back: old segments whose records are answered, and a mailbox that has grown.

use super::selection::States;
use super::{OwnerError, ScopeOwner};
use crate::journal::{Cursor, Damage, Slab};
use crate::mailbox::{Changes, Key, Meta, TargetRow, pack};
use crate::outcome::DeliveryState;
use crate::record::{RecordKind, identity};
use crate::target::DeliveryTarget;
use std::time::Duration;

/// A mailbox below this is never rebuilt for its size.
const SMALLEST_WORTH_REBUILDING: u64 = 16 << 20;
/// What one indexed record takes in a mailbox that holds nothing else.
const BYTES_PER_ROW: u64 = 128;
/// How much of a segment is looked at at once.
const BYTES_PER_READ: usize = 1 << 20;

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
    /// Segments go in order, and the last one stays, so that answers outlive what they answer. One
    /// with damage in it is moved to `journal/damaged/` instead, because it may be worth a look.
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
            let mut look = self.mending(|owner| owner.look_at(target, segment, retention))?;
            if self.notice(&look.damage)? {
                look = self.mending(|owner| owner.look_at(target, segment, retention))?;
            }
            let Some(events) = look.events else {
                break;
            };
            self.forget(segment, !look.damage.is_empty())?;
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

    /// Looks whether a segment may be deleted, until a record says no.
    fn look_at(
        &self,
        target: &DeliveryTarget,
        segment: u64,
        retention: Duration,
    ) -> Result<Look, OwnerError> {
        let youngest = self
            .now_ms()
            .saturating_sub(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX));
        let (mut events, mut damage) = (0, Vec::new());
        let whole = self.each_slab(segment, |slab| {
            damage.extend_from_slice(slab.damage());
            let answered = self.answered_of(target, slab, youngest)?;
            events += answered.unwrap_or(0);
            Ok(answered.map(drop))
        })?;
        Ok(Look {
            events: whole.then_some(events),
            damage,
        })
    }

    /// Returns how many events a slab holds, if all of it may be deleted.
    fn answered_of(
        &self,
        target: &DeliveryTarget,
        slab: &Slab,
        youngest: u64,
    ) -> Result<Option<u64>, OwnerError> {
        let mut states = States::new(self, target);
        let mut events = 0;
        for entry in slab.entries() {
            match entry.kind {
                RecordKind::Event | RecordKind::Body => {}
                RecordKind::Outcome => continue,
                // A command may still be open; whether it is, only its row knows.
                RecordKind::RevokeToken | RecordKind::DrainProject => {
                    let key = Key::Command(entry.kind, slab.id(entry).to_owned());
                    if self.store.get(&key)?.is_some() {
                        return Ok(None);
                    }
                    continue;
                }
                RecordKind::Unknown(_) => return Ok(None),
            }
            let Some(state) = states.of(entry.position.sequence)? else {
                continue;
            };
            if !state.is_answered() || entry.captured_ms > youngest {
                return Ok(None);
            }
            events += u64::from(entry.kind == RecordKind::Event);
        }
        Ok(Some(events))
    }

    /// Removes every trace of a segment, the file last.
    fn forget(&mut self, segment: u64, is_damaged: bool) -> Result<(), OwnerError> {
        self.mending(|owner| {
            if owner.store.get(&Key::Segment(segment))?.is_none() {
                // A crash came before the file was removed: its records are no longer counted.
                return Ok(());
            }
            let mut traces = Traces {
                meta: owner.meta,
                rows: owner.target_rows()?,
                changes: Changes::default(),
            };
            owner.each_slab(segment, |slab| traces.remove(owner, slab).map(Some))?;
            for row in &traces.rows {
                traces
                    .changes
                    .put(&Key::Target(row.target.key()), pack(row));
            }
            traces.changes.remove(&Key::Segment(segment));
            owner.commit_with(traces.changes, traces.meta)
        })?;
        let taken_out = if is_damaged {
            self.journal.set_segment_aside(segment)
        } else {
            self.journal.delete_segment(segment)
        };
        Ok(taken_out?)
    }

    /// Reads a segment piece by piece until `take` returns `None`; tells whether it came to the end.
    fn each_slab(
        &self,
        segment: u64,
        mut take: impl FnMut(&Slab) -> Result<Option<()>, OwnerError>,
    ) -> Result<bool, OwnerError> {
        let (mut cursor, end) = (Cursor { segment, offset: 0 }, self.journal_end());
        while cursor.segment == segment && cursor < end {
            let slab = self.journal.view().read(cursor, usize::MAX, BYTES_PER_READ);
            let Some(slab) = slab.map_err(|source| self.io_error(source))? else {
                break;
            };
            if take(&slab)?.is_none() {
                return Ok(false);
            }
            cursor = slab.next();
        }
        Ok(true)
    }
}

/// What was seen of a segment.
struct Look {
    /// How many events it holds, if all of it may be deleted.
    events: Option<u64>,
    damage: Vec<Damage>,
}

/// What the mailbox will hold when a segment is gone.
struct Traces {
    meta: Meta,
    rows: Vec<TargetRow>,
    changes: Changes,
}

impl Traces {
    fn remove(&mut self, owner: &ScopeOwner, slab: &Slab) -> Result<(), OwnerError> {
        let mut states: Vec<States<'_>> = self
            .rows
            .iter()
            .map(|row| States::new(owner, &row.target))
            .collect();
        for entry in slab.entries() {
            let sequence = entry.position.sequence;
            let total = match entry.kind {
                RecordKind::Event => &mut self.meta.events,
                RecordKind::Body => &mut self.meta.bodies,
                _ => continue,
            };
            if owner.is_second_copy(sequence)? {
                continue;
            }
            *total = total.saturating_sub(1);
            let known_by = identity(entry.kind, slab.id(entry), entry.scope);
            self.changes.remove(&Key::Index(known_by.into_owned()));
            let is_body = entry.kind == RecordKind::Body;
            if is_body {
                self.changes.remove(&Key::Body(sequence));
            }
            for (row, states) in self.rows.iter_mut().zip(&mut states) {
                let state = states.of(sequence)?.unwrap_or(DeliveryState::Queued);
                if state != DeliveryState::Queued {
                    let counts = match is_body {
                        true => &mut row.bodies.counts,
                        false => &mut row.counts,
                    };
                    counts.shift(state, DeliveryState::Queued);
                    if is_body {
                        self.changes.remove(&Key::Retry(row.target.key(), sequence));
                    }
                    self.changes
                        .remove(&Key::Detail(row.target.key(), sequence));
                }
            }
        }
        Ok(())
    }
}
