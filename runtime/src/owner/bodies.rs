//! Bodies on their way: which are open, and what was answered for them.
//!
//! Bodies have an index of their own and a mark of their own, so that one that waits for its event for
//! a week makes no other body and no event wait, and costs no reading of the journal.

use super::selection::States;
use super::{BatchLimits, OwnerError, ScopeOwner};
use crate::mailbox::{Key, StoreError, unpack, unpack_position};
use crate::outcome::{BodyOutcome, DeliveryState, OutcomeRecord, Retry};
use crate::target::DeliveryTarget;

/// Rows of the index that are looked at at once.
const ROWS_PER_SCAN: usize = 1000;

/// A body that a target still has to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenBody {
    /// Its sequence.
    pub sequence: u64,
    /// Its id.
    pub id: String,
    /// What is stored of it.
    pub payload: Vec<u8>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Tries without success.
    pub tries: u32,
}

/// Some of the bodies that are to be sent now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodySelection {
    /// In the order of the journal.
    pub open: Vec<OpenBody>,
    /// Captured for somebody else and not marked as held yet.
    pub newly_held: Vec<u64>,
    /// Bodies that were passed because their time has not come.
    pub resting: u64,
    /// When the first of them may be tried, in milliseconds since the Unix epoch.
    pub next_try_ms: Option<u64>,
    /// The sequence from which the next selection begins; `None` at the end.
    pub next: Option<u64>,
}

impl ScopeOwner {
    /// Selects bodies for a target from a sequence on, up to a number and a size; at least one, if
    /// there is one whose time has come. Whoever insists waits only where the server asked for it.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn select_bodies(
        &mut self,
        target: &DeliveryTarget,
        from: u64,
        limits: BatchLimits,
        insist: bool,
    ) -> Result<BodySelection, OwnerError> {
        self.mending(|owner| owner.choose_bodies(target, from, limits, insist))
    }

    fn choose_bodies(
        &self,
        target: &DeliveryTarget,
        from: u64,
        limits: BatchLimits,
        insist: bool,
    ) -> Result<BodySelection, OwnerError> {
        let mut states = States::new(self, target);
        let (mut selection, mut bytes) = (BodySelection::default(), 0);
        let now = self.now_ms();
        let mut after = from.checked_sub(1).map(|last| Key::Body(last).to_bytes());
        loop {
            let rows = self
                .store
                .scan(Key::bodies(), after.as_deref(), ROWS_PER_SCAN)?;
            let is_last = rows.len() < ROWS_PER_SCAN;
            for (key, value) in rows {
                let position = unpack_position(&value)?;
                let sequence = position.sequence;
                if selection.open.len() >= limits.records || bytes >= limits.bytes {
                    selection.next = Some(sequence);
                    return Ok(selection);
                }
                after = Some(key);
                let Some(state) = states.of(sequence)?.filter(|state| state.is_open()) else {
                    continue;
                };
                let retry = self.retry(target, sequence)?;
                if retry.not_before_ms > now && (retry.asked || !insist) {
                    selection.resting += 1;
                    let first = selection.next_try_ms.unwrap_or(u64::MAX);
                    selection.next_try_ms = Some(first.min(retry.not_before_ms));
                    continue;
                }
                let slab = self.journal.view().record_at(position);
                let Some(slab) = slab.map_err(|source| self.io_error(source))? else {
                    // Damaged since it was indexed; reading the journal finds and reports it.
                    continue;
                };
                let entry = &slab.entries()[0];
                if !target.accepts(entry.scope) {
                    selection.newly_held.push(sequence);
                    continue;
                }
                bytes += slab.payload(entry).len();
                selection.open.push(OpenBody {
                    sequence,
                    id: slab.id(entry).to_owned(),
                    payload: slab.payload(entry).to_vec(),
                    state,
                    tries: retry.tries,
                });
            }
            if is_last {
                return Ok(selection);
            }
        }
    }

    fn retry(&self, target: &DeliveryTarget, sequence: u64) -> Result<Retry, StoreError> {
        match self.store.get(&Key::Retry(target.key(), sequence))? {
            Some(row) => unpack(&row),
            None => Ok(Retry::default()),
        }
    }

    /// Stores what a target answered for bodies; durable when it returns.
    ///
    /// # Errors
    /// [`OwnerError`]; then none of the answers counts and the bodies will be sent again.
    pub fn record_bodies(
        &mut self,
        target: &DeliveryTarget,
        outcomes: Vec<BodyOutcome>,
    ) -> Result<(), OwnerError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let record = OutcomeRecord::pack_bodies(target, self.now_ms(), outcomes);
        self.journal_outcomes(&record)?;
        self.mending(Self::index)
    }

    /// Remembers when bodies may be sent again (by the server's word, and by ours), and how far
    /// everything is settled.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn note_bodies(
        &mut self,
        target: &DeliveryTarget,
        not_before_ms: Option<u64>,
        rest_until_ms: Option<u64>,
    ) -> Result<(), OwnerError> {
        let before = self.target(target)?.bodies.settled_before;
        let settled = self.mending(|owner| owner.settled_before(target, before))?;
        self.update_target(target, |row| {
            row.bodies.not_before_ms = not_before_ms;
            row.bodies.rest_until_ms = rest_until_ms;
            row.bodies.settled_before = settled;
        })
    }

    /// Returns the sequence before which no body is open.
    fn settled_before(&self, target: &DeliveryTarget, from: u64) -> Result<u64, OwnerError> {
        let mut states = States::new(self, target);
        let mut settled = from;
        let mut after = from.checked_sub(1).map(|last| Key::Body(last).to_bytes());
        loop {
            let rows = self
                .store
                .scan(Key::bodies(), after.as_deref(), ROWS_PER_SCAN)?;
            for (_, value) in &rows {
                let sequence = unpack_position(value)?.sequence;
                if states.of(sequence)?.is_some_and(DeliveryState::is_open) {
                    return Ok(settled);
                }
                settled = sequence + 1;
            }
            let Some((last, _)) = rows.last().filter(|_| rows.len() == ROWS_PER_SCAN) else {
                return Ok(settled);
            };
            after = Some(last.clone());
        }
    }
}
