//! What a mission's rows are to a Teamspace: one row of the status log, one or more events.
//!
//! The first event of a row has the row's own id; what follows from it (an assignment, a dependency
//! that is resolved) has an id that is derived from it. So the events of a row can be worked out again
//! from the row alone, and none is ever sent under two ids.
//!
//! Source: reference events-queue-wire, section 1.

use crate::lane::Lane;
use crate::lifecycle::LifecycleEvent;
use crate::status_log::evidence::{Evidence, RepoEvidence, Review, ReviewResult};
use crate::status_log::row::{Actor, Annotation, Row, Text, Transition};
use crate::transition::{FORCE_OVERRIDE, shared_contract};
use jiff::Timestamp;
use kitty_runtime::envelope::EventDraft;
use kitty_runtime::id::EventId;
use kitty_runtime::time::parse_iso;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const WORK_PACKAGE: &str = "WorkPackage";
const MISSION: &str = "Mission";
/// Who did what a row names nobody for.
const UNKNOWN: &str = "unknown";

/// What the events of a mission say beside what their rows say.
#[derive(Debug, Clone, Default)]
pub struct MissionFacts {
    /// The mission's directory name.
    pub mission_slug: String,
    /// The work packages that depend on a work package.
    pub dependents: BTreeMap<String, Vec<String>>,
    /// Where a work package was worked on, for the evidence of an approval.
    pub worked_on: BTreeMap<String, RepoEvidence>,
}

/// A row cannot become an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventProblem {
    /// The id of the row is no ULID.
    #[error("the row '{0}' cannot be sent: its id is not a ULID")]
    Id(String),
    /// The time of the row cannot be read.
    #[error("the row '{id}' cannot be sent: its time '{at}' is not understood")]
    Time {
        /// The row.
        id: String,
        /// As written.
        at: String,
    },
}

/// Turns a row into its events; an annotation that adds no note is none.
///
/// # Errors
/// [`EventProblem`].
pub fn of_row(row: &Row<'_>, facts: &MissionFacts) -> Result<Vec<EventDraft>, EventProblem> {
    match row {
        Row::Transition(row) => of_transition(row, facts),
        Row::Annotation(row) => of_annotation(row),
    }
}

/// Turns a lifecycle row into the event that shares its id.
///
/// # Errors
/// [`EventProblem::Time`].
pub fn of_lifecycle(row: &LifecycleEvent) -> Result<EventDraft, EventProblem> {
    let occurred_at = parse_iso(&row.timestamp).ok_or_else(|| EventProblem::Time {
        id: row.event_id.to_string(),
        at: row.timestamp.clone(),
    })?;
    let mut payload = row.payload.clone();
    if row.event_type.ends_with("Started") {
        // A row of a phase that began may name its file; the event has no such field.
        payload.remove("artifact_path");
    }
    Ok(EventDraft {
        event_id: row.event_id,
        event_type: row.event_type,
        aggregate_type: row.aggregate_type,
        aggregate_id: row.aggregate_id.clone(),
        payload,
        occurred_at,
        caused_by: None,
    })
}

fn of_transition(
    row: &Transition<'_>,
    facts: &MissionFacts,
) -> Result<Vec<EventDraft>, EventProblem> {
    let (id, at) = id_and_time(&row.event_id, &row.at)?;
    let draft = |event_id, event_type, wp_id: &str, payload: Value, caused_by| EventDraft {
        event_id,
        event_type,
        aggregate_type: WORK_PACKAGE,
        aggregate_id: wp_id.to_owned(),
        payload: object(payload),
        occurred_at: at,
        caused_by,
    };
    let status = status_payload(row, facts);
    let mut drafts = vec![draft(id, "WPStatusChanged", &row.wp_id, status, None)];
    if let Some(phase) = phase(row.to_lane) {
        let assigned = json!({
            "agent_id": name_of(&row.actor),
            "phase": phase,
            "wp_id": row.wp_id,
        });
        let event_id = id.derived("WPAssigned");
        drafts.push(draft(
            event_id,
            "WPAssigned",
            &row.wp_id,
            assigned,
            Some(id),
        ));
    }
    let Some(resolution) = resolution(row) else {
        return Ok(drafts);
    };
    for dependent in facts.dependents.get(&*row.wp_id).into_iter().flatten() {
        let resolved = json!({
            "dependency_wp_id": row.wp_id,
            "resolution_type": resolution,
            "wp_id": dependent,
        });
        let event_id = id.derived(&format!("DependencyResolved {dependent}"));
        drafts.push(draft(
            event_id,
            "DependencyResolved",
            dependent,
            resolved,
            Some(id),
        ));
    }
    Ok(drafts)
}

/// Which phase a work package is assigned for by entering a lane.
const fn phase(to: Lane) -> Option<&'static str> {
    match to {
        Lane::Claimed => Some("implementation"),
        Lane::InReview => Some("review"),
        _ => None,
    }
}

/// How a transition resolves the dependencies on its work package; at most once as the same thing.
fn resolution(row: &Transition<'_>) -> Option<&'static str> {
    match (row.from_lane, row.to_lane) {
        (Lane::Approved, Lane::Done) => Some("merged"),
        (_, Lane::Approved | Lane::Done) => Some("completed"),
        (_, Lane::Canceled) if row.reason_source.as_deref() == Some("operator") => Some("skipped"),
        _ => None,
    }
}

/// What the shared contract wants to hear of a move.
struct Move<'a> {
    force: bool,
    reason: Option<&'a str>,
    review_ref: Option<&'a str>,
}

impl<'a> Move<'a> {
    /// Takes what the row says. Our own rows are accepted as they are; what another program left out
    /// is filled in, because an event that is refused tells nobody anything.
    fn of(row: &'a Transition<'_>) -> Self {
        let said = |text: &'a Option<Text<'_>>| text.as_deref().filter(|text| !is_blank(text));
        let mut told = Self {
            force: row.force,
            reason: said(&row.reason),
            review_ref: said(&row.review_ref),
        };
        let fields = shared_contract::Fields {
            force: told.force,
            reason: told.reason,
            review_ref: told.review_ref,
        };
        if !shared_contract::violations(row.from_lane, row.to_lane, &fields).is_empty() {
            told.force = true;
            told.reason = told.reason.or(Some(FORCE_OVERRIDE));
        }
        if shared_contract::is_rework(row.from_lane, row.to_lane) {
            told.review_ref = told.review_ref.or(Some(FORCE_OVERRIDE));
        }
        told
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn status_payload(row: &Transition<'_>, facts: &MissionFacts) -> Value {
    let told = Move::of(row);
    let mut payload = json!({
        "actor": actor(&row.actor),
        "execution_mode": row.execution_mode.as_str(),
        "force": told.force,
        "from_lane": row.from_lane.as_str(),
        "mission_slug": row.mission_slug,
        "to_lane": row.to_lane.as_str(),
        "wp_id": row.wp_id,
    });
    for (key, text) in [("reason", told.reason), ("review_ref", told.review_ref)] {
        if let Some(text) = text {
            payload[key] = json!(text);
        }
    }
    if let Some(evidence) = evidence(row, facts) {
        payload["evidence"] = evidence;
    }
    payload
}

/// Names who did something; a row may leave it blank, an event may not.
fn name_of<'a>(actor: &'a Actor<'_>) -> &'a str {
    let name = actor.identity();
    if is_blank(name) { UNKNOWN } else { name }
}

fn actor(actor: &Actor<'_>) -> Value {
    match actor {
        Actor::Name(_) => json!(name_of(actor)),
        Actor::Binding(binding) => json!({
            "model": binding.model,
            "profile": binding.profile,
            "role": binding.role,
            "tool": binding.tool,
        }),
    }
}

/// Builds the evidence that the shared contract wants with an approval: who reviewed, and which
/// commit of which repository.
fn evidence(row: &Transition<'_>, facts: &MissionFacts) -> Option<Value> {
    let given = row.evidence.as_deref();
    if given.is_none() && !shared_contract::needs_evidence(row.to_lane) {
        return None;
    }
    let review = match (given, row.review_result.as_deref()) {
        (Some(evidence), _) => evidence.review.clone(),
        (None, Some(result)) => review_of(result),
        (None, None) => Review {
            reference: row
                .review_ref
                .as_deref()
                .unwrap_or(FORCE_OVERRIDE)
                .to_owned(),
            reviewer: name_of(&row.actor).to_owned(),
            verdict: "approved".to_owned(),
        },
    };
    let given_repos = given.map(|evidence| evidence.repos.clone());
    let mut repos = given_repos.unwrap_or_default();
    if repos.is_empty() {
        repos.extend(facts.worked_on.get(&*row.wp_id).cloned());
    }
    let verification = given.map(|evidence| evidence.verification.clone());
    let evidence = Evidence {
        repos,
        review,
        verification: verification.unwrap_or_default(),
    };
    Some(json!({
        "repos": evidence.repos,
        "review": evidence.review,
        "verification": evidence.verification,
    }))
}

fn review_of(result: &ReviewResult) -> Review {
    Review {
        reference: result.reference.clone(),
        reviewer: result.reviewer.clone(),
        verdict: result.verdict.clone(),
    }
}

/// Tells whether an annotation is an event: it adds a note.
#[must_use]
pub fn is_told(row: &Annotation<'_>) -> bool {
    row.delta
        .note
        .as_deref()
        .is_some_and(|note| !is_blank(note))
}

fn of_annotation(row: &Annotation<'_>) -> Result<Vec<EventDraft>, EventProblem> {
    let Some(note) = row.delta.note.as_ref().filter(|note| !is_blank(note)) else {
        return Ok(Vec::new());
    };
    let (event_id, occurred_at) = id_and_time(&row.event_id, &row.at)?;
    Ok(vec![EventDraft {
        event_id,
        event_type: "HistoryAdded",
        aggregate_type: WORK_PACKAGE,
        aggregate_id: row.wp_id.clone().into_owned(),
        payload: object(json!({
            "author": name_of(&row.actor),
            "entry_content": note,
            "entry_type": "note",
            "wp_id": row.wp_id,
        })),
        occurred_at,
        caused_by: None,
    }])
}

/// Builds `MissionClosed`, which follows from the row that completed the last work package.
///
/// # Errors
/// [`EventProblem`].
pub fn mission_closed(
    last: &Transition<'_>,
    mission_id: Option<&str>,
    mission_number: u64,
    mission_type: &str,
) -> Result<EventDraft, EventProblem> {
    let (cause, occurred_at) = id_and_time(&last.event_id, &last.at)?;
    Ok(EventDraft {
        event_id: cause.derived("MissionClosed"),
        event_type: "MissionClosed",
        aggregate_type: MISSION,
        aggregate_id: mission_id.unwrap_or(&last.mission_slug).to_owned(),
        payload: object(json!({
            "mission_number": mission_number,
            "mission_slug": last.mission_slug,
            "mission_type": mission_type,
        })),
        occurred_at,
        caused_by: Some(cause),
    })
}

fn id_and_time(id: &str, at: &str) -> Result<(EventId, Timestamp), EventProblem> {
    let event_id = id.parse().map_err(|_| EventProblem::Id(id.to_owned()))?;
    let time = parse_iso(at).ok_or_else(|| EventProblem::Time {
        id: id.to_owned(),
        at: at.to_owned(),
    })?;
    Ok((event_id, time))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
