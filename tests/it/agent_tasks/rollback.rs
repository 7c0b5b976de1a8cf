//! A reviewer sends work back: what canary scenario 4 rests on.

use super::table::{EVERY, Table};
use crate::support::missions::read;
use crate::support::process::{program, run};
use crate::support::sandbox::write;
use kitty_contract::Gate;
use serde_json::{Value, json};
use std::path::Path;

/// The first work package in review.
fn in_review(table: &Table) {
    table.hand_in(EVERY[0]);
    table.move_to("WP01", "in_review", &["--agent", "coder"]);
}

fn send_back(table: &Table, more: &[&str]) -> Value {
    let feedback = table.feedback("**Issue**: the greeting is rude\n");
    let file = ["--review-feedback-file", feedback.to_str().unwrap()];
    table.move_to("WP01", "planned", &[&file[..], more].concat())
}

fn last_move(table: &Table) -> Value {
    let rows = table.rows();
    let moved = rows.iter().rfind(|row| row["to_lane"].is_string());
    moved.unwrap().clone()
}

fn stored(table: &Table, id: &Value) -> Value {
    let events = table.sandbox.stored_events();
    let mut found = events.iter().filter(|event| event["event_id"] == *id);
    let event = found.next().unwrap().clone();
    assert!(found.next().is_none(), "captured twice");
    event
}

#[test]
fn a_rejected_work_package_goes_back_forced_with_its_reason_and_its_review() {
    let table = Table::hosted();
    in_review(&table);
    let answer = send_back(&table, &["--reviewer", "rev"]);
    let slug = &table.fixture.slug;
    let reference = format!("review-cycle://{slug}/WP01-greeting/review-cycle-1.md");
    let row = last_move(&table);
    assert_eq!(row["event_id"], answer["event_id"]);
    assert_eq!(row["from_lane"], "in_review");
    assert_eq!(row["to_lane"], "planned");
    assert_eq!(row["force"], true);
    let reason = format!("backward rewind: in_review -> planned: {reference}");
    assert_eq!(row["reason"], reason);
    assert_eq!(row["review_ref"], reference);
    assert_eq!(row["review_result"]["verdict"], "changes_requested");
    assert_eq!(row["review_result"]["reviewer"], "rev");
    assert_eq!(row["review_result"]["reference"], reference);
    // The queued event says the same, under the same id.
    let event = stored(&table, &row["event_id"]);
    assert_eq!(event["event_type"], "WPStatusChanged");
    let payload = &event["payload"];
    assert_eq!(payload["from_lane"], "in_review");
    assert_eq!(payload["to_lane"], "planned");
    assert_eq!(payload["force"], true);
    assert_eq!(payload["reason"], reason);
    assert_eq!(payload["review_ref"], reference);
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn the_answer_tells_where_the_feedback_is_and_what_is_to_be_done_again() {
    let table = Table::offline();
    in_review(&table);
    let answer = send_back(&table, &["--reviewer", "rev"]);
    let slug = &table.fixture.slug;
    let file = format!("kitty-specs/{slug}/tasks/WP01-greeting/review-cycle-1.md");
    let expected = json!({
        "review_feedback": format!("review-cycle://{slug}/WP01-greeting/review-cycle-1.md"),
        "verdict_durably_persisted": true,
        "durability_classification": "durable",
        "durability_reason": null,
        "evidence_ref": file,
        "destination_ref": "work",
        "subtasks_reset_count": 1,
        "subtasks_reset_ids": ["T001"],
        "subtasks_previously_completed": ["T001"],
        "subtasks_never_completed": [],
        "runtime_claim_released": true,
        "review_override_cleared": true,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&answer[key], value, "{key}");
    }
    let kept = read(&table.sandbox.repo().join(&file));
    assert!(kept.starts_with("---\naffected_files: []\ncycle_number: 1\n"));
    assert!(kept.contains("\nreviewer_agent: \"rev\"\nwp_id: \"WP01\"\n---\n"));
    assert!(kept.ends_with("\n\n**Issue**: the greeting is rude\n"));
    let package = table.package("WP01");
    assert_eq!(package["lane"], "planned");
    assert_eq!(package["subtasks"], json!({"T001": "planned"}));
    assert_eq!(package["review_result"]["verdict"], "changes_requested");
    assert!(
        package["agent"].is_null(),
        "the claim is released: {package}"
    );
    assert_eq!(
        table.sandbox.subjects()[..3],
        [
            "chore(spec-kitty): inner-state annotation WP01".to_owned(),
            "chore(spec-kitty): status transition WP01".to_owned(),
            format!("chore: Record review-cycle-1 (rejected) for WP01 on {slug}"),
        ]
    );
    table.assert_clean();
    table.assert_silent();
}

#[test]
fn a_note_joins_the_reason_and_a_forced_note_is_the_reason() {
    let table = Table::offline();
    in_review(&table);
    send_back(&table, &["--note", "be polite"]);
    let row = last_move(&table);
    let slug = &table.fixture.slug;
    let reference = |n: u32| format!("review-cycle://{slug}/WP01-greeting/review-cycle-{n}.md");
    let reason = format!(
        "backward rewind: in_review -> planned: {}: be polite",
        reference(1)
    );
    assert_eq!(row["reason"], reason);
    table.move_to("WP01", "in_progress", &["--agent", "coder"]);
    send_back(&table, &["--force", "--note", "start again"]);
    let row = last_move(&table);
    assert_eq!(row["reason"], "start again");
    assert_eq!(row["force"], true);
    // The second review does not overwrite the first.
    assert_eq!(row["review_ref"], reference(2));
    let directory = table.fixture.directory.join("tasks/WP01-greeting");
    assert!(directory.join("review-cycle-1.md").is_file());
    assert!(directory.join("review-cycle-2.md").is_file());
}

#[test]
fn from_every_lane_the_way_back_is_one_that_the_shared_contract_accepts() {
    let table = Table::hosted();
    table.hand_in(EVERY[0]);
    send_back(&table, &[]);
    assert_eq!(last_move(&table)["from_lane"], "for_review");
    table.move_to("WP01", "in_progress", &[]);
    send_back(&table, &[]);
    assert_eq!(last_move(&table)["from_lane"], "in_progress");
    table.hand_in(EVERY[1]);
    table.move_to("WP01", "approved", &["--force", "--reviewer", "rev"]);
    send_back(&table, &[]);
    let last = last_move(&table);
    assert_eq!(last["from_lane"], "approved");
    assert_eq!(last["force"], true);
    for event in table.sandbox.stored_events() {
        Gate::vendored().check_event_value(&event).unwrap();
    }
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn without_feedback_it_is_refused_even_with_force_and_nothing_is_written() {
    let table = Table::hosted();
    in_review(&table);
    let expected = "❌ Moving WP01 to 'planned' requires review feedback.\n\n\
        Please provide feedback:\n  \
        1. Create feedback file: echo '**Issue**: Description' > feedback.md\n  \
        2. Run: spec-kitty agent tasks move-task WP01 --to planned --review-feedback-file feedback.md\n\n\
        This requirement cannot be bypassed with --force.";
    assert_eq!(table.move_refused("WP01", "planned", &[]), expected);
    let forced = ["--force", "--note", "really"];
    assert_eq!(table.move_refused("WP01", "planned", &forced), expected);
    assert_eq!(table.package("WP01")["lane"], "in_review");
    table.assert_captured();
}

#[test]
fn feedback_that_is_missing_empty_or_a_directory_is_named() {
    let table = Table::offline();
    in_review(&table);
    let refused = |path: &Path| {
        let file = ["--review-feedback-file", path.to_str().unwrap()];
        table.move_refused("WP01", "planned", &file)
    };
    let missing = table.sandbox.base().join("none.md");
    let shown = missing.display();
    assert_eq!(
        refused(&missing),
        format!("Review feedback file not found: {shown}")
    );
    let directory = table.sandbox.home();
    let shown = directory.display();
    assert_eq!(
        refused(&directory),
        format!("Review feedback path is not a file: {shown}")
    );
    let empty = table.feedback(" \n\t\n");
    let shown = empty.display();
    assert_eq!(
        refused(&empty),
        format!("Review feedback file is empty: {shown}")
    );
}

#[test]
fn the_way_back_is_the_last_that_is_told_of_the_work_package() {
    let table = Table::hosted();
    in_review(&table);
    let answer = send_back(&table, &["--reviewer", "rev"]);
    let events = table.sandbox.stored_events();
    let of_it = events.iter().filter(|event| {
        event["event_type"] == "WPStatusChanged" && event["payload"]["wp_id"] == "WP01"
    });
    let told: Vec<&Value> = of_it.collect();
    assert_eq!(told[told.len() - 1]["event_id"], answer["event_id"]);
    assert_eq!(told[told.len() - 2]["payload"]["to_lane"], "in_review");
}

/// Rows are ordered by their times. A clock that went back, or another machine whose clock is ahead,
/// must not let an older `for_review -> in_review` row win over the way back.
#[test]
fn a_row_of_a_clock_that_is_ahead_does_not_overwrite_the_way_back() {
    let table = Table::hosted();
    in_review(&table);
    let rows = table.rows();
    let taken = rows.iter().rfind(|row| row["to_lane"] == "in_review");
    let at = taken.unwrap()["at"].as_str().unwrap().to_owned();
    let ahead = table.log().replace(&at, "2999-01-01T00:00:00.000000+00:00");
    write(&table.fixture.directory.join("status.events.jsonl"), ahead);
    send_back(&table, &["--reviewer", "rev"]);
    let back = last_move(&table);
    assert!(back["at"].as_str().unwrap() > "2999-01-01", "{back}");
    assert_eq!(table.package("WP01")["lane"], "planned");
    let state = table.run(&["orchestrator-api", "mission-state"]).json();
    let first = &state["data"]["work_packages"][0];
    assert_eq!(first["lane"], "planned", "{state}");
    table.assert_clean();
}

#[test]
fn a_person_reads_where_the_feedback_is_and_what_is_to_be_done_again() {
    let table = Table::offline();
    in_review(&table);
    let feedback = table.feedback("no\n");
    let slug = &table.fixture.slug;
    let words = ["agent", "tasks", "move-task", "WP01", "--to", "planned"];
    let file = ["--review-feedback-file", feedback.to_str().unwrap()];
    let ran = table.run(&[&words[..], &file].concat()).expect_code(0);
    assert_eq!(
        ran.stdout,
        format!(
            "✓ Moved WP01 from in_review to planned\n  \
             Feedback: kitty-specs/{slug}/tasks/WP01-greeting/review-cycle-1.md\n  \
             To be done again: T001\n"
        )
    );
}

#[test]
fn the_work_can_be_taken_up_again_after_it_came_back() {
    let table = Table::hosted();
    in_review(&table);
    send_back(&table, &["--reviewer", "rev"]);
    // Another agent may take it, because the claim is released; the subtask is to be done again.
    table.move_to("WP01", "in_progress", &["--agent", "second"]);
    let open = table.move_refused("WP01", "for_review", &["--agent", "second"]);
    assert!(open.contains("  - [ ] T001\n"), "{open}");
    table.mark_done(&["T001"]);
    table.move_to(
        "WP01",
        "approved",
        &["--agent", "second", "--reviewer", "rev"],
    );
    let package = table.package("WP01");
    assert_eq!(package["review_result"]["verdict"], "approved");
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn a_feedback_file_below_the_working_directory_is_found_from_there() {
    let table = Table::offline();
    in_review(&table);
    let below = table.sandbox.base().join("below");
    write(&below.join("notes.md"), "no\n");
    let mut command = table.sandbox.command(program());
    command
        .args(["agent", "tasks", "move-task", "WP01", "--to", "planned"])
        .args([
            "--review-feedback-file",
            "../../../below/notes.md",
            "--json",
        ])
        .args(["--mission", &table.fixture.slug])
        .current_dir(table.fixture.worktree("lane-a"));
    run(&mut command).expect_code(0);
    assert_eq!(table.package("WP01")["lane"], "planned");
}
