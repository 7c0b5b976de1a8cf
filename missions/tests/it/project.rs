//! Finding the project.

use crate::support::Sandbox;
use kitty_missions::project::{Project, ProjectError};
use std::path::Path;

fn locate(sandbox: &Sandbox, start: &Path, given: Option<&Path>) -> Result<Project, ProjectError> {
    Project::locate(&sandbox.program(), start, given)
}

#[test]
fn the_nearest_marker_above_the_working_directory_makes_the_project() {
    let sandbox = Sandbox::project();
    sandbox.write("inner/.kittify/config.yaml", "");
    sandbox.write("inner/a/b", "");
    let found = |below: &str| {
        locate(&sandbox, &sandbox.root.join(below), None)
            .unwrap()
            .root
    };
    assert_eq!(found("src"), sandbox.root);
    assert_eq!(found("inner/a"), sandbox.root.join("inner"));
}

#[test]
fn without_a_marker_there_is_no_project_and_the_next_step_is_named() {
    let sandbox = Sandbox::bare("plain");
    let error = locate(&sandbox, &sandbox.root, None).unwrap_err();
    assert!(matches!(error, ProjectError::NotFound { .. }));
    assert!(error.to_string().contains("`spec-kitty init`"), "{error}");
    sandbox.write(".kittify", "a file is no marker");
    assert!(locate(&sandbox, &sandbox.root, None).is_err());
}

#[test]
fn a_project_needs_no_repository() {
    let sandbox = Sandbox::bare("plain");
    sandbox.write(".kittify/config.yaml", "");
    let project = locate(&sandbox, &sandbox.root, None).unwrap();
    assert_eq!(project.root, sandbox.root);
    assert!(project.checkout.is_none());
}

#[test]
fn a_given_directory_wins_if_it_exists_and_needs_no_marker() {
    let sandbox = Sandbox::project();
    let other = Sandbox::bare("other");
    let project = locate(&sandbox, &sandbox.root, Some(&other.root)).unwrap();
    assert_eq!(project.root, other.root);
    for ignored in [
        sandbox.root.join("missing"),
        sandbox.root.join("src/code.txt"),
    ] {
        let project = locate(&sandbox, &sandbox.root, Some(&ignored)).unwrap();
        assert_eq!(project.root, sandbox.root);
    }
}

#[test]
fn from_a_linked_worktree_the_project_is_that_of_the_primary_checkout() {
    let sandbox = Sandbox::project();
    sandbox.write("inner/.kittify/config.yaml", "");
    sandbox.write("inner/a/b", "");
    sandbox.commit_all("inner");
    for linked in [
        sandbox.base().join("linked"),
        sandbox.root.join(".worktrees/lane"),
    ] {
        sandbox.git(&[
            "worktree",
            "add",
            "--quiet",
            "--detach",
            linked.to_str().unwrap(),
        ]);
        let found = |below: &str| locate(&sandbox, &linked.join(below), None).unwrap();
        assert_eq!(found("src").root, sandbox.root);
        assert_eq!(found("inner/a").root, sandbox.root.join("inner"));
        assert_eq!(found("").checkout.unwrap().root(), linked);
        // The directory that is given is followed as well.
        let given = locate(&sandbox, &sandbox.base(), Some(&linked)).unwrap();
        assert_eq!(given.root, sandbox.root);
        // Also when the worktree's commit has no marker.
        sandbox.git_in(&linked, &["rm", "--quiet", "-r", ".kittify", "inner"]);
        assert_eq!(found("src").root, sandbox.root);
    }
}

#[test]
fn a_worktree_of_a_bare_repository_is_its_own_project() {
    let sandbox = Sandbox::project();
    let bare = sandbox.base().join("bare.git");
    let source = sandbox.root.to_str().unwrap();
    sandbox.git(&["clone", "--quiet", "--bare", source, bare.to_str().unwrap()]);
    let tree = sandbox.base().join("tree");
    sandbox.git_in(
        &bare,
        &["worktree", "add", "--quiet", tree.to_str().unwrap(), "main"],
    );
    let project = locate(&sandbox, &tree.join("src"), None).unwrap();
    assert_eq!(project.root, tree);
    let created = crate::support::with_tools(&kitty_missions::files::WorktreeFilesystem, |tools| {
        let options = crate::support::options("user-auth");
        kitty_missions::create::create(&project, &options, tools).unwrap()
    });
    assert!(created.directory.starts_with(&tree));
}

#[test]
fn a_repository_inside_the_project_is_not_the_project_s() {
    let sandbox = Sandbox::project();
    let inner = sandbox.root.join("vendor/library");
    std::fs::create_dir_all(inner.join("src")).unwrap();
    sandbox.git_in(&inner, &["init", "--quiet"]);
    let project = locate(&sandbox, &inner.join("src"), None).unwrap();
    assert_eq!(project.root, sandbox.root);
    assert_eq!(project.checkout.unwrap().root(), sandbox.root);
}

#[test]
fn whoever_may_change_the_configuration_removes_what_a_killed_program_left_of_it() {
    let sandbox = Sandbox::project();
    for name in [".config.yaml.0123456789abcdef.tmp", ".config.yaml.tmp"] {
        sandbox.write(&format!(".kittify/{name}"), "half of it");
    }
    let lock = locate(&sandbox, &sandbox.root, None).unwrap().lock_config();
    drop(lock.unwrap());
    let there = |name: &str| sandbox.root.join(".kittify").join(name).exists();
    assert!(!there(".config.yaml.0123456789abcdef.tmp"));
    assert!(there(".config.yaml.tmp"), "a file of the user went");
    assert!(there("config.yaml"));
}
