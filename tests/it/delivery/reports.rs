//! `--report`, `--strict` and the words of the text: what scripts and people rely on.

use super::{BLOCKED, Case, DELIVERED, FAILED, PENDING};
use crate::support::sandbox::{Sandbox, set_mode};
use crate::support::scripted_server::{Answer, BATCH, Step};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn reject_first() -> Step {
    Step::per_event(|index, _| {
        let status = if index == 0 { "rejected" } else { "success" };
        Some(json!({"status": status, "error": "bad lane"}))
    })
}

#[test]
fn the_report_file_holds_the_document_that_is_printed() {
    let case = Case::with_events(3);
    case.server.script(BATCH, [reject_first()]);
    let path = case.sandbox.base().join("reports/of today/report.json");
    let now = ["sync", "now", "--json", "--report", path.to_str().unwrap()];
    let printed = case.sandbox.run(&now).expect_code(FAILED).json();
    assert_eq!(read(&path), printed);
    assert_eq!(
        path.metadata().unwrap().mode() & 0o077,
        0,
        "others read nothing"
    );
    let failure = json!({
        "event_id": case.ids[0], "outcome": "rejected", "http_status": 200, "error": "bad lane",
    });
    assert_eq!(printed["failures"], json!([failure]));
    let summary = json!({
        "total_events": 3, "synced": 2, "failed": 1, "delivered": 2, "duplicate": 0, "pending": 0,
        "rejected": 1, "transient": 0, "terminal_failed": 1, "selected": 3,
    });
    assert_eq!(printed["summary"], summary);
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file stays: {left:?}");
}

#[test]
fn a_report_beside_the_caller_needs_no_directory_in_its_name() {
    let case = Case::with_events(1);
    let run = case
        .sandbox
        .call(&["sync", "now", "--report", "report.json"]);
    run.directory(case.sandbox.repo())
        .run()
        .expect_code(DELIVERED);
    let report = read(&case.sandbox.repo().join("report.json"));
    assert_eq!(
        (&report["outcome"], &report["delivered"]),
        (&json!("delivered"), &json!(1))
    );
}

#[test]
fn a_report_is_written_however_the_run_ends() {
    let case = Case::with_events(2);
    let path = case.sandbox.base().join("report.json");
    let now = ["sync", "now", "--report", path.to_str().unwrap()];
    for (step, code, outcome) in [
        (Step::Close, PENDING, "pending"),
        (Step::Answer(Answer::new(403, "no")), BLOCKED, "blocked"),
        (
            Step::Answer(Answer::new(429, "").header("Retry-After", "0")),
            PENDING,
            "pending",
        ),
        (reject_first(), FAILED, "failed"),
        (Step::Honest, DELIVERED, "delivered"),
    ] {
        case.server.always(BATCH, step);
        case.sandbox.run(&now).expect_code(code);
        let report = read(&path);
        assert_eq!(
            (&report["outcome"], &report["exit_code"]),
            (&json!(outcome), &json!(code))
        );
        std::fs::remove_file(&path).unwrap();
    }
    case.sandbox
        .call(&now)
        .without("SPEC_KITTY_SAAS_URL")
        .run()
        .expect_code(BLOCKED);
    assert_eq!(read(&path)["blocked"]["reason"], "missing_host_config");
    case.sandbox
        .call(&now)
        .without("SPEC_KITTY_ENABLE_SAAS_SYNC")
        .run()
        .expect_code(DELIVERED);
    let report = read(&path);
    assert_eq!(report["blocked"]["reason"], "rollout_disabled");
    assert_eq!(
        report["outcome"], "blocked",
        "nothing was delivered: {report}"
    );
}

#[test]
fn a_report_that_cannot_be_written_is_named_and_costs_no_delivery() {
    let case = Case::with_events(2);
    let place = case.sandbox.base().join("sealed");
    std::fs::create_dir(&place).unwrap();
    set_mode(&place, 0o500);
    let path = place.join("report.json");
    let now = ["sync", "now", "--json", "--report", path.to_str().unwrap()];
    let Some(call) = case.sandbox.call(&now).powerless() else {
        return;
    };
    let run = call.run().expect_code(FAILED);
    let error = run.json();
    assert_eq!(error["code"], "report_not_written", "{error}");
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains(path.to_str().unwrap()),
        "{error}"
    );
    assert!(
        error["next_action"]
            .as_str()
            .unwrap()
            .contains("delivery itself is recorded")
    );
    assert_eq!(case.server.stored_ids(), case.ids);
    assert_eq!(case.state(&case.ids[0]), "delivered");
    case.sync(DELIVERED);
    assert_eq!(case.server.batches().len(), 1, "nothing was sent twice");
}

#[test]
fn a_report_where_a_directory_is_leaves_the_directory_and_says_so() {
    let case = Case::with_events(1);
    let place = case.sandbox.base().join("taken");
    std::fs::create_dir(&place).unwrap();
    let run = case
        .sandbox
        .run(&["sync", "now", "--report", place.to_str().unwrap()]);
    let run = run.expect_code(FAILED);
    assert!(run.stderr.contains(place.to_str().unwrap()), "{run:?}");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
    assert_eq!(case.server.stored_ids(), case.ids);
}

#[test]
fn strict_is_the_default_and_without_it_only_what_is_blocked_fails() {
    for (step, strict, outcome) in [
        (reject_first(), FAILED, "failed"),
        (Step::Close, PENDING, "pending"),
        (Step::Answer(Answer::new(403, "no")), BLOCKED, "blocked"),
    ] {
        let case = Case::with_events(2);
        case.server.always(BATCH, step);
        let lenient = if strict == BLOCKED {
            BLOCKED
        } else {
            DELIVERED
        };
        let run = case.sandbox.run(&["sync", "now", "--json", "--no-strict"]);
        assert_eq!(
            run.expect_code(lenient).json()["outcome"],
            outcome,
            "the word does not lie"
        );
        let open = case.sandbox.waiting().len();
        let again = if open == 0 { DELIVERED } else { strict };
        case.sandbox
            .run(&["sync", "now", "--strict"])
            .expect_code(again);
        case.sandbox
            .run(&["sync", "now", "--no-strict", "--strict"])
            .expect_code(again);
    }
}

#[test]
fn an_empty_queue_is_nothing_to_sync_and_a_project_without_events_too() {
    let case = Case::with_events(1);
    case.sync(DELIVERED);
    let text = case.sandbox.run(&["sync", "now"]).expect_code(DELIVERED);
    assert_eq!(text.stdout, "Queue is empty, nothing to sync.\n");
    let fresh = Sandbox::hosted(&case.server.url());
    let text = fresh.run(&["sync", "now"]).expect_code(DELIVERED);
    assert_eq!(text.stdout, "Queue is empty, nothing to sync.\n");
    assert!(!fresh.map().projects().exists());
}

#[test]
fn the_text_counts_and_names_what_failed() {
    let case = Case::with_events(3);
    case.server.script(BATCH, [reject_first()]);
    let text = case.sandbox.run(&["sync", "now"]).expect_code(FAILED);
    let expected = format!(
        "Event sync (TEAMSPACE): delivered 2  duplicate 0  pending 0  rejected 1  transient 0  \
         terminal-failed 1  (selected 3)\n  {} rejected: bad lane\n",
        case.ids[0]
    );
    assert_eq!(text.stdout, expected);
    assert_eq!(text.stderr, "");
}
