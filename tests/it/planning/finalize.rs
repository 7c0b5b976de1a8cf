//! `finalize-tasks` when all is well, and when git is not.

use super::{finalize, rows};
use crate::support::missions::Mission;
use crate::support::sandbox::{Sandbox, write, write_script};
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::{Value, json};

#[test]
fn work_packages_get_their_status_their_lanes_and_their_commits() {
    let sandbox = Sandbox::new();
    let mission = Mission::with_tasks(&sandbox);
    let answer = finalize(&sandbox, &["--mission", &mission.slug])
        .expect_code(0)
        .json();
    assert_eq!(answer["modified_wps"], json!(["WP01", "WP02", "WP03"]));
    assert_eq!(
        answer["bootstrap"],
        json!({"total_wps": 3, "newly_seeded": 3, "already_initialized": 0})
    );
    assert_eq!(
        answer["lanes"]["lane_ids"],
        json!(["lane-a", "lane-b", "lane-c"])
    );
    let slug = &mission.slug;
    let expected = [
        format!("Add tasks for feature {slug}"),
        format!("chore({slug}): scaffold acceptance-matrix"),
        "chore(spec-kitty): status transition WP03".to_owned(),
        "chore(spec-kitty): status transition WP02".to_owned(),
        "chore(spec-kitty): status transition WP01".to_owned(),
    ];
    assert_eq!(sandbox.subjects()[..5], expected);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    assert_eq!(answer["commit_hash"], sandbox.git(&["rev-parse", "HEAD"]));
    assert_eq!(
        answer["planning_commit"]["sha"],
        sandbox.git(&["rev-parse", "HEAD~2"])
    );
    assert_eq!(
        rows(&mission)[2..],
        [
            "TasksStarted",
            "WPCreated WP01",
            "WPCreated WP02",
            "WPCreated WP03",
            "TasksCompleted",
            "planned WP01",
            "planned WP02",
            "planned WP03",
        ]
    );
    let status: Value = serde_json::from_str(&mission.read("status.json")).unwrap();
    assert_eq!(status["summary"]["planned"], 3);
    let file = mission.read("tasks/WP03-facade.md");
    assert!(file.contains("title: The facade  # for people\n"), "{file}");
    assert!(
        file.contains("planning_base_branch: main\nmerge_target_branch: main\n"),
        "{file}"
    );
    assert!(
        file.ends_with("# facade\n\nWrite `src/facade.py`.\n"),
        "{file}"
    );
}

#[test]
fn a_second_run_changes_nothing_and_an_amended_plan_is_taken_over() {
    let sandbox = Sandbox::new();
    let mission = Mission::with_tasks(&sandbox);
    let first = finalize(&sandbox, &[]).expect_code(0).json();
    let before = (
        Tree::of(&mission.directory),
        sandbox.git(&["rev-parse", "HEAD"]),
    );
    let second = finalize(&sandbox, &[]).expect_code(0).json();
    assert_eq!(
        (&second["commit_created"], &second["files_committed"]),
        (&json!(false), &json!([]))
    );
    assert_eq!(second["planning_commit"], first["planning_commit"]);
    assert_eq!(second["bootstrap"]["already_initialized"], 3);
    assert_unchanged(&before.0, &mission.directory);
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before.1);
    mission.change("spec.md", "greet |", "greet everybody |");
    sandbox.commit_all("Amend");
    let amended = sandbox.git(&["rev-parse", "HEAD"]);
    let third = finalize(&sandbox, &[]).expect_code(0).json();
    assert_eq!(third["planning_commit"]["sha"], amended);
}

#[test]
fn validating_says_what_would_be_done_and_does_nothing() {
    let sandbox = Sandbox::new();
    let _mission = Mission::with_tasks(&sandbox);
    let before = Tree::of(&sandbox.repo());
    let answer = finalize(&sandbox, &["--validate-only"])
        .expect_code(0)
        .json();
    assert_eq!(answer["result"], "validation_passed");
    assert_eq!(answer["would_modify"][0]["wp_id"], "WP01");
    assert_eq!(
        answer["would_modify"][0]["changes"]["merge_target_branch"],
        "main"
    );
    assert_eq!(answer["validation"]["bootstrap_preview"]["newly_seeded"], 3);
    assert_eq!(answer["validation"]["lanes_preview"]["count"], 3);
    assert_unchanged(&before, &sandbox.repo());
}

#[test]
fn a_handle_must_mean_one_mission() {
    let sandbox = Sandbox::new();
    let mission = Mission::with_tasks(&sandbox);
    let meta: Value = serde_json::from_str(&mission.read("meta.json")).unwrap();
    let id = meta["mission_id"].as_str().unwrap();
    for handle in [mission.slug.as_str(), id, &id[..8], "demo-feature"] {
        finalize(&sandbox, &["--validate-only", "--mission", handle]).expect_code(0);
    }
    for handle in ["", "..", "../repo", ".", "nobody", "demo", "/etc"] {
        let refused = finalize(&sandbox, &["--mission", handle])
            .expect_code(1)
            .json();
        assert_eq!(refused["code"], "MISSION_NOT_FOUND", "{handle}");
    }
    sandbox.create_mission("second");
    assert_eq!(
        finalize(&sandbox, &[]).expect_code(1).json()["code"],
        "MISSION_NOT_NAMED"
    );
}

#[test]
fn a_hook_that_refuses_leaves_what_is_committed_and_the_next_run_goes_on() {
    let sandbox = Sandbox::new();
    let mission = Mission::with_tasks(&sandbox);
    let hook = sandbox.repo().join(".git/hooks/commit-msg");
    write_script(&hook, "#!/bin/sh\n! grep -q 'transition WP02' \"$1\"\n");
    let refused = finalize(&sandbox, &[]).expect_code(1).json();
    assert!(
        refused["error"].as_str().unwrap().contains("hook refused"),
        "{refused}"
    );
    assert_eq!(
        sandbox.subjects()[0],
        "chore(spec-kitty): status transition WP01"
    );
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    std::fs::remove_file(hook).unwrap();
    let answer = finalize(&sandbox, &[]).expect_code(0).json();
    assert_eq!(answer["bootstrap"]["newly_seeded"], 2);
    let seeded = rows(&mission)
        .into_iter()
        .filter(|row| row.starts_with("planned"));
    assert_eq!(
        seeded.collect::<Vec<_>>(),
        ["planned WP01", "planned WP02", "planned WP03"]
    );
    let created = rows(&mission)
        .into_iter()
        .filter(|row| row.starts_with("WPCreated"));
    assert_eq!(created.count(), 3);
}

#[test]
fn what_the_user_staged_or_changed_is_left_to_the_user() {
    let sandbox = Sandbox::new();
    let _mission = Mission::with_tasks(&sandbox);
    write(&sandbox.repo().join("staged"), "x");
    sandbox.git(&["add", "staged"]);
    write(&sandbox.repo().join("untracked"), "x");
    finalize(&sandbox, &[]).expect_code(0);
    assert_eq!(
        sandbox.git(&["status", "--porcelain"]),
        "A  staged\n?? untracked"
    );
}

#[test]
fn another_target_branch_is_recorded_with_the_tasks() {
    let sandbox = Sandbox::new();
    let mission = Mission::with_tasks(&sandbox);
    sandbox.git(&["switch", "--quiet", "--create", "release"]);
    let answer = finalize(&sandbox, &["--target-branch", "release"])
        .expect_code(0)
        .json();
    let target = &answer["target_branch_override"];
    assert_eq!(
        (&target["committed"], &target["previous_value"]),
        (&json!(true), &json!("main"))
    );
    let meta: Value = serde_json::from_str(&mission.read("meta.json")).unwrap();
    assert_eq!(meta["target_branch"], "release");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}
