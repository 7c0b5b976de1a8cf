//! Missions that one program begins and the other finishes.

use super::Peer;
use crate::orchestrator::fixture::{Fixture, Plan};
use crate::support::missions::read;
use crate::support::process::{program, run};
use crate::support::sandbox::Sandbox;
use kitty_missions::reducer::reduce;
use kitty_missions::status_log::StatusLog;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

const POLICY: &str = r#"{"orchestrator_id": "o", "orchestrator_version": "1", "agent_family": "a", "approval_mode": "m", "sandbox_mode": "s", "network_mode": "n", "dangerous_flags": []}"#;

/// Both programs and one mission.
pub(super) struct Handover {
    sandbox: Sandbox,
    fixture: Fixture,
    pub(super) theirs: PathBuf,
    /// What each call took, by its verb.
    pub(super) took: RefCell<Vec<(String, Duration)>>,
}

impl Handover {
    pub(super) fn begin(theirs_begins: bool) -> Option<Self> {
        let peer = Peer::cli()?;
        let mut sandbox = Sandbox::empty();
        for (name, value) in [
            ("SPEC_KITTY_NO_UPGRADE_CHECK", "1"),
            ("SPEC_KITTY_ENABLE_SAAS_SYNC", "0"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("PYTHONUTF8", "1"),
            ("COLUMNS", "200"),
        ] {
            sandbox.set(name, value);
        }
        let theirs = peer.python.with_file_name("spec-kitty");
        let plan = Plan {
            program: theirs_begins.then_some(theirs.as_path()),
            ..Plan::default()
        };
        let fixture = Fixture::make(&sandbox, &sandbox.base().join("project"), &plan);
        Some(Self {
            sandbox,
            fixture,
            theirs,
            took: RefCell::default(),
        })
    }

    /// Runs a command of one of the programs; the last line of stdout is its answer.
    #[track_caller]
    fn run(&self, program: &Path, words: &[&str]) -> String {
        let mut command = self.sandbox.command(program);
        command.args(words).current_dir(&self.fixture.root);
        if !words.contains(&"contract-version") {
            command.args(["--mission", &self.fixture.slug]);
        }
        let run = run(&mut command).expect_code(0);
        let verb = words.iter().find(|word| **word != "orchestrator-api");
        let verb = verb.map(|word| (*word).to_owned()).unwrap_or_default();
        self.took.borrow_mut().push((verb, run.took));
        run.stdout
    }

    #[track_caller]
    pub(super) fn api(&self, program: &Path, words: &[&str]) -> Value {
        let words = [&["orchestrator-api"], words].concat();
        let said = self.run(program, &words);
        let envelope: Value =
            serde_json::from_str(said.trim_end().lines().last().unwrap()).unwrap();
        assert_eq!(envelope["success"], true, "{envelope}");
        envelope["data"].clone()
    }

    pub(super) fn start(&self, program: &Path, wp_id: &str) {
        let verb = ["start-implementation", "--wp", wp_id, "--actor", "coder"];
        let started = self.api(program, &[&verb[..], &["--policy", POLICY]].concat());
        assert_eq!(started["to_lane"], "in_progress");
    }

    pub(super) fn commit(&self, lane: &str, file: &str) {
        self.fixture
            .commit_on(&self.sandbox, lane, file, "made = True\n", "Make it");
    }

    pub(super) fn for_review(&self, program: &Path, wp_id: &str) {
        let to = ["transition", "--wp", wp_id, "--to", "for_review"];
        let by = ["--actor", "coder", "--policy", POLICY];
        self.api(program, &[&to[..], &by].concat());
    }

    fn start_review(&self, program: &Path, wp_id: &str) {
        let words = ["start-review", "--wp", wp_id, "--actor", "reviewer"];
        self.api(program, &[&words[..], &["--policy", POLICY]].concat());
    }

    fn approve(&self, program: &Path, wp_id: &str) {
        let review = json!({"reviewer": "reviewer", "verdict": "approved", "reference": "r1"});
        let (result, evidence) = (review.to_string(), json!({"review": review}).to_string());
        let to = ["transition", "--wp", wp_id, "--to", "approved"];
        let by = ["--actor", "reviewer", "--policy", POLICY];
        let with = [
            "--review-result-json",
            &result,
            "--evidence-json",
            &evidence,
            "--review-ref",
            "r1",
        ];
        self.api(program, &[&to[..], &by, &with].concat());
    }

    pub(super) fn review(&self, program: &Path, wp_id: &str) {
        self.start_review(program, wp_id);
        self.approve(program, wp_id);
    }

    pub(super) fn mark(&self, program: &Path, subtask: &str) {
        let words = ["agent", "tasks", "mark-status", subtask];
        self.run(
            program,
            &[&words[..], &["--status", "done", "--json"]].concat(),
        );
    }

    /// `status.json` as the other side makes it of the log, against the file of the last writer.
    #[track_caller]
    fn both_sides_see_the_same(&self) {
        let file = self.fixture.directory.join("status.json");
        let written = read(&file);
        assert_eq!(self.materialized(), written, "as we reduce it");
        std::fs::remove_file(&file).unwrap();
        self.run(&self.theirs, &["agent", "status", "materialize", "--json"]);
        assert_eq!(read(&file), written, "as Python reduces it");
    }

    fn materialized(&self) -> String {
        let log = read(&self.fixture.directory.join("status.events.jsonl"));
        let meta: Value =
            serde_json::from_str(&read(&self.fixture.directory.join("meta.json"))).unwrap();
        let snapshot = reduce(&StatusLog::parse(&log).strict().unwrap());
        let kind = meta["mission_type"].as_str().unwrap();
        snapshot.to_status_json(meta["mission_number"].as_u64(), kind)
    }
}

/// Says that a subtask is done; only the Python CLI needs to be told.
fn mark(handover: &Handover, subtask: &str) {
    handover.mark(&handover.theirs, subtask);
}

#[test]
fn a_mission_that_python_began_is_finished_by_us() {
    let Some(handover) = Handover::begin(true) else {
        return;
    };
    let (theirs, ours) = (handover.theirs.as_path(), program());
    // WP01 is handed over in review, WP02 while it is worked on, WP03 before it is begun.
    handover.start(theirs, "WP01");
    handover.commit("lane-a", "src/greet.py");
    mark(&handover, "T001");
    handover.for_review(theirs, "WP01");
    handover.start_review(theirs, "WP01");
    handover.start(theirs, "WP02");
    handover.both_sides_see_the_same();
    handover.approve(ours, "WP01");
    handover.start(ours, "WP02");
    handover.commit("lane-b", "src/farewell.py");
    mark(&handover, "T002");
    handover.for_review(ours, "WP02");
    handover.review(ours, "WP02");
    handover.both_sides_see_the_same();
    handover.start(ours, "WP03");
    handover.commit("lane-c", "src/facade.py");
    mark(&handover, "T003");
    handover.for_review(ours, "WP03");
    handover.review(ours, "WP03");
    handover.api(ours, &["accept-mission", "--actor", "a person"]);
    let merged = handover.api(ours, &["merge-mission"]);
    assert_eq!(merged["merged_wps"], json!(["WP01", "WP02", "WP03"]));
    handover.both_sides_see_the_same();
    let of = |path: &str| {
        handover
            .sandbox
            .git_in(&handover.fixture.root, &["show", path])
    };
    for file in ["greet", "farewell", "facade"] {
        assert_eq!(of(&format!("work:src/{file}.py")), "made = True");
    }
}

#[test]
fn a_mission_that_we_began_is_finished_by_python() {
    let Some(handover) = Handover::begin(false) else {
        return;
    };
    let (theirs, ours) = (handover.theirs.as_path(), program());
    handover.start(ours, "WP01");
    handover.commit("lane-a", "src/greet.py");
    handover.start(ours, "WP02");
    handover.both_sides_see_the_same();
    mark(&handover, "T001");
    handover.for_review(theirs, "WP01");
    handover.review(theirs, "WP01");
    handover.start(theirs, "WP02");
    handover.commit("lane-b", "src/farewell.py");
    mark(&handover, "T002");
    handover.for_review(theirs, "WP02");
    handover.review(theirs, "WP02");
    handover.both_sides_see_the_same();
    // In between it is ours again.
    handover.start(ours, "WP03");
    handover.commit("lane-c", "src/facade.py");
    mark(&handover, "T003");
    handover.for_review(ours, "WP03");
    handover.review(theirs, "WP03");
    handover.api(theirs, &["accept-mission", "--actor", "a person"]);
    let merged = handover.api(theirs, &["merge-mission"]);
    assert_eq!(merged["merged"], true);
    handover.both_sides_see_the_same();
    let state = handover.api(ours, &["mission-state"]);
    assert_eq!(state["summary"]["done"], 3, "{state}");
}
