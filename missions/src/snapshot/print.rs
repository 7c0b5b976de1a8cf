//! Prints `status.json`: two spaces, sorted keys, characters kept, a final newline.

use super::{Slot, Snapshot, WorkPackageState};
use kitty_runtime::python_json;
use serde::Serialize;
use serde_json::{Map, Value, json};

impl Snapshot {
    /// Renders the file. `mission_number` and `mission_type` are those of `meta.json`; a mission
    /// without a number gets that of its slug (`064-name`), or an empty text.
    #[must_use]
    pub fn to_status_json(&self, mission_number: Option<u64>, mission_type: &str) -> String {
        let slug = self.mission_slug.trim();
        let number = mission_number.map(|number| number.to_string());
        let packages = self.work_packages.iter();
        let packages: Map<String, Value> = packages
            .map(|(id, state)| (id.clone(), Value::Object(work_package(state))))
            .collect();
        let summary: Map<String, Value> = self
            .summary()
            .into_iter()
            .map(|(lane, count)| (lane.to_string(), count.into()))
            .collect();
        let mut file = json!({
            "event_count": self.event_count,
            "last_event_id": self.last_event_id,
            "materialized_at": self.materialized_at,
            "mission_number": number.or_else(|| number_of(slug)).unwrap_or_default(),
            "mission_slug": slug,
            "mission_type": mission_type.trim(),
            "summary": summary,
            "work_packages": packages,
        });
        if let Some(retrospective) = &self.retrospective {
            file["retrospective"] = value(retrospective);
        }
        python_json::indented_unescaped(&file) + "\n"
    }
}

/// Reads the number that a slug of an earlier release begins with, without leading zeros.
fn number_of(slug: &str) -> Option<String> {
    let (digits, _) = slug.split_once('-')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let significant = digits.trim_start_matches('0');
    let number = if significant.is_empty() {
        "0"
    } else {
        significant
    };
    is_number.then(|| number.to_owned())
}

fn work_package(state: &WorkPackageState) -> Map<String, Value> {
    let mut keys = Map::new();
    let mut set = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    set("lane", state.lane.as_str().into());
    set("actor", state.actor.as_str().into());
    set("last_transition_at", value(&state.last_transition_at));
    set("last_event_id", value(&state.last_event_id));
    set("force_count", state.force_count.into());
    for (field, slot) in &state.texts {
        slot.print(|value| set(field.as_str(), value));
    }
    state.shell_pid.print(|value| set("shell_pid", value));
    if let Some(subtasks) = &state.subtasks {
        set("subtasks", value(subtasks));
    }
    for (key, list) in [
        ("notes", &state.notes),
        ("tracker_refs", &state.tracker_refs),
    ] {
        if let Some(list) = list {
            set(key, value(list));
        }
    }
    state.review.print(|value| set("review", value));
    state
        .review_result
        .print(|value| set("review_result", value));
    if let Some(why) = &state.cancellation {
        set("cancellation_reason", value(&why.reason));
        set("reason_source", why.source.as_str().into());
    }
    keys
}

impl<T: Serialize> Slot<T> {
    fn print<R>(&self, set: impl FnOnce(Value) -> R) {
        match self {
            Self::Absent => {}
            Self::Cleared => drop(set(Value::Null)),
            Self::Set(part) => drop(set(value(part))),
        }
    }
}

fn value(part: &impl Serialize) -> Value {
    serde_json::to_value(part).expect("parts of a snapshot have text keys and serialize")
}
