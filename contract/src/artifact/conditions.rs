//! The conditions of a payload as they stand in the artifact.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConditionDocument<'a> {
    pub(crate) id: &'a str,
    pub(crate) field: &'a str,
    pub(crate) text: &'a str,
    #[serde(borrow, default)]
    pub(crate) when: Vec<AtomDocument<'a>>,
    #[serde(borrow)]
    pub(crate) require: Vec<AtomDocument<'a>>,
}

/// One statement about fields; which keys are present says which kind it is.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AtomDocument<'a> {
    pub(crate) field: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) fields: Option<Vec<&'a str>>,
    #[serde(borrow, rename = "in")]
    pub(crate) members: Option<Vec<Member<'a>>>,
    #[serde(borrow)]
    pub(crate) not_in: Option<Vec<Member<'a>>>,
    pub(crate) blank: Option<bool>,
    #[serde(borrow)]
    pub(crate) any_present: Option<Vec<&'a str>>,
    #[serde(borrow)]
    pub(crate) none_present: Option<Vec<&'a str>>,
    #[serde(borrow)]
    pub(crate) sum_of: Option<Vec<&'a str>>,
    pub(crate) equals: Option<&'a str>,
}

impl AtomDocument<'_> {
    /// Whether exactly so many keys are present.
    pub(crate) fn has_keys(&self, count: usize) -> bool {
        let present = [
            self.field.is_some(),
            self.fields.is_some(),
            self.members.is_some(),
            self.not_in.is_some(),
            self.blank.is_some(),
            self.any_present.is_some(),
            self.none_present.is_some(),
            self.sum_of.is_some(),
            self.equals.is_some(),
        ];
        present.into_iter().filter(|present| *present).count() == count
    }
}

/// A fixed value of one field that an atom names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal<'a> {
    Null,
    Boolean(bool),
    Text(&'a str),
}

/// A member of an atom's set: one field's value, or the values of several.
pub(crate) enum Member<'a> {
    One(Literal<'a>),
    Several(Vec<Literal<'a>>),
}

struct MemberVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for MemberVisitor<'a> {
    type Value = Member<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("null, a boolean, a text, or an array of such")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Member::One(Literal::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Member::One(Literal::Boolean(value)))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Member::One(Literal::Text(value)))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Member::Several(values))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Literal<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Member::deserialize(deserializer)? {
            Member::One(literal) => Ok(literal),
            Member::Several(_) => Err(serde::de::Error::custom("a pair inside a pair")),
        }
    }
}
