//! The lifecycle rows of a mission's status log: what was begun, written and finished, and by whom.

use kitty_runtime::id::EventId;
use kitty_runtime::python_json;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The schema version of every lifecycle row.
pub const SCHEMA_VERSION: &str = "5.0.0";
const AGGREGATE: &str = "Mission";
const WORK_PACKAGE: &str = "WorkPackage";
/// Every type of row that is sent as an event.
const TYPES: [&str; 8] = [
    "MissionCreated",
    "PlanCompleted",
    "PlanStarted",
    "SpecifyCompleted",
    "SpecifyStarted",
    "TasksCompleted",
    "TasksStarted",
    "WPCreated",
];

/// One lifecycle row of `status.events.jsonl`; the event that is sent has the same id.
///
/// Serialises as the row: sorted keys (reference orchestrator-missions, 4.4).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LifecycleEvent {
    /// The mission id for `MissionCreated`, the mission slug for the phases, the id of the work
    /// package for `WPCreated`.
    pub aggregate_id: String,
    /// `Mission` or `WorkPackage`.
    pub aggregate_type: &'static str,
    /// The id of the row and of the event.
    #[serde(serialize_with = "as_text")]
    pub event_id: EventId,
    /// The type, for example `MissionCreated`.
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

impl LifecycleEvent {
    /// Reads one line of a status log; `None` for a row of another kind, or of a type that is not
    /// sent from here.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let mut row: Map<String, Value> = serde_json::from_str(line).ok()?;
        let mut take = |key: &str| row.remove(key);
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let event_type = text(take("event_type"))?;
        let aggregate_type = text(take("aggregate_type"))?;
        let known =
            |names: &[&'static str], name: &str| names.iter().copied().find(|known| *known == name);
        Some(Self {
            event_type: known(&TYPES, &event_type)?,
            aggregate_type: known(&[AGGREGATE, WORK_PACKAGE], &aggregate_type)?,
            aggregate_id: text(take("aggregate_id"))?,
            event_id: text(take("event_id"))?.parse().ok()?,
            payload: match take("payload")? {
                Value::Object(payload) => payload,
                _ => return None,
            },
            project_slug: text(take("project_slug")),
            project_uuid: text(take("project_uuid")),
            schema_version: SCHEMA_VERSION,
            timestamp: text(take("timestamp"))?,
        })
    }
}

/// What both rows say of the mission.
pub(crate) struct Facts<'a> {
    pub(crate) mission_id: &'a str,
    pub(crate) mission_slug: &'a str,
    pub(crate) mission_type: &'a str,
    pub(crate) target_branch: &'a str,
    pub(crate) friendly_name: &'a str,
    pub(crate) purpose_tldr: &'a str,
    pub(crate) purpose_context: &'a str,
    pub(crate) created_at: &'a str,
    pub(crate) project_slug: Option<String>,
    pub(crate) project_uuid: Option<String>,
}

/// Builds `MissionCreated`.
pub(crate) fn mission_created(
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
pub(crate) fn specify_started(
    facts: &Facts<'_>,
    event_id: EventId,
    timestamp: String,
) -> LifecycleEvent {
    let at = with_z(&timestamp);
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

/// One phase of planning that begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The specification is complete.
    SpecifyCompleted,
    /// The plan is begun.
    PlanStarted,
    /// The plan is complete.
    PlanCompleted,
    /// The work packages are begun.
    TasksStarted,
    /// The work packages, this many, are complete.
    TasksCompleted(usize),
}

impl Phase {
    /// The type of the row.
    pub(crate) const fn event_type(self) -> &'static str {
        match self {
            Self::SpecifyCompleted => "SpecifyCompleted",
            Self::PlanStarted => "PlanStarted",
            Self::PlanCompleted => "PlanCompleted",
            Self::TasksStarted => "TasksStarted",
            Self::TasksCompleted(_) => "TasksCompleted",
        }
    }

    /// The file that a completed phase produced.
    const fn artifact(self) -> Option<&'static str> {
        match self {
            Self::SpecifyCompleted => Some("spec.md"),
            Self::PlanCompleted => Some("plan.md"),
            Self::TasksCompleted(_) => Some("tasks.md"),
            Self::PlanStarted | Self::TasksStarted => None,
        }
    }
}

/// Builds the row of a phase.
pub(crate) fn phase(
    phase: Phase,
    mission_slug: &str,
    actor: &str,
    event_id: EventId,
    timestamp: String,
) -> LifecycleEvent {
    let mut payload = object(json!({
        "actor": actor,
        "at": with_z(&timestamp),
        "mission_number": null,
        "mission_slug": mission_slug,
    }));
    if let Some(name) = phase.artifact() {
        let path = format!("{}/{mission_slug}/{name}", crate::project::SPECS);
        payload.insert("artifact_path".to_owned(), path.into());
        payload.insert("summary".to_owned(), Value::Null);
    }
    if let Phase::TasksCompleted(count) = phase {
        payload.insert("wp_count".to_owned(), count.into());
    }
    LifecycleEvent {
        aggregate_id: mission_slug.to_owned(),
        aggregate_type: AGGREGATE,
        event_id,
        event_type: phase.event_type(),
        payload,
        project_slug: None,
        project_uuid: None,
        schema_version: SCHEMA_VERSION,
        timestamp,
    }
}

/// What `WPCreated` says of a work package.
pub(crate) struct WorkPackageFacts<'a> {
    pub(crate) wp_id: &'a str,
    pub(crate) title: &'a str,
    /// Relative to the project's root.
    pub(crate) path: &'a str,
    pub(crate) depends_on: &'a [String],
}

/// Builds `WPCreated`.
pub(crate) fn work_package_created(
    facts: &WorkPackageFacts<'_>,
    mission_slug: &str,
    actor: &str,
    event_id: EventId,
    timestamp: String,
) -> LifecycleEvent {
    LifecycleEvent {
        aggregate_id: facts.wp_id.to_owned(),
        aggregate_type: WORK_PACKAGE,
        event_id,
        event_type: "WPCreated",
        payload: object(json!({
            "actor": actor,
            "created_at": with_z(&timestamp),
            "depends_on": facts.depends_on,
            "mission_number": null,
            "mission_slug": mission_slug,
            "wp_id": facts.wp_id,
            "wp_path": facts.path,
            "wp_title": facts.title,
        })),
        project_slug: None,
        project_uuid: None,
        schema_version: SCHEMA_VERSION,
        timestamp,
    }
}

/// Which lifecycle rows a status log has already; rows that cannot be read count as none.
#[derive(Debug, Default)]
pub(crate) struct Recorded(std::collections::BTreeSet<(String, String)>);

impl Recorded {
    /// Reads the text of a status log.
    pub(crate) fn read(log: &str) -> Self {
        let row = |line: &str| {
            let row: Map<String, Value> = serde_json::from_str(line).ok()?;
            let text = |value: Option<&Value>| value?.as_str().map(str::to_owned);
            let event_type = text(row.get("event_type"))?;
            let subject = text(row.get("payload").and_then(|payload| payload.get("wp_id")));
            Some((event_type, subject.unwrap_or_default()))
        };
        Self(log.lines().filter_map(row).collect())
    }

    /// Tells whether a row of this type is there; `wp_id` is empty for rows about the mission.
    pub(crate) fn has(&self, event_type: &str, wp_id: &str) -> bool {
        self.0.contains(&(event_type.to_owned(), wp_id.to_owned()))
    }
}

fn with_z(timestamp: &str) -> String {
    timestamp
        .strip_suffix("+00:00")
        .map_or_else(|| timestamp.to_owned(), |utc| format!("{utc}Z"))
}

/// Renders the status log: one row a line, as Python writes it.
pub(crate) fn log(events: &[LifecycleEvent]) -> String {
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
