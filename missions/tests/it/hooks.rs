//! The user's hooks and configuration run as the user wrote them; whatever they do, nothing is left.

use crate::support::{Sandbox, write, write_script};
use kitty_missions::create::CreateError;
use kitty_missions::git::GitError;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_hook_that_refuses_is_quoted_and_everything_is_as_before() {
    for hook in ["pre-commit", "commit-msg", "prepare-commit-msg"] {
        let sandbox = Sandbox::project();
        sandbox.write("staged", "x\n");
        sandbox.git(&["add", "staged"]);
        sandbox.write("src/code.txt", "modified\n");
        sandbox.hook(
            hook,
            "echo on-stdout; echo 'no: https://u:secret@h/x' >&2; exit 3",
        );
        let before = sandbox.state();
        let error = sandbox.create("user-auth").unwrap_err();
        assert!(
            matches!(error, CreateError::Git(GitError::HookRefused { .. })),
            "{error}"
        );
        assert_eq!(
            error.to_string(),
            format!("the {hook} hook refused the commit: on-stdout; no: https://<redacted>@h/x")
        );
        assert_eq!(sandbox.state(), before, "{hook}");
    }
}

#[test]
fn hooks_of_a_configured_folder_run_also_when_they_say_nothing() {
    let sandbox = Sandbox::project();
    let hooks = sandbox.base().join("my hooks");
    write_script(&hooks.join("pre-commit"), "#!/bin/sh\nexit 1\n");
    sandbox.git(&["config", "core.hooksPath", hooks.to_str().unwrap()]);
    let before = sandbox.state();
    let error = sandbox.create("user-auth").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pre-commit hook refused the commit: it printed nothing"
    );
    assert_eq!(sandbox.state(), before);
}

#[test]
fn a_hook_sees_our_files_and_keeps_its_own_pathspec_syntax_and_encoding() {
    let sandbox = Sandbox::project();
    let seen = sandbox.base().join("seen");
    sandbox.hook(
        "pre-commit",
        &format!(
            "git diff --cached --name-only -- '*.md' > '{0}'; echo \"$LC_ALL\" >> '{0}'",
            seen.display()
        ),
    );
    let created = sandbox.create("user-auth").unwrap();
    assert_eq!(
        std::fs::read_to_string(seen).unwrap(),
        format!("kitty-specs/{}/tasks/README.md\n\n", created.mission_slug)
    );
}

#[test]
fn a_hook_that_never_ends_is_ended_and_everything_is_as_before() {
    let sandbox = Sandbox::project();
    let pid_file = sandbox.base().join("pid");
    sandbox.hook(
        "pre-commit",
        &format!("echo $$ > '{}'; exec sleep 600", pid_file.display()),
    );
    let before = sandbox.state();
    let program = sandbox
        .program()
        .with_deadlines(Duration::from_secs(20), Duration::from_secs(2));
    let error = sandbox.create_through(&program).unwrap_err();
    assert!(
        matches!(error, CreateError::Git(GitError::TimedOut { .. })),
        "{error}"
    );
    assert_eq!(sandbox.state(), before);
    end(&pid_file);
}

#[test]
fn a_hook_that_hangs_after_the_commit_does_not_undo_it() {
    let sandbox = Sandbox::project();
    let pid_file = sandbox.base().join("pid");
    sandbox.hook(
        "post-commit",
        &format!("echo $$ > '{}'; exec sleep 600", pid_file.display()),
    );
    let program = sandbox
        .program()
        .with_deadlines(Duration::from_secs(20), Duration::from_secs(2));
    let created = sandbox.create_through(&program).unwrap();
    assert_eq!(
        sandbox.git(&["rev-parse", "HEAD"]),
        created.committed.commit
    );
    end(&pid_file);
}

#[test]
fn a_process_that_a_hook_leaves_behind_is_not_waited_for() {
    let sandbox = Sandbox::project();
    let pid_file = sandbox.base().join("pid");
    sandbox.hook(
        "post-commit",
        &format!("sleep 600 & echo $! > '{}'", pid_file.display()),
    );
    sandbox.create("user-auth").unwrap();
    // It holds git's stderr and still runs: the creation above did not wait for it.
    assert!(end(&pid_file), "the process should still run");
}

/// Ends the process whose id a hook wrote down; tells whether it was still there.
fn end(pid_file: &std::path::Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let status = Command::new("kill")
        .args(["-KILL", pid.trim()])
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    status.success()
}

#[test]
fn a_failing_hook_after_the_commit_does_not_undo_it() {
    let sandbox = Sandbox::project();
    sandbox.hook("post-commit", "exit 1");
    let created = sandbox.create("user-auth").unwrap();
    assert_eq!(
        sandbox.git(&["rev-parse", "HEAD"]),
        created.committed.commit
    );
}

#[test]
fn a_commit_that_a_hook_adds_behind_ours_does_not_hide_ours() {
    let sandbox = Sandbox::project();
    sandbox.hook(
        "post-commit",
        "test -e again || { touch again; git commit --quiet --allow-empty --message more; }",
    );
    let created = sandbox.create("user-auth").unwrap();
    assert_eq!(
        sandbox.git(&["rev-parse", "HEAD^"]),
        created.committed.commit
    );
}

#[test]
fn variables_that_point_at_another_repository_or_index_are_ignored() {
    let sandbox = Sandbox::project();
    let other = Sandbox::project();
    let mut environment = sandbox.environment();
    let git_dir = other.root.join(".git");
    for (name, value) in [
        ("GIT_DIR", git_dir.clone()),
        ("GIT_WORK_TREE", other.root.clone()),
        ("GIT_INDEX_FILE", git_dir.join("index")),
        ("GIT_OBJECT_DIRECTORY", git_dir.join("objects")),
        ("GIT_LITERAL_PATHSPECS", "1".into()),
        ("GIT_PREFIX", "src/".into()),
    ] {
        environment.push((name.to_owned(), value.to_str().unwrap().to_owned()));
    }
    let before = other.state();
    let program = sandbox.program().with_only_environment(environment);
    sandbox.create_through(&program).unwrap();
    assert_eq!(other.state(), before);
    assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "2");
}

#[test]
fn an_index_that_another_git_holds_is_named_and_nothing_is_left() {
    let sandbox = Sandbox::project();
    let before = sandbox.state();
    write(&sandbox.root.join(".git/index.lock"), "");
    let error = sandbox.create("user-auth").unwrap_err();
    assert!(
        matches!(error, CreateError::Git(GitError::Locked { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("index.lock"), "{error}");
    std::fs::remove_file(sandbox.root.join(".git/index.lock")).unwrap();
    assert_eq!(sandbox.state(), before);
}
