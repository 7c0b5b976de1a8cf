//! Conditions: statements over several fields of one payload.

use crate::tables::{Range, Span, Tables};

/// The number of fields of one payload whose values conditions may read.
pub(crate) const SLOTS: usize = 8;

/// A rule over several fields of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) id: Span,
    pub(crate) field: Span,
    /// What the condition means, for people.
    pub(crate) text: Span,
    /// Parts of [`Tables::atoms`].
    pub(crate) when: Range,
    pub(crate) require: Range,
}

/// A set of pairs of codes: a set of second codes per first code.
pub(crate) type Rows = [u64; 64];

/// A statement about the fields of one payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atom {
    /// The field's code is in the set.
    In { slot: u8, codes: u64 },
    /// The field is absent, null or blank text, or is not.
    Blank { slot: u8, blank: bool },
    /// The pair of codes is, or is not, in these [`Tables::rows`].
    Pair {
        first: u8,
        second: u8,
        rows: u16,
        member: bool,
    },
    /// The integers in these [`Tables::slots`] add up.
    Sum { addends: Range, total: u8 },
    /// At least one of the keys is present.
    AnyPresent(u64),
    /// None of the keys is present.
    NonePresent(u64),
}

/// What conditions know of a field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    pub(crate) code: u8,
    pub(crate) blank: bool,
    pub(crate) integer: Option<i128>,
}

impl Fact {
    /// Codes: absent or null, the two booleans, then allowed texts in the artifact's order.
    pub(crate) const CODE_NULL: u8 = 0;
    pub(crate) const CODE_FALSE: u8 = 1;
    pub(crate) const CODE_TRUE: u8 = 2;
    pub(crate) const CODE_TEXT: u8 = 3;
    /// Every value without a code of its own.
    pub(crate) const CODE_OTHER: u8 = 63;

    pub(crate) const ABSENT: Self = Self {
        code: Self::CODE_NULL,
        blank: true,
        integer: None,
    };

    pub(crate) const fn coded(code: u8) -> Self {
        Self {
            code,
            blank: false,
            integer: None,
        }
    }

    /// The code of the allowed text at this position.
    pub(crate) fn of_allowed(position: usize) -> u8 {
        let code = u8::try_from(position)
            .ok()
            .and_then(|p| p.checked_add(Self::CODE_TEXT));
        code.filter(|code| *code < Self::CODE_OTHER)
            .unwrap_or(Self::CODE_OTHER)
    }
}

impl Atom {
    /// Whether the statement is true of the facts and the present keys.
    pub(crate) fn holds(&self, tables: &Tables, facts: &[Fact; SLOTS], seen: u64) -> bool {
        let fact = |slot: u8| facts[usize::from(slot) % SLOTS];
        match self {
            Self::In { slot, codes } => codes >> fact(*slot).code & 1 == 1,
            Self::Blank { slot, blank } => fact(*slot).blank == *blank,
            Self::Pair {
                first,
                second,
                rows,
                member,
            } => {
                let rows = tables.rows.get(usize::from(*rows));
                let row = rows.and_then(|rows| rows.get(usize::from(fact(*first).code)));
                row.is_some_and(|row| row >> fact(*second).code & 1 == 1) == *member
            }
            Self::Sum { addends, total } => {
                let mut addends = addends.of(&tables.slots).iter();
                let sum = addends.try_fold(0, |sum, slot| Some(sum + fact(*slot).integer?));
                sum.is_some() && sum == fact(*total).integer
            }
            Self::AnyPresent(bits) => seen & bits != 0,
            Self::NonePresent(bits) => seen & bits == 0,
        }
    }
}
