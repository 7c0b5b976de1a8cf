//! The event envelope of the wire (reference 1): one shape for every kind of event.
//!
//! The stored bytes are the bytes that are sent: sorted keys, no spaces. Delivery adds its own fields
//! by splicing them in, so an event is printed once in its life.

use crate::id::{EventId, ProjectUuid};
use crate::time::iso;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// The envelope version that both event packages accept.
const SCHEMA_VERSION: &str = "3.0.0";

/// What happened, before it is attributed and ordered.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDraft {
    /// The event's id; shared with the status row that tells of the same thing.
    pub event_id: EventId,
    /// The kind, for example `MissionCreated`.
    pub event_type: &'static str,
    /// The kind of thing it happened to, for example `Mission`.
    pub aggregate_type: &'static str,
    /// The thing it happened to.
    pub aggregate_id: String,
    /// What happened, by the contract of the kind.
    pub payload: Map<String, Value>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The event that caused it, if one did.
    pub caused_by: Option<EventId>,
}

/// Who emits: the same for all events of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitter {
    /// The project.
    pub project_uuid: ProjectUuid,
    /// The project's readable name.
    pub project_slug: Option<String>,
    /// The checkout; never empty.
    pub build_id: String,
    /// The machine and user, for Lamport order.
    pub node_id: String,
    /// `owner/repo` of the origin.
    pub repo_slug: Option<String>,
    /// The branch of the checkout.
    pub git_branch: Option<String>,
    /// The commit of the checkout.
    pub head_commit_sha: Option<String>,
    /// The Private Teamspace; never a shared team.
    pub team_id: Option<String>,
}

/// An envelope, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The event's id.
    pub event_id: EventId,
    /// The exact bytes.
    pub wire: Vec<u8>,
}

/// The keys in the order of the wire.
#[derive(Serialize)]
struct Wire<'a> {
    aggregate_id: &'a str,
    aggregate_type: &'a str,
    build_id: &'a str,
    causation_id: Option<String>,
    correlation_id: String,
    /// Why a drain was blocked is local knowledge: the key exists, its value never leaves.
    drain_blocked_reason: Option<&'a str>,
    event_id: String,
    event_type: &'a str,
    git_branch: Option<&'a str>,
    head_commit_sha: Option<&'a str>,
    lamport_clock: u64,
    node_id: &'a str,
    payload: &'a Map<String, Value>,
    project_slug: Option<&'a str>,
    project_uuid: String,
    repo_slug: Option<&'a str>,
    schema_version: &'a str,
    team_slug: Option<&'a str>,
    timestamp: String,
}

impl Envelope {
    /// Prints a draft with its emitter and its place in the Lamport order.
    #[must_use]
    pub fn seal(draft: &EventDraft, emitter: &Emitter, lamport_clock: u64) -> Self {
        let wire = Wire {
            aggregate_id: &draft.aggregate_id,
            aggregate_type: draft.aggregate_type,
            build_id: &emitter.build_id,
            causation_id: draft.caused_by.map(|id| id.to_string()),
            correlation_id: draft.caused_by.unwrap_or(draft.event_id).to_string(),
            drain_blocked_reason: None,
            event_id: draft.event_id.to_string(),
            event_type: draft.event_type,
            git_branch: emitter.git_branch.as_deref(),
            head_commit_sha: emitter.head_commit_sha.as_deref(),
            lamport_clock,
            node_id: &emitter.node_id,
            payload: &draft.payload,
            project_slug: emitter.project_slug.as_deref(),
            project_uuid: emitter.project_uuid.to_string(),
            repo_slug: emitter.repo_slug.as_deref(),
            schema_version: SCHEMA_VERSION,
            team_slug: emitter.team_id.as_deref(),
            timestamp: iso(draft.occurred_at),
        };
        let wire = serde_json::to_vec(&wire).expect("an envelope is plain data");
        Self {
            event_id: draft.event_id,
            wire,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_wire_has_nineteen_sorted_keys_and_no_spaces() {
        let draft = EventDraft {
            event_id: "01M7XAS67MT30DH0DY9EW5WFQY".parse().unwrap(),
            event_type: "MissionCreated",
            aggregate_type: "Mission",
            aggregate_id: "01M7XANDXTCFEWEW7SSK1ETJDD".into(),
            payload: json!({"b": 1, "a": "é"}).as_object().unwrap().clone(),
            occurred_at: "2026-11-20T20:00:00Z".parse().unwrap(),
            caused_by: None,
        };
        let emitter = Emitter {
            project_uuid: "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4".parse().unwrap(),
            project_slug: Some("demo-repo".into()),
            build_id: "c4ad781d-049b-4533-a459-64c1ad68b1ce".into(),
            node_id: "b805cd5cee74".into(),
            repo_slug: None,
            git_branch: Some("work".into()),
            head_commit_sha: None,
            team_id: Some("t-private".into()),
        };
        let envelope = Envelope::seal(&draft, &emitter, 27);
        let text = String::from_utf8(envelope.wire).unwrap();
        assert_eq!(
            text,
            "{\"aggregate_id\":\"01M7XANDXTCFEWEW7SSK1ETJDD\",\"aggregate_type\":\"Mission\",\
             \"build_id\":\"c4ad781d-049b-4533-a459-64c1ad68b1ce\",\"causation_id\":null,\
             \"correlation_id\":\"01M7XAS67MT30DH0DY9EW5WFQY\",\"drain_blocked_reason\":null,\
             \"event_id\":\"01M7XAS67MT30DH0DY9EW5WFQY\",\"event_type\":\"MissionCreated\",\
             \"git_branch\":\"work\",\"head_commit_sha\":null,\"lamport_clock\":27,\
             \"node_id\":\"b805cd5cee74\",\"payload\":{\"a\":\"é\",\"b\":1},\
             \"project_slug\":\"demo-repo\",\"project_uuid\":\"ae17d5b9-a76d-4567-8acb-c0bf7b9410b4\",\
             \"repo_slug\":null,\"schema_version\":\"3.0.0\",\"team_slug\":\"t-private\",\
             \"timestamp\":\"2026-11-20T20:00:00+00:00\"}"
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 19);
    }

    #[test]
    fn a_caused_event_correlates_with_its_cause() {
        let cause: EventId = "01M7XAS67MT30DH0DY9EW5WFQY".parse().unwrap();
        let draft = EventDraft {
            event_id: "01M7XAS67MT30DH0DY9EW5WFQZ".parse().unwrap(),
            event_type: "HistoryAdded",
            aggregate_type: "WorkPackage",
            aggregate_id: "WP01".into(),
            payload: Map::new(),
            occurred_at: Timestamp::UNIX_EPOCH,
            caused_by: Some(cause),
        };
        let emitter = Emitter {
            project_uuid: ProjectUuid::random(),
            project_slug: None,
            build_id: "b".into(),
            node_id: "n".into(),
            repo_slug: None,
            git_branch: None,
            head_commit_sha: None,
            team_id: None,
        };
        let value: Value =
            serde_json::from_slice(&Envelope::seal(&draft, &emitter, 1).wire).unwrap();
        assert_eq!(value["causation_id"], cause.to_string());
        assert_eq!(value["correlation_id"], cause.to_string());
    }
}
