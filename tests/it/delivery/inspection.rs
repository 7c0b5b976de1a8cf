//! `sync preview`, `sync why` and `sync status`: what they show is what is sent and what is true.

use super::{BLOCKED, Case, DELIVERED, FAILED, PENDING, capture, why};
use crate::support::sandbox::{Sandbox, event_id};
use crate::support::scripted_server::{BATCH, Step};
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[test]
fn the_preview_shows_byte_for_byte_what_is_sent_and_no_more() {
    let case = Case::with_events(3);
    case.sandbox.run(&["sync", "status"]).expect_code(0);
    let before = Tree::of(&case.sandbox.state());
    let preview = case.sandbox.preview();
    let document = case
        .sandbox
        .run(&["sync", "preview", "--json"])
        .expect_code(0);
    assert_unchanged(&before, &case.sandbox.state());
    assert_eq!(case.server.connections(), 0);
    case.sync(DELIVERED);
    let batch = &case.server.batches()[0];
    assert_eq!(batch.events(), preview);
    assert_eq!(
        batch.body,
        format!("{{\"events\":[{}]}}", preview.join(","))
    );
    #[derive(serde::Deserialize)]
    struct Document<'a> {
        url: String,
        count: usize,
        headers: Vec<(String, String)>,
        #[serde(borrow)]
        events: Vec<&'a RawValue>,
    }
    let document: Document<'_> = serde_json::from_str(&document.stdout).unwrap();
    assert_eq!(
        (document.count, document.url),
        (3, format!("{}{BATCH}", case.server.url()))
    );
    let compact = |event: &&RawValue| -> Value { serde_json::from_str(event.get()).unwrap() };
    let sent: Vec<Value> = preview
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    assert_eq!(
        document.events.iter().map(compact).collect::<Vec<_>>(),
        sent
    );
    for (name, value) in document.headers {
        let expected = if name == "Authorization" {
            "Bearer s3cret-access-0"
        } else {
            value.as_str()
        };
        assert_eq!(batch.header(&name), Some(expected), "{name}");
    }
    assert_eq!(
        case.sandbox.preview(),
        [""; 0],
        "what was delivered does not leave again"
    );
}

#[test]
fn every_event_that_is_sent_carries_the_fields_of_delivery_around_what_was_stored() {
    let case = Case::with_events(2);
    let stored = case.sandbox.stored_events();
    case.sync(DELIVERED);
    for (sent, stored) in case.server.batches()[0].events().iter().zip(stored) {
        let mut sent: Value = serde_json::from_str(sent).unwrap();
        let fields = sent.as_object_mut().unwrap();
        let id = stored["event_id"].clone();
        let audience = format!("local-nonstrict:{}", case.server.url());
        for (name, value) in [
            ("type", json!("event")),
            ("spec_kitty_delivery_identity", id),
            ("admission_generation", json!(1)),
            ("binding_audience", json!(audience)),
        ] {
            assert_eq!(fields.remove(name), Some(value), "{name}");
        }
        assert_eq!(sent, stored);
    }
}

#[test]
fn a_preview_has_a_limit_and_after_a_logout_still_shows_only_what_waits() {
    let case = Case::with_events(3);
    let limited = case
        .sandbox
        .run(&["sync", "preview", "--limit", "2"])
        .expect_code(0);
    let limited: Vec<String> = limited.stdout.lines().map(event_id).collect();
    assert_eq!(limited, case.ids[..2]);
    case.sync(DELIVERED);
    let more = capture(&case.sandbox, 1);
    case.sandbox.run(&["auth", "logout"]).expect_code(0);
    assert_eq!(case.sandbox.waiting(), more);
}

#[test]
fn why_tells_the_way_of_an_event_from_capture_to_delivery() {
    let case = Case::with_events(1);
    let id = case.ids[0].as_str();
    let new = why(&case.sandbox, id);
    assert_eq!(
        (&new["event_id"], &new["event_type"]),
        (&json!(id), &json!("HistoryAdded"))
    );
    assert_eq!(
        (&new["place"], &new["gate"]),
        (&json!("inbox"), &json!("passes"))
    );
    assert_eq!(new["next_action"], "Run `spec-kitty sync now`.");
    let text = case.sandbox.run(&["sync", "why", id]).expect_code(0);
    assert!(
        text.stdout
            .contains("not tried yet, sent at the next delivery"),
        "{text:?}"
    );
    case.server
        .script(BATCH, [Step::json(200, &json!({"results": []}))]);
    case.sync(PENDING);
    let tried = why(&case.sandbox, id);
    let target = &tried["targets"][0];
    assert_eq!(
        (&tried["place"], &target["state"]),
        (&json!("journal"), &json!("transient"))
    );
    assert_eq!(target["message"], "missing per-event result");
    assert_eq!(target["next_attempt"], "at the next delivery");
    assert_eq!(target["next_action"], "Run `spec-kitty sync now`.");
    case.sync(DELIVERED);
    let done = why(&case.sandbox, &id.to_lowercase());
    assert_eq!(done["event_id"], id, "an id is known in any case");
    let target = &done["targets"][0];
    assert_eq!(
        (&target["state"], &target["next_attempt"]),
        (&json!("delivered"), &json!("never"))
    );
    assert_eq!(
        (&target["message"], &target["next_action"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn why_does_not_guess_which_event_is_meant() {
    let case = Case::with_events(2);
    let fresh = Sandbox::hosted(&case.server.url());
    let prefix = &case.ids[0][..20];
    for (sandbox, id) in [
        (&case.sandbox, "01J00000000000000000000000"),
        (&case.sandbox, prefix),
        (&case.sandbox, "x"),
        (&case.sandbox, ""),
        (&case.sandbox, "../../auth"),
        (&fresh, case.ids[0].as_str()),
    ] {
        let answer = sandbox
            .run(&["sync", "why", id, "--json"])
            .expect_code(FAILED)
            .json();
        assert_eq!(answer["code"], "unknown_event", "{id:?}");
        assert!(answer["error"].as_str().unwrap().contains(id), "{answer}");
        assert!(
            answer["next_action"]
                .as_str()
                .unwrap()
                .contains("sync preview"),
            "{answer}"
        );
    }
}

/// What a document is made of: its keys, and the kinds of their values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        other => other.clone(),
    }
}

#[test]
fn the_status_document_has_a_stable_shape_and_true_numbers() {
    let case = Case::with_events(3);
    let before = case.sandbox.json(&["sync", "status", "--json"]);
    assert_eq!((&before["events"], &before["open"]), (&json!(3), &json!(3)));
    assert_eq!(
        (&before["waiting_in_inbox"], &before["targets"]),
        (&json!(3), &json!([]))
    );
    let rejecting = |index: usize, _: &str| {
        let status = ["success", "rejected", "later"][index];
        Some(json!({"status": status}))
    };
    case.server.script(BATCH, [Step::per_event(rejecting)]);
    case.sync(FAILED);
    capture(&case.sandbox, 2);
    let tree = Tree::of(&case.sandbox.state());
    let status = case.sandbox.json(&["sync", "status", "--json"]);
    assert_unchanged(&tree, &case.sandbox.state());
    let bodies = json!({
        "already_exists": "number", "held": "number", "next_attempt_at": null, "pending": "number",
        "quarantined": "number", "queued": "number", "rejected": "number", "transient": "number",
        "uploaded": "number",
    });
    let expected = json!({
        "authenticated": true, "bodies": "number", "consent": "text", "damage": [], "events": "number",
        "healthy": false, "hosted_sync": true,
        "interrupted": {"in_work": "number", "to_settle": "number", "undecided": []}, "journal_bytes": "number", "max_queue_size": "number",
        "oldest_open_at": "text", "open": "number", "open_bodies": "number", "project_uuid": "text", "server_url": "text",
        "state_root": "text", "waiting_in_inbox": "number",
        "websocket": "text", "websocket_trouble": null,
        "targets": [{
            "account": "text", "consecutive_failures": "number", "delivered": "number",
            "duplicate": "number", "held": "number", "last_attempt_at": "text", "last_error": null,
            "last_success_at": "text", "next_attempt_at": null, "oldest_open_at": "text",
            "pending": "number", "quarantined": "number", "queued": "number", "rejected": "number",
            "server": "text", "team": "text", "transient": "number",
            "bodies": bodies,
        }],
    });
    assert_eq!(shape(&status), expected);
    assert_eq!((&status["events"], &status["open"]), (&json!(5), &json!(3)));
    let target = &status["targets"][0];
    let numbers = ["queued", "delivered", "rejected", "transient", "held"];
    assert_eq!(
        numbers.map(|name| target[name].as_u64().unwrap()),
        [2, 1, 1, 1, 0]
    );
    assert_eq!(target["team"], "t-private");
    assert_eq!(target["server"], case.server.url());
    assert!(!status.to_string().contains("s3cret"));
}

#[test]
fn queries_answer_without_a_server_a_session_or_a_queue_and_create_nothing() {
    let sandbox = Sandbox::new();
    for query in [
        &["status"][..],
        &["status", "--json"],
        &["sync", "status"],
        &["sync", "status", "--json"],
        &["sync", "preview"],
        &["sync", "preview", "--json"],
    ] {
        let repository = Tree::of(&sandbox.repo());
        sandbox.run(query).expect_code(0);
        assert_unchanged(&repository, &sandbox.repo());
        assert!(!sandbox.state().exists(), "{query:?} made a state root");
    }
    let mut sandbox = sandbox;
    sandbox.host("http://127.0.0.1:1");
    let gated = sandbox.run(&["sync", "now"]);
    assert!([DELIVERED, BLOCKED].contains(&gated.code()), "{gated:?}");
}
