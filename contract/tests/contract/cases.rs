//! Random documents near conforming ones, the same for the same seed.
//!
//! Shared by the property tests and by the example that feeds the Python oracle.

use std::sync::OnceLock;

use kitty_contract::{Context, Gate, Violation};
use serde_json::{Value, json};

use crate::document::{LANES, Node, Random, corrupt};

/// A document to check, and how.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The context's name, or `event` for a whole event.
    pub(crate) context: &'static str,
    /// The document; not always JSON.
    pub(crate) text: String,
}

impl Case {
    /// The gate's verdict about the bytes: `pass` or the violation in short.
    pub(crate) fn verdict(&self, gate: &Gate) -> String {
        match Context::parse(self.context) {
            Some(context) => short(gate.check_bytes(context, self.text.as_bytes())),
            None => short(gate.check_event(self.text.as_bytes())),
        }
    }

    /// The gate's verdict about the parsed document.
    pub(crate) fn value_verdict(&self, gate: &Gate, value: &Value) -> String {
        match Context::parse(self.context) {
            Some(context) => short(gate.check(context, value)),
            None => short(gate.check_event_value(value)),
        }
    }
}

/// `pass`, or the violation in short.
pub(crate) fn short(outcome: Result<(), Violation>) -> String {
    outcome.map_or_else(|violation| violation.verdict(), |()| "pass".to_owned())
}

/// The captured envelopes, as they were on the wire.
pub(crate) fn captured() -> &'static [Value] {
    static CAPTURED: OnceLock<Vec<Value>> = OnceLock::new();
    CAPTURED.get_or_init(|| lines(include_str!("../../testdata/captured_envelopes.jsonl")))
}

/// At least one conforming payload per event type, with the type beside it.
pub(crate) fn payloads() -> &'static [Value] {
    static PAYLOADS: OnceLock<Vec<Value>> = OnceLock::new();
    PAYLOADS.get_or_init(|| lines(include_str!("../../testdata/payloads.jsonl")))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// A captured envelope that carries this payload and conforms.
pub(crate) fn event_with(payload: &Value) -> Value {
    let mut event = captured()[21].clone();
    event["event_type"] = payload["event_type"].clone();
    event["payload"] = payload["payload"].clone();
    event
}

/// A conforming body upload request.
pub(crate) fn body() -> Value {
    json!({
        "project_uuid": "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4", "mission_slug": "demo",
        "target_branch": "main", "mission_type": "software-dev", "manifest_version": "1",
        "artifact_path": "spec.md", "content_hash": "b0645cd3", "hash_algorithm": "sha256",
        "content_body": "# Spec\n", "admission_generation": 1, "binding_audience": "a"
    })
}

/// A conforming project identity of a tracker bind.
pub(crate) fn bind() -> Value {
    json!({
        "uuid": "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4", "slug": "demo", "node_id": "b805cd5cee74",
        "repo_slug": null, "build_id": "c4ad781d-049b-5533-a459-64c1ad68b1ce"
    })
}

/// Conforming data of an orchestrator-api answer.
pub(crate) fn answer() -> Value {
    json!({"mission_slug": "demo", "mission_number": null, "mission_type": "software-dev"})
}

/// A request that has no shape: a push to a tracker.
pub(crate) fn request() -> Value {
    json!({
        "provider": "linear", "project_slug": null,
        "items": [{"ref": {"id": "1"}, "action": "create", "fields": [{"title": "x"}]}]
    })
}

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let sample = payloads()[random.below(payloads().len())].clone();
    let (context, base) = match random.below(11) {
        0 => (
            "envelope",
            captured()[random.below(captured().len())].clone(),
        ),
        1 => ("payload", sample),
        2 => ("body_sync", body()),
        3 => ("tracker_bind", bind()),
        4 => ("orchestrator_api", answer()),
        7 => ("request", request()),
        5 | 6 => ("event", event_with(&several_fields(sample, &mut random))),
        _ => ("event", event_with(&sample)),
    };
    let mut node = Node::of(&base);
    for _ in 0..random.below(4) {
        node.mutate(&mut random);
    }
    let plain = random.below(3) == 0;
    let mut text = String::new();
    node.print(&mut random, plain, &mut text);
    if random.below(25) == 0 {
        corrupt(&mut text, &mut random);
    }
    Case { context, text }
}

/// Gives the fields that conditions read other values of their types, or takes them away.
fn several_fields(mut sample: Value, random: &mut Random) -> Value {
    let absent = json!("absent");
    let lanes: Vec<_> = LANES
        .iter()
        .map(|lane| json!(lane))
        .chain([Value::Null])
        .collect();
    let words = [
        absent.clone(),
        Value::Null,
        json!(""),
        json!(" \u{2003}"),
        json!("why"),
        json!("x"),
    ];
    let counts = [
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1.0),
    ];
    let evidence = payloads()
        .iter()
        .find_map(|other| other["payload"].get("evidence"));
    let choices = match sample["event_type"].as_str() {
        Some("WPStatusChanged") => vec![
            ("from_lane", lanes.clone()),
            ("to_lane", lanes),
            ("force", vec![absent.clone(), json!(true), json!(false)]),
            ("reason", words.to_vec()),
            ("review_ref", words.to_vec()),
            (
                "evidence",
                vec![absent, Value::Null, json!(evidence), json!(evidence)],
            ),
        ],
        Some("TokenUsageRecorded") => vec![
            ("input_tokens", counts.to_vec()),
            ("output_tokens", counts.to_vec()),
            ("total_tokens", counts.to_vec()),
        ],
        Some("FollowUpRecorded") => vec![
            ("follow_up_type", vec![json!("commit"), json!("pr")]),
            (
                "commit_sha",
                vec![absent.clone(), Value::Null, json!("abc")],
            ),
            ("pr_number", vec![absent, Value::Null, json!(7)]),
        ],
        Some("BuildRegistered" | "BuildHeartbeat") => vec![
            ("git_branch", vec![absent.clone(), Value::Null]),
            ("branch", vec![absent.clone(), Value::Null]),
            ("build_id", vec![absent, json!("b")]),
        ],
        _ => Vec::new(),
    };
    for (key, values) in choices {
        let value = &values[random.below(values.len())];
        let payload = sample["payload"]
            .as_object_mut()
            .expect("samples have object payloads");
        match value.as_str() {
            _ if random.below(3) == 0 => {}
            Some("absent") => drop(payload.remove(key)),
            _ => drop(payload.insert(key.to_owned(), value.clone())),
        }
    }
    sample
}
