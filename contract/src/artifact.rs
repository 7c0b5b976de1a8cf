//! The artifact as a document: its JSON, and nothing that interprets it.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

pub(crate) use conditions::{AtomDocument, ConditionDocument, Literal, Member};
pub(crate) use origin::{ProvenanceDocument, VocabularyDocument, WordsDocument};

// The build script reads this file too, where only explicit paths are found.
#[path = "artifact/conditions.rs"]
mod conditions;
#[path = "artifact/origin.rs"]
mod origin;

/// Why a text is not a usable contract artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The text is not JSON of the artifact's form. Unknown keys are refused: a rule that this
    /// gate does not know must not be skipped.
    #[error("contract artifact: {0}; derive it again with contract/derive/check.sh --write")]
    Form(#[from] serde_json::Error),
    /// A rule cannot be enforced.
    #[error("contract artifact, {place}: {problem}; correct contract/derive and derive it again")]
    Rule {
        /// The part of the artifact.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// A JSON object as a list, in document order.
pub(crate) struct Pairs<'a, T>(pub(crate) Vec<(&'a str, T)>);

impl<T> Default for Pairs<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Pairs<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<'a, T>(PhantomData<Pairs<'a, T>>);
        impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<'a, T> {
            type Value = Pairs<'a, T>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

/// The whole artifact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArtifactDocument<'a> {
    pub(crate) artifact_version: &'a str,
    #[serde(borrow)]
    pub(crate) contexts: ContextsDocument<'a>,
    #[serde(borrow)]
    pub(crate) definitions: Pairs<'a, ShapeDocument<'a>>,
    #[serde(borrow)]
    pub(crate) dispatch: DispatchDocument<'a>,
    #[serde(borrow)]
    pub(crate) forbidden_anywhere: Vec<&'a str>,
    pub(crate) limits: LimitsDocument,
    #[serde(borrow)]
    pub(crate) payloads: Pairs<'a, ShapeDocument<'a>>,
    #[serde(borrow)]
    pub(crate) provenance: ProvenanceDocument<'a>,
    pub(crate) rule_language: u32,
    #[serde(borrow)]
    pub(crate) vocabulary: VocabularyDocument<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContextsDocument<'a> {
    #[serde(borrow)]
    pub(crate) envelope: ShapeDocument<'a>,
    #[serde(borrow)]
    pub(crate) payload: ShapeDocument<'a>,
    #[serde(borrow)]
    pub(crate) body_sync: ShapeDocument<'a>,
    #[serde(borrow)]
    pub(crate) tracker_bind: ShapeDocument<'a>,
    #[serde(borrow)]
    pub(crate) orchestrator_api: ShapeDocument<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DispatchDocument<'a> {
    pub(crate) type_field: &'a str,
    pub(crate) payload_field: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsDocument {
    pub(crate) max_depth: usize,
}

/// A shape: the JSON types a value may have, each with its constraints.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ShapeDocument<'a> {
    #[serde(rename = "ref")]
    pub(crate) reference: Option<&'a str>,
    pub(crate) null: Option<EmptyDocument>,
    pub(crate) boolean: Option<EmptyDocument>,
    pub(crate) integer: Option<NumberDocument>,
    pub(crate) number: Option<NumberDocument>,
    #[serde(borrow)]
    pub(crate) string: Option<Box<StringDocument<'a>>>,
    #[serde(borrow)]
    pub(crate) array: Option<Box<ArrayDocument<'a>>>,
    #[serde(borrow)]
    pub(crate) object: Option<Box<ObjectDocument<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmptyDocument {}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NumberDocument {
    pub(crate) minimum: Option<i64>,
    pub(crate) exclusive_minimum: Option<i64>,
    pub(crate) maximum: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StringDocument<'a> {
    pub(crate) value: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) allowed: Vec<&'a str>,
    #[serde(borrow)]
    pub(crate) forbidden: Vec<&'a str>,
    #[serde(borrow)]
    pub(crate) forbidden_first_segment: Vec<&'a str>,
    pub(crate) min_length: usize,
    pub(crate) max_length: Option<usize>,
    pub(crate) format: Option<&'a str>,
    pub(crate) not_blank: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ArrayDocument<'a> {
    #[serde(borrow)]
    pub(crate) items: Option<ShapeDocument<'a>>,
    pub(crate) min_items: usize,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ObjectDocument<'a> {
    #[serde(borrow)]
    pub(crate) required: Vec<&'a str>,
    #[serde(borrow)]
    pub(crate) forbidden: Vec<&'a str>,
    #[serde(borrow)]
    pub(crate) properties: Pairs<'a, ShapeDocument<'a>>,
    #[serde(borrow)]
    pub(crate) additional: AdditionalDocument<'a>,
    pub(crate) min_properties: usize,
    #[serde(borrow)]
    pub(crate) conditions: Vec<ConditionDocument<'a>>,
}

/// What an object does with keys that it does not name.
#[derive(Default)]
pub(crate) enum AdditionalDocument<'a> {
    #[default]
    Allowed,
    Refused,
    Shaped(Box<ShapeDocument<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for AdditionalDocument<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AdditionalVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for AdditionalVisitor<'a> {
            type Value = AdditionalDocument<'a>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("true, false or a shape")
            }
            fn visit_bool<E>(self, allowed: bool) -> Result<Self::Value, E> {
                Ok(if allowed {
                    AdditionalDocument::Allowed
                } else {
                    AdditionalDocument::Refused
                })
            }
            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
                let shape = serde::de::value::MapAccessDeserializer::new(map);
                Ok(AdditionalDocument::Shaped(Box::new(
                    ShapeDocument::deserialize(shape)?,
                )))
            }
        }
        deserializer.deserialize_any(AdditionalVisitor(PhantomData))
    }
}
