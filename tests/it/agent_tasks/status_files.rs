//! `agent status emit|materialize|validate|doctor`.

use super::table::{EVERY, Table};
use crate::support::missions::read;
use crate::support::sandbox::write;
use serde_json::{Value, json};

const APPROVAL: &str =
    r#"{"review": {"reviewer": "rev", "verdict": "approved", "reference": "r1"}}"#;
const RESULT: &str = r#"{"reviewer": "rev", "verdict": "approved", "reference": "r1"}"#;

fn emit<'a>(wp_id: &'a str, lane: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["agent", "status", "emit", wp_id, "--to", lane];
    [&words[..], &["--actor", "ann"], more].concat()
}

#[track_caller]
fn inspect(table: &Table, what: &str, code: i32) -> Value {
    let words = ["agent", "status", what, "--json"];
    let told = table.run(&words).expect_code(code).json();
    let count = |key: &str| told[key].as_array().unwrap().len();
    assert_eq!(told["error_count"], count("errors"));
    assert_eq!(told["warning_count"], count("warnings"));
    assert_eq!(told["passed"], code == 0);
    assert_eq!(told["mission_slug"], table.fixture.slug.as_str());
    told
}

#[test]
fn an_emitted_move_is_one_row_one_commit_and_one_event() {
    let table = Table::hosted();
    let answer = table.json(&emit("WP01", "claimed", &["--reason", "mine"]));
    let rows = table.rows();
    let row = rows
        .iter()
        .rfind(|row| row["to_lane"] == "claimed")
        .unwrap();
    assert_eq!(row["event_id"], answer["event_id"]);
    assert_eq!(row["actor"], "ann");
    assert_eq!(row["reason"], "mine");
    let expected = json!({
        "wp_id": "WP01", "work_package_id": "WP01", "from_lane": "planned", "to_lane": "claimed",
        "actor": "ann", "event_id": answer["event_id"],
        "status_events_path": table.fixture.directory.join("status.events.jsonl"),
    });
    assert_eq!(answer, expected);
    table.assert_captured();
    table.assert_clean();
    let subject = table.sandbox.subjects()[0].clone();
    assert_eq!(subject, "chore(spec-kitty): status transition WP01");
}

#[test]
fn a_person_reads_one_line_of_an_emitted_move() {
    let table = Table::offline();
    let ran = table.run(&emit("WP01", "claimed", &[])).expect_code(0);
    assert_eq!(ran.stdout, "✓ WP01: planned -> claimed\n");
    table.assert_clean();
    table.assert_silent();
}

#[test]
fn an_emitted_move_takes_no_lane_on_the_way_and_keeps_to_the_matrix() {
    let table = Table::offline();
    assert_eq!(
        table.refusal(&emit(
            "WP01",
            "for_review",
            &["--subtasks-complete", "--force"]
        )),
        "Force transitions require actor and reason"
    );
    assert_eq!(
        table.refusal(&emit("WP01", "in_progress", &[])),
        "Illegal transition: planned -> in_progress"
    );
    assert_eq!(
        table.refusal(&emit("WP01", "claimed", &["--evidence-json", "[]"])),
        "--evidence-json must decode to a JSON object"
    );
    assert_eq!(
        table.refusal(&emit("WP01", "claimed", &["--review-result-json", "{}"])),
        "--review-result-json requires non-empty reviewer, verdict, and reference strings"
    );
}

#[test]
fn an_approval_that_is_emitted_carries_its_evidence_into_the_event() {
    let table = Table::hosted();
    table.hand_in(EVERY[0]);
    table.json(&emit("WP01", "in_review", &[]));
    assert_eq!(
        table.refusal(&emit("WP01", "approved", &[])),
        "Transition from in_review requires review_result (structured review outcome)"
    );
    let with = ["--evidence-json", APPROVAL, "--review-result-json", RESULT];
    let answer = table.json(&emit("WP01", "approved", &with));
    let events = table.sandbox.stored_events();
    let event = events
        .iter()
        .find(|event| event["event_id"] == answer["event_id"]);
    let payload = &event.unwrap()["payload"];
    assert_eq!(payload["to_lane"], "approved");
    assert_eq!(payload["evidence"]["review"]["reference"], "r1");
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn a_lost_status_file_is_made_again_from_the_log_and_committed() {
    let table = Table::offline();
    table.hand_in(EVERY[0]);
    let path = table.fixture.directory.join("status.json");
    let before = read(&path);
    std::fs::remove_file(&path).unwrap();
    let told = inspect(&table, "validate", 1);
    let errors = json!(["status.json is missing: run `spec-kitty agent status materialize`"]);
    assert_eq!(told["errors"], errors);
    let printed = table.json(&["agent", "status", "materialize"]);
    assert_eq!(read(&path), before);
    let file: Value = serde_json::from_str(&before).unwrap();
    assert_eq!(printed, file);
    table.assert_clean();
    inspect(&table, "validate", 0);
    let count = table.status()["event_count"].clone();
    let ran = table
        .run(&["agent", "status", "materialize"])
        .expect_code(0);
    let slug = &table.fixture.slug;
    let line = format!("✓ {slug}: status.json says what {count} move(s) lead to\n");
    assert_eq!(ran.stdout, line);
    table.assert_silent();
}

#[test]
fn a_status_file_that_somebody_edited_is_found_and_put_right() {
    let table = Table::offline();
    let path = table.fixture.directory.join("status.json");
    let before = read(&path);
    write(&path, before.replace("\"planned\"", "\"done\""));
    let told = inspect(&table, "validate", 1);
    assert_eq!(
        told["errors"][0],
        "status.json is not what status.events.jsonl says: run `spec-kitty agent status materialize`"
    );
    let told = inspect(&table, "doctor", 1);
    assert_eq!(told["error_count"], 1);
    assert!(
        told["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("status.json has changes")
    );
    let words = table.run(&["agent", "status", "validate"]).expect_code(1);
    assert!(words.stdout.starts_with("✗ status.json is not what"));
    table.json(&["agent", "status", "materialize"]);
    assert_eq!(read(&path), before);
    inspect(&table, "doctor", 0);
    table.assert_clean();
}

#[test]
fn moves_that_are_none_and_lines_that_are_torn_are_named() {
    let table = Table::offline();
    table.json(&emit("WP01", "claimed", &[]));
    let path = table.fixture.directory.join("status.events.jsonl");
    let log = table.log();
    let row = table.rows().pop().unwrap();
    let id = row["event_id"].as_str().unwrap();
    let skipped = log.replace("\"to_lane\": \"claimed\"", "\"to_lane\": \"approved\"");
    assert_ne!(skipped, log);
    write(&path, skipped);
    let told = inspect(&table, "validate", 1);
    let expected = format!("row {id}: WP01: planned -> approved is no move");
    assert_eq!(told["errors"][0], expected);
    write(&path, format!("{log}{}", log.lines().last().unwrap()));
    let told = inspect(&table, "validate", 0);
    let expected = format!("row {id} is there more than once; the first counts");
    assert_eq!(told["warnings"][0], expected);
    write(&path, format!("{log}{{\"wp_id\":"));
    let number = log.lines().count() + 1;
    let told = inspect(&table, "validate", 1);
    let error = told["errors"][0].as_str().unwrap();
    assert!(error.contains(&format!("line {number}")), "{error}");
    // Nothing is written onto a log that cannot be understood.
    let refused = table.refusal(&emit("WP02", "claimed", &[]));
    assert!(refused.contains(&format!("line {number}")), "{refused}");
}

#[test]
fn the_doctor_looks_at_the_other_files_too() {
    let table = Table::offline();
    let told = inspect(&table, "doctor", 0);
    assert_eq!(told["warnings"], json!([]));
    let directory = &table.fixture.directory;
    let extra = "---\nwork_package_id: WP04\ntitle: more\ndependencies: []\n---\n\n# more\n";
    write(&directory.join("tasks/WP04-more.md"), extra);
    std::fs::remove_file(directory.join("tasks/WP03-facade.md")).unwrap();
    std::fs::remove_file(directory.join("lanes.json")).unwrap();
    let told = inspect(&table, "doctor", 1);
    let errors = json!(["WP04 has no status: run `spec-kitty agent mission finalize-tasks`"]);
    assert_eq!(told["errors"], errors);
    let warnings = json!([
        "WP03 has a status and no file in tasks/",
        "there is no lanes.json: run `spec-kitty agent mission finalize-tasks`",
    ]);
    assert_eq!(told["warnings"], warnings);
    // The log alone is in order.
    inspect(&table, "validate", 0);
}
