//! A broken rule at the moment it is found: its rank, and its wording.

use std::fmt::Write as _;

use crate::context::Context;
use crate::formats::Format;
use crate::tables::{Word, types};
use crate::violation::Rule;

/// The most characters of a value that a reason quotes.
const QUOTED: usize = 60;

/// A broken rule with what its wording needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Breach<'b> {
    NotJson {
        offset: usize,
    },
    TooDeep {
        limit: usize,
    },
    Duplicate,
    ForbiddenAnywhere,
    Required,
    Forbidden,
    Unexpected,
    Type {
        expected: u8,
        got: u8,
    },
    Value {
        expected: &'b str,
        got: &'b str,
    },
    Allowed {
        allowed: &'b [Word],
        pool: &'b str,
        got: &'b str,
    },
    ForbiddenValue {
        got: &'b str,
    },
    MinLength {
        limit: usize,
    },
    MaxLength {
        limit: usize,
    },
    Format {
        format: Format,
    },
    Blank,
    FirstSegment {
        got: &'b str,
    },
    Minimum {
        limit: i64,
    },
    ExclusiveMinimum {
        limit: i64,
    },
    Maximum {
        limit: i64,
    },
    MinItems {
        limit: usize,
    },
    MinProperties {
        limit: usize,
    },
    Condition {
        id: &'b str,
        text: &'b str,
        position: usize,
    },
}

impl Breach<'_> {
    /// The rule's public name.
    pub(crate) fn rule(&self) -> Rule {
        match self {
            Self::NotJson { .. } => Rule::Json,
            Self::TooDeep { .. } => Rule::Depth,
            Self::Duplicate => Rule::Duplicate,
            Self::ForbiddenAnywhere => Rule::ForbiddenAnywhere,
            Self::Required => Rule::Required,
            Self::Forbidden => Rule::Forbidden,
            Self::Unexpected => Rule::Unexpected,
            Self::Type { .. } => Rule::Type,
            Self::Value { .. } => Rule::Value,
            Self::Allowed { .. } => Rule::Allowed,
            Self::ForbiddenValue { .. } => Rule::ForbiddenValue,
            Self::MinLength { .. } => Rule::MinLength,
            Self::MaxLength { .. } => Rule::MaxLength,
            Self::Format { .. } => Rule::Format,
            Self::Blank => Rule::Blank,
            Self::FirstSegment { .. } => Rule::FirstSegment,
            Self::Minimum { .. } => Rule::Minimum,
            Self::ExclusiveMinimum { .. } => Rule::ExclusiveMinimum,
            Self::Maximum { .. } => Rule::Maximum,
            Self::MinItems { .. } => Rule::MinItems,
            Self::MinProperties { .. } => Rule::MinProperties,
            Self::Condition { .. } => Rule::Condition,
        }
    }

    /// The id of a condition.
    pub(crate) fn condition(&self) -> Option<&str> {
        if let Self::Condition { id, .. } = self {
            Some(id)
        } else {
            None
        }
    }

    /// The order among conditions on one field; every other rule occurs once per field.
    pub(crate) fn position(&self) -> usize {
        if let Self::Condition { position, .. } = self {
            *position
        } else {
            0
        }
    }

    /// What is wrong, in the upstream gate's words where it has some.
    pub(crate) fn reason(&self, context: Context, field: &str) -> String {
        match self {
            Self::NotJson { offset } => format!("the document is not JSON at byte {offset}"),
            Self::TooDeep { limit } => format!("the document nests deeper than {limit} levels"),
            Self::Duplicate => format!("field '{field}' occurs twice in {context} payload"),
            Self::ForbiddenAnywhere | Self::Forbidden => {
                format!("forbidden field '{field}' present in {context} payload")
            }
            Self::Required => format!("required field '{field}' missing in {context} payload"),
            Self::Unexpected => format!("field '{field}' is unknown in {context} payload"),
            Self::Type { expected, got } => {
                format!(
                    "field '{field}' must be {}, got {}",
                    type_names(*expected),
                    type_names(*got)
                )
            }
            Self::Value { expected, got } => {
                format!(
                    "field '{field}' must equal {}, got {}",
                    quote(expected),
                    quote(got)
                )
            }
            Self::Allowed { allowed, pool, got } => {
                let words: Vec<_> = allowed
                    .iter()
                    .map(|word| quote(word.text.of(pool)))
                    .collect();
                let words = words.join(", ");
                format!(
                    "field '{field}' must be one of [{words}], got {}",
                    quote(got)
                )
            }
            Self::ForbiddenValue { got } | Self::FirstSegment { got } => {
                format!(
                    "field '{field}' value {} is forbidden in {context}",
                    quote(got)
                )
            }
            Self::MinLength { limit } => {
                format!("field '{field}' must have at least {limit} characters")
            }
            Self::MaxLength { limit } => {
                format!("field '{field}' must have at most {limit} characters")
            }
            Self::Format { format } => {
                format!("field '{field}' must have format {}", format.name())
            }
            Self::Blank => format!("field '{field}' must not be blank"),
            Self::Minimum { limit } => format!("field '{field}' must be at least {limit}"),
            Self::ExclusiveMinimum { limit } => format!("field '{field}' must be above {limit}"),
            Self::Maximum { limit } => format!("field '{field}' must be at most {limit}"),
            Self::MinItems { limit } => format!("field '{field}' must have at least {limit} items"),
            Self::MinProperties { limit } => {
                format!("field '{field}' must have at least {limit} keys")
            }
            Self::Condition { id, text, .. } => format!("field '{field}': {text} [{id}]"),
        }
    }
}

/// The names of a set of types, as in `string or null`.
fn type_names(expected: u8) -> String {
    let names = [
        (types::STRING, "string"),
        (types::FRACTION, "number"),
        (types::INTEGER, "integer"),
        (types::BOOLEAN, "boolean"),
        (types::ARRAY, "array"),
        (types::OBJECT, "object"),
        (types::NULL, "null"),
    ];
    // A number may be an integer too.
    let shown = if expected & types::FRACTION != 0 {
        expected & !types::INTEGER
    } else {
        expected
    };
    let listed: Vec<_> = names
        .into_iter()
        .filter(|(bit, _)| shown & bit != 0)
        .map(|(_, name)| name)
        .collect();
    listed.join(" or ")
}

/// A text as Python's `repr` writes it, cut when long.
fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(mark);
    for character in text.chars().take(QUOTED) {
        match character {
            '\\' => out.push_str(r"\\"),
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            '\t' => out.push_str(r"\t"),
            c if c == mark => out.extend(['\\', c]),
            c if c.is_control() && c.is_ascii() => {
                write!(out, r"\x{:02x}", u32::from(c)).expect("a String takes every write");
            }
            c => out.push(c),
        }
    }
    out.push(mark);
    if text.chars().nth(QUOTED).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_python_does() {
        for (text, quoted) in [
            ("Feature", "'Feature'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("a\n\t\u{1}\\", r"'a\n\t\x01\\'"),
            ("é", "'é'"),
        ] {
            assert_eq!(quote(text), quoted);
        }
        assert_eq!(quote(&"x".repeat(61)), format!("'{}'…", "x".repeat(60)));
    }

    #[test]
    fn types_are_listed_in_words() {
        assert_eq!(type_names(types::STRING | types::NULL), "string or null");
        assert_eq!(type_names(types::INTEGER | types::FRACTION), "number");
        assert_eq!(type_names(types::INTEGER), "integer");
    }
}
