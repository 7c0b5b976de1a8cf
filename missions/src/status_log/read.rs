//! Reads one line of a status log.
//!
//! The usual line is read in one pass that borrows its texts. A line which that pass does not
//! understand is looked at again as a free JSON value, only to tell a row of another writer (skipped)
//! from a broken one (a problem that names the field).

use super::LogProblem;
use super::canonical;
use super::evidence::{Evidence, ReviewResult};
use super::row::{
    Actor, Annotation, Binding, Delta, ExecutionMode, Policy, ReviewOverride, Row, Text, TextField,
    Transition,
};
use crate::lane::Lane;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// What one line is.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every line is a row, and none is kept in this form"
)]
pub(super) enum Line<'a> {
    /// A row about a work package.
    Row(Row<'a>),
    /// A row of the retrospective, with everything it says.
    Retrospective(Value),
    /// A row of another writer.
    Foreign,
}

/// Reads one line that is not blank.
pub(super) fn line<'a>(
    text: &'a str,
    number: usize,
    usual: &mut canonical::Reader<'a>,
) -> Result<Line<'a>, LogProblem> {
    match usual.transition(text) {
        Some(row) => Ok(Line::Row(Row::Transition(row))),
        None => parsed(text, number),
    }
}

/// Reads one line as JSON.
pub(super) fn parsed(text: &str, number: usize) -> Result<Line<'_>, LogProblem> {
    let quick: Result<Fields<'_>, _> = serde_json::from_str(text);
    if let Ok(fields) = quick
        && let Some(row) = fields.into_row()
    {
        return Ok(Line::Row(row));
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Err(LogProblem::NotAnObject { line: number });
    };
    if !value.is_object() {
        return Err(LogProblem::NotAnObject { line: number });
    }
    let field = |field| LogProblem::Field {
        line: number,
        field,
    };
    let is_annotation = match &value["kind"] {
        Value::Null => false,
        Value::String(kind) if kind == ANNOTATION => true,
        _ => return Err(field("kind")),
    };
    if !is_annotation {
        if value["event_name"].as_str().is_some_and(is_retrospective) {
            return Ok(Line::Retrospective(value));
        }
        let kind = value["type"].as_str();
        if value.get("event_type").is_some() || kind.is_some_and(is_of_retrospectives) {
            return Ok(Line::Foreign);
        }
    }
    if !is_annotation && value["mission_slug"].as_str().is_none_or(str::is_empty) {
        return Err(LogProblem::NeedsUpgrade { line: number });
    }
    Err(field(first_wrong_field(&value, is_annotation)))
}

/// The `kind` of an annotation.
pub(super) const ANNOTATION: &str = "annotation";

fn is_retrospective(event_name: &str) -> bool {
    event_name.starts_with("retrospective.")
}

fn is_of_retrospectives(kind: &str) -> bool {
    [
        "RetrospectiveCaptured",
        "RetrospectiveCaptureFailed",
        "RetrospectiveSkipped",
    ]
    .contains(&kind)
}

/// Every key that decides what a row is or says.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(default, borrow, deserialize_with = "optional")]
    kind: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    event_type: bool,
    #[serde(default, borrow, deserialize_with = "optional")]
    event_name: Option<Text<'a>>,
    #[serde(default, borrow, rename = "type", deserialize_with = "optional")]
    other_type: Option<Text<'a>>,
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    wp_id: Text<'a>,
    #[serde(borrow)]
    at: Text<'a>,
    #[serde(borrow)]
    actor: Actor<'a>,
    #[serde(default, borrow, deserialize_with = "optional")]
    mission_slug: Option<Text<'a>>,
    #[serde(default, borrow, deserialize_with = "optional")]
    mission_id: Option<Text<'a>>,
    from_lane: Option<Lane>,
    to_lane: Option<Lane>,
    force: Option<bool>,
    execution_mode: Option<ExecutionMode>,
    #[serde(default, borrow, deserialize_with = "optional")]
    reason: Option<Text<'a>>,
    #[serde(default, borrow, deserialize_with = "optional")]
    reason_source: Option<Text<'a>>,
    #[serde(default, borrow, deserialize_with = "optional")]
    review_ref: Option<Text<'a>>,
    #[serde(borrow)]
    evidence: Option<&'a RawValue>,
    #[serde(borrow)]
    review_result: Option<&'a RawValue>,
    #[serde(borrow)]
    policy_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    /// Returns the row, if everything it needs is there and nothing says it is another one.
    fn into_row(self) -> Option<Row<'a>> {
        if self.event_id.is_empty() || self.wp_id.is_empty() || self.at.is_empty() {
            return None;
        }
        match self.kind.as_deref() {
            Some(ANNOTATION) => self.into_annotation().map(Row::Annotation),
            Some(_) => None,
            None if self.belongs_to_others() => None,
            None => self.into_transition().map(Row::Transition),
        }
    }

    fn belongs_to_others(&self) -> bool {
        self.event_type
            || self.event_name.as_deref().is_some_and(is_retrospective)
            || self.other_type.as_deref().is_some_and(is_of_retrospectives)
    }

    fn into_transition(self) -> Option<Transition<'a>> {
        let policy_metadata = match self.policy_metadata {
            None => None,
            Some(text) => Some(Policy::borrowed(text)?),
        };
        Some(Transition {
            event_id: self.event_id,
            mission_slug: self.mission_slug.filter(|slug| !slug.is_empty())?,
            mission_id: self.mission_id.filter(|id| !id.is_empty()),
            wp_id: self.wp_id,
            from_lane: self.from_lane?,
            to_lane: self.to_lane?,
            at: self.at,
            actor: self.actor,
            force: self.force?,
            execution_mode: self.execution_mode?,
            reason: self.reason,
            reason_source: self.reason_source,
            review_ref: self.review_ref,
            evidence: filled::<Evidence>(self.evidence)?,
            review_result: filled::<ReviewResult>(self.review_result)?,
            policy_metadata,
        })
    }

    fn into_annotation(self) -> Option<Annotation<'a>> {
        let is_ulid = self.event_id.len() == 26
            && self.event_id.bytes().all(|byte| {
                byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !b"ILOU".contains(&byte))
            });
        let delta: DeltaFields = serde_json::from_str(self.delta?.get()).ok()?;
        is_ulid.then_some(Annotation {
            event_id: self.event_id,
            wp_id: self.wp_id,
            at: self.at,
            actor: self.actor,
            delta: Box::new(delta.into()),
        })
    }
}

/// Reads an object that may be missing or empty; the outer `None` is one that is not understood.
#[allow(clippy::option_option, reason = "missing and not understood differ")]
fn filled<T: for<'de> Deserialize<'de>>(text: Option<&RawValue>) -> Option<Option<Box<T>>> {
    let Some(text) = text.map(RawValue::get) else {
        return Some(None);
    };
    if text
        .strip_prefix('{')
        .is_some_and(|rest| rest.trim_start() == "}")
    {
        return Some(None);
    }
    serde_json::from_str(text)
        .ok()
        .map(|read| Some(Box::new(read)))
}

#[derive(Deserialize)]
struct DeltaFields {
    note: Option<String>,
    subtasks: Option<BTreeMap<String, Lane>>,
    shell_pid: Option<Number>,
    shell_pid_created_at: Option<String>,
    agent: Option<String>,
    assignee: Option<String>,
    role: Option<String>,
    agent_profile: Option<String>,
    agent_profile_version: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    tracker_refs: Option<Vec<String>>,
    tracker_refs_replace: Option<Vec<String>>,
    review: Option<ReviewOverride>,
    #[serde(default)]
    release_runtime_claim: Option<bool>,
}

impl From<DeltaFields> for Delta {
    fn from(fields: DeltaFields) -> Self {
        let texts = [
            (TextField::ShellPidCreatedAt, fields.shell_pid_created_at),
            (TextField::Agent, fields.agent),
            (TextField::Assignee, fields.assignee),
            (TextField::Role, fields.role),
            (TextField::AgentProfile, fields.agent_profile),
            (TextField::AgentProfileVersion, fields.agent_profile_version),
            (TextField::Model, fields.model),
            (TextField::Provider, fields.provider),
        ];
        // A blank text says nothing: it never hides what was recorded before.
        let texts = texts.into_iter().filter_map(|(field, text)| {
            let text = text.filter(|text| !text.is_empty())?;
            Some((field, text))
        });
        Self {
            note: fields.note,
            subtasks: fields.subtasks,
            shell_pid: fields.shell_pid.map(|Number(number)| number),
            texts: texts.collect(),
            tracker_refs: fields.tracker_refs,
            tracker_refs_replace: fields.tracker_refs_replace,
            review: fields.review,
            release_runtime_claim: fields.release_runtime_claim.unwrap_or(false),
        }
    }
}

/// A whole number, or its digits as text.
struct Number(i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("not a whole number");
        match Value::deserialize(reader)? {
            Value::Number(number) => number.as_i64().map(Self).ok_or_else(wrong),
            Value::String(digits) => digits.trim().parse().map(Self).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// Names the first field that keeps a row from being one.
fn first_wrong_field(row: &Value, is_annotation: bool) -> &'static str {
    let text = |field: &str| row[field].as_str().is_some_and(|text| !text.is_empty());
    let optional_text = |field: &str| row[field].is_null() || row[field].is_string();
    let lane = |field: &str| Lane::deserialize(&row[field]).is_ok();
    for field in ["event_id", "wp_id", "at"] {
        if !text(field) {
            return field;
        }
    }
    if Actor::deserialize(&row["actor"]).is_err() {
        return "actor";
    }
    if is_annotation {
        let is_understood = DeltaFields::deserialize(&row["delta"]).is_ok();
        return if is_understood { "event_id" } else { "delta" };
    }
    for field in ["from_lane", "to_lane"] {
        if !lane(field) {
            return field;
        }
    }
    if !row["force"].is_boolean() {
        return "force";
    }
    if ExecutionMode::deserialize(&row["execution_mode"]).is_err() {
        return "execution_mode";
    }
    let texts = ["mission_id", "reason", "reason_source", "review_ref"];
    for field in texts.into_iter().chain(["event_name", "type"]) {
        if !optional_text(field) {
            return field;
        }
    }
    if !row["policy_metadata"].is_null() && !row["policy_metadata"].is_object() {
        return "policy_metadata";
    }
    let result = &row["review_result"];
    if !result.is_null() && ReviewResult::deserialize(result).is_err() {
        return "review_result";
    }
    "evidence"
}

fn optional<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Text<'de>>, D::Error> {
    struct Optional;
    impl<'de> Visitor<'de> for Optional {
        type Value = Option<Text<'de>>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("text or null")
        }

        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
            reader.deserialize_str(self)
        }

        fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Some(Cow::Borrowed(text)))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(Cow::Owned(text.to_owned())))
        }
    }
    reader.deserialize_option(Optional)
}

/// True for a key that is there, whatever its value.
fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(reader).map(|_| true)
}

impl<'de: 'a, 'a> Deserialize<'de> for Actor<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct NameOrBinding;
        impl<'de> Visitor<'de> for NameOrBinding {
            type Value = Actor<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a name, or an object of role, profile, tool and model")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Actor::Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Actor::Name(Cow::Owned(text.to_owned())))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
                let binding = BindingFields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Actor::Binding(Box::new(Binding {
                    role: binding.role,
                    profile: binding.profile,
                    tool: binding.tool,
                    model: binding.model,
                })))
            }
        }
        reader.deserialize_any(NameOrBinding)
    }
}

/// All four keys must be there, and no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BindingFields {
    #[serde(deserialize_with = "Option::deserialize")]
    role: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    profile: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    tool: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    model: Option<String>,
}
