//! Rows of every generation: imported in order, or kept apart with a reason; none is lost.

use super::fixture::{
    Body, Event, Names, OTHERS, OURS, Queue, body, edited, event, make_journal, make_queue,
    make_store, odd_queue, ulid, waiting, with_odd_queue,
};
use crate::support::sandbox::Sandbox;
use crate::support::sessions::Seed;
use crate::support::teamspace::Teamspace;
use crate::support::tree::{Tree, assert_unchanged};
use kitty_runtime::body::BodyTask;
use kitty_runtime::record::RecordKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

pub fn upgrade(sandbox: &Sandbox) -> Value {
    let document = sandbox.json(&["upgrade", "--json"]);
    let total = &document["queues"]["total"];
    let of = |name: &str| total[name].as_u64().unwrap_or_default();
    let known = ["imported", "duplicates", "delivered", "held", "quarantined"].map(of);
    assert_eq!(of("rows"), known.iter().sum::<u64>(), "{document}");
    assert_eq!(of("unaccounted"), 0, "{document}");
    document
}

fn make(sandbox: &Sandbox, name: &str, events: &[Event], bodies: &[Body]) {
    let queue = Queue {
        names: Names::Mission,
        with_log: false,
        events: events.to_vec(),
        bodies: bodies.to_vec(),
    };
    make_queue(&sandbox.state().join(name), &queue);
}

fn ids(state: &Path, project: &str) -> Vec<String> {
    let found = waiting(state, project).into_iter();
    found.map(|(_, id, _)| id).collect()
}

/// Lines of a file of JSON lines.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn fr_014_every_odd_row_is_refused_for_its_own_reason_and_the_rest_is_imported_in_order() {
    for with_log in [false, true] {
        let sandbox = with_odd_queue(with_log);
        let before = Tree::of(&sandbox.state());
        let document = upgrade(&sandbox);
        let (queue, reasons) = odd_queue();
        let expected: BTreeMap<&str, usize> = reasons.into_iter().collect();
        assert_eq!(document["queues"]["quarantine"], json!(expected));
        let stored = waiting(&sandbox.state(), OURS);
        let events: Vec<&String> = stored
            .iter()
            .filter(|(kind, ..)| *kind == RecordKind::Event)
            .map(|(_, id, _)| id)
            .collect();
        assert_eq!(
            events,
            (0..20)
                .map(ulid)
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>()
        );
        assert_eq!(ids(&sandbox.state(), OTHERS).len(), 2);
        let rows = queue.events.len() + queue.bodies.len();
        assert_eq!(document["queues"]["total"]["rows"], rows);
        // The sources are as they were, with the write-ahead log that they had.
        let changes = before.changes(&Tree::of(&sandbox.state()));
        assert!(
            changes
                .iter()
                .all(|change| change.is_empty() || change.starts_with("runtime")),
            "{changes:?}"
        );
        assert_eq!(document["queues"]["sources"][0]["unchanged"], true);
    }
}

#[test]
fn fr_020_pending_bodies_survive_with_their_namespace_in_the_names_of_today() {
    let sandbox = Sandbox::new();
    let bodies: Vec<Body> = (0..60).map(|number| body(number, OURS)).collect();
    let queue = Queue {
        names: Names::Feature,
        with_log: true,
        events: Vec::new(),
        bodies: bodies.clone(),
    };
    make_queue(&sandbox.state().join("queue.db"), &queue);
    let document = upgrade(&sandbox);
    assert_eq!(document["queues"]["total"]["imported"], 60);
    let stored = waiting(&sandbox.state(), OURS);
    assert_eq!(stored.len(), 60);
    let scope = sandbox.map().project_scope(OURS);
    let migrated = lines(&scope.migrated_rows());
    for ((kind, id, bytes), (row, line)) in stored.iter().zip(bodies.iter().zip(&migrated)) {
        assert_eq!(*kind, RecordKind::Body);
        let task = BodyTask::from_bytes(bytes).unwrap();
        assert_eq!((id, &task.mission_slug), (&task.id(), &row.slug));
        assert_eq!(task.mission_type, "software-dev");
        assert_eq!(task.content_body.as_bytes(), row.content);
        assert_eq!(
            (&task.content_hash, &task.artifact_path),
            (&row.hash, &row.path)
        );
        assert_eq!(line["retry"]["count"], row.retry);
        assert_eq!(line["retry"]["last_error"], json!(row.error));
        assert_eq!(line["captured_ms"], 1_767_000_000_500_u64);
    }
}

#[test]
fn fr_014_an_event_of_before_is_translated_and_one_of_today_keeps_its_bytes() {
    let sandbox = Sandbox::new();
    let old = event(1, OURS);
    let mut envelope: Value = serde_json::from_slice(&old.data).unwrap();
    envelope["event_id"] = json!(ulid(2));
    envelope["schema_version"] = json!("3.0.0");
    envelope["build_id"] = json!("b-1");
    envelope["correlation_id"] = json!(ulid(2));
    envelope["team_slug"] = Value::Null;
    let payload = envelope["payload"].as_object_mut().unwrap();
    let slug = payload.remove("feature_slug").unwrap();
    payload.insert("mission_slug".to_owned(), slug);
    // Python's spacing: the bytes are kept and not printed again.
    let today = Event {
        id: ulid(2),
        data: serde_json::to_string_pretty(&envelope)
            .unwrap()
            .into_bytes(),
        ..old.clone()
    };
    make(&sandbox, "queue.db", &[old.clone(), today.clone()], &[]);
    upgrade(&sandbox);
    let stored = waiting(&sandbox.state(), OURS);
    let new: Value = serde_json::from_slice(&stored[0].2).unwrap();
    let before: Value = serde_json::from_slice(&old.data).unwrap();
    for key in [
        "event_id",
        "event_type",
        "lamport_clock",
        "timestamp",
        "node_id",
        "project_uuid",
    ] {
        assert_eq!(new[key], before[key], "{key}");
    }
    assert_eq!(new["payload"]["mission_slug"], "012-old");
    assert_eq!(new["payload"]["feature_slug"], Value::Null);
    assert_eq!(new["schema_version"], "3.0.0");
    assert_eq!(new["correlation_id"], new["event_id"]);
    assert!(!new["build_id"].as_str().unwrap().is_empty());
    assert_eq!(stored[1].2, today.data);
    let lines = lines(&sandbox.map().project_scope(OURS).migrated_rows());
    assert!(lines[0]["changes"].to_string().contains("mission_slug"));
    assert_eq!(lines[1]["changes"], Value::Null);
}

#[test]
fn fr_014_the_same_row_in_two_files_is_one_event_and_two_that_differ_are_not_guessed_between() {
    let sandbox = Sandbox::new();
    let scoped = "queues/queue-0123456789abcdef.db";
    let other = edited(2, |envelope| {
        envelope["payload"]["reason"] = json!("divergent");
    });
    make(
        &sandbox,
        "queue.db",
        &[event(1, OURS), event(2, OURS), event(3, OURS)],
        &[],
    );
    make(&sandbox, scoped, &[event(1, OURS), other], &[]);
    let document = upgrade(&sandbox);
    let total = &document["queues"]["total"];
    // The scoped file names its owner, so it speaks first.
    assert_eq!(
        (
            &total["imported"],
            &total["duplicates"],
            &total["held"],
            &total["quarantined"]
        ),
        (&json!(1), &json!(1), &json!(2), &json!(1))
    );
    assert_eq!(
        document["queues"]["quarantine"],
        json!({"divergent_duplicate": 1})
    );
    assert_eq!(ids(&sandbox.state(), OURS), [ulid(3)]);
}

#[test]
fn fr_014_rows_of_another_identity_are_kept_apart_until_they_are_adopted() {
    let sandbox = Sandbox::hosted("http://127.0.0.1:1");
    sandbox.seed(&Seed::private());
    let theirs = "queues/queue-0123456789abcdef.db";
    let digest = super::fixture::hex(b"http://127.0.0.1:1|ada@example.invalid|t-private");
    let ours = format!("queues/queue-{}.db", &digest[..16]);
    make(&sandbox, theirs, &[event(1, OURS)], &[body(1, OURS)]);
    make(&sandbox, &ours, &[event(2, OURS)], &[body(2, OURS)]);
    let of_team = edited(3, |envelope| envelope["team_slug"] = json!("t-else"));
    make(&sandbox, "queue.db", &[of_team, event(4, OURS)], &[]);
    let document = upgrade(&sandbox);
    assert_eq!(
        document["queues"]["held"],
        json!({"scope:0123456789abcdef": 2, "team:t-else": 1})
    );
    let mut stored = ids(&sandbox.state(), OURS);
    assert_eq!(stored.len(), 3);
    assert!(stored.contains(&ulid(2)) && stored.contains(&ulid(4)));
    let held = lines(&sandbox.map().migration().held());
    assert_eq!(held.len(), 3);
    assert_eq!(held[0]["row"]["event_id"]["text"], ulid(1));
    // One explicit act for each owner.
    let adopted = sandbox.json(&["upgrade", "--json", "--adopt", "scope:0123456789abcdef"]);
    assert_eq!(adopted["queues"]["held"], json!({"team:t-else": 1}));
    stored = ids(&sandbox.state(), OURS);
    assert_eq!(stored.len(), 5);
    assert!(stored.contains(&ulid(1)) && !stored.contains(&ulid(3)));
    assert_eq!(lines(&sandbox.map().migration().held()).len(), 1);
}

#[test]
fn fr_014_adopting_needs_somebody_who_adopts() {
    let sandbox = with_odd_queue(false);
    let run = sandbox
        .run(&["upgrade", "--json", "--adopt", "all"])
        .expect_code(3);
    assert_eq!(run.json()["code"], "not_logged_in");
    assert!(waiting(&sandbox.state(), OURS).is_empty());
}

#[test]
fn fr_014_journals_and_stores_know_what_was_delivered_and_what_may_leave() {
    let sandbox = Sandbox::new();
    let state = sandbox.state();
    make_journal(&state, &[event(1, OURS), event(2, OURS)], &[&ulid(1)]);
    // The same rows, written otherwise, are still in the queue that was there before.
    make(
        &sandbox,
        "queue.db",
        &[event(1, OURS), event(2, OURS), event(3, OURS)],
        &[],
    );
    let stored = [
        (event(10, OTHERS), "succeeded"),
        (event(11, OTHERS), "unknown"),
        (event(12, OTHERS), ""),
    ];
    make_store(&state, OTHERS, "eligible", Some("granted"), &stored);
    let third = "aaaaaaaa-8888-4777-8666-555555555555";
    make_store(
        &state,
        third,
        "capture_only",
        None,
        &[(event(20, third), "")],
    );
    let fourth = "bbbbbbbb-8888-4777-8666-555555555555";
    make_store(
        &state,
        fourth,
        "sealed",
        Some("refused"),
        &[(event(30, fourth), ""), (event(31, OURS), "")],
    );
    let document = upgrade(&sandbox);
    let total = &document["queues"]["total"];
    assert_eq!(total["delivered"], 2);
    assert_eq!(total["duplicates"], 2);
    assert_eq!(document["queues"]["held"], json!({"before-opt-in": 1}));
    assert_eq!(
        document["queues"]["quarantine"],
        json!({"conflicting_project_uuid": 1})
    );
    assert_eq!(ids(&state, OURS), [ulid(3), ulid(2)]);
    assert_eq!(ids(&state, OTHERS), [ulid(11), ulid(12)]);
    assert_eq!(ids(&state, fourth), [ulid(30)]);
    let consent = sandbox.map().project_scope(fourth).consent();
    assert!(
        std::fs::read_to_string(consent)
            .unwrap()
            .contains("refused")
    );
    let migrated = lines(&sandbox.map().project_scope(OTHERS).migrated_rows());
    assert_eq!(
        migrated[0]["retry"],
        json!({"count": 3, "state": "pending"})
    );
}

#[test]
fn fr_014_a_dry_run_tells_the_same_and_changes_nothing() {
    let sandbox = with_odd_queue(true);
    let before = Tree::of(sandbox.base());
    let foreseen = sandbox.json(&["upgrade", "--dry-run", "--json"]);
    assert_unchanged(&before, sandbox.base());
    assert_eq!(foreseen["schema_version"], 1);
    assert_eq!(foreseen["decision"], "BLOCK_PROJECT_MIGRATION");
    assert_eq!(
        foreseen["pending_migrations"][0]["migration_id"],
        "queue_take_over"
    );
    let done = upgrade(&sandbox);
    for key in ["total", "quarantine", "held"] {
        assert_eq!(foreseen["queues"][key], done["queues"][key]);
    }
}

#[test]
fn fr_014_a_second_run_imports_nothing_and_says_the_same() {
    let sandbox = with_odd_queue(false);
    let first = upgrade(&sandbox);
    let stored = waiting(&sandbox.state(), OURS);
    let second = upgrade(&sandbox);
    assert_eq!(first["queues"]["total"], second["queues"]["total"]);
    assert_eq!(second["queues"]["projects"][OURS]["added"], 0);
    assert_eq!(waiting(&sandbox.state(), OURS), stored);
}

#[test]
fn fr_014_what_is_quarantined_can_be_exported_bit_by_bit() {
    let sandbox = with_odd_queue(false);
    let export = sandbox.base().join("export.jsonl");
    let path = export.to_str().unwrap();
    sandbox.json(&["upgrade", "--json", "--export-quarantine", path]);
    let rows = lines(&export);
    let (_, reasons) = odd_queue();
    assert_eq!(
        rows.len(),
        reasons.iter().map(|(_, count)| count).sum::<usize>()
    );
    let of = |reason: &str| rows.iter().find(|row| row["reason"] == reason).unwrap();
    assert_eq!(of("data_is_not_text")["row"]["data"]["blob_base64"], "//4=");
    assert_eq!(
        of("content_is_not_text")["row"]["content_body"]["blob_base64"],
        "/4A="
    );
    let oversized = of("oversized")["row"]["content_body"]["text"]
        .as_str()
        .unwrap();
    assert_eq!(oversized.len(), 512 * 1024 + 1);
    assert_eq!(of("nul_in_text")["source"], "queue.db");
}

#[test]
fn nfr_004_a_rollback_takes_back_what_waits_and_the_next_upgrade_imports_it_again() {
    let sandbox = with_odd_queue(false);
    upgrade(&sandbox);
    let stored = ids(&sandbox.state(), OURS);
    let back = sandbox.json(&["upgrade", "--rollback", "--json"]);
    assert_eq!(back["rows_taken_back"], stored.len() + 2);
    assert_eq!(back["rows_already_handed_to_delivery"], 0);
    assert!(waiting(&sandbox.state(), OURS).is_empty());
    upgrade(&sandbox);
    assert_eq!(ids(&sandbox.state(), OURS), stored);
}

#[test]
fn fr_014_a_file_that_is_no_database_is_named_and_does_not_keep_the_others_back() {
    let sandbox = Sandbox::new();
    make(&sandbox, "queue.db", &[event(1, OURS)], &[]);
    let broken = sandbox.state().join("queues/queue-0123456789abcdef.db");
    crate::support::sandbox::write(
        &broken,
        "this is no database at all, but long enough to be read",
    );
    crate::support::sandbox::write(&sandbox.state().join("queues/queue-not-hex.db"), "");
    let run = sandbox.run(&["upgrade", "--json"]).expect_code(1);
    let document = run.json();
    assert_eq!(document["success"], false);
    assert!(document["queues"]["unreadable"]["queues/queue-0123456789abcdef.db"].is_string());
    assert_eq!(document["queues"]["misnamed"], json!(["queue-not-hex.db"]));
    assert_eq!(ids(&sandbox.state(), OURS), [ulid(1)]);
}

#[test]
fn fr_015_status_and_doctor_name_waiting_queues_until_they_are_taken_over() {
    let sandbox = Sandbox::hosted("http://127.0.0.1:1");
    make(&sandbox, "queue.db", &[event(1, OURS)], &[]);
    let finding = |sandbox: &Sandbox| {
        let document = sandbox.run(&["sync", "doctor", "--json"]).json();
        let issues = document["issues"].as_array().unwrap().clone();
        issues
            .into_iter()
            .find(|issue| issue["code"] == "legacy_queue")
    };
    let found = finding(&sandbox).unwrap();
    assert!(
        found["next_action"]
            .as_str()
            .unwrap()
            .contains("spec-kitty upgrade")
    );
    upgrade(&sandbox);
    assert_eq!(finding(&sandbox), None);
    let check = sandbox.run(&["sync", "status", "--check", "--json"]).json();
    assert_eq!(check["legacy_queue"]["paths"], json!([]));
}

#[test]
fn nfr_004_what_was_taken_over_reaches_the_teamspace_once_in_order_and_nothing_of_others_does() {
    let server = Teamspace::start();
    let mut sandbox = Sandbox::new();
    let events: Vec<Event> = (0..25).map(|number| event(number, OURS)).collect();
    make(&sandbox, "queue.db", &events, &[]);
    make(
        &sandbox,
        "queues/queue-0123456789abcdef.db",
        &[event(40, OURS)],
        &[],
    );
    let config = format!("project:\n  uuid: {OURS}\n  slug: old\n");
    crate::support::sandbox::write(&sandbox.repo().join(".kittify/config.yaml"), config);
    upgrade(&sandbox);
    sandbox.host(server.url());
    server.log_in(&sandbox).expect_code(0);
    let sent = sandbox
        .run(&["sync", "now", "--json"])
        .expect_code(0)
        .json();
    assert_eq!(sent["delivered"], 25, "{sent}");
    let expected: Vec<String> = (0..25).map(ulid).collect();
    let stored = server.stored_ids();
    let of_ours: Vec<&String> = stored
        .iter()
        .filter(|id| id.starts_with("01KDWSPT00"))
        .collect();
    assert_eq!(of_ours, expected.iter().collect::<Vec<_>>());
    // Delivered or not, the next run adds nothing.
    let again = upgrade(&sandbox);
    assert_eq!(again["queues"]["projects"][OURS]["added"], 0);
}
