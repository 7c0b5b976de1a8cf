//! The verdicts come from the artifact: change it, and they change.

use kitty_contract::{ArtifactError, Context, Gate, VENDORED_ARTIFACT};
use serde_json::{Value, json};

use crate::cases::{bind, event_with, payloads, short};

fn artifact() -> Value {
    serde_json::from_str(VENDORED_ARTIFACT).expect("an artifact")
}

/// The verdict about a sample event of a type, under a changed contract.
fn verdict(event_type: &str, change: impl FnOnce(&mut Value)) -> String {
    let sample = payloads()
        .iter()
        .find(|sample| sample["event_type"] == event_type);
    let event = event_with(sample.expect("every type has a sample"));
    assert_eq!(short(Gate::vendored().check_event_value(&event)), "pass");
    let mut artifact = artifact();
    change(&mut artifact);
    let gate = Gate::from_artifact(&artifact.to_string()).expect("a usable contract");
    let bytes = short(gate.check_event(event.to_string().as_bytes()));
    assert_eq!(short(gate.check_event_value(&event)), bytes);
    bytes
}

#[test]
fn fr_013_fr_023_a_required_field_that_is_added_is_asked_for() {
    let added = verdict("WPAssigned", |artifact| {
        let required = &mut artifact["contexts"]["envelope"]["object"]["required"];
        required
            .as_array_mut()
            .expect("a list")
            .push(json!("tenant"));
    });
    assert_eq!(added, "tenant|required");
    let added = verdict("WPAssigned", |artifact| {
        let required = &mut artifact["payloads"]["WPAssigned"]["object"]["required"];
        required
            .as_array_mut()
            .expect("a list")
            .push(json!("reviewer"));
    });
    assert_eq!(added, "payload.reviewer|required");
}

#[test]
fn an_allowed_value_that_is_removed_is_refused() {
    let removed = verdict("WPStatusChanged", |artifact| {
        artifact["definitions"]["ExecutionMode"] = json!({"string": {"allowed": ["direct_repo"]}});
    });
    assert_eq!(removed, "payload.execution_mode|allowed");
    let removed = verdict("WPAssigned", |artifact| {
        artifact["contexts"]["envelope"]["object"]["properties"]["aggregate_type"] =
            json!({"string": {"allowed": ["Mission"]}});
    });
    assert_eq!(removed, "aggregate_type|allowed");
}

#[test]
fn other_changes_reach_the_verdict_too() {
    let forbidden = verdict("MissionDossierArtifactIndexed", |artifact| {
        artifact["forbidden_anywhere"] = json!(["artifact_key"]);
    });
    assert_eq!(
        forbidden,
        "payload.context_diagnostics.artifact_key|forbidden_anywhere"
    );
    let unknown = verdict("WPAssigned", |artifact| {
        let properties = &mut artifact["payloads"]["WPAssigned"]["object"]["properties"];
        properties
            .as_object_mut()
            .expect("an object")
            .remove("retry_count");
    });
    assert_eq!(unknown, "payload.retry_count|unexpected");
    let condition = verdict("WPStatusChanged", |artifact| {
        artifact["payloads"]["WPStatusChanged"]["object"]["conditions"][0]["when"] = json!([]);
    });
    assert_eq!(condition, "payload.reason|condition:force_needs_reason");
    let deep = verdict("WPAssigned", |artifact| {
        artifact["limits"]["max_depth"] = json!(1);
    });
    assert_eq!(deep, "$|depth");
    let unruled = verdict("WPAssigned", |artifact| artifact["payloads"] = json!({}));
    assert_eq!(unruled, "pass");
}

#[test]
fn the_fields_that_select_and_hold_a_payload_are_data() {
    let mut artifact = artifact();
    artifact["dispatch"] = json!({"type_field": "kind", "payload_field": "body"});
    let properties = &mut artifact["contexts"]["payload"]["object"]["properties"];
    properties["kind"] = json!({"string": {}});
    properties["body"] = json!({"object": {}});
    artifact["contexts"]["payload"]["object"]["required"] = json!([]);
    let gate = Gate::from_artifact(&artifact.to_string()).expect("a usable contract");
    for text in [
        r#"{"kind":"WPAssigned","body":{}}"#,
        r#"{"body":{},"kind":"WPAssigned"}"#,
    ] {
        let verdict = short(gate.check_bytes(Context::Payload, text.as_bytes()));
        assert_eq!(verdict, "body.agent_id|required", "{text}");
    }
}

/// What is said about an artifact after a change.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut artifact = artifact();
    change(&mut artifact);
    match Gate::from_artifact(&artifact.to_string()) {
        Ok(_) => "accepted".to_owned(),
        Err(error @ (ArtifactError::Form(_) | ArtifactError::Rule { .. })) => error.to_string(),
    }
}

#[test]
fn a_rule_that_cannot_be_enforced_is_refused_by_name() {
    let shape = |shape: Value| {
        move |artifact: &mut Value| {
            artifact["contexts"]["tracker_bind"] = json!({"object": {"properties": {"f": shape}}});
        }
    };
    let conditions = |conditions: Value| {
        move |artifact: &mut Value| {
            artifact["payloads"]["MissionClosed"]["object"]["conditions"] = conditions;
        }
    };
    for (refusal, part) in [
        (
            refusal(shape(json!({"string": {"pattern": "x"}}))),
            "unknown field `pattern`",
        ),
        (refusal(shape(json!({"text": {}}))), "unknown field `text`"),
        (
            refusal(shape(json!({}))),
            "tracker_bind.f: a shape names no type",
        ),
        (
            refusal(shape(json!({"string": {"format": "e-mail"}}))),
            "tracker_bind.f: format e-mail is unknown",
        ),
        (
            refusal(shape(json!({"ref": "Nothing"}))),
            "tracker_bind.f: Nothing is not defined",
        ),
        (
            refusal(shape(json!({"ref": "Lane", "string": {}}))),
            "names a type twice",
        ),
        (
            refusal(shape(json!({"integer": {}, "number": {}}))),
            "names a type twice",
        ),
        (
            refusal(shape(json!({"integer": {"minimum": 1_u64 << 60}}))),
            "beyond 2^53",
        ),
        (
            refusal(shape(json!({"object": {"conditions": [
            {"id": "c", "field": "x", "text": "t", "require": []}]}}))),
            "outside a payload's root",
        ),
        (
            refusal(shape(json!({"object": {"required": ["feature_slug"]}}))),
            "feature_slug cannot be required",
        ),
        (
            refusal(conditions(json!([
            {"id": "c", "field": "x", "text": "t", "require": [{"field": "nope", "blank": true}]}]))),
            "MissionClosed.c: nope is not a property",
        ),
        (
            refusal(conditions(json!([
            {"id": "c", "field": "x", "text": "t", "require": [{"field": "mission_type", "in": ["x"]}]}]))),
            "mission_type does not allow x",
        ),
        (
            refusal(conditions(json!([
            {"id": "c", "field": "x", "text": "t", "require": [{"field": "mission_type"}]}]))),
            "a statement of an unknown kind",
        ),
        (
            refusal(|artifact| artifact["limits"]["max_depth"] = json!(257)),
            "limit is above 256",
        ),
        (
            refusal(|artifact| artifact["rule_language"] = json!(2)),
            "rule language 2 is unknown",
        ),
        (
            refusal(|artifact| artifact["extra"] = json!(1)),
            "unknown field `extra`",
        ),
        (
            refusal(|artifact| artifact["payloads"]["X"] = json!({"null": {}, "object": {}})),
            "X is not exactly an object",
        ),
        (
            refusal(|artifact| {
                artifact["definitions"]["A"] =
                    json!({"object": {"properties": {"b": {"ref": "B"}}}});
                artifact["definitions"]["B"] =
                    json!({"object": {"properties": {"a": {"ref": "A"}}}});
            }),
            "refers to itself",
        ),
        (
            refusal(|artifact| {
                let many: Vec<_> = (0..70).map(|n| format!("k{n}")).collect();
                artifact["contexts"]["tracker_bind"] = json!({"object": {"forbidden": many}});
            }),
            "more than 64 keys",
        ),
    ] {
        assert!(refusal.contains(part), "{refusal} does not say {part}");
        assert!(
            refusal.contains("contract/derive"),
            "{refusal} names no next step"
        );
    }
}

#[test]
fn a_text_that_is_no_artifact_is_refused() {
    let twice = VENDORED_ARTIFACT.replacen("\"WPAssigned\"", "\"WPCreated\"", 1);
    assert_ne!(twice, VENDORED_ARTIFACT);
    for text in ["", "{}", "[]", "null", &VENDORED_ARTIFACT[1..], &twice] {
        assert!(Gate::from_artifact(text).is_err());
    }
}

#[test]
fn clones_share_one_contract_between_threads() {
    let gate = Gate::from_artifact(VENDORED_ARTIFACT).expect("a usable contract");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let gate = gate.clone();
            scope.spawn(move || {
                assert_eq!(short(gate.check(Context::TrackerBind, &bind())), "pass");
            });
        }
    });
}
