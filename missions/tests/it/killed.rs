//! Processes that are killed before and after every git command; the next one completes.
//!
//! The child is this test binary: `the_child_…` does nothing unless its working directory tells it
//! to. Its git is a script that counts, and kills the child with SIGKILL at the call it was told.

use crate::lanes::{
    LANES, MISSION, allocated, branch, branches, integration, path, planned, request, subjects,
    work, worked,
};
use crate::support::{Sandbox, names, search_path, write, write_script};
use kitty_missions::git::GitProgram;
use kitty_missions::integration::{Retain, Strategy, prepare};
use kitty_missions::project::Project;
use kitty_missions::workspace::allocate;
use std::path::Path;
use std::process::{Command, Stdio};

const CHILD: &str = "killed::the_child_works_until_it_is_killed";

#[test]
fn the_child_works_until_it_is_killed() {
    let base = std::env::current_dir().unwrap();
    let Ok(order) = std::fs::read_to_string(base.join("order")) else {
        return;
    };
    let git = GitProgram::default().at(base.join("git-that-kills"));
    let project = Project::locate(&git, &base.join("repo"), None).unwrap();
    if order == "allocate" {
        allocate(&project, &request("lane-c")).unwrap();
    } else {
        run(&project, order.parse().unwrap());
    }
    write(&base.join("finished"), "");
}

fn run(project: &Project, strategy: Strategy) {
    let prepared = prepare(project, &integration(strategy)).unwrap();
    let done = prepared.integrate().unwrap();
    let cleaned = done.clean_up(Retain::default()).unwrap();
    assert_eq!(cleaned.kept, []);
}

/// Tells the script at which call to kill, and whether git runs before that.
fn arm(base: &Path, at: usize, when: &str) {
    let text = |name: &str| base.join(name).display().to_string();
    let script = format!(
        "#!/bin/sh\n\
         count=$(($(cat '{count}' 2>/dev/null || echo 0) + 1))\n\
         echo $count > '{count}'\n\
         if [ $count = {at} ] && [ {when} = before ]; then kill -KILL $PPID; exit 1; fi\n\
         git \"$@\"\n\
         status=$?\n\
         if [ $count = {at} ]; then kill -KILL $PPID; fi\n\
         exit $status\n",
        count = text("count"),
    );
    write_script(&base.join("git-that-kills"), &script);
    let _ = std::fs::remove_file(base.join("count"));
}

/// Runs the child; tells whether it finished.
fn run_child(sandbox: &Sandbox, order: &str, at: usize, when: &str) -> bool {
    let base = sandbox.base();
    arm(&base, at, when);
    write(&base.join("order"), order);
    let _ = std::fs::remove_file(base.join("finished"));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .current_dir(&base)
        .env_clear()
        .env("PATH", search_path())
        .envs(sandbox.environment())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let finished = base.join("finished").exists();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked"), "{order} {when} {at}: {text}");
    assert_eq!(
        finished,
        output.status.success(),
        "{order} {when} {at}: {text}"
    );
    finished
}

#[test]
fn an_allocation_that_is_killed_at_any_git_command_is_completed_by_the_next() {
    for when in ["before", "after"] {
        let mut ended = false;
        for at in 1..30 {
            let sandbox = planned("repo");
            for lane in &LANES[..2] {
                allocated(&sandbox, lane).unwrap();
                work(&sandbox, lane, &format!("{lane}.txt"), lane);
            }
            ended = run_child(&sandbox, "allocate", at, when);
            let made = allocated(&sandbox, "lane-c").unwrap();
            let lane = path(&sandbox, "lane-c");
            assert_eq!(sandbox.git_in(&lane, &["status", "--porcelain"]), "");
            assert_eq!(names(&lane).len(), 7, "{when} {at}: {:?}", names(&lane));
            assert_eq!(made.head, sandbox.git(&["rev-parse", &branch("lane-c")]));
            if ended {
                assert!(at > 3, "an allocation runs more than {at} commands");
                break;
            }
        }
        assert!(ended, "an allocation runs fewer commands than that");
    }
}

#[test]
fn a_merge_that_is_killed_at_any_git_command_is_completed_by_the_next() {
    kill_integrations(Strategy::Merge);
}

#[test]
fn a_squash_that_is_killed_at_any_git_command_is_completed_by_the_next() {
    kill_integrations(Strategy::Squash);
}

#[test]
fn a_rebase_that_is_killed_at_any_git_command_is_completed_by_the_next() {
    kill_integrations(Strategy::Rebase);
}

/// Kills an integration at each of its git commands, on a new repository each time.
fn kill_integrations(strategy: Strategy) {
    for when in ["before", "after"] {
        let mut ended = false;
        for at in 1..60 {
            let sandbox = worked();
            sandbox.write("draft", "uncommitted");
            ended = run_child(&sandbox, strategy.as_str(), at, when);
            if branches(&sandbox).contains(&MISSION.to_owned()) {
                run(&sandbox.locate(), strategy);
            }
            assert_integrated_once(&sandbox, strategy);
            if ended {
                assert!(at > 10, "an integration runs more than {at} commands");
                break;
            }
        }
        assert!(ended, "an integration runs fewer commands than that");
    }
}

fn assert_integrated_once(sandbox: &Sandbox, strategy: Strategy) {
    assert_eq!(branches(sandbox), ["main", "work"]);
    for lane in LANES {
        assert_eq!(sandbox.read(&format!("src/{lane}.txt")), lane);
    }
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "?? draft");
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 1);
    let subjects = subjects(sandbox, "work");
    let squashes = subjects.iter().filter(|one| one.starts_with("feat("));
    assert_eq!(squashes.count(), usize::from(strategy == Strategy::Squash));
}

/// A merge in the lane that died between git's own steps leaves `MERGE_HEAD` behind.
#[test]
fn a_merge_of_ours_that_was_interrupted_is_given_up_and_made_again() {
    let sandbox = planned("repo");
    for lane in LANES {
        allocated(&sandbox, lane).unwrap();
        work(&sandbox, lane, &format!("{lane}.txt"), lane);
    }
    let lane = path(&sandbox, "lane-c");
    let message = "Merge dependency lane lane-a into lane-c";
    sandbox.git_in(
        &lane,
        &[
            "merge",
            "--quiet",
            "--no-commit",
            "-m",
            message,
            &branch("lane-a"),
        ],
    );
    allocated(&sandbox, "lane-c").unwrap();
    assert_eq!(sandbox.git_in(&lane, &["status", "--porcelain"]), "");
    assert!(lane.join("lane-b.txt").exists());
}
