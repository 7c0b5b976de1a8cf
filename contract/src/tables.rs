//! The compiled contract: flat tables that a walk reads and never changes.
//!
//! Every list is a [`Range`] of one flat array, so that the build script can print the whole of it
//! as constants: loading the vendored contract then costs nothing.

use std::borrow::Cow;

use crate::conditions::{Atom, Condition, Rows};
use crate::formats::Format;

/// A name or fixed text in [`Tables::pool`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Span {
    #[inline]
    pub(crate) fn of(self, pool: &str) -> &str {
        let start = self.start as usize;
        pool.get(start..start + self.length as usize).unwrap_or("")
    }
}

/// A part of one of the flat arrays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Range {
    #[inline]
    pub(crate) fn of<T>(self, all: &[T]) -> &[T] {
        let start = self.start as usize;
        all.get(start..start + self.length as usize).unwrap_or(&[])
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.length == 0
    }
}

/// The number of a shape, rule set or object; [`NONE`] where there is nothing to check.
pub(crate) type Index = u16;
pub(crate) const NONE: Index = Index::MAX;
/// The shape that accepts every value.
pub(crate) const ANY: Index = 0;
/// A field that no condition reads.
pub(crate) const NO_SLOT: u8 = u8::MAX;

/// JSON types as bits of [`Shape::types`].
pub(crate) mod types {
    pub(crate) const NULL: u8 = 1;
    pub(crate) const BOOLEAN: u8 = 2;
    pub(crate) const INTEGER: u8 = 4;
    /// A number that is not an integer.
    pub(crate) const FRACTION: u8 = 8;
    pub(crate) const STRING: u8 = 16;
    pub(crate) const ARRAY: u8 = 32;
    pub(crate) const OBJECT: u8 = 64;
    pub(crate) const ALL: u8 = 127;
}

/// What a value may be: its JSON types, and the constraints of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) types: u8,
    pub(crate) string: Index,
    pub(crate) number: Index,
    pub(crate) array: Index,
    pub(crate) object: Index,
}

impl Shape {
    /// A shape without constraints.
    pub(crate) const fn of(types: u8) -> Self {
        Self {
            types,
            string: NONE,
            number: NONE,
            array: NONE,
            object: NONE,
        }
    }
}

/// The constraints of a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StringRules {
    pub(crate) value: Option<Word>,
    /// Parts of [`Tables::words`].
    pub(crate) allowed: Range,
    pub(crate) forbidden: Range,
    pub(crate) forbidden_first_segment: Range,
    pub(crate) min_length: usize,
    pub(crate) max_length: Option<usize>,
    pub(crate) format: Option<Format>,
    pub(crate) not_blank: bool,
    /// Whether a rule compares the text itself, not only its length.
    pub(crate) reads_content: bool,
}

impl StringRules {
    /// Whether every string conforms.
    pub(crate) fn is_empty(&self) -> bool {
        let measured = self.min_length > 0 || self.max_length.is_some() || self.not_blank;
        !measured && !self.reads_content
    }
}

/// The constraints of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NumberRules {
    pub(crate) minimum: Option<i64>,
    pub(crate) exclusive_minimum: Option<i64>,
    pub(crate) maximum: Option<i64>,
}

/// The constraints of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArrayRules {
    pub(crate) items: Index,
    pub(crate) min_items: usize,
}

/// What a key of an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Property,
    Forbidden,
    ForbiddenAnywhere,
}

/// What a property of a context's root means for choosing the payload's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    EventType,
    Payload,
}

/// One key that an object's rules name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) word: Word,
    pub(crate) shape: Index,
    pub(crate) bit: u8,
    pub(crate) slot: u8,
    pub(crate) kind: EntryKind,
    pub(crate) role: Role,
}

/// Named keys, found by their length first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Part of [`Tables::entries`], shortest name first.
    pub(crate) entries: Range,
    /// Part of [`Tables::starts`]: where the entries of each name length start.
    pub(crate) starts: Range,
}

/// Named keys at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'t> {
    pub(crate) entries: &'t [Entry],
    starts: &'t [u8],
    pool: &'t str,
}

impl<'t> Lookup<'t> {
    /// The entry of this name.
    #[inline(always)]
    pub(crate) fn find(&self, name: &str) -> Option<&'t Entry> {
        let bytes = name.as_bytes();
        let length = bytes.len();
        let start = usize::from(*self.starts.get(length)?);
        let end = usize::from(*self.starts.get(length + 1)?);
        let candidates = self.entries.get(start..end)?;
        if candidates.is_empty() {
            return None;
        }
        let ends = Ends::of(bytes);
        candidates
            .iter()
            .find(|entry| entry.word.is(bytes, ends, self.pool))
    }
}

/// The two ends of a text, overlapping when it is short; with the length, all of a text of up to
/// sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends(pub(crate) u64, pub(crate) u64);

impl Ends {
    #[inline(always)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            return Self(u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
        }
        if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
            return Self(
                u32::from_le_bytes(*head).into(),
                u32::from_le_bytes(*tail).into(),
            );
        }
        Self(
            bytes
                .iter()
                .fold(0, |head, byte| (head << 8) | u64::from(*byte)),
            0,
        )
    }
}

/// A text that others are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: Span,
    pub(crate) ends: Ends,
}

impl Word {
    /// Whether a text, whose ends are given, is this word.
    #[inline(always)]
    pub(crate) fn is(&self, bytes: &[u8], ends: Ends, pool: &str) -> bool {
        self.ends == ends
            && self.text.length as usize == bytes.len()
            && (bytes.len() <= 16 || self.text.of(pool).as_bytes() == bytes)
    }
}

/// The constraints of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectRules {
    pub(crate) names: Names,
    /// The bits of the required keys.
    pub(crate) required: u64,
    /// Whether keys without an entry are refused.
    pub(crate) closed: bool,
    /// The shape of the values of keys without an entry.
    pub(crate) additional: Index,
    pub(crate) min_properties: usize,
    /// Part of [`Tables::conditions`].
    pub(crate) conditions: Range,
}

/// A read package, as texts of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: Span,
    pub(crate) version: Span,
    pub(crate) files: u32,
    pub(crate) files_sha256: Span,
    pub(crate) source_commit: Option<Span>,
}

/// Where the contract comes from, as texts of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) artifact_version: Span,
    pub(crate) rule_language: u32,
    pub(crate) schema_version: Span,
    pub(crate) ingress_name: Span,
    pub(crate) ingress_commit: Span,
}

/// Three lists of words, as parts of [`Tables::words`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WordLists {
    pub(crate) allowed: Range,
    pub(crate) reserved: Range,
    pub(crate) forbidden: Range,
}

/// The words of orchestrator-api.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrchestratorWords {
    pub(crate) contract_version: Span,
    pub(crate) commands: WordLists,
    pub(crate) error_codes: WordLists,
    pub(crate) cli_flags: WordLists,
}

type Flat<T> = Cow<'static, [T]>;

/// The whole compiled contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// All names and fixed texts, end to end.
    pub(crate) pool: Cow<'static, str>,
    pub(crate) words: Flat<Word>,
    pub(crate) shapes: Flat<Shape>,
    pub(crate) strings: Flat<StringRules>,
    pub(crate) numbers: Flat<NumberRules>,
    pub(crate) arrays: Flat<ArrayRules>,
    /// The first one has no rules but the keys that are forbidden anywhere.
    pub(crate) objects: Flat<ObjectRules>,
    pub(crate) entries: Flat<Entry>,
    pub(crate) starts: Flat<u8>,
    pub(crate) conditions: Flat<Condition>,
    pub(crate) atoms: Flat<Atom>,
    pub(crate) rows: Flat<Rows>,
    pub(crate) slots: Flat<u8>,
    pub(crate) packages: Flat<Package>,
    /// The root shape of each context, in the order of `Context::ALL`.
    pub(crate) roots: [Index; 6],
    /// Event types as names whose shape is their payload's.
    pub(crate) payloads: Names,
    /// The name of the root's field that holds the payload.
    pub(crate) payload_field: Span,
    pub(crate) max_depth: usize,
    pub(crate) origin: Origin,
    pub(crate) orchestrator_api: OrchestratorWords,
}

impl Tables {
    #[inline]
    pub(crate) fn lookup(&self, names: Names) -> Lookup<'_> {
        Lookup {
            entries: names.entries.of(&self.entries),
            starts: names.starts.of(&self.starts),
            pool: &self.pool,
        }
    }
}
