//! The gate at egress: what slipped into the queue past the gate of capture never leaves.

use super::{Case, DELIVERED, FAILED, capture, counts, target, why};
use crate::support::sandbox::Sandbox;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::journal::{Journal, Mark};
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use serde_json::{Value, json};

/// Records of events that nobody logged in has captured; the journal gives the sequences.
fn events<'a>(records: &[(&'a str, &'a [u8])]) -> Vec<RecordView<'a>> {
    let record = |(id, payload): &(&'a str, &'a [u8])| RecordView {
        sequence: 0,
        kind: RecordKind::Event,
        captured_ms: 1,
        scope: CaptureScope::NOBODY,
        id,
        payload,
    };
    records.iter().map(record).collect()
}

/// Puts records into the inbox that no capture of ours would have let in.
fn poison(sandbox: &Sandbox, records: &[(&str, &[u8])]) {
    let paths = sandbox.map().project_scope(&sandbox.project_uuid());
    let inbox = Inbox::new(os_filesystem(), paths);
    inbox.append(1, &events(records)).unwrap();
}

/// Writes records behind the last of the journal, which is open nowhere.
fn poison_journal(sandbox: &Sandbox, records: &[(&str, &[u8])]) {
    let paths = sandbox.map().project_scope(&sandbox.project_uuid());
    let (filesystem, name) = (os_filesystem(), sandbox.project_uuid());
    let (mut journal, damage) = Journal::open(&filesystem, &paths, &name, Mark::default()).unwrap();
    assert_eq!(damage.len(), 0);
    assert!(journal.next_sequence() > 1, "there is a journal to poison");
    journal.append(&events(records)).unwrap();
}

#[test]
fn what_the_gate_refuses_is_parked_with_its_reason_and_the_others_are_delivered() {
    let case = Case::with_events(2);
    let good = case.sandbox.stored_events().remove(0);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = good.clone();
        change(&mut event);
        event.to_string().into_bytes()
    };
    let poisoned: Vec<(&str, Vec<u8>)> = vec![
        (
            "LEGACY",
            with(&|event| event["feature_slug"] = json!("001-old")),
        ),
        (
            "NAME",
            with(&|event| event["event_type"] = json!("FeatureCreated")),
        ),
        (
            "AGGREGATE",
            with(&|event| event["aggregate_type"] = json!("Feature")),
        ),
        (
            "NO-BUILD",
            with(&|event| drop(event.as_object_mut().unwrap().remove("build_id"))),
        ),
        (
            "VERSION",
            with(&|event| event["schema_version"] = json!("9.9.9")),
        ),
        (
            "FOREIGN",
            with(&|event| event["project_uuid"] = json!("11111111-2222-4333-8444-555555555555")),
        ),
        ("NO-OBJECT", b"[]".to_vec()),
        ("GARBAGE", b"\xff\x00{".to_vec()),
        ("EMPTY", Vec::new()),
    ];
    let records: Vec<(&str, &[u8])> = poisoned
        .iter()
        .map(|(id, bytes)| (*id, bytes.as_slice()))
        .collect();
    poison(&case.sandbox, &records);
    assert_eq!(
        case.sandbox.waiting(),
        case.ids,
        "the preview shows what would leave"
    );
    let diagnose = case.sandbox.run(&["sync", "diagnose", "--json"]);
    let diagnosis = diagnose.expect_code(FAILED).json();
    assert_eq!(
        (
            &diagnosis["total"],
            &diagnosis["valid"],
            &diagnosis["invalid"]
        ),
        (&json!(11), &json!(2), &json!(9))
    );
    for result in diagnosis["results"].as_array().unwrap() {
        let id = result["event_id"].as_str().unwrap();
        let is_good = case.ids.iter().any(|good| good == id);
        assert_eq!(result["valid"], is_good, "{result}");
        assert_eq!(result["errors"] == json!([]), is_good, "{result}");
        if !is_good {
            assert_eq!(
                result["errors"][0],
                why(&case.sandbox, id)["gate"],
                "{result}"
            );
        }
    }
    let before = why(&case.sandbox, "LEGACY");
    assert_ne!(before["gate"], "passes");
    assert!(
        before["next_action"]
            .as_str()
            .unwrap()
            .contains("never sent"),
        "{before}"
    );
    let report = case.sync(FAILED);
    assert_eq!(counts(&report), [2, 0, 0, 0, 9, 0]);
    assert_eq!(report["terminal_failed"], 9);
    assert_eq!(case.server.stored_ids(), case.ids);
    for (id, _) in &poisoned {
        let why = why(&case.sandbox, id);
        let target = &why["targets"][0];
        assert_eq!(
            (&target["state"], &target["next_attempt"]),
            (&json!("quarantined"), &json!("never"))
        );
        assert_eq!(target["message"], why["gate"], "{why}");
        assert!(
            target["next_action"]
                .as_str()
                .unwrap()
                .contains("never sent"),
            "{why}"
        );
    }
    assert_eq!(target(&case.sandbox)["quarantined"], 9);
    let status = case.sandbox.run(&["sync", "status"]).expect_code(0);
    assert!(status.stdout.contains("spec-kitty sync why"), "{status:?}");
    let sent = case.server.batches().len();
    case.sync(DELIVERED);
    assert_eq!(
        case.server.batches().len(),
        sent,
        "what is parked is not tried again"
    );
}

#[test]
fn fr_013_a_row_written_by_hand_into_the_journal_never_leaves_and_the_rest_does() {
    let mut case = Case::with_events(2);
    case.sync(DELIVERED);
    let mut poisoned = case.sandbox.stored_events().remove(0);
    poisoned["event_id"] = json!("01KDVDNAZ884G7ZWYRD6Z1RV0W");
    poisoned["feature_slug"] = json!("001-old");
    let poisoned = poisoned.to_string().into_bytes();
    poison_journal(&case.sandbox, &[("POISONED", &poisoned)]);
    case.ids.extend(capture(&case.sandbox, 2));

    let report = case.sync(FAILED);
    assert_eq!(report["terminal_failed"], 1, "{report}");
    assert_eq!(case.server.stored_ids(), case.ids);
    let why = why(&case.sandbox, "POISONED");
    let target = &why["targets"][0];
    assert_eq!(target["state"], "quarantined", "{why}");
    assert!(
        target["message"].as_str().unwrap().contains("feature_slug"),
        "{why}"
    );
}
