//! The keys of the mailbox: one ordered key space, one letter per table.

use crate::record::RecordKind;
use crate::target::TargetKey;

/// How many records share one row of states.
pub const CHUNK: u64 = 1024;

/// Returns the row of states that a sequence belongs to.
#[must_use]
pub const fn chunk_of(sequence: u64) -> u64 {
    sequence / CHUNK
}

/// Returns the place of a sequence in its row of states.
#[must_use]
pub const fn slot_of(sequence: u64) -> usize {
    (sequence % CHUNK) as usize
}

/// A key of the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// `i<id>`: where the record of this identity stands.
    Index(String),
    /// `o<target><chunk>`: the states of up to [`CHUNK`] records with one target.
    States(TargetKey, u64),
    /// `d<target><sequence>`: why a record stands where it stands.
    Detail(TargetKey, u64),
    /// `t<target>`: the target itself, its counts, how far it has come, when to try again.
    Target(TargetKey),
    /// `v<chunk>`: which records are second copies of an id and are never sent.
    Copies(u64),
    /// `c<kind><id>`: a durable command that is not done yet.
    Command(RecordKind, String),
    /// `b<sequence>`: where a body stands in the journal.
    Body(u64),
    /// `r<target><sequence>`: when a body may be tried again.
    Retry(TargetKey, u64),
    /// `s<first sequence>`: how many bytes of a segment are indexed.
    Segment(u64),
    /// `m`: the mark up to which the journal is indexed, and totals.
    Meta,
}

impl Key {
    /// Returns the bytes; numbers are big-endian so that keys sort by them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Index(id) => [b"i", id.as_bytes()].concat(),
            Self::States(target, chunk) => [&b"o"[..], &target.0, &chunk.to_be_bytes()].concat(),
            Self::Detail(target, sequence) => {
                [&b"d"[..], &target.0, &sequence.to_be_bytes()].concat()
            }
            Self::Target(target) => [&b"t"[..], &target.0].concat(),
            Self::Copies(chunk) => [&b"v"[..], &chunk.to_be_bytes()].concat(),
            Self::Command(kind, id) => [&Self::commands(*kind)[..], id.as_bytes()].concat(),
            Self::Body(sequence) => [&b"b"[..], &sequence.to_be_bytes()].concat(),
            Self::Retry(target, sequence) => {
                [&b"r"[..], &target.0, &sequence.to_be_bytes()].concat()
            }
            Self::Segment(first) => [&b"s"[..], &first.to_be_bytes()].concat(),
            Self::Meta => b"m".to_vec(),
        }
    }

    /// Returns the prefix of all targets.
    #[must_use]
    pub const fn targets() -> &'static [u8] {
        b"t"
    }

    /// Returns the prefix of all bodies.
    #[must_use]
    pub const fn bodies() -> &'static [u8] {
        b"b"
    }

    /// Returns the prefix of all segments.
    #[must_use]
    pub const fn segments() -> &'static [u8] {
        b"s"
    }

    /// Returns the prefix of the open commands of a kind.
    #[must_use]
    pub fn commands(kind: RecordKind) -> [u8; 3] {
        let [high, low] = kind.code().to_be_bytes();
        [b'c', high, low]
    }
}
