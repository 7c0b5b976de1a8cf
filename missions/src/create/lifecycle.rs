//! The two rows that a mission's status log begins with.

use kitty_runtime::id::EventId;
use kitty_runtime::python_json;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The schema version of every lifecycle row.
pub const SCHEMA_VERSION: &str = "5.0.0";
const AGGREGATE: &str = "Mission";

/// One lifecycle row of `status.events.jsonl`; the event that is sent has the same id.
///
/// Serialises as the row: sorted keys (reference orchestrator-missions, 4.4).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LifecycleEvent {
    /// The mission id for `MissionCreated`, the mission slug for the phases.
    pub aggregate_id: String,
    /// Always `Mission`.
    pub aggregate_type: &'static str,
    /// The id of the row and of the event.
    #[serde(serialize_with = "as_text")]
    pub event_id: EventId,
    /// `MissionCreated` or `SpecifyStarted`.
    pub event_type: &'static str,
    /// The payload of the row.
    pub payload: Map<String, Value>,
    /// The project's slug as configured, on `MissionCreated` only.
    pub project_slug: Option<String>,
    /// The project's UUID as configured, on `MissionCreated` only.
    pub project_uuid: Option<String>,
    /// [`SCHEMA_VERSION`].
    pub schema_version: &'static str,
    /// When the row was made: UTC with microseconds and `+00:00`.
    pub timestamp: String,
}

fn as_text<S: serde::Serializer>(id: &EventId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// What both rows say of the mission.
pub(super) struct Facts<'a> {
    pub(super) mission_id: &'a str,
    pub(super) mission_slug: &'a str,
    pub(super) mission_type: &'a str,
    pub(super) target_branch: &'a str,
    pub(super) friendly_name: &'a str,
    pub(super) purpose_tldr: &'a str,
    pub(super) purpose_context: &'a str,
    pub(super) created_at: &'a str,
    pub(super) project_slug: Option<String>,
    pub(super) project_uuid: Option<String>,
}

/// Builds `MissionCreated`.
pub(super) fn mission_created(
    facts: &Facts<'_>,
    event_id: EventId,
    timestamp: String,
) -> LifecycleEvent {
    LifecycleEvent {
        aggregate_id: facts.mission_id.to_owned(),
        aggregate_type: AGGREGATE,
        event_id,
        event_type: "MissionCreated",
        payload: object(json!({
            "created_at": facts.created_at,
            "friendly_name": facts.friendly_name,
            "mission_id": facts.mission_id,
            "mission_number": null,
            "mission_slug": facts.mission_slug,
            "mission_type": facts.mission_type,
            "purpose_context": facts.purpose_context,
            "purpose_tldr": facts.purpose_tldr,
            "target_branch": facts.target_branch,
            "wp_count": 0,
        })),
        project_slug: facts.project_slug.clone(),
        project_uuid: facts.project_uuid.clone(),
        schema_version: SCHEMA_VERSION,
        timestamp,
    }
}

/// Builds `SpecifyStarted`; its payload spells the time with `Z`.
pub(super) fn specify_started(
    facts: &Facts<'_>,
    event_id: EventId,
    timestamp: String,
) -> LifecycleEvent {
    let at = timestamp
        .strip_suffix("+00:00")
        .map_or_else(|| timestamp.clone(), |utc| format!("{utc}Z"));
    LifecycleEvent {
        aggregate_id: facts.mission_slug.to_owned(),
        aggregate_type: AGGREGATE,
        event_id,
        event_type: "SpecifyStarted",
        payload: object(json!({
            "actor": "spec-kitty mission create",
            "artifact_path": format!("kitty-specs/{}/spec.md", facts.mission_slug),
            "at": at,
            "mission_number": null,
            "mission_slug": facts.mission_slug,
        })),
        project_slug: None,
        project_uuid: None,
        schema_version: SCHEMA_VERSION,
        timestamp,
    }
}

/// Renders the status log: one row a line, as Python writes it.
pub(super) fn log(events: &[LifecycleEvent]) -> String {
    events
        .iter()
        .map(|event| python_json::line(event) + "\n")
        .collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
