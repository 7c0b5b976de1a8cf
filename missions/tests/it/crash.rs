//! Processes that end without unwinding, at every call and between git's two steps.
//!
//! The child is this test binary: `the_child_…` does nothing unless its working directory tells it to.

use crate::faulty::{Fault, FaultyFilesystem};
use crate::support::{Sandbox, names, options, search_path, with_tools};
use kitty_missions::board;
use kitty_missions::create::create;
use kitty_missions::git::GitProgram;
use kitty_missions::project::Project;
use std::process::{Command, ExitStatus, Stdio};

/// Tells the child at which call to end.
const ORDER: &str = "abort-at-call";

#[test]
fn the_child_creates_a_mission_and_ends_at_the_call_it_was_told() {
    let directory = std::env::current_dir().unwrap();
    let Ok(order) = std::fs::read_to_string(directory.join(ORDER)) else {
        return;
    };
    let filesystem = FaultyFilesystem::new(order.parse().unwrap(), Fault::Abort);
    let git = GitProgram::default();
    with_tools(&filesystem, |tools| {
        let project = Project::locate(&git, &directory, None).unwrap();
        create(&project, &options("user-auth"), tools).unwrap();
    });
}

/// Runs the child with an order of its own.
fn run_child(sandbox: &Sandbox, at: usize) -> ExitStatus {
    sandbox.write(ORDER, &at.to_string());
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::the_child_creates_a_mission_and_ends_at_the_call_it_was_told",
        ])
        .current_dir(&sandbox.root)
        .env_clear()
        .env("PATH", search_path())
        .envs(sandbox.environment())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    std::fs::remove_file(sandbox.root.join(ORDER)).unwrap();
    status
}

/// Checks that no reader meets half a mission; returns how many missions there are.
fn assert_only_whole_missions(sandbox: &Sandbox) -> usize {
    let board = board::read(&sandbox.locate()).unwrap();
    for entry in &board.missions {
        assert!(entry.is_healthy(), "{entry:?}");
        assert_eq!(names(&entry.directory).len(), 6, "{entry:?}");
        let log = std::fs::read_to_string(entry.directory.join("status.events.jsonl")).unwrap();
        assert_eq!(log.lines().count(), 2);
    }
    assert_eq!(
        sandbox.missions().len(),
        board.missions.len(),
        "no hidden leftovers"
    );
    board.missions.len()
}

#[test]
fn a_process_that_dies_at_any_call_leaves_no_half_mission_and_the_next_one_works() {
    let sandbox = Sandbox::project();
    for at in 0..200 {
        let commits = sandbox.git(&["rev-list", "--count", "HEAD"]);
        let missions = assert_only_whole_missions(&sandbox);
        if run_child(&sandbox, at).success() {
            assert!(at > 20, "a creation makes more than {at} calls");
            assert_eq!(assert_only_whole_missions(&sandbox), missions + 1);
            let unfinished = sandbox.root.join(".git/spec-kitty-unfinished");
            assert_eq!(names(&unfinished), [""; 0], "the last one swept");
            return;
        }
        assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), commits);
        assert_only_whole_missions(&sandbox);
    }
    panic!("a creation makes fewer calls than that");
}

#[test]
fn a_process_that_is_killed_between_staging_and_commit_leaves_a_whole_mission() {
    let sandbox = Sandbox::project();
    // The hook's parent is git, git's parent is the child.
    sandbox.hook(
        "pre-commit",
        "test -e ../killed && exit 0; touch ../killed; kill -KILL $(ps -o ppid= -p $PPID) $PPID",
    );
    assert!(!run_child(&sandbox, usize::MAX).success());
    assert_eq!(assert_only_whole_missions(&sandbox), 1);
    // Git died as well and left its lock; the user is told, and once it is gone all works.
    let _ = std::fs::remove_file(sandbox.root.join(".git/index.lock"));
    sandbox.create("user-auth").unwrap();
    assert_eq!(assert_only_whole_missions(&sandbox), 2);
    assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "2");
}
