//! Prints one row as the line of the status log: sorted keys, Python's separators, ASCII.

use super::row::{Actor, Annotation, Delta, Row, Transition};
use kitty_runtime::python_json;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Keys that never reach the log, at any depth: they name a machine or a person.
const PRIVATE: [&str; 5] = [
    "machine_name",
    "hostname",
    "workspace_path",
    "developer_name",
    "developer_email",
];

impl Row<'_> {
    /// Renders the line without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        match self {
            Self::Transition(row) => row.to_line(),
            Self::Annotation(row) => row.to_line(),
        }
    }

    /// Returns the id.
    #[must_use]
    pub fn event_id(&self) -> &str {
        match self {
            Self::Transition(row) => &row.event_id,
            Self::Annotation(row) => &row.event_id,
        }
    }
}

impl Transition<'_> {
    /// Renders the line without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let policy = self.policy_metadata.as_ref();
        let mut row = json!({
            "actor": actor(&self.actor),
            "at": self.at,
            "event_id": self.event_id,
            "evidence": value(&self.evidence),
            "execution_mode": self.execution_mode.as_str(),
            "force": self.force,
            "from_lane": self.from_lane,
            "mission_slug": self.mission_slug,
            "policy_metadata": policy.map(|policy| Value::Object(policy.to_map())),
            "reason": self.reason,
            "review_ref": self.review_ref,
            "to_lane": self.to_lane,
            "wp_id": self.wp_id,
        });
        let mut when_set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                row[key] = value;
            }
        };
        when_set("mission_id", self.mission_id.as_deref().map(Value::from));
        when_set(
            "reason_source",
            self.reason_source.as_deref().map(Value::from),
        );
        when_set("review_result", self.review_result.as_ref().map(value));
        line(row)
    }
}

impl Annotation<'_> {
    /// Renders the line without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        line(json!({
            "actor": actor(&self.actor),
            "at": self.at,
            "delta": delta(&self.delta),
            "event_id": self.event_id,
            "kind": super::read::ANNOTATION,
            "wp_id": self.wp_id,
        }))
    }
}

impl Delta {
    /// Tells whether it changes nothing; such an annotation is not worth a row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        delta(self).is_empty()
    }
}

fn delta(delta: &Delta) -> Map<String, Value> {
    let mut keys = Map::new();
    let mut when_set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            keys.insert(key.to_owned(), value);
        }
    };
    when_set("note", delta.note.as_deref().map(Value::from));
    when_set("subtasks", delta.subtasks.as_ref().map(value));
    when_set("shell_pid", delta.shell_pid.map(Value::from));
    for (field, text) in &delta.texts {
        let text = Some(text.as_str()).filter(|text| !text.is_empty());
        when_set(field.as_str(), text.map(Value::from));
    }
    when_set("tracker_refs", delta.tracker_refs.as_ref().map(value));
    let replaced = delta.tracker_refs_replace.as_ref();
    when_set("tracker_refs_replace", replaced.map(value));
    when_set("review", delta.review.as_ref().map(value));
    let release = delta.release_runtime_claim.then_some(Value::Bool(true));
    when_set("release_runtime_claim", release);
    keys
}

fn actor(actor: &Actor<'_>) -> Value {
    match actor {
        Actor::Name(name) => json!(name),
        Actor::Binding(binding) => json!({
            "model": binding.model,
            "profile": binding.profile,
            "role": binding.role,
            "tool": binding.tool,
        }),
    }
}

fn value(part: &impl Serialize) -> Value {
    serde_json::to_value(part).expect("parts of a row have text keys and serialize")
}

fn line(mut row: Value) -> String {
    strip_private(&mut row);
    python_json::line(&row)
}

fn strip_private(value: &mut Value) {
    match value {
        Value::Object(keys) => {
            keys.retain(|key, _| !PRIVATE.contains(&key.as_str()));
            keys.values_mut().for_each(strip_private);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_private),
        _ => {}
    }
}
