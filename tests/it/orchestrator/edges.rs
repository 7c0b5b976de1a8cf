//! What hardly ever happens: a lock that is not free, threads and processes that cannot be started, a
//! full disk, names that look like options, lanes that were reset. One envelope each, and nothing is
//! lost.

use super::course::assert_same;
use super::fixture::{Fixture, Plan};
use super::refusals::{BLOCK, Project, envelope, message, start};
use crate::support::missions::read;
use crate::support::process::{Call, Run, is_installed, run, skip, wrap};
use crate::support::sandbox::{Sandbox, write};
use crate::support::teamspace::Teamspace;
use kitty_runtime::lock::FileLock;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const LIMIT: &str = "SPEC_KITTY_STATUS_LOCK_SECONDS";
const NOTE: [&str; 7] = [
    "append-history",
    "--wp",
    "WP01",
    "--actor",
    "o",
    "--note",
    "n",
];
const ACCEPT: [&str; 3] = ["accept-mission", "--actor", "o"];

fn approved() -> Project {
    let project = Project::new();
    for (wp_id, lane, file) in [
        ("WP01", "lane-a", "src/greet.py"),
        ("WP02", "lane-b", "src/farewell.py"),
        ("WP03", "lane-c", "src/facade.py"),
    ] {
        project.implement(wp_id, lane, file);
        project.approve(wp_id);
    }
    project
}

fn lock_of(fixture: &Fixture) -> FileLock {
    let locks = fixture.root.join(".git/spec-kitty-locks");
    let lock = locks.join(format!("{}.status.lock", fixture.slug));
    FileLock::acquire("the status", &lock, Duration::ZERO).unwrap()
}

#[test]
fn a_status_that_another_process_holds_too_long_is_one_envelope() {
    let project = approved();
    let held = lock_of(&project.fixture);
    let words: [(&[&str], &str); 6] = [
        (&NOTE, "HISTORY_COMMIT_FAILED"),
        (&BLOCK, "SAFE_COMMIT_GENERIC"),
        (&start("WP01"), "SAFE_COMMIT_GENERIC"),
        (&ACCEPT, "SAFE_COMMIT_GENERIC"),
        (&["merge-mission"], "SAFE_COMMIT_GENERIC"),
        (
            &[
                "start-review",
                "--wp",
                "WP01",
                "--actor",
                "r",
                "--policy",
                "POLICY",
            ],
            "SAFE_COMMIT_GENERIC",
        ),
    ];
    for (words, code) in words {
        let told = project.refuses(project.call(words).env(LIMIT, "0"), code);
        let said = message(&told);
        assert!(said.contains("held by another process"), "{said}");
    }
    // Who only reads does not wait.
    project.succeeds(&["mission-state"]);
    let finalize = ["agent", "mission", "finalize-tasks", "--json"];
    let refused = project.sandbox.call(&finalize).env(LIMIT, "0").run();
    assert_eq!(refused.expect_code(1).json()["code"], "MISSION_BUSY");
    // One that is waited for long enough is had.
    let waiting = project.call(&NOTE).start();
    drop(held);
    assert_eq!(waiting.finish().expect_code(0).json()["success"], true);
}

/// More threads and processes than one thread of the program starts.
const FARTHEST: usize = 20;

/// Runs a command whose Nth thread or process cannot be started; `None` without strace.
fn without_the_nth_thread(command: &Command, n: usize) -> Run {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-b", "execve", "-qq", "-o", "/dev/null"]);
    strace.args(["-e", "trace=clone,clone3,vfork"]);
    let inject = format!("inject=clone,clone3,vfork:error=EAGAIN:when={n}");
    strace.args(["-e", &inject]);
    run(&mut wrap(strace, command))
}

#[test]
fn whatever_cannot_be_started_a_panic_included_there_is_one_envelope_and_nothing_is_lost() {
    if !is_installed("strace") {
        return skip("a failing clone needs strace");
    }
    let teamspace = Teamspace::start();
    let mut sandbox = Sandbox::empty();
    sandbox.host(teamspace.url());
    teamspace.log_in(&sandbox);
    let fixture = Fixture::make(&sandbox, &sandbox.repo(), &Plan::default());
    let words = [&NOTE[..], &["--mission", &fixture.slug]].concat();
    let mut panics = 0;
    let mut successes = 0;
    for n in 1..=FARTHEST {
        let ran = without_the_nth_thread(&fixture.command(&sandbox, &words), n);
        assert_eq!(ran.stdout.matches('\n').count(), 1, "{n}: {ran:?}");
        let told = ran.json();
        assert_eq!(told.as_object().unwrap().len(), 7, "{n}: {ran:?}");
        match ran.code() {
            0 => {
                assert_eq!(told["success"], true, "{n}: {ran:?}");
                successes += 1;
            }
            70 => {
                envelope(&ran.stdout, "INTERNAL_ERROR");
                panics += 1;
            }
            code => assert_eq!((code, &told["success"]), (1, &false.into()), "{n}: {ran:?}"),
        }
    }
    assert!(panics > 0 && successes > 0, "{panics}, {successes}");
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_same(&fixture.root, &teamspace);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn on_a_disk_that_fills_up_anywhere_every_verb_prints_one_envelope_and_loses_nothing() {
    let teamspace = Teamspace::start();
    let mut sandbox = Sandbox::empty();
    sandbox.host(teamspace.url());
    teamspace.log_in(&sandbox);
    let fixture = Fixture::make(&sandbox, &sandbox.repo(), &Plan::default());
    let project = Project { sandbox, fixture };
    let mut failures = 0;
    let verbs: [&[&str]; 4] = [&start("WP01"), &NOTE, &BLOCK, &["list-ready"]];
    for words in verbs {
        for blocks in [0, 1, 2, 4, 8, 16, 32, 64, 1024] {
            let before = read(&project.fixture.directory.join("status.events.jsonl"));
            let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
            let ran = project.call(words).within_shell(&script);
            assert_eq!(ran.stdout.matches('\n').count(), 1, "{blocks}: {ran:?}");
            let told: Value = ran.json();
            if told["success"] == true {
                assert_eq!(ran.code(), 0, "{ran:?}");
                break;
            }
            assert_eq!(ran.code(), 1, "{blocks}: {ran:?}");
            failures += 1;
            let after = read(&project.fixture.directory.join("status.events.jsonl"));
            assert_eq!(after, before, "{blocks}: {ran:?}");
            assert!(blocks < 1024, "{ran:?}");
        }
    }
    assert!(failures >= 6, "{failures}");
    project.sandbox.run(&["sync", "now"]).expect_code(0);
    assert_same(&project.fixture.root, &teamspace);
    assert_eq!(project.sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_target_that_looks_like_an_option_runs_nothing() {
    let project = approved();
    let made = project.sandbox.base().join("made");
    let upload = format!("--target=--upload-pack=touch {}", made.display());
    let exec = format!("--target=--exec=touch {}", made.display());
    for target in [upload.as_str(), exec.as_str(), "--target=-d", "--target=--"] {
        for push in [&[][..], &["--push"]] {
            let words = [&["merge-mission", target], push].concat();
            let told = project.refused(&words, "PREFLIGHT_FAILED");
            let named = target.strip_prefix("--target=").unwrap();
            assert_eq!(told["target_branch"], named, "{told}");
            assert!(!made.exists(), "{target} was run");
        }
        let named = target.strip_prefix("--target=").unwrap();
        if named.len() > 2
            && let Some(trace) = project.call(&["merge-mission", target]).trace()
        {
            // Our own argument begins with `--target=`.
            let word = format!("\"{named}");
            let is_passed_on =
                |call: &&Call| call.name == "execve" && call.line.contains(word.as_str());
            assert_eq!(trace.calls().iter().find(is_passed_on), None);
        }
    }
    project.succeeds(&["merge-mission"]);
}

#[test]
fn a_lane_that_was_reset_gets_what_it_builds_on_again_or_is_refused() {
    let project = Project::new();
    let git = |words: &[&str]| {
        let lane = project.fixture.worktree("lane-c");
        project.sandbox.git_in(&lane, words)
    };
    for (wp_id, lane, file) in [
        ("WP01", "lane-a", "src/greet.py"),
        ("WP02", "lane-b", "src/farewell.py"),
    ] {
        project.implement(wp_id, lane, file);
        project.approve(wp_id);
    }
    project.succeeds(&start("WP03"));
    let tip = |lane: &str| {
        let branch = format!("kitty/mission-{}-{lane}", project.fixture.slug);
        project.sandbox.git(&["rev-parse", &branch])
    };
    let builds_on = [tip("lane-a"), tip("lane-b")];
    let first = git(&["rev-list", "--max-parents=0", "HEAD"]);
    // The plan and both lanes are gone from it.
    git(&["reset", "--quiet", "--hard", &first]);
    let again = project.succeeds(&start("WP03"));
    assert_eq!(again["no_op"], true, "{again}");
    for commit in &builds_on {
        git(&["merge-base", "--is-ancestor", commit, "HEAD"]);
    }
    // A history of its own cannot take them.
    git(&["checkout", "--quiet", "--orphan", "alone"]);
    git(&["commit", "--quiet", "-m", "alone"]);
    let lane = format!("kitty/mission-{}-lane-c", project.fixture.slug);
    git(&["branch", "--quiet", "--force", &lane, "alone"]);
    git(&["switch", "--quiet", &lane]);
    let told = project.refused(&start("WP03"), "ANCESTRY_NOT_ESTABLISHED");
    assert_eq!(told["wp_id"], "WP03");
    let missing = told["missing_refs"].as_array().unwrap();
    let names: Vec<&str> = missing.iter().filter_map(Value::as_str).collect();
    assert!(
        names.iter().any(|name| name.contains("planning commit"))
            && names.iter().any(|name| name.contains("lane-a"))
            && names.iter().any(|name| name.contains("lane-b")),
        "{told}"
    );
    assert_eq!(git(&["rev-parse", "HEAD"]), tip("lane-c"));
    assert_eq!(git(&["status", "--porcelain"]), "");
}

#[test]
fn changed_workflows_need_a_named_run_whoever_accepts_and_however_they_changed() {
    let project = Project::new();
    let workflow = ".github/workflows/ci.yml";
    write(&project.sandbox.repo().join(workflow), "on: push\n");
    project.sandbox.commit_all("Add a workflow");
    for (wp_id, lane, file) in [
        ("WP01", "lane-a", "src/greet.py"),
        ("WP02", "lane-b", "src/farewell.py"),
        ("WP03", "lane-c", "src/facade.py"),
    ] {
        project.implement(wp_id, lane, file);
        if lane == "lane-b" {
            let worktree = project.fixture.worktree(lane);
            project
                .sandbox
                .git_in(&worktree, &["merge", "--quiet", "work"]);
            project
                .sandbox
                .git_in(&worktree, &["rm", "--quiet", workflow]);
            let words = ["commit", "--quiet", "-m", "Remove the workflow"];
            project.sandbox.git_in(&worktree, &words);
        }
        project.approve(wp_id);
    }
    let evidence = project.fixture.directory.join("workflow-evidence.md");
    let elsewhere = project.sandbox.base().join("evidence.md");
    write(&elsewhere, "Run ID: 123456\n");
    for text in ["", "It ran.\n", "Run ID: 123\n", "run it yourself\n"] {
        write(&evidence, text);
        let told = project.refused(&ACCEPT, "WORKFLOW_EVIDENCE_REQUIRED");
        assert_eq!(told["required_evidence_path"], evidence.to_str().unwrap());
        assert!(message(&told).contains(workflow), "{told}");
    }
    std::fs::remove_file(&evidence).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &evidence).unwrap();
    project.refused(&ACCEPT, "WORKFLOW_EVIDENCE_REQUIRED");
    let human = ["accept", "--mission", &project.fixture.slug, "--json"];
    let refused = project.sandbox.run(&human);
    assert_ne!(refused.code(), 0, "{refused:?}");
    assert!(refused.says("workflow-evidence.md"), "{refused:?}");
    std::fs::remove_file(&evidence).unwrap();
    write(
        &evidence,
        "https://github.com/o/r/actions/runs/1234567890\n",
    );
    assert_eq!(project.succeeds(&ACCEPT)["accepted"], true);
}
