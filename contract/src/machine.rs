//! The verdict: fed with the tokens of one document, it remembers the violation to report.
//!
//! Both walks (over a parsed value, over bytes) drive this machine and decide nothing themselves.

use crate::breach::Breach;
use crate::conditions::{Fact, SLOTS};
use crate::context::Context;
use crate::path::Path;
use crate::tables::{
    ANY, EntryKind, Index, Lookup, NO_SLOT, NONE, ObjectRules, Range, Role, Shape, Tables, types,
};
use crate::verdict::Verdict;
use crate::violation::Violation;

mod scalars;

/// What is to be checked about one value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child {
    pub(crate) shape: Index,
    pub(crate) role: Role,
    /// Whether the key has an entry, which then notices when it comes twice.
    pub(crate) named: bool,
    slot: u8,
}

impl Child {
    /// A value with this shape that no condition reads.
    pub(crate) const fn of(shape: Index) -> Self {
        Self {
            shape,
            role: Role::Plain,
            named: true,
            slot: NO_SLOT,
        }
    }
}

/// An object that is being walked.
#[derive(Debug)]
pub(crate) struct Frame<'t> {
    rules: &'t ObjectRules,
    names: Lookup<'t>,
    seen: u64,
    keys: usize,
}

/// What is known about the payload's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadRules {
    /// The payload's own rules are not asked for.
    NotAsked,
    /// The event type has not been read yet.
    Awaited,
    /// The event type has no rules.
    Nothing,
    /// The shape of this event type's payload.
    Shape(Index),
}

#[derive(Debug)]
pub(crate) struct Machine<'t> {
    tables: &'t Tables,
    verdict: Verdict,
    payload: PayloadRules,
    in_payload: bool,
    facts: [Fact; SLOTS],
}

impl<'t> Machine<'t> {
    pub(crate) fn new(tables: &'t Tables, context: Context, with_payload: bool) -> Self {
        let payload = if with_payload {
            PayloadRules::Awaited
        } else {
            PayloadRules::NotAsked
        };
        let facts = [Fact::ABSENT; SLOTS];
        Self {
            tables,
            verdict: Verdict::new(context),
            payload,
            in_payload: false,
            facts,
        }
    }

    /// The verdict, after the whole document.
    pub(crate) fn finish(self) -> Result<(), Violation> {
        self.verdict.finish()
    }

    #[inline]
    fn shape(&self, child: Child) -> Shape {
        self.tables
            .shapes
            .get(usize::from(child.shape))
            .copied()
            .unwrap_or(Shape::of(types::ALL))
    }

    /// Checks a type; the shape whose constraints apply.
    #[inline]
    fn typed(&mut self, child: Child, kind: u8, path: &Path<'_>) -> Shape {
        let shape = self.shape(child);
        if shape.types & kind == 0 {
            self.report(
                Breach::Type {
                    expected: shape.types,
                    got: kind,
                },
                path,
            );
            return Shape::of(types::ALL);
        }
        shape
    }

    /// Remembers what the conditions need to know of a value.
    #[inline]
    fn remember(&mut self, child: Child, fact: impl FnOnce() -> Fact) {
        if let Some(slot) = self.facts.get_mut(usize::from(child.slot)) {
            *slot = fact();
        }
    }

    /// Whether a container may be entered; its depth counts itself.
    #[inline]
    pub(crate) fn enter(&mut self, path: &Path<'_>) -> bool {
        let limit = self.tables.max_depth;
        if path.depth() < limit {
            return true;
        }
        self.report(Breach::TooDeep { limit }, &Path::ROOT);
        false
    }

    /// Starts an array; what is to be checked about each item, and about their number.
    #[inline]
    pub(crate) fn array(&mut self, child: Child, path: &Path<'_>) -> (Child, usize) {
        let shape = self.typed(child, types::ARRAY, path);
        self.remember(child, || Fact::coded(Fact::CODE_OTHER));
        let rules = self.tables.arrays.get(usize::from(shape.array));
        rules.map_or((Child::of(ANY), 0), |rules| {
            (Child::of(rules.items), rules.min_items)
        })
    }

    #[inline]
    pub(crate) fn leave_array(&mut self, limit: usize, count: usize, path: &Path<'_>) {
        if count < limit {
            self.report(Breach::MinItems { limit }, path);
        }
    }

    #[inline]
    pub(crate) fn object(&mut self, child: Child, path: &Path<'_>) -> Frame<'t> {
        let shape = self.typed(child, types::OBJECT, path);
        self.remember(child, || Fact::coded(Fact::CODE_OTHER));
        let index = if shape.object == NONE {
            0
        } else {
            shape.object
        };
        let rules = &self.tables.objects[usize::from(index)];
        Frame {
            rules,
            names: self.tables.lookup(rules.names),
            seen: 0,
            keys: 0,
        }
    }

    /// A key of an object; `path` is the way to its value.
    #[inline(always)]
    pub(crate) fn key(&mut self, frame: &mut Frame<'t>, name: &str, path: &Path<'_>) -> Child {
        frame.keys += 1;
        let Some(entry) = frame.names.find(name) else {
            if frame.rules.closed {
                self.report(Breach::Unexpected, path);
            }
            return Child {
                named: false,
                ..Child::of(frame.rules.additional)
            };
        };
        let bit = 1 << entry.bit;
        if frame.seen & bit != 0 {
            self.report(Breach::Duplicate, path);
        }
        frame.seen |= bit;
        match entry.kind {
            EntryKind::Property => {
                return Child {
                    shape: entry.shape,
                    role: entry.role,
                    named: true,
                    slot: entry.slot,
                };
            }
            EntryKind::Forbidden => self.report(Breach::Forbidden, path),
            EntryKind::ForbiddenAnywhere => self.report(Breach::ForbiddenAnywhere, path),
        }
        Child::of(ANY)
    }

    /// A key without an entry came twice.
    pub(crate) fn duplicate(&mut self, path: &Path<'_>) {
        self.report(Breach::Duplicate, path);
    }

    /// The document is not JSON.
    pub(crate) fn not_json(&mut self, offset: usize) {
        self.report(Breach::NotJson { offset }, &Path::ROOT);
    }

    /// Ends an object: what is missing, and what its fields say together.
    #[inline]
    pub(crate) fn leave_object(&mut self, frame: &Frame<'t>, path: &Path<'_>) {
        let missing = frame.rules.required & !frame.seen;
        if missing != 0 {
            self.missing(frame, missing, path);
        }
        if frame.keys < frame.rules.min_properties {
            self.report(
                Breach::MinProperties {
                    limit: frame.rules.min_properties,
                },
                path,
            );
        }
        if !frame.rules.conditions.is_empty() {
            self.conditions(frame, path);
        }
    }

    #[cold]
    fn missing(&mut self, frame: &Frame<'t>, missing: u64, path: &Path<'_>) {
        for entry in frame
            .names
            .entries
            .iter()
            .filter(|entry| missing & (1 << entry.bit) != 0)
        {
            self.report(
                Breach::Required,
                &path.key(entry.word.text.of(&self.tables.pool)),
            );
        }
    }

    fn conditions(&mut self, frame: &Frame<'t>, path: &Path<'_>) {
        let pool = &*self.tables.pool;
        let tables = self.tables;
        let conditions = frame.rules.conditions.of(&tables.conditions);
        for (position, condition) in conditions.iter().enumerate() {
            let hold = |atoms: Range| {
                let mut atoms = atoms.of(&tables.atoms).iter();
                atoms.all(|atom| atom.holds(tables, &self.facts, frame.seen))
            };
            if hold(condition.when) && !hold(condition.require) {
                let (id, text) = (condition.id.of(pool), condition.text.of(pool));
                let breach = Breach::Condition { id, text, position };
                self.report(breach, &path.key(condition.field.of(pool)));
            }
        }
    }

    /// The event type has been read.
    pub(crate) fn event_type(&mut self, name: &str) {
        if self.payload != PayloadRules::NotAsked {
            let entry = self.tables.lookup(self.tables.payloads).find(name);
            self.payload = entry.map_or(PayloadRules::Nothing, |e| PayloadRules::Shape(e.shape));
        }
    }

    pub(crate) fn payload_rules(&self) -> PayloadRules {
        self.payload
    }

    /// The way to the payload, when it is walked after the rest.
    pub(crate) fn payload_field(&self) -> &'t str {
        self.tables.payload_field.of(&self.tables.pool)
    }

    /// Says whether the payload's own rules are at work.
    pub(crate) fn set_in_payload(&mut self, inside: bool) {
        self.in_payload = inside;
        if inside {
            self.facts = [Fact::ABSENT; SLOTS];
        }
    }

    #[cold]
    #[inline(never)]
    fn report(&mut self, breach: Breach<'_>, path: &Path<'_>) {
        self.verdict.report(breach, path, self.in_payload);
    }
}
