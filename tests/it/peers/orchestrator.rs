//! The real spec-kitty-orchestrator 0.1.2 from PyPI drives a mission through this program.
//!
//! Its agents are programs of fixed names; here `claude` writes the file that the work package owns
//! and commits it, and `codex` reviews: it refuses the first work package once, then approves.

use super::Peer;
use crate::orchestrator::fixture::{Fixture, Plan};
use crate::support::missions::read;
use crate::support::process::{Run, program, run, variable};
use crate::support::sandbox::{Sandbox, write_script};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Makes what the prompt asks for; made again, the file says that it was.
const CLAUDE: &str = r##"#!/bin/sh
set -e
prompt=$(cat)
file=$(printf '%s\n' "$prompt" | sed -n 's/^Create `\(.*\)` as the specification says\.$/\1/p')
[ -n "$file" ]
mkdir -p "$(dirname "$file")"
case $prompt in
*"Review Feedback"*"say why"*) echo "# reworked" >>"$file" ;;
*) echo "# made by a program" >"$file" ;;
esac
git add "$file"
git commit --quiet --message "Write $file"
echo '{"result": {}}'
"##;

/// Refuses one review of the mission, and says why.
const CODEX: &str = r##"#!/bin/sh
cat >/dev/null
if mkdir "$STUB_REFUSED" 2>/dev/null; then
    echo '{"error": "say why"}'
    exit 1
fi
echo '{"result": {}}'
"##;

/// Notes every call and its answer, then hands the answer on.
const HOST: &str = r##"#!/bin/sh
answer=$("$STUB_HOST" "$@")
code=$?
printf '%s\n' "$answer" >>"$STUB_ANSWERS"
printf '%s\n' "$answer"
exit "$code"
"##;

/// A sandbox whose search path begins with the stubs.
fn machine() -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::empty();
    let bin = sandbox.base().join("bin");
    write_script(&bin.join("claude"), CLAUDE);
    write_script(&bin.join("codex"), CODEX);
    write_script(&bin.join("spec-kitty"), HOST);
    let usual = variable("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        std::iter::once(bin).chain(std::env::split_paths(&usual).collect::<Vec<_>>()),
    );
    sandbox.set("PATH", path.unwrap());
    sandbox.set("STUB_HOST", program());
    sandbox.set("STUB_REFUSED", sandbox.base().join("refused"));
    let answers = sandbox.base().join("answers");
    sandbox.set("STUB_ANSWERS", &answers);
    (sandbox, answers)
}

fn orchestrate(peer: &Peer, sandbox: &Sandbox, fixture: &Fixture, at_once: &str) -> Run {
    let mut command = peer.python(sandbox);
    command
        .args(["-m", "spec_kitty_orchestrator.cli.main", "orchestrate"])
        .args(["--mission", &fixture.slug, "--max-concurrent", at_once])
        .args(["--impl-agent", "claude-code", "--review-agent", "codex"])
        .current_dir(&fixture.root)
        .env("COLUMNS", "200");
    run(&mut command)
}

#[track_caller]
fn call(sandbox: &Sandbox, fixture: &Fixture, words: &[&str]) -> Value {
    let words = [words, &["--mission", &fixture.slug]].concat();
    let envelope: Value = run(&mut fixture.command(sandbox, &words))
        .expect_code(0)
        .json();
    assert_eq!(envelope["success"], true, "{envelope}");
    envelope["data"].clone()
}

fn drives_a_mission(topology: &str, at_once: &str) {
    let Some(peer) = Peer::orchestrator() else {
        return;
    };
    let (sandbox, answers) = machine();
    let plan = Plan {
        topology,
        ..Plan::default()
    };
    let fixture = Fixture::make(&sandbox, &sandbox.base().join("project"), &plan);
    let ran = orchestrate(&peer, &sandbox, &fixture, at_once).expect_code(0);
    assert!(
        ran.stdout.contains("Orchestration completed successfully"),
        "{ran:?}"
    );
    assert!(
        sandbox.base().join("refused").is_dir(),
        "nothing was refused"
    );
    let state = call(&sandbox, &fixture, &["mission-state"]);
    for package in state["work_packages"].as_array().unwrap() {
        assert_eq!(package["lane"], "done", "{state}");
    }
    every_answer_is_an_envelope(&read(&answers));
    let accepted = call(
        &sandbox,
        &fixture,
        &["accept-mission", "--actor", "a person"],
    );
    assert_eq!(accepted["done_wps"], json!(["WP01", "WP02", "WP03"]));
    let merged = call(&sandbox, &fixture, &["merge-mission"]);
    assert_eq!(merged["merged_wps"], json!(["WP01", "WP02", "WP03"]));
    assert_eq!(merged["mission_number"], 1);
    assert_eq!(merged["worktree_removed"], true);
    is_merged(&sandbox, &fixture);
}

/// Three work packages and one rejection make at least thirty calls; an older host, which ignored
/// `--subtasks-complete`, was called again for each of those with `--force`.
fn every_answer_is_an_envelope(answers: &str) {
    let answers: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(answers.len() >= 30, "{} calls", answers.len());
    let refused: Vec<&Value> = answers
        .iter()
        .filter(|answer| answer["success"] == false)
        .map(|answer| &answer["error_code"])
        .collect();
    // `done` straight from `for_review`, once for each work package: it tries older hosts' way first.
    assert_eq!(refused, ["TRANSITION_REJECTED"; 3]);
}

fn is_merged(sandbox: &Sandbox, fixture: &Fixture) {
    let git = |words: &[&str]| sandbox.git_in(&fixture.root, words);
    let mut reworked = 0;
    for file in ["src/greet.py", "src/farewell.py", "src/facade.py"] {
        let text = git(&["show", &format!("work:{file}")]);
        assert!(text.starts_with("# made by a program"), "{file}: {text}");
        reworked += text.lines().filter(|line| *line == "# reworked").count();
    }
    assert_eq!(reworked, 1, "one rejection is followed by one rework");
    let status: Value =
        serde_json::from_str(&read(&fixture.directory.join("status.json"))).unwrap();
    assert_eq!(status["summary"]["done"], 3, "{status}");
    assert_eq!(status["mission_number"], "1");
    let meta: Value = serde_json::from_str(&read(&fixture.directory.join("meta.json"))).unwrap();
    assert_eq!(meta["mission_number"], 1);
    assert_eq!(meta["accepted_by"], "a person");
    let branches = git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    let own = format!("spec-kitty/orchestrator/{}", fixture.slug);
    assert_eq!(branches.lines().collect::<Vec<_>>(), ["main", &own, "work"]);
    let dirty = git(&["status", "--porcelain", "--", "kitty-specs", "src"]);
    assert_eq!(dirty, "");
    assert!(!Path::new(&fixture.worktree("lane-a")).exists());
}

#[test]
fn fr_021_a_mission_in_lanes_is_driven_to_its_end_one_work_package_at_a_time() {
    drives_a_mission("lanes", "1");
}

#[test]
fn fr_021_a_mission_on_a_single_branch_is_driven_to_its_end_with_three_agents_at_once() {
    drives_a_mission("single_branch", "3");
}
