//! Conditions: which fields they read, and their sets as bits.

use crate::artifact::{AtomDocument, ConditionDocument, Literal, Member};
use crate::conditions::{Atom, Condition, Fact, Rows, SLOTS};
use crate::tables::{Entry, EntryKind, NO_SLOT, Range};

use super::{Compiler, Outcome, append};

impl<'a> Compiler<'a> {
    pub(super) fn conditions(
        &mut self,
        documents: &'a [ConditionDocument<'a>],
        entries: &mut [Entry],
    ) -> Outcome<Range> {
        let mut conditions = Vec::with_capacity(documents.len());
        for document in documents {
            let condition = self.at(document.id, |compiler| {
                Ok(Condition {
                    id: compiler.span(document.id),
                    field: compiler.span(document.field),
                    text: compiler.span(document.text),
                    when: compiler.atoms(&document.when, entries)?,
                    require: compiler.atoms(&document.require, entries)?,
                })
            })?;
            conditions.push(condition);
        }
        Ok(append(&mut self.tables.conditions, conditions))
    }

    fn atoms(&mut self, documents: &[AtomDocument<'a>], entries: &mut [Entry]) -> Outcome<Range> {
        let atoms: Outcome<_> = documents
            .iter()
            .map(|atom| self.atom(atom, entries))
            .collect();
        Ok(append(&mut self.tables.atoms, atoms?))
    }

    fn atom(&mut self, document: &AtomDocument<'a>, entries: &mut [Entry]) -> Outcome<Atom> {
        match document {
            AtomDocument {
                any_present: Some(names),
                ..
            } if document.has_keys(1) => Ok(Atom::AnyPresent(self.bits(names, entries)?)),
            AtomDocument {
                none_present: Some(names),
                ..
            } if document.has_keys(1) => Ok(Atom::NonePresent(self.bits(names, entries)?)),
            AtomDocument {
                sum_of: Some(names),
                equals: Some(total),
                ..
            } if document.has_keys(2) => {
                let slots: Outcome<_> = names.iter().map(|n| self.slot(n, entries)).collect();
                let addends = append(&mut self.tables.slots, slots?);
                Ok(Atom::Sum {
                    addends,
                    total: self.slot(total, entries)?,
                })
            }
            AtomDocument {
                field: Some(name),
                blank: Some(blank),
                ..
            } if document.has_keys(2) => Ok(Atom::Blank {
                slot: self.slot(name, entries)?,
                blank: *blank,
            }),
            AtomDocument {
                field: Some(name),
                members,
                not_in,
                ..
            } if document.has_keys(2) => {
                let slot = self.slot(name, entries)?;
                let (set, member) = self.set(members, not_in)?;
                let mut codes = 0;
                for value in set {
                    let Member::One(literal) = value else {
                        return Err(self.refuse("a pair where one field is read"));
                    };
                    codes |= 1 << self.code(name, *literal, entries)?;
                }
                Ok(Atom::In {
                    slot,
                    codes: if member { codes } else { !codes },
                })
            }
            AtomDocument {
                fields: Some(names),
                members,
                not_in,
                ..
            } if document.has_keys(2) => {
                let (set, member) = self.set(members, not_in)?;
                self.pair(names, set, member, entries)
            }
            _ => Err(self.refuse("a statement of an unknown kind")),
        }
    }

    fn pair(
        &mut self,
        names: &[&'a str],
        set: &[Member<'a>],
        member: bool,
        entries: &mut [Entry],
    ) -> Outcome<Atom> {
        let [one, two] = names else {
            return Err(self.refuse("a statement over other than two fields"));
        };
        let (first, second) = (self.slot(one, entries)?, self.slot(two, entries)?);
        let mut rows: Rows = [0; 64];
        for value in set {
            let Member::Several(values) = value else {
                return Err(self.refuse("one value where two fields are read"));
            };
            let [a, b] = values[..] else {
                return Err(self.refuse("a set member that is not a pair"));
            };
            let row = usize::from(self.code(one, a, entries)?);
            rows[row] |= 1 << self.code(two, b, entries)?;
        }
        self.tables.rows.to_mut().push(rows);
        let rows = self.index(self.tables.rows.len() - 1)?;
        Ok(Atom::Pair {
            first,
            second,
            rows,
            member,
        })
    }

    fn set<'d>(
        &self,
        members: &'d Option<Vec<Member<'a>>>,
        not_in: &'d Option<Vec<Member<'a>>>,
    ) -> Outcome<(&'d [Member<'a>], bool)> {
        match (members, not_in) {
            (Some(set), None) => Ok((set, true)),
            (None, Some(set)) => Ok((set, false)),
            _ => Err(self.refuse("a statement without one set")),
        }
    }

    fn property(&self, name: &str, entries: &[Entry]) -> Outcome<usize> {
        let at = self
            .named(entries, name)
            .filter(|at| entries[*at].kind == EntryKind::Property);
        at.ok_or_else(|| self.refuse(format!("{name} is not a property")))
    }

    /// The slot of a property, taken when first asked for.
    fn slot(&self, name: &str, entries: &mut [Entry]) -> Outcome<u8> {
        let at = self.property(name, entries)?;
        if entries[at].slot == NO_SLOT {
            let taken = entries.iter().filter(|entry| entry.slot != NO_SLOT).count();
            if taken >= SLOTS {
                return Err(self.refuse(format!("conditions read more than {SLOTS} fields")));
            }
            entries[at].slot = taken as u8;
        }
        Ok(entries[at].slot)
    }

    fn bits(&self, names: &[&str], entries: &[Entry]) -> Outcome<u64> {
        names.iter().try_fold(
            0,
            |bits, name| Ok(bits | 1 << self.property(name, entries)?),
        )
    }

    /// The code of a fixed value; a text must be one that the property allows.
    fn code(&self, name: &str, literal: Literal<'_>, entries: &[Entry]) -> Outcome<u8> {
        let text = match literal {
            Literal::Null => return Ok(Fact::CODE_NULL),
            Literal::Boolean(false) => return Ok(Fact::CODE_FALSE),
            Literal::Boolean(true) => return Ok(Fact::CODE_TRUE),
            Literal::Text(text) => text,
        };
        let shape = self.tables.shapes[usize::from(entries[self.property(name, entries)?].shape)];
        let rules = self.tables.strings.get(usize::from(shape.string));
        let position = rules.and_then(|rules| {
            let mut allowed = rules.allowed.of(&self.tables.words).iter();
            allowed.position(|word| word.text.of(&self.tables.pool) == text)
        });
        match position.map(Fact::of_allowed) {
            Some(code) if code != Fact::CODE_OTHER => Ok(code),
            _ => Err(self.refuse(format!("{name} does not allow {text}"))),
        }
    }
}
