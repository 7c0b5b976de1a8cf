//! The values of the mailbox.

use super::StoreError;
use crate::journal::{Cursor, Mark, Position};
use crate::outcome::StateCounts;
use crate::target::DeliveryTarget;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How far the journal is indexed, and what that gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// The mark behind the last indexed record.
    pub mark: Mark,
    /// Events that are in the journal, second copies not counted.
    pub events: u64,
    /// Bodies that are in the journal.
    pub bodies: u64,
}

/// When a target was last tried and when it may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// When it was last tried, in milliseconds since the Unix epoch.
    pub last_ms: Option<u64>,
    /// When the server last answered for a record.
    pub last_success_ms: Option<u64>,
    /// Not to be tried again before this, because the server or the backoff says so.
    pub not_before_ms: Option<u64>,
    /// Tries that failed since the last success.
    pub failures: u32,
    /// What happened last, in one line; empty after a success.
    pub message: String,
    /// The HTTP status of the last answer.
    pub http_status: Option<u16>,
}

/// How the bodies of a scope stand with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodiesRow {
    /// Bodies by state.
    pub counts: StateCounts,
    /// Every body with a smaller sequence is answered or held.
    pub settled_before: u64,
    /// None is to be sent before this moment, because the server said so; in milliseconds since the
    /// Unix epoch.
    pub not_before_ms: Option<u64>,
    /// None is sent before this moment unless a person asks for it, because the server gave nothing.
    pub rest_until_ms: Option<u64>,
}

/// One delivery target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRow {
    /// The target.
    pub target: DeliveryTarget,
    /// Every record before this is answered or held.
    pub low_water: Cursor,
    /// Events by state.
    pub counts: StateCounts,
    /// Tries.
    pub attempt: Attempt,
    /// Bodies; events never wait for them.
    #[serde(default)]
    pub bodies: BodiesRow,
}

impl TargetRow {
    /// Creates the row of a target that was never tried.
    #[must_use]
    pub fn new(target: DeliveryTarget) -> Self {
        let (low_water, counts) = (Cursor::default(), StateCounts::default());
        Self {
            target,
            low_water,
            counts,
            attempt: Attempt::default(),
            bodies: BodiesRow::default(),
        }
    }

    /// Moves the low water over a stretch in which everything is answered or held, unless something
    /// before the stretch is still open.
    pub(crate) fn settle(&mut self, stretch: &Range<Cursor>) {
        if self.low_water >= stretch.start {
            self.low_water = self.low_water.max(stretch.end);
        }
    }
}

/// Packs a row that is kept as JSON.
pub(crate) fn pack(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows are plain data")
}

/// Unpacks a row that is kept as JSON.
pub(crate) fn unpack<T: for<'de> Deserialize<'de>>(value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Damaged(format!("a row: {error}")))
}

/// Packs where a record stands: 28 bytes.
pub(crate) fn pack_position(position: Position) -> Vec<u8> {
    let mut value = Vec::with_capacity(28);
    for number in [position.sequence, position.segment, position.offset] {
        value.extend_from_slice(&number.to_le_bytes());
    }
    value.extend_from_slice(&position.length.to_le_bytes());
    value
}

/// Unpacks where a record stands.
pub(crate) fn unpack_position(value: &[u8]) -> Result<Position, StoreError> {
    let bytes: &[u8; 28] = value
        .try_into()
        .map_err(|_| StoreError::Damaged("a position is not 28 bytes".to_owned()))?;
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let length = u32::from_le_bytes(bytes[24..28].try_into().expect("four bytes"));
    Ok(Position {
        sequence: number(0),
        segment: number(8),
        offset: number(16),
        length,
    })
}
