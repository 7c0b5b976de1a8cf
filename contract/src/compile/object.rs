//! Objects: which keys they name, and how those are found.

use crate::artifact::{AdditionalDocument, ObjectDocument};
use crate::tables::{ANY, Ends, Entry, EntryKind, Index, NO_SLOT, Names, ObjectRules, Role};

use super::{Compiler, Outcome, Roles, append};

/// The number of keys that one object's rules can name: one bit each.
const MOST_KEYS: usize = 64;

impl<'a> Compiler<'a> {
    /// The rules of objects that nothing is known about.
    pub(super) fn bare_object(&mut self) -> Outcome<Index> {
        let entries = self.forbidden_entries(&[]);
        self.push_object(entries, |_| {})
    }

    pub(super) fn object(
        &mut self,
        document: &'a ObjectDocument<'a>,
        roles: &Roles<'a>,
    ) -> Outcome<Index> {
        let mut entries = self.forbidden_entries(&document.forbidden);
        for (name, shape) in &document.properties.0 {
            if self.named(&entries, name).is_some() {
                return Err(self.refuse(format!("{name} is named twice, or forbidden")));
            }
            let shape = self.at(name, |compiler| compiler.shape(shape, &Roles::default()))?;
            entries.push(self.entry(name, shape, EntryKind::Property));
            let role = match Some(*name) {
                name if name == roles.event_type => Role::EventType,
                name if name == roles.payload => Role::Payload,
                _ => Role::Plain,
            };
            entries.last_mut().expect("just pushed").role = role;
        }
        let mut required = 0_u64;
        for name in &document.required {
            let at = self.named(&entries, name).unwrap_or_else(|| {
                entries.push(self.entry(name, ANY, EntryKind::Property));
                entries.len() - 1
            });
            if entries[at].kind != EntryKind::Property || at >= MOST_KEYS {
                return Err(self.refuse(format!("{name} cannot be required")));
            }
            required |= 1 << at;
        }
        let (closed, additional) = match &document.additional {
            AdditionalDocument::Allowed => (false, ANY),
            AdditionalDocument::Refused => (true, ANY),
            AdditionalDocument::Shaped(shape) => (
                false,
                self.at("*", |compiler| compiler.shape(shape, &Roles::default()))?,
            ),
        };
        if entries.len() > MOST_KEYS {
            return Err(self.refuse(format!("an object names more than {MOST_KEYS} keys")));
        }
        if !document.conditions.is_empty() && !roles.conditions {
            return Err(self.refuse("conditions stand outside a payload's root"));
        }
        let conditions = self.conditions(&document.conditions, &mut entries)?;
        self.push_object(entries, |rules| {
            rules.required = required;
            rules.closed = closed;
            rules.additional = additional;
            rules.min_properties = document.min_properties;
            rules.conditions = conditions;
        })
    }

    fn forbidden_entries(&mut self, forbidden: &[&str]) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.forbidden_anywhere.len() + forbidden.len() + 12);
        for name in self.forbidden_anywhere {
            entries.push(self.entry(name, ANY, EntryKind::ForbiddenAnywhere));
        }
        for name in forbidden {
            // What is forbidden anywhere is forbidden here already.
            if self.named(&entries, name).is_none() {
                entries.push(self.entry(name, ANY, EntryKind::Forbidden));
            }
        }
        entries
    }

    pub(super) fn entry(&mut self, name: &str, shape: Index, kind: EntryKind) -> Entry {
        let word = self.word(name);
        Entry {
            word,
            shape,
            bit: 0,
            slot: NO_SLOT,
            kind,
            role: Role::Plain,
        }
    }

    /// The position of the entry of this name.
    pub(super) fn named(&self, entries: &[Entry], name: &str) -> Option<usize> {
        let (bytes, ends) = (name.as_bytes(), Ends::of(name.as_bytes()));
        entries
            .iter()
            .position(|entry| entry.word.is(bytes, ends, &self.tables.pool))
    }

    fn push_object(
        &mut self,
        mut entries: Vec<Entry>,
        complete: impl FnOnce(&mut ObjectRules),
    ) -> Outcome<Index> {
        for (bit, entry) in entries.iter_mut().enumerate() {
            entry.bit = bit as u8;
        }
        let mut rules = ObjectRules {
            names: self.names(entries)?,
            ..ObjectRules::default()
        };
        complete(&mut rules);
        self.tables.objects.to_mut().push(rules);
        self.index(self.tables.objects.len() - 1)
    }

    /// Stores entries for lookup: shortest name first, and where each length starts.
    pub(super) fn names(&mut self, mut entries: Vec<Entry>) -> Outcome<Names> {
        if entries.len() > usize::from(u8::MAX) {
            return Err(self.refuse("too many names"));
        }
        entries.sort_by_key(|entry| entry.word.text.length);
        let longest = entries
            .last()
            .map_or(0, |entry| entry.word.text.length as usize);
        let mut starts = Vec::with_capacity(longest + 2);
        for length in 0..longest + 2 {
            let start = entries.partition_point(|entry| (entry.word.text.length as usize) < length);
            starts.push(start as u8);
        }
        Ok(Names {
            entries: append(&mut self.tables.entries, entries),
            starts: append(&mut self.tables.starts, starts),
        })
    }
}
