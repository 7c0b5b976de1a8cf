//! `init` and the schema gate: what makes a directory a project, and which projects are left alone.

use crate::support::missions::read;
use crate::support::process::Run;
use crate::support::sandbox::{Sandbox, write};
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

fn init(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run(&[&["init", "--json"], arguments].concat())
}

#[test]
fn a_new_project_has_its_files_and_a_second_run_changes_nothing() {
    let sandbox = Sandbox::empty();
    let answer = init(&sandbox, &["--ai", "codex,claude", "--non-interactive"]);
    let answer = answer.expect_code(0).json();
    assert_eq!(answer["already_initialized"], false);
    assert_eq!(answer["agents"], json!(["codex", "claude"]));
    assert_eq!(answer["in_git"], false);
    assert_eq!(
        Tree::of(&sandbox.repo()).names(),
        [
            ".gitignore",
            ".kittify",
            ".kittify/config.yaml",
            ".kittify/metadata.yaml"
        ]
    );
    let config = read(&sandbox.repo().join(".kittify/config.yaml"));
    for line in ["  slug: repo", "- software-dev", "  - claude"] {
        assert!(config.lines().any(|said| said == line), "{line}: {config}");
    }
    let before = Tree::of(&sandbox.repo());
    let again = init(&sandbox, &["--ai", "gemini"]).expect_code(0).json();
    assert_eq!(again["already_initialized"], true);
    assert_eq!(again["changed_files"], json!([]));
    assert_eq!(again["project_uuid"], answer["project_uuid"]);
    assert_unchanged(&before, &sandbox.repo());
}

#[test]
fn files_of_the_user_keep_their_words_and_git_gets_only_the_identity_of_the_checkout() {
    let sandbox = Sandbox::new();
    let ignore = sandbox.repo().join(".gitignore");
    write(&ignore, "target/\n.worktrees/\n# mine");
    let metadata = sandbox.repo().join(".kittify/metadata.yaml");
    write(&metadata, "# mine\nspec_kitty: {schema_version: 3}\n");
    let git = Tree::of(&sandbox.repo().join(".git"));
    let answer = init(&sandbox, &[]).expect_code(0).json();
    assert_eq!(
        answer["changed_files"],
        json!([".gitignore", ".kittify/config.yaml"])
    );
    let now = Tree::of(&sandbox.repo().join(".git"));
    let changed = git.changes(&now);
    let ours = |name: &String| name.is_empty() || name.starts_with("spec-kitty");
    assert!(changed.iter().all(ours), "{changed:?}");
    let config = read(&sandbox.repo().join(".kittify/config.yaml"));
    let build: Value =
        serde_json::from_str(&read(&sandbox.repo().join(".git/spec-kitty/build.json"))).unwrap();
    let recorded = format!("build:\n  id: {}\n", build["build_id"].as_str().unwrap());
    assert!(config.replace('"', "").contains(&recorded), "{config}");
    assert_eq!(read(&metadata), "# mine\nspec_kitty: {schema_version: 3}\n");
    let ignored = read(&ignore);
    assert!(
        ignored.starts_with("target/\n.worktrees/\n# mine\n\n"),
        "{ignored}"
    );
    assert_eq!(ignored.matches(".worktrees/").count(), 1);
    assert!(
        !Tree::of(sandbox.base())
            .names()
            .contains(&"state".to_owned())
    );
}

#[test]
fn a_directory_can_be_named_and_a_mission_can_be_created_in_it() {
    let sandbox = Sandbox::empty();
    let answer = init(&sandbox, &["new/Demo_Project"]).expect_code(0).json();
    assert_eq!(answer["project_slug"], "demo-project");
    let project = sandbox.repo().join("new/Demo_Project");
    sandbox.git_in(&project, &["init", "--quiet", "--initial-branch=main"]);
    sandbox.git_in(&project, &["add", "--all"]);
    sandbox.git_in(&project, &["commit", "--quiet", "-m", "Begin"]);
    let create = ["agent", "mission", "create", "first", "--json"];
    let created = sandbox.call(&create).directory(&project).run();
    let created = created.expect_code(0).json();
    let log = read(
        std::path::Path::new(created["feature_dir"].as_str().unwrap())
            .join("status.events.jsonl")
            .as_path(),
    );
    assert!(
        log.contains(answer["project_uuid"].as_str().unwrap()),
        "{log}"
    );
}

#[test]
fn links_and_unknown_agents_are_refused_and_nothing_is_written() {
    let outside = |sandbox: &Sandbox| sandbox.base().join("outside");
    for (name, link) in [("a directory", ".kittify"), ("a file", ".gitignore")] {
        let sandbox = Sandbox::empty();
        std::fs::create_dir(outside(&sandbox)).unwrap();
        symlink(outside(&sandbox), sandbox.repo().join(link)).unwrap();
        let refused = init(&sandbox, &[]).expect_code(1).json();
        assert_eq!(refused["code"], "not_initialized", "{name}");
        assert_eq!(Tree::of(&outside(&sandbox)).names(), [""; 0], "{name}");
    }
    let sandbox = Sandbox::empty();
    let refused = init(&sandbox, &["--ai", "codex,nobody"])
        .expect_code(1)
        .json();
    assert_eq!(refused["code"], "unknown_agent");
    assert_eq!(Tree::of(&sandbox.repo()).names(), [""; 0]);
}

#[test]
fn a_project_of_another_layout_is_left_alone_with_prose_on_stderr_only() {
    for (metadata, code, said) in [
        (
            "spec_kitty: {schema_version: 2}\n",
            4,
            "Run: spec-kitty upgrade\n",
        ),
        ("spec_kitty: {}\n", 4, "needs Spec Kitty project migrations"),
        ("a: [\n", 4, "needs Spec Kitty project migrations"),
        (
            "spec_kitty: {schema_version: 99}\n",
            5,
            "project schema 99, but this CLI supports up to schema 3.",
        ),
    ] {
        let sandbox = Sandbox::new();
        write(&sandbox.repo().join(".kittify/metadata.yaml"), metadata);
        let before = Tree::of(&sandbox.repo());
        for command in [
            &["agent", "mission", "create", "x", "--json"][..],
            &["agent", "mission", "setup-plan", "--json"],
            &["agent", "mission", "finalize-tasks"],
        ] {
            let run = sandbox.run(command).expect_code(code);
            assert_eq!(run.stdout, "", "{run:?}");
            assert!(run.stderr.contains(said), "{run:?}");
        }
        // Overviews and init itself work whatever the project looks like.
        sandbox.run(&["status", "--json"]).expect_code(0);
        assert_unchanged(&before, &sandbox.repo());
        init(&sandbox, &[]).expect_code(0);
        assert_eq!(
            read(&sandbox.repo().join(".kittify/metadata.yaml")),
            metadata
        );
    }
}
