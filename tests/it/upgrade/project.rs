//! Files of a project: rewritten in the names of today, committed, and taken back.

use crate::support::sandbox::{Sandbox, write};
use crate::support::tree::{Tree, assert_unchanged};
use kitty_runtime::lock::FileLock;
use serde_json::Value;
use std::time::Duration;

/// A project as 3.0.3 left it, file by file.
pub const LEGACY: &[(&str, &str)] = &[
    (
        ".kittify/config.yaml",
        "# the user's words\nproject:\n  uuid: 29036a5d-5672-4566-8b2c-9278a6c62cea\n  slug: demo\n  \
         node_id: b805cd5cee74\n  build_id: 96be34e6-c378-5fd4-83e5-c5b315dc979b\nvcs:\n  type: git  # kept\n",
    ),
    (
        ".kittify/metadata.yaml",
        "# kept\nspec_kitty:\n  version: 3.0.3\nmigrations:\n  applied: []\n",
    ),
    (
        "kitty-specs/012-old-thing/meta.json",
        "{\n  \"feature_number\": \"012\",\n  \"slug\": \"012-old-thing\",\n  \"feature_slug\": \"012-old-thing\",\n  \
         \"friendly_name\": \"Alt – Café\",\n  \"mission\": \"software-dev\",\n  \"target_branch\": \"main\",\n  \
         \"created_at\": \"2026-01-31T15:39:09Z\"\n}\n",
    ),
    (
        "kitty-specs/012-old-thing/status.events.jsonl",
        "{\"actor\": \"claude\", \"at\": \"2026-02-08T12:00:00Z\", \"event_id\": \"01HXYZ0123456789ABCDEFGHJK\", \
         \"evidence\": null, \"execution_mode\": \"worktree\", \"feature_slug\": \"012-old-thing\", \"force\": false, \
         \"from_lane\": \"planned\", \"reason\": null, \"review_ref\": null, \"to_lane\": \"claimed\", \"wp_id\": \"WP01\"}\n",
    ),
    (
        "kitty-specs/012-old-thing/tasks/WP01-first.md",
        "---\nwork_package_id: \"WP01\"\ntitle: \"First\"\n# a comment\nfeature_slug: 012-old-thing\ndependencies: []\n---\n\n# Hello\n",
    ),
];

/// Puts the project of 3.0.3 into the repository and commits it.
pub fn legacy_project(sandbox: &Sandbox) {
    for (path, text) in LEGACY {
        write(&sandbox.repo().join(path), text);
    }
    sandbox.git(&["add", "--all"]);
    sandbox.git(&["commit", "--quiet", "--message", "legacy"]);
}

fn read(sandbox: &Sandbox, path: &str) -> String {
    std::fs::read_to_string(sandbox.repo().join(path)).unwrap()
}

#[test]
fn fr_014_a_project_of_before_gets_the_names_of_today_in_one_commit() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    let document = sandbox.json(&["upgrade", "--json"]);
    assert_eq!(document["status"], "success");
    assert_eq!(document["auto_committed"], true);
    assert_eq!(
        document["auto_commit_paths"].as_array().unwrap().len(),
        LEGACY.len()
    );
    assert_eq!(sandbox.git(&["status", "--porcelain"]).trim(), "");
    let meta: Value = serde_json::from_str(&read(&sandbox, LEGACY[2].0)).unwrap();
    assert_eq!(meta["mission_slug"], "012-old-thing");
    assert_eq!(meta["mission_number"], 12);
    assert_eq!(meta["mission_type"], "software-dev");
    let row: Value = serde_json::from_str(read(&sandbox, LEGACY[3].0).trim()).unwrap();
    assert_eq!(row["mission_slug"], "012-old-thing");
    assert_eq!(row["mission_id"], meta["mission_id"]);
    assert_eq!(row["event_id"], "01HXYZ0123456789ABCDEFGHJK");
    let package = read(&sandbox, LEGACY[4].0);
    assert!(package.contains("mission_slug: ") && package.contains("# a comment\n"));
    let config = read(&sandbox, LEGACY[0].0);
    for line in [
        "# the user's words\n",
        "  type: git  # kept\n",
        "build:\n  id: \"96be34e6-c378-5fd4-83e5-c5b315dc979b\"\n",
        "node:\n  id: b805cd5cee74\n",
    ] {
        assert!(config.contains(line), "{config}");
    }
    for (path, _) in LEGACY {
        let text = read(&sandbox, path);
        assert!(
            !text.contains("feature_slug") && !text.contains("feature_number"),
            "{path}"
        );
    }
    let build = sandbox.repo().join(".git/spec-kitty/build.json");
    assert!(
        std::fs::read_to_string(build)
            .unwrap()
            .contains(document["project"]["build_id"].as_str().unwrap())
    );
    // And the mission can be worked with.
    sandbox.json(&[
        "orchestrator-api",
        "mission-state",
        "--mission",
        "012-old-thing",
    ]);
    let again = sandbox.json(&["upgrade", "--json"]);
    assert_eq!(again["status"], "up_to_date");
    assert_eq!(again["auto_committed"], false);
}

#[test]
fn what_killed_upgrades_left_beside_the_files_goes_and_the_users_own_stays() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    let beside = |path: &str, ending: &str| {
        let (folder, name) = path.rsplit_once('/').unwrap();
        let left = sandbox.repo().join(format!("{folder}/.{name}.{ending}"));
        write(&left, "half of it");
        left
    };
    for arguments in [&["upgrade", "--json"][..], &["upgrade", "--rollback"]] {
        let left: Vec<_> = LEGACY
            .iter()
            .map(|(path, _)| beside(path, "56258074e2cea3ed.tmp"))
            .collect();
        let own = beside("kitty-specs/012-old-thing/meta.json", "tmp");
        sandbox.run(arguments).expect_code(0);
        let stays: Vec<_> = left.iter().filter(|path| path.exists()).collect();
        assert!(stays.is_empty(), "{stays:?} after {arguments:?}");
        assert!(own.exists(), "a file of the user went");
    }
}

#[test]
fn no_file_is_rewritten_while_somebody_else_writes_it() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    let locks = sandbox.repo().join(".git/spec-kitty-locks");
    std::fs::create_dir(&locks).unwrap();
    let upgrade = |arguments: &[&str]| {
        let call = sandbox.call(arguments);
        call.env("SPEC_KITTY_STATUS_LOCK_SECONDS", "0").run()
    };
    let missions = sandbox.repo().join("kitty-specs");
    let path = locks.join("012-old-thing.status.lock");
    let is_refused = |arguments: &[&str]| {
        let before = Tree::of(&missions);
        let _held = FileLock::acquire("the status", &path, Duration::ZERO).unwrap();
        let refused = upgrade(arguments).expect_code(1);
        assert!(refused.says("held by another process"), "{refused:?}");
        assert_unchanged(&before, &missions);
    };
    is_refused(&["upgrade", "--json"]);
    upgrade(&["upgrade", "--json"]).expect_code(0);
    is_refused(&["upgrade", "--rollback"]);
    upgrade(&["upgrade", "--rollback"]).expect_code(0);
    for (path, text) in LEGACY {
        assert_eq!(read(&sandbox, path), *text, "{path}");
    }
}

#[test]
fn fr_015_a_mission_of_before_is_refused_with_the_one_next_step() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    for arguments in [
        &[
            "orchestrator-api",
            "mission-state",
            "--mission",
            "012-old-thing",
        ][..],
        &[
            "agent",
            "tasks",
            "status",
            "--mission",
            "012-old-thing",
            "--json",
        ],
        &["accept", "--mission", "012-old-thing", "--json"],
    ] {
        let run = sandbox.run(arguments);
        assert_ne!(run.code(), 0, "{arguments:?}");
        assert!(run.says("spec-kitty upgrade"), "{arguments:?}: {run:?}");
    }
}

#[test]
fn nfr_004_a_rollback_restores_every_file_byte_by_byte() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    sandbox.json(&["upgrade", "--json"]);
    let back = sandbox.json(&["upgrade", "--rollback", "--json"]);
    assert_eq!(back["restored"].as_array().unwrap().len(), LEGACY.len());
    for (path, text) in LEGACY {
        assert_eq!(read(&sandbox, path), *text, "{path}");
    }
    assert!(
        !sandbox
            .repo()
            .join(".git/spec-kitty/upgrade/rewritten.json")
            .exists()
    );
    let nothing = sandbox.json(&["upgrade", "--rollback", "--json"]);
    assert_eq!(nothing["restored"].as_array().unwrap().len(), 0);
}

#[test]
fn nfr_004_a_rollback_leaves_what_was_changed_since_alone() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    sandbox.json(&["upgrade", "--json"]);
    let config = sandbox.repo().join(LEGACY[0].0);
    let mine = read(&sandbox, LEGACY[0].0) + "mine: 1\n";
    write(&config, &mine);
    let run = sandbox
        .run(&["upgrade", "--rollback", "--json"])
        .expect_code(1);
    assert_eq!(
        run.json()["changed_since"],
        serde_json::json!([LEGACY[0].0])
    );
    assert_eq!(read(&sandbox, LEGACY[0].0), mine);
    assert_eq!(read(&sandbox, LEGACY[2].0), LEGACY[2].1);
}

#[test]
fn fr_014_what_the_user_has_not_committed_is_rewritten_and_not_committed() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    let mine = LEGACY[0].1.to_owned() + "mine: 1\n";
    write(&sandbox.repo().join(LEGACY[0].0), &mine);
    let document = sandbox.json(&["upgrade", "--json"]);
    let committed = document["auto_commit_paths"].to_string();
    assert!(!committed.contains("config.yaml"), "{committed}");
    assert!(read(&sandbox, LEGACY[0].0).contains("mine: 1\n"));
    assert_eq!(
        sandbox.git(&["status", "--porcelain"]).trim(),
        "M .kittify/config.yaml"
    );
}

#[test]
fn fr_014_a_file_that_cannot_be_understood_is_named_and_left_alone() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    let path = "kitty-specs/013-broken/meta.json";
    write(&sandbox.repo().join(path), "{\"feature_number\": \"many\"}");
    let run = sandbox.run(&["upgrade", "--json"]).expect_code(1);
    let document = run.json();
    assert_eq!(document["project"]["problems"][0]["path"], path);
    assert_eq!(read(&sandbox, path), "{\"feature_number\": \"many\"}");
    let meta: Value = serde_json::from_str(&read(&sandbox, LEGACY[2].0)).unwrap();
    assert_eq!(meta["mission_number"], 12);
}

#[test]
fn fr_014_a_dry_run_of_a_project_names_every_file_and_changes_nothing() {
    let sandbox = Sandbox::new();
    legacy_project(&sandbox);
    let before = Tree::of(sandbox.base());
    let document = sandbox.json(&["upgrade", "--dry-run", "--json"]);
    assert_unchanged(&before, sandbox.base());
    assert_eq!(document["exit_code"], 4);
    let files = &document["pending_migrations"][0]["files_modified"];
    assert_eq!(files.as_array().unwrap().len(), LEGACY.len());
}
