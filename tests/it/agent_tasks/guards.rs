//! What `agent tasks move-task` is refused for, word by word, and in which order.

use super::table::{EVERY, Table};

const FALLBACK: &str = "--self-review-fallback";

#[test]
fn a_self_review_needs_all_of_its_options() {
    let table = Table::offline();
    let cases: [(&str, &[&str], &str); 7] = [
        (
            "approved",
            &["--intended-reviewer", "rev"],
            "--intended-reviewer/--reviewer-failure-reason require --self-review-fallback.",
        ),
        (
            "claimed",
            &["--reviewer-failure-reason", "ill"],
            "--intended-reviewer/--reviewer-failure-reason require --self-review-fallback.",
        ),
        (
            "for_review",
            &[FALLBACK],
            "--self-review-fallback is only valid when approving or marking done.",
        ),
        (
            "approved",
            &[FALLBACK],
            "--self-review-fallback requires --force so force_count records the independence override.",
        ),
        (
            "approved",
            &[FALLBACK, "--force"],
            "--self-review-fallback requires --intended-reviewer <agent>.",
        ),
        (
            "approved",
            &[FALLBACK, "--force", "--intended-reviewer", " "],
            "--self-review-fallback requires --intended-reviewer <agent>.",
        ),
        (
            "done",
            &[FALLBACK, "--force", "--intended-reviewer", "rev"],
            "--self-review-fallback requires --reviewer-failure-reason <reason>.",
        ),
    ];
    for (lane, more, expected) in cases {
        assert_eq!(table.move_refused("WP01", lane, more), expected);
    }
    let all = [
        FALLBACK,
        "--force",
        "--intended-reviewer",
        "rev",
        "--reviewer-failure-reason",
        "ill",
    ];
    table.move_to("WP01", "approved", &all);
    assert_eq!(table.package("WP01")["force_count"], 1);
    table.assert_clean();
}

#[test]
fn the_work_of_another_agent_is_not_moved_without_force() {
    let table = Table::hosted();
    table.move_to("WP01", "claimed", &["--agent", "coder"]);
    assert_eq!(
        table.move_refused("WP01", "in_progress", &["--agent", "thief"]),
        "Agent mismatch: WP01 is assigned to 'coder', not 'thief'. Use --force to override."
    );
    table.assert_captured();
    // Without a name it is the user, who may; with force everybody may.
    table.move_to("WP01", "in_progress", &[]);
    table.move_to("WP01", "blocked", &["--agent", "thief", "--force"]);
    assert_eq!(table.package("WP01")["agent"], "thief");
    table.assert_captured();
}

#[test]
fn a_review_waits_for_every_subtask() {
    let table = Table::offline();
    table.move_to("WP01", "in_progress", &["--agent", "coder"]);
    table.work("lane-a", "src/greet.py");
    for lane in ["for_review", "approved", "done"] {
        let expected = format!(
            "Cannot move WP01 to {lane} - unchecked subtasks:\n  - [ ] T001\n\n\
             Mark these complete first:\n  \
             spec-kitty agent tasks mark-status T001 --status done\n\n\
             Or use --force to override (not recommended)"
        );
        assert_eq!(table.move_refused("WP01", lane, &[]), expected);
    }
    table.move_to("WP01", "for_review", &["--force", "--note", "trivial"]);
    assert_eq!(table.package("WP01")["lane"], "for_review");
    table.assert_clean();
}

#[test]
fn lanes_missions_and_work_packages_that_are_not_there_are_named() {
    let table = Table::offline();
    let unknown = table.move_refused("WP01", "Nirvana", &[]);
    assert!(unknown.starts_with("Unknown lane: 'nirvana'. The lanes are planned, claimed,"));
    let missing = table.move_refused("WP99", "claimed", &[]);
    let slug = &table.fixture.slug;
    assert_eq!(missing, format!("Work package 'WP99' not found in {slug}"));
    for handle in ["", "..", "nothing-like-it"] {
        let words = ["agent", "tasks", "move-task", "WP01", "--to", "claimed"];
        let about = ["--json", "--mission", handle];
        let told = table
            .sandbox
            .run(&[&words[..], &about].concat())
            .expect_code(1)
            .json();
        let error = told["error"].as_str().unwrap();
        assert!(error.contains("not found in kitty-specs/"), "{told}");
    }
    assert_eq!(table.moves("WP01"), [""; 0]);
}

#[test]
fn an_edge_that_does_not_exist_is_refused_and_forced_only_with_a_word() {
    let table = Table::offline();
    table.move_to("WP01", "canceled", &["--note", "no"]);
    assert_eq!(
        table.move_refused("WP01", "in_progress", &[]),
        "Illegal transition: canceled -> in_progress"
    );
    table.move_to(
        "WP01",
        "in_progress",
        &["--force", "--note", "yes after all"],
    );
    assert_eq!(table.package("WP01")["lane"], "in_progress");
}

#[test]
fn the_first_guard_in_the_order_of_the_python_cli_speaks() {
    let table = Table::offline();
    table.hand_in(EVERY[0]);
    // Ownership is told before missing feedback, and the options before ownership.
    let thief = ["--agent", "thief"];
    let refused = table.move_refused("WP01", "planned", &thief);
    assert!(refused.starts_with("Agent mismatch: "), "{refused}");
    let both = ["--agent", "thief", "--intended-reviewer", "x"];
    let refused = table.move_refused("WP01", "planned", &both);
    assert!(refused.starts_with("--intended-reviewer/"), "{refused}");
}

#[test]
fn a_step_that_git_refuses_does_not_happen() {
    let table = Table::hosted();
    let hook = table.sandbox.repo().join(".git/hooks/pre-commit");
    let script = "#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n";
    crate::support::sandbox::write_script(&hook, script);
    let refused = table.move_refused("WP01", "blocked", &[]);
    assert!(refused.contains("not on a Friday"), "{refused}");
    assert_eq!(table.moves("WP01"), [""; 0]);
    table.assert_captured();
    std::fs::remove_file(hook).unwrap();
    table.move_to("WP01", "blocked", &[]);
    table.assert_captured();
}
