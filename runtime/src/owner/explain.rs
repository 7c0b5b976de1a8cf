//! What is known of one record.

use super::{OwnerError, ScopeOwner};
use crate::mailbox::{Key, chunk_of, slot_of, unpack, unpack_position};
use crate::outcome::{DeliveryState, OutcomeDetail, Retry};
use crate::target::DeliveryTarget;

/// Where one record stands with one target, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetAnswer {
    /// The target.
    pub target: DeliveryTarget,
    /// The state.
    pub state: DeliveryState,
    /// Why, when the server or the gate said something.
    pub detail: Option<OutcomeDetail>,
    /// When it may be tried again, if it is a body.
    pub retry: Option<Retry>,
}

/// What the owner knows of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Its position in the journal's order.
    pub sequence: u64,
    /// When it was captured, in milliseconds since the Unix epoch.
    pub captured_ms: u64,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// Where it stands with every target that was ever tried.
    pub answers: Vec<TargetAnswer>,
}

impl ScopeOwner {
    /// Returns what is known of a record; `None` when the journal does not hold it.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn explain(&mut self, id: &str) -> Result<Option<Explanation>, OwnerError> {
        self.mending(|owner| {
            let Some(value) = owner.store.get(&Key::Index(id.to_owned()))? else {
                return Ok(None);
            };
            let position = unpack_position(&value)?;
            let slab = owner
                .journal
                .view()
                .record_at(position)
                .map_err(|source| owner.io_error(source))?;
            let Some(slab) = slab else { return Ok(None) };
            let entry = &slab.entries()[0];
            let mut answers = Vec::new();
            for row in owner.target_rows()? {
                let key = row.target.key();
                let chunk = owner.chunk(key, chunk_of(position.sequence))?;
                let detail = owner.store.get(&Key::Detail(key, position.sequence))?;
                let retry = owner.store.get(&Key::Retry(key, position.sequence))?;
                answers.push(TargetAnswer {
                    target: row.target,
                    state: DeliveryState::from_byte(chunk[slot_of(position.sequence)]),
                    detail: detail.map(|value| unpack(&value)).transpose()?,
                    retry: retry.map(|value| unpack(&value)).transpose()?,
                });
            }
            Ok(Some(Explanation {
                sequence: position.sequence,
                captured_ms: entry.captured_ms,
                payload: slab.payload(entry).to_vec(),
                answers,
            }))
        })
    }
}
