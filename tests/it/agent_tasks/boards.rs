//! `agent tasks status` and `status`: what is told of missions, and that telling changes nothing.

use super::table::Table;
use crate::support::sandbox::{Sandbox, write};
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

const BOARD: [&str; 3] = ["agent", "tasks", "status"];

/// A mission with a work package in each of three lanes.
fn spread() -> Table {
    let table = Table::offline();
    table.hand_in(["WP01", "lane-a", "src/greet.py", "T001"]);
    table.move_to("WP01", "approved", &["--reviewer", "rev"]);
    table.move_to("WP02", "in_progress", &["--agent", "coder"]);
    table
}

#[test]
fn the_tasks_of_a_mission_are_told_with_their_lanes_and_the_progress() {
    let table = spread();
    let answer = table.json(&BOARD);
    assert_eq!(answer["mission_slug"], table.fixture.slug.as_str());
    assert_eq!(answer["total_wps"], 3);
    let lanes = json!({"approved": 1, "in_progress": 1, "planned": 1});
    assert_eq!(answer["by_lane"], lanes);
    // (0.8 + 0.3 + 0) / 3
    assert_eq!(answer["progress_percentage"], 36.7);
    assert_eq!(answer["progress_semantics"], "weighted_readiness");
    assert_eq!(answer["done_count"], 0);
    let second = &answer["work_packages"][1];
    assert_eq!(second["id"], "WP02");
    assert_eq!(second["title"], "farewell");
    assert_eq!(second["lane"], "in_progress");
    assert_eq!(second["agent"], "coder");
    assert_eq!(second["file"], "WP02-farewell.md");
}

#[test]
fn a_person_reads_one_line_for_each_task() {
    let table = spread();
    let ran = table.run(&BOARD).expect_code(0);
    let slug = &table.fixture.slug;
    assert_eq!(
        ran.stdout,
        format!(
            "{slug}: 0 of 3 done, 36.7 % ready\n  \
             WP01  approved     greeting  (coder)\n  \
             WP02  in_progress  farewell  (coder)\n  \
             WP03  planned      facade\n"
        )
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn looking_creates_and_rewrites_nothing_with_hosted_sync_on_or_off() {
    let table = spread();
    let repository = Tree::of(&table.sandbox.repo());
    let looks: [&[&str]; 4] = [
        &BOARD,
        &["status"],
        &["agent", "status", "validate"],
        &["agent", "status", "doctor"],
    ];
    for look in looks {
        table.run(look).expect_code(0);
        table.json(look);
    }
    assert_unchanged(&repository, &table.sandbox.repo());
    table.assert_silent();
    let mut table = table;
    table.sandbox.host("http://127.0.0.1:1");
    for look in looks {
        table.json(look);
    }
    assert_unchanged(&repository, &table.sandbox.repo());
    table.assert_silent();
}

#[test]
fn the_board_names_the_work_packages_of_every_lane() {
    let table = spread();
    let ran = table.run(&["status"]).expect_code(0);
    let slug = &table.fixture.slug;
    assert_eq!(
        ran.stdout,
        format!(
            "{slug}  [software-dev]  Demo Feature\n  \
             3 work package(s): planned 1, in_progress 1, approved 1\n    \
             planned     WP03\n    \
             in_progress WP02\n    \
             approved    WP01\n"
        )
    );
    let document = table.json(&["status"]);
    assert_eq!(document["project_root"], json!(table.sandbox.repo()));
    let mission = &document["missions"][0];
    assert_eq!(mission["mission_id"], table.fixture.id.as_str());
    assert_eq!(mission["work_packages"], 3);
    assert_eq!(mission["summary"]["approved"], 1);
    assert_eq!(mission["summary"]["done"], 0);
    assert_eq!(mission["problems"], json!([]));
}

#[test]
fn a_mission_that_is_not_there_is_named() {
    let table = Table::offline();
    let words = ["status", "--mission", "nothing-like-it", "--json"];
    let told = table.sandbox.run(&words).expect_code(1).json();
    let error = told["error"].as_str().unwrap();
    assert!(error.contains("nothing-like-it"), "{told}");
    let words = [&BOARD[..], &["--mission", "nothing-like-it", "--json"]].concat();
    let told = table.sandbox.run(&words).expect_code(1).json();
    let error = told["error"].as_str().unwrap();
    assert!(error.contains("nothing-like-it"), "{told}");
}

/// Gives the mission so many work packages, of which every tenth is done.
fn grow(table: &Table, count: usize) {
    let directory = &table.fixture.directory;
    let mut log = table.log();
    for number in 4..=count {
        let id = format!("WP{number:04}");
        let package = format!(
            "---\nwork_package_id: {id}\ntitle: Part {number}\ndependencies: []\n\
             execution_mode: code_change\n---\n\n# {id}\n"
        );
        write(&directory.join(format!("tasks/{id}-part.md")), package);
        let lane = if number % 10 == 0 { "done" } else { "planned" };
        let row = json!({
            "actor": "a", "at": "2026-01-01T00:00:00+00:00", "event_id": format!("01K{number:023}"),
            "evidence": null, "execution_mode": "worktree", "force": true, "from_lane": "genesis",
            "mission_slug": table.fixture.slug, "policy_metadata": null, "reason": "seeded",
            "review_ref": null, "to_lane": lane, "wp_id": id,
        });
        writeln!(log, "{row}").unwrap();
    }
    write(&directory.join("status.events.jsonl"), log);
}

#[test]
fn a_thousand_work_packages_are_counted_in_full_and_named_in_part() {
    let table = Table::offline();
    grow(&table, 1000);
    let document = table.json(&["status"]);
    assert_eq!(document["missions"][0]["work_packages"], 1000);
    assert_eq!(document["missions"][0]["summary"]["done"], 100);
    let ran = table.run(&["status"]).expect_code(0);
    assert!(
        ran.says("1000 work package(s): planned 900, done 100\n"),
        "{ran:?}"
    );
    // A lane with very many is cut after twelve names.
    assert!(ran.says("    planned     WP0004 WP0005 "), "{ran:?}");
    assert!(ran.says(" WP0016 and 888 more\n"), "{ran:?}");
    assert!(ran.says(" WP0120 and 88 more\n"), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 4);
    let answer = table.json(&BOARD);
    assert_eq!(answer["total_wps"], 1000);
    assert_eq!(answer["done_count"], 100);
    assert_eq!(answer["done_percentage"], 10.0);
    assert_eq!(answer["work_packages"].as_array().unwrap().len(), 1000);
    let ran = table.run(&BOARD).expect_code(0);
    assert_eq!(ran.stdout.lines().count(), 1001);
}

#[test]
fn very_many_work_packages_cost_about_as_much_each_as_few() {
    let (small, large) = (Table::offline(), Table::offline());
    grow(&small, 250);
    grow(&large, 4000);
    let quickest = |table: &Table, words: &[&str]| -> Duration {
        let took = (0..5).map(|_| table.run(words).expect_code(0).took);
        took.min().unwrap()
    };
    for words in [&BOARD[..], &["status"]] {
        let (few, many) = (quickest(&small, words), quickest(&large, words));
        // Linear is sixteen times at most; a square would be two hundred and fifty-six times.
        assert!(many < few * 64, "{words:?}: {few:?} and {many:?}");
    }
}

#[test]
fn outside_of_a_project_every_command_names_the_next_step() {
    let sandbox = Sandbox::empty();
    let commands: [&[&str]; 5] = [
        &["agent", "tasks", "status"],
        &["agent", "tasks", "mark-status", "T001", "--status", "done"],
        &["agent", "tasks", "move-task", "WP01", "--to", "done"],
        &["agent", "status", "doctor"],
        &["accept"],
    ];
    for command in commands {
        let told = sandbox
            .run(&[command, &["--json"]].concat())
            .expect_code(1)
            .json();
        assert!(told.to_string().contains("spec-kitty init"), "{told}");
    }
    assert_eq!(Tree::of(&sandbox.repo()).names(), [""; 0]);
}
