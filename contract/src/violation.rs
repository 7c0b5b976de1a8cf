//! What the gate says when it refuses.

use std::fmt;

use crate::context::Context;

/// Why a value does not conform; the rule of the artifact that it breaks first.
///
/// `Display` is one line, `{context}: {reason} (field={field})`, in the words of the upstream
/// gate for the five reasons that it knows. Reasons quote a value only where the rule names fixed
/// words for it, and then at most 60 characters of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{context}: {reason} (field={field})")]
pub struct Violation {
    /// The context that was checked; [`Context::Payload`] for rules of a payload, also when the
    /// whole event was checked.
    pub context: Context,
    /// The offending field, dotted from the root of the checked value
    /// (`payload.evidence.review.reviewer`, `payload.depends_on.0`); `$` for the root itself.
    pub field: String,
    /// The broken rule.
    pub rule: Rule,
    /// The id of the broken condition, for [`Rule::Condition`] only.
    pub condition: Option<String>,
    /// What is wrong, for people.
    pub reason: String,
}

impl Violation {
    /// The verdict in one word pair, `field|rule` or `field|condition:id`: what another reading of
    /// the artifact must say about the same value.
    #[must_use]
    pub fn verdict(&self) -> String {
        match &self.condition {
            Some(id) => format!("{}|{}:{id}", self.field, self.rule),
            None => format!("{}|{}", self.field, self.rule),
        }
    }
}

/// A rule of the rule language; README, "Rules".
///
/// Ordered as violations of one group are reported: the least one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The document is not JSON (byte input only).
    Json,
    /// The document nests deeper than the artifact allows.
    Depth,
    /// An object names a key twice (byte input only).
    Duplicate,
    /// A key that is forbidden at any depth.
    ForbiddenAnywhere,
    /// A required field is missing.
    Required,
    /// A field that is forbidden at this place is present.
    Forbidden,
    /// A closed object has a field that it does not know.
    Unexpected,
    /// The value's JSON type is not one of the field's types.
    Type,
    /// The text is not the one fixed value.
    Value,
    /// The text is not one of the allowed ones.
    Allowed,
    /// The text is one of the forbidden ones.
    ForbiddenValue,
    /// The text is too short.
    MinLength,
    /// The text is too long.
    MaxLength,
    /// The text does not have the named format.
    Format,
    /// The text is empty or white space.
    Blank,
    /// The text before the first `/` is a forbidden one.
    FirstSegment,
    /// The number is below the minimum.
    Minimum,
    /// The number is not above the exclusive minimum.
    ExclusiveMinimum,
    /// The number is above the maximum.
    Maximum,
    /// The array has too few items.
    MinItems,
    /// The object has too few keys.
    MinProperties,
    /// A rule over several fields of a payload.
    Condition,
}

impl Rule {
    /// The rule's name in the README.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Depth => "depth",
            Self::Duplicate => "duplicate",
            Self::ForbiddenAnywhere => "forbidden_anywhere",
            Self::Required => "required",
            Self::Forbidden => "forbidden",
            Self::Unexpected => "unexpected",
            Self::Type => "type",
            Self::Value => "value",
            Self::Allowed => "allowed",
            Self::ForbiddenValue => "forbidden_value",
            Self::MinLength => "min_length",
            Self::MaxLength => "max_length",
            Self::Format => "format",
            Self::Blank => "blank",
            Self::FirstSegment => "first_segment",
            Self::Minimum => "minimum",
            Self::ExclusiveMinimum => "exclusive_minimum",
            Self::Maximum => "maximum",
            Self::MinItems => "min_items",
            Self::MinProperties => "min_properties",
            Self::Condition => "condition",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
