//! `sync reconcile`, and what a step does when its events cannot be stored.

use super::course::{Course, assert_same, row_ids};
use crate::support::process::{Running, run};
use crate::support::sandbox::{Sandbox, write};
use crate::support::teamspace::Teamspace;
use crate::support::timing::with_cpu_time;
use crate::support::tree::{Tree, assert_unchanged};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::{Claim, Inbox};
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use serde_json::Value;
use std::time::Duration;

const OFF: &str = "SPEC_KITTY_ENABLE_SAAS_SYNC";

fn hosted(teamspace: &Teamspace) -> Sandbox {
    let mut sandbox = Sandbox::empty();
    sandbox.host(teamspace.url());
    teamspace.log_in(&sandbox);
    sandbox
}

#[track_caller]
fn reconcile(sandbox: &Sandbox, more: &[&str]) -> Value {
    sandbox.json(&[&["sync", "reconcile", "--json"], more].concat())
}

#[test]
fn rows_made_with_hosted_sync_off_are_named_and_sent_once_when_asked_for() {
    let teamspace = Teamspace::start();
    let mut sandbox = hosted(&teamspace);
    sandbox.set(OFF, "0");
    let state = Tree::of(&sandbox.state());
    let course = Course::begin(&sandbox);
    course.run_whole();
    let refused = sandbox
        .run(&["sync", "reconcile", "--all", "--json"])
        .expect_code(1);
    assert_eq!(refused.json()["code"], "rollout_disabled");
    assert_unchanged(&state, &sandbox.state());
    sandbox.set(OFF, "1");
    let rows = row_ids(&sandbox.repo()).len();
    let named = reconcile(&sandbox, &[]);
    assert_eq!(named["without_event"], rows, "{named}");
    assert_eq!(named["appended"], 0);
    let foreseen = reconcile(&sandbox, &["--all", "--dry-run"]);
    assert_eq!(foreseen["without_event"], rows);
    assert_unchanged(&state, &sandbox.state());
    let words = sandbox.run(&["sync", "reconcile"]).expect_code(0);
    assert!(words.says(&format!(
        "{rows} row(s) have no event: they were made while hosted sync was off or by another program; `--all` appends them."
    )));
    let appended = reconcile(&sandbox, &["--all"]);
    assert!(
        appended["appended"].as_u64().unwrap() > rows as u64,
        "{appended}"
    );
    assert_eq!(
        appended["missions"][0]["problems"],
        Value::Array(Vec::new())
    );
    let again = reconcile(&sandbox, &["--all"]);
    assert_eq!(again["without_event"], 0, "{again}");
    assert_eq!(again["appended"], 0);
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_same(&sandbox.repo(), &teamspace);
    assert_eq!(reconcile(&sandbox, &["--all"])["appended"], 0);
}

#[test]
fn what_was_captured_while_opted_out_has_its_event_and_nothing_is_appended_then() {
    let teamspace = Teamspace::start();
    let sandbox = hosted(&teamspace);
    let course = Course::begin(&sandbox);
    sandbox.run(&["sync", "opt-out"]).expect_code(0);
    course.note("WP01", "private");
    let refused = sandbox
        .run(&["sync", "reconcile", "--all", "--json"])
        .expect_code(3);
    assert_eq!(refused.json()["code"], "project_refused");
    assert_eq!(reconcile(&sandbox, &[])["without_event"], 0);
    sandbox.run(&["sync", "opt-in"]).expect_code(0);
    let found = reconcile(&sandbox, &["--all"]);
    assert_eq!(
        (&found["without_event"], &found["appended"]),
        (&0.into(), &0.into())
    );
    sandbox.run(&["sync", "now"]);
    let stored = teamspace.stored_of(crate::support::teamspace::OWNER);
    assert!(!stored.iter().any(|event| event.contains("private")));
}

#[test]
fn a_step_whose_events_cannot_be_stored_does_not_happen() {
    let teamspace = Teamspace::start();
    let sandbox = hosted(&teamspace);
    let course = Course::begin(&sandbox);
    let scope = sandbox.map().project_scope(&sandbox.project_uuid());
    // A file where the directory has to be refuses the superuser too.
    let inbox = scope.inbox_held();
    std::fs::remove_dir_all(&inbox).unwrap();
    write(&inbox, "in the way");
    let before = sandbox.checkout();
    let more = ["--wp", "WP01", "--actor", "orch", "--note", "lost?"];
    let words = course.words("append-history", &more);
    let refused = run(&mut course.fixture.command(&sandbox, &words)).expect_code(1);
    let envelope = refused.json();
    assert_eq!(envelope["success"], false, "{refused:?}");
    assert_eq!(sandbox.checkout(), before);
    let create = ["agent", "mission", "create", "another", "--json"];
    let refused = sandbox.run(&create).expect_code(1);
    assert_eq!(refused.json()["code"], "event_not_stored");
    assert_eq!(sandbox.checkout(), before);
}

#[test]
fn two_processes_on_one_mission_lose_no_row_and_no_event() {
    let teamspace = Teamspace::start();
    let sandbox = hosted(&teamspace);
    let course = Course::begin(&sandbox);
    let before = row_ids(&sandbox.repo()).len();
    std::thread::scope(|scope| {
        for wp_id in ["WP01", "WP02"] {
            let (course, sandbox) = (&course, &sandbox);
            scope.spawn(move || {
                for n in 0..20 {
                    let note = format!("note {n}");
                    let more = ["--wp", wp_id, "--actor", "orch", "--note", &note];
                    let words = course.words("append-history", &more);
                    let ran = Running::start(&mut course.fixture.command(sandbox, &words));
                    ran.finish().expect_code(0);
                }
            });
        }
    });
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(row_ids(&sandbox.repo()).len(), before + 40);
    assert_same(&sandbox.repo(), &teamspace);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_step_that_cannot_be_settled_is_named_by_status_and_doctor_and_kept() {
    let teamspace = Teamspace::start();
    let sandbox = hosted(&teamspace);
    Course::begin(&sandbox);
    let scope = sandbox.map().project_scope(&sandbox.project_uuid());
    let inbox = Inbox::new(os_filesystem(), scope);
    let id = "01M7XCRBZDR9YZR1SQYAEG4FH9";
    let record = RecordView {
        sequence: 0,
        kind: RecordKind::Event,
        captured_ms: 1,
        scope: CaptureScope::NOBODY,
        id,
        payload: b"{}",
    };
    let claim = Claim {
        log: sandbox.base().join("gone"),
        lock: sandbox.base().join("lock"),
        rows: vec![id.to_owned()],
        creates_log: false,
    };
    let _ = inbox.hold(1, &[record], &claim).unwrap();
    sandbox.run(&["sync", "now"]);
    let status = sandbox.json(&["sync", "status", "--json"]);
    let undecided = status["interrupted"]["undecided"].as_array().unwrap();
    assert_eq!(undecided.len(), 1, "{status}");
    assert_eq!(status["healthy"], false);
    let doctor = sandbox.run(&["sync", "doctor", "--json"]).expect_code(1);
    assert!(doctor.says("interrupted_step"), "{doctor:?}");
    let found = reconcile(&sandbox, &[]);
    assert_eq!(found["held"]["undecided"].as_array().unwrap().len(), 1);
    assert_eq!(inbox.held().unwrap().len(), 1);
}

/// A mission whose log has rows that no event tells of.
fn with_rows(count: usize) -> Sandbox {
    let mut sandbox = Sandbox::empty();
    sandbox.set(OFF, "1");
    sandbox.make_repository(&sandbox.repo());
    sandbox.run(&["config", "set", "sync.max_queue_size", "1000000"]);
    let created = sandbox.create_mission("demo");
    let directory = std::path::Path::new(created["feature_dir"].as_str().unwrap());
    let log = directory.join("status.events.jsonl");
    let mut text = std::fs::read_to_string(&log).unwrap();
    for number in 0..count {
        let wp_id = format!("WP{:02}", number % 40 + 1);
        let id = format!("01M7XCRBZD{number:016}");
        let row = match number % 2 {
            0 => format!(
                "{{\"actor\": \"o\", \"at\": \"2026-11-21T00:00:00+00:00\", \"delta\": {{\"note\": \"{number}\"}}, \"event_id\": \"{id}\", \"kind\": \"annotation\", \"wp_id\": \"{wp_id}\"}}\n"
            ),
            _ => format!(
                "{{\"actor\": \"o\", \"at\": \"2026-11-21T00:00:00+00:00\", \"event_id\": \"{id}\", \"evidence\": null, \"execution_mode\": \"worktree\", \"force\": true, \"from_lane\": \"planned\", \"mission_slug\": \"demo\", \"policy_metadata\": null, \"reason\": \"r\", \"review_ref\": null, \"to_lane\": \"claimed\", \"wp_id\": \"{wp_id}\"}}\n"
            ),
        };
        text.push_str(&row);
    }
    write(&log, text);
    sandbox
}

#[test]
fn ten_times_the_rows_take_ten_times_as_long_to_look_at_and_to_append() {
    let times = |count: usize| {
        let sandbox = with_rows(count);
        [&[][..], &["--all"], &[]].map(|more| {
            let words = [&["sync", "reconcile", "--json"], more].concat();
            let (run, took) = with_cpu_time(sandbox.call(&words));
            run.expect_code(0);
            took.max(Duration::from_millis(10))
        })
    };
    let (few, many) = (times(10_000), times(100_000));
    for (few, many) in few.iter().zip(&many) {
        // Quadratic work would take a hundred times as long; starting the program takes the same.
        assert!(*many < *few * 25, "{few:?} and {many:?}");
    }
}
