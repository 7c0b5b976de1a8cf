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

const WPS: &str = "work_packages:\n\
    - id: WP01\n  title: Greeting\n  requirement_refs: [FR-001]\n  owned_files: [src/greeting.py]\n\
    - id: WP02\n  title: Farewell\n  dependencies: [WP01]\n  subtasks: [T001]\n\
    - id: WP03\n  title: Facade\n  prompt_file: tasks/WP03-facade.md\n  unknown_key: 1\n";

#[test]
fn a_manifest_says_what_waits_for_what_and_tasks_md_is_made_from_it() {
    let sandbox = Sandbox::new();
    let mission = Mission::with_tasks(&sandbox);
    write(&mission.file("wps.yaml"), WPS);
    let answer = finalize(&sandbox, &[]).expect_code(0).json();
    assert_eq!(
        answer["dependencies_parsed"],
        json!({"WP01": [], "WP02": ["WP01"], "WP03": []})
    );
    let tasks = mission.read("tasks.md");
    assert!(
        tasks.contains(
            "## Work Package WP02: Farewell\n\n**Dependencies**: WP01\n**Subtasks**: T001\n\n---\n"
        ),
        "{tasks}"
    );
    assert!(
        mission
            .read("tasks/WP03-facade.md")
            .contains("dependencies: []\n")
    );
    let committed = answer["files_committed"].as_array().unwrap();
    let manifest = format!("kitty-specs/{}/wps.yaml", mission.slug);
    assert!(committed.contains(&json!(manifest)), "{committed:?}");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    let before = Tree::of(&mission.directory);
    finalize(&sandbox, &[]).expect_code(0);
    assert_unchanged(&before, &mission.directory);
}

#[test]
fn issues_that_the_specification_names_get_a_matrix_once() {
    let sandbox = Sandbox::new();
    let mission = Mission::with_tasks(&sandbox);
    mission.change("spec.md", "# Demo", "# Demo\n\nCloses #1163 (see #22).");
    sandbox.commit_all("Name the issues");
    finalize(&sandbox, &[]).expect_code(0);
    let matrix: Value = serde_json::from_str(&mission.read("issue-matrix.json")).unwrap();
    assert_eq!(matrix["rows"].as_object().unwrap().len(), 2);
    mission.change("issue-matrix.json", "\"unknown\"", "\"fixed\"");
    sandbox.commit_all("Fill it in");
    finalize(&sandbox, &[]).expect_code(0);
    assert!(mission.read("issue-matrix.json").contains("\"fixed\""));
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_mission_in_a_worktree_of_its_own_is_finalized_there() {
    let sandbox = Sandbox::new();
    sandbox.create_mission("elsewhere");
    let owned = sandbox.base().join("owned");
    let place = owned.to_str().unwrap();
    sandbox.git(&["worktree", "add", "--quiet", "-b", "feature", place]);
    let of_owned = ["--owned-checkout", place, "--json"];
    let create = ["agent", "mission", "create", "demo-feature"];
    let alone = ["--topology", "single_branch"];
    let created = sandbox.json(&[&create[..], &alone, &of_owned].concat());
    let mission = Mission {
        slug: created["mission_slug"].as_str().unwrap().to_owned(),
        directory: created["feature_dir"].as_str().unwrap().into(),
    };
    assert!(mission.directory.starts_with(&owned), "{created}");
    write(&mission.file("spec.md"), "# Demo\n\n- **FR-001**: greets\n");
    mission.work_package("WP01", "greeting", "[]", "FR-001");
    sandbox.git_in(&owned, &["add", "--all"]);
    sandbox.git_in(&owned, &["commit", "--quiet", "-m", "Plan"]);
    let before = Tree::of(&sandbox.repo().join("kitty-specs"));
    let unnamed = finalize(&sandbox, &["--owned-checkout", place]).expect_code(1);
    assert_eq!(unnamed.json()["code"], "MISSION_NOT_NAMED");
    let foreign = sandbox.base().to_str().unwrap().to_owned();
    let here = ["--mission", &mission.slug, "--owned-checkout"];
    let refused = finalize(&sandbox, &[&here[..], &[&foreign]].concat()).expect_code(1);
    assert_eq!(refused.json()["code"], "OWNED_CHECKOUT_REFUSED");
    let answer = finalize(&sandbox, &[&here[..], &[place]].concat());
    let answer = answer.expect_code(0).json();
    assert_eq!(answer["bootstrap"]["newly_seeded"], 1, "{answer}");
    assert_eq!(
        answer["commit_hash"],
        sandbox.git(&["rev-parse", "feature"])
    );
    assert_eq!(sandbox.git_in(&owned, &["status", "--porcelain"]), "");
    assert_unchanged(&before, &sandbox.repo().join("kitty-specs"));
}
