//! The frame of one record, the same in inbox files and journal segments.
//!
//! ```text
//!  0  magic      "SKR1"
//!  4  crc32c     u32   over everything after this field, payload included
//!  8  length     u32   bytes of payload
//! 12  kind       u16
//! 14  id length  u16
//! 16  sequence   u64   position in the journal's order; 0 in inbox files
//! 24  captured   u64   milliseconds since the Unix epoch
//! 32  scope      [16]  for whom it was captured; all zero when nobody was logged in
//! 48  id         text
//!  …  payload    bytes
//! ```
//!
//! All numbers are little-endian. The magic lets a reader find the next record after damage; the
//! checksum decides whether what it found is one.

use std::borrow::Cow;
use std::fmt;

/// Marks the start of a record.
const MAGIC: [u8; 4] = *b"SKR1";
/// Bytes before the id.
pub(crate) const HEADER_LENGTH: usize = 48;
/// The longest id that is kept; legacy rows carry ids of other shapes than ours.
pub const MAX_ID_LENGTH: usize = 200;
/// The largest payload, 16 MiB.
pub const MAX_PAYLOAD_LENGTH: usize = 16 << 20;

/// What a record is: the wire kind of a durable command, versioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// `queue.append.v1`: one event envelope, exactly the bytes to send.
    Event,
    /// `queue.append_body.v1`: one artifact body.
    Body,
    /// `queue.record_outcome.v1`: what a target answered for some records.
    Outcome,
    /// `auth.revoke_token.v1`: a refresh token to be revoked at its issuer.
    RevokeToken,
    /// `supervisor.drain_project.v1`: a project that has work.
    DrainProject,
    /// A kind of a newer release: kept, never interpreted.
    Unknown(u16),
}

impl RecordKind {
    const TABLE: [(Self, u16, &'static str); 5] = [
        (Self::Event, 1, "queue.append.v1"),
        (Self::Body, 2, "queue.append_body.v1"),
        (Self::Outcome, 3, "queue.record_outcome.v1"),
        (Self::RevokeToken, 16, "auth.revoke_token.v1"),
        (Self::DrainProject, 32, "supervisor.drain_project.v1"),
    ];

    /// Returns the number in the frame.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Unknown(code) => code,
            known => Self::TABLE
                .iter()
                .find(|(kind, ..)| *kind == known)
                .map(|(_, code, _)| *code)
                .expect("the table holds every known kind"),
        }
    }

    /// Returns the kind of a number.
    #[must_use]
    pub fn from_code(code: u16) -> Self {
        Self::TABLE
            .iter()
            .find(|(_, known, _)| *known == code)
            .map_or(Self::Unknown(code), |(kind, ..)| *kind)
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::TABLE.iter().find(|(kind, ..)| kind == self) {
            Some((_, _, name)) => formatter.write_str(name),
            None => write!(formatter, "unknown.{}", self.code()),
        }
    }
}

/// For whom a record was captured: the first 16 bytes of a hash, all zero for nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CaptureScope(pub [u8; 16]);

impl CaptureScope {
    /// Captured while nobody was logged in: the first target that drains may have it.
    pub const NOBODY: Self = Self([0; 16]);

    /// Captured while the project had opted out: no target ever gets it.
    pub const WITHHELD: Self = Self([0xFF; 16]);
}

/// One record as it is read: a view into the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Position in the journal's order; 0 in inbox files.
    pub sequence: u64,
    /// What it is.
    pub kind: RecordKind,
    /// When it was captured, in milliseconds since the Unix epoch.
    pub captured_ms: u64,
    /// For whom.
    pub scope: CaptureScope,
    /// Its id, the idempotency key.
    pub id: &'a str,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// A record cannot be framed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The id is empty or too long.
    #[error("a record id has 1 to {MAX_ID_LENGTH} bytes, this one has {0}")]
    IdLength(usize),
    /// The payload is too large.
    #[error("a record holds at most {MAX_PAYLOAD_LENGTH} bytes, this one has {0}")]
    PayloadLength(usize),
}

/// Returns by what a record is known: two records of one identity are one record.
///
/// An event has an id of its own. A body's id is what it is a body of, so the same body that was
/// captured for somebody else is another record: what one account may not have, another may.
#[must_use]
pub fn identity(kind: RecordKind, id: &str, scope: CaptureScope) -> Cow<'_, str> {
    if kind == RecordKind::Body && scope != CaptureScope::NOBODY {
        return Cow::Owned(format!("{id}@{}", hex::encode(scope.0)));
    }
    Cow::Borrowed(id)
}

impl RecordView<'_> {
    /// Returns by what this record is known.
    #[must_use]
    pub fn identity(&self) -> Cow<'_, str> {
        identity(self.kind, self.id, self.scope)
    }

    /// Appends the frame to a buffer.
    ///
    /// # Errors
    /// [`FrameError`]; the buffer is unchanged.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        if self.id.is_empty() || self.id.len() > MAX_ID_LENGTH {
            return Err(FrameError::IdLength(self.id.len()));
        }
        if self.payload.len() > MAX_PAYLOAD_LENGTH {
            return Err(FrameError::PayloadLength(self.payload.len()));
        }
        let start = out.len();
        out.reserve(HEADER_LENGTH + self.id.len() + self.payload.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0; 4]);
        let length = u32::try_from(self.payload.len()).expect("checked above");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.kind.code().to_le_bytes());
        let id_length = u16::try_from(self.id.len()).expect("checked above");
        out.extend_from_slice(&id_length.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.captured_ms.to_le_bytes());
        out.extend_from_slice(&self.scope.0);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.payload);
        let checksum = crc32c::crc32c(&out[start + 8..]);
        out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
        Ok(())
    }

    /// Returns the bytes that the frame takes.
    #[must_use]
    pub const fn framed_length(&self) -> usize {
        HEADER_LENGTH + self.id.len() + self.payload.len()
    }
}

/// What stands at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole record and the bytes it takes.
    Record(RecordView<'a>, usize),
    /// The beginning of a record that needs this many bytes in all.
    Incomplete(usize),
    /// No record.
    Damaged,
}

/// Reads the record at the start of `bytes`.
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded<'_> {
    if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
        return Decoded::Damaged;
    }
    let Some(header) = bytes.first_chunk::<HEADER_LENGTH>() else {
        return Decoded::Incomplete(HEADER_LENGTH);
    };
    let (length, id_length) = (u32_at(header, 8) as usize, usize::from(u16_at(header, 14)));
    if length > MAX_PAYLOAD_LENGTH || id_length == 0 || id_length > MAX_ID_LENGTH {
        return Decoded::Damaged;
    }
    let total = HEADER_LENGTH + id_length + length;
    let Some(frame) = bytes.get(..total) else {
        return Decoded::Incomplete(total);
    };
    if crc32c::crc32c(&frame[8..]) != u32_at(header, 4) {
        return Decoded::Damaged;
    }
    let (id, payload) = frame[HEADER_LENGTH..].split_at(id_length);
    let Ok(id) = std::str::from_utf8(id) else {
        return Decoded::Damaged;
    };
    let record = RecordView {
        sequence: u64_at(header, 16),
        kind: RecordKind::from_code(u16_at(header, 12)),
        captured_ms: u64_at(header, 24),
        scope: CaptureScope(header[32..48].try_into().expect("sixteen bytes")),
        id,
        payload,
    };
    Decoded::Record(record, total)
}

/// Returns where the next magic stands in `bytes`, not before `from`.
#[must_use]
pub fn next_magic(bytes: &[u8], from: usize) -> Option<usize> {
    bytes
        .get(from..)?
        .windows(MAGIC.len())
        .position(|window| window == MAGIC)
        .map(|at| from + at)
}

fn u16_at(header: &[u8; HEADER_LENGTH], at: usize) -> u16 {
    u16::from_le_bytes(header[at..at + 2].try_into().expect("two bytes"))
}

fn u32_at(header: &[u8; HEADER_LENGTH], at: usize) -> u32 {
    u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(header: &[u8; HEADER_LENGTH], at: usize) -> u64 {
    u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"))
}

/// One piece of a file that holds records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A record and the offset it starts at.
    Record(RecordView<'a>, usize),
    /// Bytes that hold no readable record, from one offset to another.
    Damage {
        /// First damaged byte.
        from: usize,
        /// First byte after the damage.
        to: usize,
        /// Whether nothing readable follows: the shape that an interrupted write leaves.
        tail: bool,
    },
}

/// Walks over records, skipping damage to the next readable one.
#[derive(Debug, Clone)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Walks over the records of `bytes` from offset `at`.
#[must_use]
pub fn pieces(bytes: &[u8], at: usize) -> Pieces<'_> {
    Pieces {
        bytes,
        at: at.min(bytes.len()),
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        if let Decoded::Record(record, length) = decode(&self.bytes[start..]) {
            self.at += length;
            return Some(Piece::Record(record, start));
        }
        let mut candidate = next_magic(self.bytes, start + 1);
        while let Some(at) = candidate {
            if matches!(decode(&self.bytes[at..]), Decoded::Record(..)) {
                self.at = at;
                return Some(Piece::Damage {
                    from: start,
                    to: at,
                    tail: false,
                });
            }
            candidate = next_magic(self.bytes, at + 1);
        }
        self.at = self.bytes.len();
        Some(Piece::Damage {
            from: start,
            to: self.bytes.len(),
            tail: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record<'a>(id: &'a str, payload: &'a [u8]) -> RecordView<'a> {
        RecordView {
            sequence: 7,
            kind: RecordKind::Event,
            captured_ms: 1_700_000_000_000,
            scope: CaptureScope([9; 16]),
            id,
            payload,
        }
    }

    fn framed(records: &[RecordView<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            record.encode(&mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn every_known_kind_has_its_own_code_and_name() {
        for (kind, code, name) in RecordKind::TABLE {
            assert_eq!(RecordKind::from_code(code), kind);
            assert_eq!(kind.to_string(), name);
        }
        assert_eq!(RecordKind::from_code(999).code(), 999);
    }

    #[test]
    fn ids_and_payloads_beyond_the_limits_are_refused() {
        let mut out = vec![1];
        assert_eq!(
            record("", b"x").encode(&mut out),
            Err(FrameError::IdLength(0))
        );
        let long = "x".repeat(MAX_ID_LENGTH + 1);
        assert!(record(&long, b"").encode(&mut out).is_err());
        let large = vec![0; MAX_PAYLOAD_LENGTH + 1];
        assert!(record("a", &large).encode(&mut out).is_err());
        assert_eq!(out, [1]);
    }

    #[test]
    fn a_payload_that_contains_the_magic_is_one_record() {
        let inner = framed(&[record("inner", b"x")]);
        let bytes = framed(&[record("outer", &inner), record("next", b"y")]);
        let ids: Vec<_> = pieces(&bytes, 0)
            .map(|piece| match piece {
                Piece::Record(record, _) => record.id.to_owned(),
                Piece::Damage { .. } => "damage".to_owned(),
            })
            .collect();
        assert_eq!(ids, ["outer", "next"]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(id in "[a-zA-Z0-9-]{1,40}", payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let original = record(&id, &payload);
            let bytes = framed(&[original]);
            prop_assert_eq!(bytes.len(), original.framed_length());
            prop_assert_eq!(decode(&bytes), Decoded::Record(original, bytes.len()));
        }

        #[test]
        fn any_bytes_can_be_walked(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut end = 0;
            for piece in pieces(&bytes, 0) {
                let (from, to) = match piece {
                    Piece::Record(record, at) => (at, at + record.framed_length()),
                    Piece::Damage { from, to, .. } => (from, to),
                };
                prop_assert_eq!(from, end);
                prop_assert!(to > from);
                end = to;
            }
            prop_assert_eq!(end, bytes.len());
        }

        #[test]
        fn one_flipped_bit_costs_at_most_the_record_it_is_in(
            count in 1_usize..6,
            victim in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let ids: Vec<String> = (0..count).map(|index| format!("id-{index}")).collect();
            let records: Vec<_> = ids.iter().map(|id| record(id, b"some payload bytes")).collect();
            let mut bytes = framed(&records);
            let at = victim.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let hit = at / records[0].framed_length();
            let found: Vec<String> = pieces(&bytes, 0).filter_map(|piece| match piece {
                Piece::Record(record, _) => Some(record.id.to_owned()),
                Piece::Damage { .. } => None,
            }).collect();
            let expected: Vec<String> = ids.iter().enumerate().filter(|(index, _)| *index != hit).map(|(_, id)| id.clone()).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_cut_leaves_every_whole_record(count in 1_usize..6, cut in any::<prop::sample::Index>()) {
            let ids: Vec<String> = (0..count).map(|index| format!("id-{index}")).collect();
            let records: Vec<_> = ids.iter().map(|id| record(id, b"payload")).collect();
            let bytes = framed(&records);
            let at = cut.index(bytes.len());
            let whole = at / records[0].framed_length();
            let found = pieces(&bytes[..at], 0).filter(|piece| matches!(piece, Piece::Record(..))).count();
            prop_assert_eq!(found, whole);
        }
    }
}
