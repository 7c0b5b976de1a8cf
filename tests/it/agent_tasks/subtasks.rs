//! `agent tasks mark-status`.

use super::table::Table;
use crate::support::missions::read;
use serde_json::{Value, json};

const MARK: [&str; 3] = ["agent", "tasks", "mark-status"];

fn words<'a>(subtasks: &[&'a str], status: &'a str) -> Vec<&'a str> {
    [&MARK[..], subtasks, &["--status", status]].concat()
}

fn notes(table: &Table) -> Vec<Value> {
    let mut rows = table.rows();
    rows.retain(|row| row["kind"] == "annotation");
    rows
}

#[test]
fn a_subtask_is_marked_in_one_row_and_one_commit_and_a_repeat_writes_nothing() {
    let table = Table::hosted();
    let answer = table.json(&words(&["T001"], "done"));
    assert_eq!(answer["results"][0]["id"], "T001");
    assert_eq!(answer["results"][0]["outcome"], "updated");
    let summary = json!({"updated": 1, "already_satisfied": 0, "not_found": 0});
    assert_eq!(answer["summary"], summary);
    let rows = notes(&table);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["wp_id"], "WP01");
    assert_eq!(rows[0]["actor"], "user");
    assert_eq!(rows[0]["delta"], json!({"subtasks": {"T001": "done"}}));
    assert_eq!(table.package("WP01")["subtasks"], json!({"T001": "done"}));
    let subject = table.sandbox.subjects()[0].clone();
    assert_eq!(subject, "chore(spec-kitty): inner-state annotation WP01");
    table.assert_clean();
    let before = table.sandbox.checkout();
    let again = table.json(&words(&["T001"], "done"));
    assert_eq!(again["results"][0]["outcome"], "already_satisfied");
    assert_eq!(table.sandbox.checkout(), before);
    assert_eq!(notes(&table).len(), 1);
    // No event tells of subtasks.
    table.assert_captured();
}

#[test]
fn what_was_done_can_be_opened_again() {
    let table = Table::offline();
    table.json(&words(&["T001"], "done"));
    table.json(&words(&["T001"], "pending"));
    assert_eq!(
        table.package("WP01")["subtasks"],
        json!({"T001": "planned"})
    );
    table.assert_clean();
    table.assert_silent();
}

#[test]
fn several_subtasks_of_several_work_packages_are_marked_at_once() {
    let table = Table::offline();
    let commits = table.sandbox.subjects().len();
    let answer = table.json(&words(&["t002", "T404", "T001"], "done"));
    let outcomes: Vec<&Value> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["outcome"])
        .collect();
    assert_eq!(outcomes, ["updated", "not_found", "updated"]);
    let summary = json!({"updated": 2, "already_satisfied": 0, "not_found": 1});
    assert_eq!(answer["summary"], summary);
    assert_eq!(table.package("WP01")["subtasks"], json!({"T001": "done"}));
    assert_eq!(table.package("WP02")["subtasks"], json!({"T002": "done"}));
    assert_eq!(table.sandbox.subjects().len(), commits + 1);
    table.assert_clean();
}

#[test]
fn if_none_is_known_it_fails_and_changes_nothing() {
    let table = Table::offline();
    let before = table.sandbox.checkout();
    let ran = table
        .run(&[&words(&["T404"], "done")[..], &["--json"]].concat())
        .expect_code(1);
    let answer = ran.json();
    assert_eq!(answer["results"][0]["outcome"], "not_found");
    assert_eq!(answer["summary"]["not_found"], 1);
    assert_eq!(table.sandbox.checkout(), before);
    let shown = table.run(&words(&["T404"], "done")).expect_code(1);
    assert!(shown.says("T404"), "{shown:?}");
    assert_eq!(notes(&table), [Value::Null; 0]);
}

#[test]
fn a_person_reads_one_line_for_each_and_the_plan_is_not_rewritten() {
    let table = Table::offline();
    let tasks = table.fixture.directory.join("tasks.md");
    let before = read(&tasks);
    let ran = table.run(&words(&["T001", "T002"], "done")).expect_code(0);
    assert_eq!(ran.stderr, "");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].contains("T001") && lines[1].contains("T002"),
        "{ran:?}"
    );
    assert_eq!(read(&tasks), before);
    table.assert_clean();
}

#[test]
fn a_status_that_is_none_is_a_mistake_of_the_command_line() {
    let table = Table::offline();
    let ran = table.run(&words(&["T001"], "finished")).expect_code(2);
    assert_eq!(ran.stdout, "");
    assert!(ran.says("done") && ran.says("pending"), "{ran:?}");
}

#[test]
fn in_a_lanes_worktree_it_finds_the_mission_by_itself() {
    let table = Table::offline();
    table.move_to("WP01", "in_progress", &["--agent", "coder"]);
    let marked = table
        .sandbox
        .call(&[&words(&["T001"], "done")[..], &["--json"]].concat())
        .directory(table.fixture.worktree("lane-a"))
        .run()
        .expect_code(0);
    assert_eq!(marked.json()["summary"]["updated"], 1);
    assert_eq!(table.package("WP01")["subtasks"], json!({"T001": "done"}));
    let worktree = table.fixture.worktree("lane-a");
    let status = table.sandbox.git_in(&worktree, &["status", "--porcelain"]);
    assert_eq!(status, "");
    table.assert_clean();
}
