//! `agent tasks move-task` forward: through every lane on the way, with its rows and its events.

use super::table::Table;
use crate::support::sandbox::write;
use crate::support::tree::Tree;
use serde_json::{Value, json};

#[test]
fn a_work_package_goes_forward_through_every_lane_on_the_way() {
    let table = Table::hosted();
    let moved = table.move_to("WP01", "in_progress", &["--agent", "coder"]);
    assert_eq!(
        table.moves("WP01"),
        ["planned -> claimed", "claimed -> in_progress"]
    );
    assert!(table.fixture.worktree("lane-a").join("src").is_dir());
    table.work("lane-a", "src/greet.py");
    table.mark_done(&["T001"]);
    table.move_to("WP01", "for_review", &["--agent", "coder"]);
    let approved = table.move_to("WP01", "approved", &["--reviewer", "rev"]);
    assert_eq!(
        table.moves("WP01")[2..],
        [
            "in_progress -> for_review",
            "for_review -> in_review",
            "in_review -> approved"
        ]
    );
    // What the answer names is the last row, and the row says what was asked.
    let rows = table.rows();
    let last = rows.iter().rfind(|row| row["to_lane"] == "approved");
    let last = last.unwrap();
    assert_eq!(approved["event_id"], last["event_id"]);
    assert_eq!(last["force"], false);
    assert_eq!(last["evidence"]["review"]["reviewer"], "rev");
    assert_eq!(last["review_result"]["verdict"], "approved");
    assert_eq!(moved["old_lane"], "planned");
    assert_eq!(moved["new_lane"], "in_progress");
    assert_eq!(table.package("WP01")["lane"], "approved");
    assert_eq!(table.package("WP01")["agent"], "coder");
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn the_answer_has_the_keys_of_the_python_cli_in_their_order() {
    let table = Table::offline();
    let words = ["agent", "tasks", "move-task", "WP01", "--to", "claimed"];
    let ran = table
        .run(&[&words[..], &["--json"]].concat())
        .expect_code(0);
    let keys = [
        "result",
        "transition_applied",
        "task_id",
        "old_lane",
        "new_lane",
        "path",
        "event_id",
        "work_package_id",
        "to_lane",
        "status_events_path",
    ];
    let places: Vec<Option<usize>> = keys
        .iter()
        .map(|key| ran.stdout.find(&format!("\"{key}\":")))
        .collect();
    assert!(places.iter().all(Option::is_some), "{ran:?}");
    assert!(places.is_sorted(), "{ran:?}");
    let answer = ran.json();
    assert_eq!(answer.as_object().unwrap().len(), keys.len());
    assert_eq!(answer["result"], "success");
    assert_eq!(answer["task_id"], "WP01");
    let file = table.fixture.directory.join("tasks/WP01-greeting.md");
    assert_eq!(answer["path"], json!(file));
    let log = table.fixture.directory.join("status.events.jsonl");
    assert_eq!(answer["status_events_path"], json!(log));
}

#[test]
fn a_person_reads_one_line_and_nothing_is_left_uncommitted() {
    let table = Table::offline();
    let words = ["agent", "tasks", "move-task", "WP01", "--to", "claimed"];
    let ran = table.run(&words).expect_code(0);
    assert_eq!(ran.stdout, "✓ Moved WP01 from planned to claimed\n");
    assert_eq!(ran.stderr, "");
    table.assert_clean();
    table.assert_silent();
    assert_eq!(
        table.sandbox.subjects()[0],
        "chore(spec-kitty): status transition WP01"
    );
    let changed = table
        .sandbox
        .git(&["show", "--format=", "--name-only", "HEAD"]);
    let names = ["status.events.jsonl", "status.json"];
    let names = names.map(|name| format!("kitty-specs/{}/{name}", table.fixture.slug));
    assert_eq!(changed.lines().collect::<Vec<_>>(), names);
}

#[test]
fn what_the_user_was_about_to_commit_is_neither_committed_nor_lost() {
    let table = Table::offline();
    write(&table.sandbox.repo().join("mine.txt"), "mine\n");
    table.sandbox.git(&["add", "mine.txt"]);
    write(&table.sandbox.repo().join("README.md"), "changed\n");
    table.move_to("WP01", "in_progress", &["--agent", "coder"]);
    let status = table.sandbox.git(&["status", "--porcelain"]);
    // The sandbox trims the first line.
    assert_eq!(status.trim_start(), "M README.md\nA  mine.txt");
}

#[test]
fn with_hosted_sync_off_nothing_is_written_but_the_mission() {
    let table = Table::offline();
    let home = Tree::of(&table.sandbox.home());
    table.approve_all();
    table.assert_silent();
    table.assert_clean();
    assert_eq!(Tree::of(&table.sandbox.home()), home);
}

#[test]
fn a_note_is_the_reason_and_a_force_without_one_says_so() {
    let table = Table::offline();
    table.move_to("WP01", "claimed", &["--note", "mine now"]);
    table.move_to("WP02", "in_progress", &["--force"]);
    table.move_to("WP03", "blocked", &[]);
    let rows = table.rows();
    let reason = |wp_id: &str| {
        let is_its_move = |row: &&Value| row["wp_id"] == wp_id && row["to_lane"].is_string();
        rows.iter().rfind(is_its_move).unwrap()["reason"].clone()
    };
    assert_eq!(reason("WP01"), "mine now");
    assert_eq!(reason("WP02"), "Force move to in_progress");
    assert_eq!(reason("WP03"), "move-task: planned -> blocked");
    assert_eq!(table.package("WP01")["notes"], json!(["mine now"]));
    // Forced it goes straight, and is counted.
    assert_eq!(table.moves("WP02"), ["planned -> in_progress"]);
    assert_eq!(table.package("WP02")["force_count"], 1);
}

#[test]
fn who_works_on_it_is_noted_beside_the_move() {
    let table = Table::hosted();
    let more = [
        "--agent",
        "coder",
        "--assignee",
        "ann",
        "--shell-pid",
        "4711",
        "--model",
        "m-1",
        "--profile",
        "careful",
        "--tracker-ref",
        "ABC-1",
        "--tracker-ref",
        "ABC-2",
    ];
    table.move_to("WP01", "claimed", &more);
    let package = table.package("WP01");
    assert_eq!(package["agent"], "coder");
    assert_eq!(package["assignee"], "ann");
    assert_eq!(package["shell_pid"], 4711);
    assert_eq!(package["model"], "m-1");
    assert_eq!(package["agent_profile"], "careful");
    assert_eq!(package["tracker_refs"], json!(["ABC-1", "ABC-2"]));
    assert_eq!(
        table.sandbox.subjects()[..2],
        [
            "chore(spec-kitty): inner-state annotation WP01",
            "chore(spec-kitty): status transition WP01"
        ]
    );
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn a_cancellation_says_whose_reason_it_has() {
    let table = Table::hosted();
    table.move_to("WP01", "canceled", &["--note", "not needed"]);
    table.move_to("WP02", "canceled", &[]);
    assert_eq!(table.package("WP01")["reason_source"], "operator");
    assert_eq!(table.package("WP01")["cancellation_reason"], "not needed");
    assert_eq!(table.package("WP02")["reason_source"], "synthetic");
    table.assert_captured();
}

#[test]
fn done_needs_its_work_in_the_target_branch_or_a_reason() {
    let table = Table::hosted();
    table.hand_in(["WP01", "lane-a", "src/greet.py", "T001"]);
    table.move_to("WP01", "approved", &["--reviewer", "rev"]);
    let branch = format!("kitty/mission-{}-lane-a", table.fixture.slug);
    let refused = table.move_refused("WP01", "done", &[]);
    assert_eq!(
        refused,
        format!(
            "Cannot move WP01 to done without verified merge ancestry.\n\
             Merge ancestry check failed: {branch} is not merged into work.\n\
             Merge first, or provide --done-override-reason to record a conscious exception.\n\
             If review just passed, move it to approved first:\n  \
             spec-kitty agent tasks move-task WP01 --to approved --note \"Review passed\"\n\
             To proceed anyway, provide --done-override-reason \"<why this is acceptable>\"."
        )
    );
    // Force is no reason.
    table.move_refused("WP01", "done", &["--force", "--note", "trust me"]);
    let why = ["--note", "shipped", "--done-override-reason", "by hand"];
    table.move_to("WP01", "done", &why);
    let rows = table.rows();
    let last = rows.iter().rfind(|row| row["to_lane"] == "done").unwrap();
    assert_eq!(last["reason"], "shipped | Done override: by hand");
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn done_is_allowed_once_the_lane_is_in_the_target_branch() {
    let table = Table::offline();
    table.hand_in(["WP01", "lane-a", "src/greet.py", "T001"]);
    table.move_to("WP01", "approved", &["--reviewer", "rev"]);
    let branch = format!("kitty/mission-{}-lane-a", table.fixture.slug);
    table
        .sandbox
        .git(&["merge", "--quiet", "--no-edit", &branch]);
    table.move_to("WP01", "done", &[]);
    assert_eq!(table.package("WP01")["lane"], "done");
    table.assert_clean();
}

#[test]
fn an_approval_names_where_it_is_written() {
    let table = Table::hosted();
    let approve = |package: [&str; 4], more: &[&str]| {
        table.hand_in(package);
        table.move_to(package[0], "approved", more);
        let rows = table.rows();
        let row = rows
            .iter()
            .rfind(|row| row["to_lane"] == "approved")
            .unwrap();
        let reference = row["review_ref"].as_str().unwrap().to_owned();
        assert_eq!(row["evidence"]["review"]["reference"], reference);
        assert_eq!(row["review_result"]["reference"], reference);
        (reference, row["review_result"]["reviewer"].clone())
    };
    let [first, second, third] = super::table::EVERY;
    let named = approve(first, &["--approval-ref", "PR 7", "--note", "fine"]);
    assert_eq!(named, ("PR 7".to_owned(), json!("user")));
    let noted = approve(second, &["--note", "fine", "--reviewer", "rev"]);
    assert_eq!(noted, ("fine".to_owned(), json!("rev")));
    let (reference, reviewer) = approve(third, &["--agent", "coder"]);
    let day = reference.strip_prefix("auto-approval:WP03:").unwrap();
    assert!(
        day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()),
        "{reference}"
    );
    assert_eq!(reviewer, "coder");
    table.assert_captured();
    table.assert_clean();
}

#[test]
fn a_move_without_its_commit_is_refused_with_the_reason() {
    let table = Table::offline();
    let refused = table.move_refused("WP01", "claimed", &["--no-auto-commit"]);
    assert!(refused.starts_with(
        "--no-auto-commit is not supported: a move, its events and its commit are one step"
    ));
    table.move_to("WP01", "claimed", &["--auto-commit"]);
    table.assert_clean();
}
