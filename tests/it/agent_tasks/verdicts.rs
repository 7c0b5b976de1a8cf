//! What stands against a move although the work is ready: issues without a verdict, a rejection, and a
//! branch that the project protects.

use super::table::{EVERY, Table};
use crate::support::missions::read;
use crate::support::sandbox::write;
use serde_json::json;

/// Puts a sentence into the specification, and a matrix beside it.
fn speak_of_issues(table: &Table, matrix: Option<&str>) {
    let directory = &table.fixture.directory;
    let spec = directory.join("spec.md");
    let text = read(&spec);
    if !text.contains("#1234") {
        write(&spec, format!("{text}\nSee #1234 and #77.\n"));
    }
    if let Some(matrix) = matrix {
        write(&directory.join("issue-matrix.md"), matrix);
    }
    table.sandbox.commit_all("Issues");
}

const HEAD: &str = "| issue | verdict | evidence_ref |\n|---|---|---|\n";

#[test]
fn an_approval_needs_a_verdict_for_every_issue_that_the_mission_speaks_of() {
    let table = Table::offline();
    table.hand_in(EVERY[0]);
    speak_of_issues(&table, None);
    let refused = table.move_refused("WP01", "approved", &[]);
    assert!(
        refused.starts_with(
            "ERROR: issue-matrix.md is required before approval.\nReferenced issues: #1234, #77\n\
             Fill verdicts before approving.\n"
        ),
        "{refused}"
    );
    // Force is no verdict.
    table.move_refused("WP01", "approved", &["--force", "--note", "hurry"]);
    let matrix = format!("{HEAD}| #1234 | maybe | |\n| #88 | in-mission | x |\n");
    speak_of_issues(&table, Some(&matrix));
    assert_eq!(
        table.move_refused("WP01", "approved", &[]),
        "ERROR: issue-matrix.md has unresolved entries. Fill in verdicts before approving.\n\
         Missing rows: #77\nUnknown: #1234\n- Row for issue '#1234': evidence_ref is empty."
    );
    let matrix = format!("{HEAD}| #1234 | fixed | abc |\n| #77 | in-mission | x |\n");
    speak_of_issues(&table, Some(&matrix));
    table.move_to("WP01", "approved", &["--reviewer", "rev"]);
    // What is still being worked on is not done.
    let why = ["--done-override-reason", "x"];
    assert_eq!(
        table.move_refused("WP01", "done", &why),
        "ERROR: issue-matrix.md has unresolved entries. Fill in verdicts before approving.\n\
         Still 'in-mission' (resolve to fixed / verified-already-fixed / \
         deferred-with-followup before done): #77"
    );
    table.assert_clean();
}

#[test]
fn a_rejection_is_overruled_with_a_note_that_is_kept() {
    let table = Table::hosted();
    table.hand_in(EVERY[0]);
    let feedback = table.feedback("no\n");
    let file = ["--review-feedback-file", feedback.to_str().unwrap()];
    table.move_to("WP01", "planned", &file);
    table.mark_done(&["T001"]);
    let overrule = "--skip-review-artifact-check";
    assert_eq!(
        table.move_refused("WP01", "approved", &[overrule]),
        "--skip-review-artifact-check requires --note so override evidence is durable."
    );
    let with = [
        overrule,
        "--note",
        "the reviewer erred",
        "--reviewer",
        "ann",
    ];
    table.move_to("WP01", "approved", &with);
    let package = table.package("WP01");
    assert_eq!(package["review"]["actor"], "ann");
    assert_eq!(package["review"]["reason"], "the reviewer erred");
    assert_eq!(package["review"]["wp_id"], "WP01");
    assert_eq!(package["review_result"]["verdict"], "approved");
    // Where nothing was rejected the flag means nothing.
    table.hand_in(EVERY[1]);
    table.move_to("WP02", "approved", &[overrule]);
    assert_eq!(table.package("WP02")["review"], json!(null));
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn no_status_is_committed_to_a_branch_that_the_project_protects() {
    let table = Table::offline();
    let config = table.sandbox.repo().join(".kittify/config.yaml");
    let text = read(&config);
    let protect = |branches: &str| {
        let protection = format!("protection:\n  protected_branches: {branches}\n");
        write(&config, format!("{text}{protection}"));
        table.sandbox.commit_all("Protect");
    };
    protect("[main, work]");
    let refused = table.move_refused("WP01", "claimed", &[]);
    assert!(
        refused.starts_with(
            "Refusing to run `spec-kitty agent tasks move-task` with auto-commit on protected branch \
             'work' before mutating status files. "
        ),
        "{refused}"
    );
    let mark = ["agent", "tasks", "mark-status", "T001", "--status", "done"];
    let refused = table.refusal(&mark);
    assert!(refused.starts_with("Refusing to run `spec-kitty agent tasks mark-status` "));
    protect("work");
    let refused = table.move_refused("WP01", "claimed", &[]);
    assert!(
        refused.contains("`protection.protected_branches`"),
        "{refused}"
    );
    protect("[main]");
    table.move_to("WP01", "claimed", &[]);
    table.assert_clean();
}
