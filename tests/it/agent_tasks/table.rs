//! A mission on the table of an agent: its calls, its rows and what was captured of them.

use crate::orchestrator::course::row_ids;
use crate::orchestrator::fixture::{Fixture, Plan};
use crate::support::missions::read;
use crate::support::process::Run;
use crate::support::sandbox::{Sandbox, write};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A server that nobody answers for; events are captured and stay.
const NOWHERE: &str = "http://127.0.0.1:1";
/// Events that have an id of their own, because they follow from a row.
const DERIVED: [&str; 4] = [
    "BuildRegistered",
    "DependencyResolved",
    "MissionClosed",
    "WPAssigned",
];

/// A mission with three work packages in the repository of a sandbox.
pub struct Table {
    pub sandbox: Sandbox,
    pub fixture: Fixture,
}

impl Table {
    /// With hosted sync off.
    pub fn offline() -> Self {
        Self::of(Sandbox::empty())
    }

    /// With hosted sync on, and a server that cannot be reached.
    pub fn hosted() -> Self {
        let mut sandbox = Sandbox::empty();
        sandbox.host(NOWHERE);
        Self::of(sandbox)
    }

    fn of(sandbox: Sandbox) -> Self {
        let fixture = Fixture::make(&sandbox, &sandbox.repo(), &Plan::default());
        Self { sandbox, fixture }
    }

    /// Runs a command about the mission.
    pub fn run(&self, words: &[&str]) -> Run {
        let about = ["--mission", &self.fixture.slug];
        self.sandbox.run(&[words, &about].concat())
    }

    /// Runs a command that must end with 0, and reads its document.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Value {
        self.run(&[words, &["--json"]].concat())
            .expect_code(0)
            .json()
    }

    /// Runs a command that must be refused, and returns its message: the same for people and for
    /// programs. Nothing may have changed.
    #[track_caller]
    pub fn refusal(&self, words: &[&str]) -> String {
        let before = self.sandbox.checkout();
        let log = self.log();
        let told = self
            .run(&[words, &["--json"]].concat())
            .expect_code(1)
            .json();
        let message = told["error"].as_str().unwrap().to_owned();
        let shown = self.run(words).expect_code(1);
        assert_eq!(shown.stdout, "", "{shown:?}");
        assert_eq!(shown.stderr, format!("Error: {message}\n"));
        assert_eq!(self.sandbox.checkout(), before, "{message}");
        assert_eq!(self.log(), log, "{message}");
        message
    }

    /// Moves a work package.
    #[track_caller]
    pub fn move_to(&self, wp_id: &str, lane: &str, more: &[&str]) -> Value {
        let words = ["agent", "tasks", "move-task", wp_id, "--to", lane];
        self.json(&[&words[..], more].concat())
    }

    /// What a move is refused with.
    #[track_caller]
    pub fn move_refused(&self, wp_id: &str, lane: &str, more: &[&str]) -> String {
        let words = ["agent", "tasks", "move-task", wp_id, "--to", lane];
        self.refusal(&[&words[..], more].concat())
    }

    /// Says that subtasks are done.
    #[track_caller]
    pub fn mark_done(&self, subtasks: &[&str]) {
        let words = ["agent", "tasks", "mark-status", "--status", "done"];
        self.json(&[&words[..], subtasks].concat());
    }

    /// Commits work in a lane.
    pub fn work(&self, lane: &str, file: &str) {
        self.fixture
            .commit_on(&self.sandbox, lane, file, "made = True\n", "Make it");
    }

    /// Takes a work package up to the review, done with `file` in `lane`.
    #[track_caller]
    pub fn hand_in(&self, [wp_id, lane, file, subtask]: [&str; 4]) {
        self.move_to(wp_id, "in_progress", &["--agent", "coder"]);
        self.work(lane, file);
        self.mark_done(&[subtask]);
        self.move_to(wp_id, "for_review", &["--agent", "coder"]);
    }

    /// Takes every work package to its approval.
    #[track_caller]
    pub fn approve_all(&self) {
        for package in EVERY {
            self.hand_in(package);
            self.move_to(package[0], "approved", &["--reviewer", "rev"]);
        }
    }

    /// A file with a reviewer's feedback, outside of the repository.
    pub fn feedback(&self, text: &str) -> PathBuf {
        let path = self.sandbox.base().join("feedback.md");
        write(&path, text);
        path
    }

    pub fn log(&self) -> String {
        read(&self.fixture.directory.join("status.events.jsonl"))
    }

    pub fn status(&self) -> Value {
        let text = read(&self.fixture.directory.join("status.json"));
        serde_json::from_str(&text).unwrap()
    }

    /// What `status.json` says about a work package.
    pub fn package(&self, wp_id: &str) -> Value {
        self.status()["work_packages"][wp_id].clone()
    }

    /// The rows of the log.
    pub fn rows(&self) -> Vec<Value> {
        let log = self.log();
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The moves of a work package as `from -> to`, after it was seeded.
    pub fn moves(&self, wp_id: &str) -> Vec<String> {
        let rows = self.rows();
        let of_it = rows
            .iter()
            .filter(|row| row["wp_id"] == wp_id && row["from_lane"].is_string());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        of_it
            .map(|row| format!("{} -> {}", text(&row["from_lane"]), text(&row["to_lane"])))
            .filter(|moved| !moved.starts_with("genesis"))
            .collect()
    }

    /// Fails unless the checkout is clean.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert_eq!(self.sandbox.git(&["status", "--porcelain"]), "");
    }

    /// Fails unless every row that an event tells of was captured exactly once, with its id, and
    /// nothing else was.
    #[track_caller]
    pub fn assert_captured(&self) {
        let mut captured = BTreeSet::new();
        for event in self.sandbox.stored_events() {
            let id = event["event_id"].as_str().unwrap().to_owned();
            if !DERIVED.contains(&event["event_type"].as_str().unwrap()) {
                assert!(captured.insert(id), "captured twice: {event}");
            }
        }
        assert_eq!(captured, row_ids(&self.sandbox.repo()));
    }

    /// Fails unless nothing was written below the state root.
    #[track_caller]
    pub fn assert_silent(&self) {
        assert!(!self.sandbox.state().exists());
    }
}

/// The work packages: each with its lane, its file and its subtask.
pub const EVERY: [[&str; 4]; 3] = [
    ["WP01", "lane-a", "src/greet.py", "T001"],
    ["WP02", "lane-b", "src/farewell.py", "T002"],
    ["WP03", "lane-c", "src/facade.py", "T003"],
];
