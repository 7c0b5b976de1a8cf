//! A whole mission, driven as an orchestrator drives it, with everything on the way that can happen;
//! and the comparison of its rows with the events that a Teamspace holds.

use super::fixture::{Fixture, Plan};
use crate::support::process::{Run, run};
use crate::support::sandbox::Sandbox;
use crate::support::teamspace::{OWNER, Teamspace};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

pub const POLICY: &str = r#"{"orchestrator_id": "spec-kitty-orchestrator", "orchestrator_version": "0.1.2", "agent_family": "claude", "approval_mode": "full_auto", "sandbox_mode": "workspace_write", "network_mode": "none", "dangerous_flags": [], "tool_restrictions": null}"#;
const APPROVED: &str = r#"{"reviewer": "rev", "verdict": "approved", "reference": "review-2"}"#;
const REJECTED: &str =
    r#"{"reviewer": "rev", "verdict": "changes_requested", "reference": "fb-1"}"#;

/// A mission on the way.
pub struct Course<'a> {
    pub sandbox: &'a Sandbox,
    pub fixture: Fixture,
}

impl<'a> Course<'a> {
    /// Makes the mission in the sandbox's repository.
    pub fn begin(sandbox: &'a Sandbox) -> Self {
        let fixture = Fixture::make(sandbox, &sandbox.repo(), &Plan::default());
        Self { sandbox, fixture }
    }

    /// The words of a call about the mission.
    pub fn words<'w>(&'w self, verb: &'w str, more: &[&'w str]) -> Vec<&'w str> {
        let mut words = vec![verb, "--mission", &self.fixture.slug];
        words.extend(more);
        words
    }

    /// Makes a call that must succeed.
    #[track_caller]
    pub fn call(&self, verb: &str, more: &[&str]) -> Run {
        let words = self.words(verb, more);
        let ran = run(&mut self.fixture.command(self.sandbox, &words));
        assert_eq!(ran.json()["success"], true, "{ran:?}");
        ran
    }

    #[track_caller]
    pub fn start(&self, wp_id: &str) {
        let more = ["--wp", wp_id, "--actor", "orch", "--policy", POLICY];
        self.call("start-implementation", &more);
    }

    #[track_caller]
    pub fn move_to(&self, wp_id: &str, lane: &str, more: &[&str]) {
        let mut words = vec!["--wp", wp_id, "--to", lane, "--actor", "orch"];
        words.extend(["--policy", POLICY]);
        words.extend(more);
        self.call("transition", &words);
    }

    #[track_caller]
    pub fn note(&self, wp_id: &str, note: &str) {
        let more = ["--wp", wp_id, "--actor", "orch", "--note", note];
        self.call("append-history", &more);
    }

    #[track_caller]
    fn review(&self, wp_id: &str) {
        let more = ["--wp", wp_id, "--actor", "rev", "--policy", POLICY];
        self.call("start-review", &more);
    }

    /// Takes a work package from its start to its approval; `lane` has the work.
    #[track_caller]
    pub fn approve(&self, wp_id: &str, lane: &str, file: &str) {
        self.start(wp_id);
        self.fixture
            .commit_on(self.sandbox, lane, file, "x = 1\n", "work");
        self.move_to(
            wp_id,
            "for_review",
            &["--note", "done", "--subtasks-complete"],
        );
        self.review(wp_id);
        self.move_to(wp_id, "approved", &["--review-result-json", APPROVED]);
    }

    /// Drives the mission to its end: a rejection, a rollback, a block, a cancellation and notes on
    /// the way.
    pub fn run_whole(&self) {
        self.start("WP01");
        self.note("WP01", "hello history");
        self.fixture
            .commit_on(self.sandbox, "lane-a", "src/greet.py", "x = 1\n", "work");
        self.move_to(
            "WP01",
            "for_review",
            &["--note", "done", "--subtasks-complete"],
        );
        self.review("WP01");
        let rejection = ["--review-result-json", REJECTED, "--review-ref", "fb-1"];
        self.move_to("WP01", "in_progress", &rejection);
        self.move_to("WP01", "for_review", &["--subtasks-complete"]);
        self.review("WP01");
        self.move_to("WP01", "approved", &["--review-result-json", APPROVED]);
        self.start("WP02");
        self.move_to("WP02", "blocked", &["--note", "waiting"]);
        self.move_to("WP02", "in_progress", &[]);
        self.move_to("WP02", "planned", &["--note", "restart"]);
        self.approve("WP02", "lane-b", "src/farewell.py");
        self.start("WP03");
        self.move_to("WP03", "canceled", &["--note", "not needed", "--force"]);
        self.note("WP03", "it was not needed");
        self.call("merge-mission", &[]);
    }
}

/// The ids of the rows of every mission of a project that an event tells of.
pub fn row_ids(root: &Path) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("kitty-specs")).unwrap() {
        let log = entry.unwrap().path().join("status.events.jsonl");
        for line in std::fs::read_to_string(log).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let moves = row.get("from_lane").is_some();
            let notes = row["delta"]["note"].is_string() || row["note"].is_string();
            if moves || notes || row.get("event_type").is_some() {
                let id = row["event_id"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
            }
        }
    }
    ids
}

/// The ids of the events on a server that share their id with a row.
pub fn event_ids(teamspace: &Teamspace) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for line in teamspace.stored_of(OWNER) {
        let event: Value = serde_json::from_str(&line).unwrap();
        let derived = [
            "BuildRegistered",
            "DependencyResolved",
            "MissionClosed",
            "WPAssigned",
        ];
        let id = event["event_id"].as_str().unwrap();
        if !derived.contains(&event["event_type"].as_str().unwrap()) {
            assert!(ids.insert(id.to_owned()), "{id} was stored twice");
        }
    }
    ids
}

/// Fails unless every row has its event on the server, and every event its row.
#[track_caller]
pub fn assert_same(root: &Path, teamspace: &Teamspace) {
    let (rows, events) = (row_ids(root), event_ids(teamspace));
    let lost: Vec<&String> = rows.difference(&events).collect();
    let invented: Vec<&String> = events.difference(&rows).collect();
    assert!(
        lost.is_empty() && invented.is_empty(),
        "rows without event: {lost:?}; events without row: {invented:?}"
    );
}
