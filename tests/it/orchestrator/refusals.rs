//! Every code that a call can be refused with, with its data; and what is refused changes nothing.

use super::fixture::{Fixture, Plan};
use crate::support::missions::read;
use crate::support::sandbox::{Call, Sandbox, write};
use crate::support::tree::Checkout;
use serde_json::{Value, json};

pub const POLICY: &str = r#"{"orchestrator_id": "o", "orchestrator_version": "1", "agent_family": "a", "approval_mode": "m", "sandbox_mode": "s", "network_mode": "n", "dangerous_flags": []}"#;

/// A transition that the first work package takes from most lanes.
pub const BLOCK: [&str; 9] = [
    "transition",
    "--wp",
    "WP01",
    "--to",
    "blocked",
    "--actor",
    "o",
    "--note",
    "waiting",
];

/// A mission in the sandbox's repository.
pub struct Project {
    pub sandbox: Sandbox,
    pub fixture: Fixture,
}

impl Project {
    pub fn new() -> Self {
        let sandbox = Sandbox::empty();
        let fixture = Fixture::make(&sandbox, &sandbox.repo(), &Plan::default());
        Self { sandbox, fixture }
    }

    /// A call about the mission; `POLICY` and `EVIDENCE` stand for theirs.
    pub fn call(&self, words: &[&str]) -> Call<'_> {
        let mut all = vec!["orchestrator-api"];
        for word in words {
            all.push(match *word {
                "POLICY" => POLICY,
                "EVIDENCE" => EVIDENCE,
                word => word,
            });
        }
        if !words.contains(&"--mission") {
            all.extend(["--mission", &self.fixture.slug]);
        }
        self.sandbox.call(&all)
    }

    #[track_caller]
    pub fn succeeds(&self, words: &[&str]) -> Value {
        self.call(words).run().expect_code(0).json()["data"].clone()
    }

    /// Runs a call that must be refused and change nothing; returns the data of its envelope.
    #[track_caller]
    pub fn refused(&self, words: &[&str], code: &str) -> Value {
        self.refuses(self.call(words), code)
    }

    #[track_caller]
    pub fn refuses(&self, call: Call<'_>, code: &str) -> Value {
        let before = self.sandbox.checkout();
        let ran = call.run();
        let data = envelope(&ran.stdout, code);
        assert_eq!(ran.code(), 1, "{ran:?}");
        self.unchanged(&before);
        data
    }

    #[track_caller]
    pub fn unchanged(&self, before: &Checkout) {
        let after = self.sandbox.checkout();
        assert!(*before == after, "{before:#?}\n{after:#?}");
    }

    /// Brings a work package to `in_progress` with a commit on its lane.
    pub fn implement(&self, wp_id: &str, lane: &str, file: &str) {
        self.succeeds(&start(wp_id));
        self.fixture
            .commit_on(&self.sandbox, lane, file, "made = True\n", "Make it");
    }

    /// Approves a work package by force.
    pub fn approve(&self, wp_id: &str) {
        let to = ["transition", "--wp", wp_id, "--to", "approved"];
        let by = ["--actor", "rev", "--policy", "POLICY", "--force"];
        let with = ["--note", "looked at it", "--evidence-json", "EVIDENCE"];
        self.succeeds(&[&to[..], &by, &with].concat());
    }
}

const EVIDENCE: &str =
    r#"{"review": {"reviewer": "rev", "verdict": "approved", "reference": "r1"}}"#;

pub fn start(wp_id: &str) -> [&str; 7] {
    let verb = "start-implementation";
    [verb, "--wp", wp_id, "--actor", "orch", "--policy", "POLICY"]
}

/// Reads the one envelope of a refusal and returns its data, which always has a message.
#[track_caller]
pub fn envelope(stdout: &str, code: &str) -> Value {
    assert_eq!(stdout.matches('\n').count(), 1, "{stdout}");
    let envelope: Value = serde_json::from_str(stdout).unwrap();
    assert_eq!(envelope.as_object().unwrap().len(), 7, "{envelope}");
    assert_eq!(envelope["success"], false, "{envelope}");
    assert_eq!(envelope["error_code"], code, "{envelope}");
    assert!(!message(&envelope["data"]).is_empty(), "{envelope}");
    envelope["data"].clone()
}

pub fn message(data: &Value) -> &str {
    data["message"].as_str().unwrap()
}

/// What is refused on a mission that nobody has begun: words, code, message, some of the data.
fn refusals() -> Vec<(Vec<&'static str>, &'static str, &'static str, Value)> {
    let moves = |to| vec!["transition", "--wp", "WP01", "--to", to, "--actor", "o"];
    let with = |words: &[&'static str], more: &[&'static str]| [words, more].concat();
    let starts = |wp_id| vec!["start-implementation", "--wp", wp_id, "--actor", "o"];
    vec![
        (
            with(&moves("done"), &["--evidence-json", "[]"]),
            "USAGE_ERROR",
            "--evidence-json must decode to a JSON object",
            json!({}),
        ),
        (
            with(&moves("done"), &["--review-result-json", "{}"]),
            "USAGE_ERROR",
            "--review-result-json requires non-empty reviewer, verdict, and reference strings",
            json!({}),
        ),
        (
            vec!["mission-state", "--mission", "nope"],
            "MISSION_NOT_FOUND",
            "Mission 'nope' not found in kitty-specs/",
            json!({}),
        ),
        (
            vec!["mission-state", "--mission", ".."],
            "MISSION_NOT_FOUND",
            "Mission '..' not found in kitty-specs/",
            json!({}),
        ),
        (
            vec!["mission-state", "--mission", ""],
            "MISSION_NOT_FOUND",
            "Mission '' not found in kitty-specs/",
            json!({}),
        ),
        (
            vec!["resolve-workspace", "--wp", "WP09"],
            "WP_NOT_FOUND",
            "Work package 'WP09' not found in <slug>",
            json!({}),
        ),
        (
            vec!["resolve-workspace", "--wp", "../../WP01"],
            "WP_NOT_FOUND",
            "Work package '../../WP01' not found in <slug>",
            json!({}),
        ),
        (
            starts("WP01"),
            "POLICY_METADATA_REQUIRED",
            "--policy is required for start-implementation",
            json!({}),
        ),
        (
            moves("in_review"),
            "POLICY_METADATA_REQUIRED",
            "--policy is required when transitioning to 'in_review'",
            json!({}),
        ),
        (
            with(&starts("WP01"), &["--policy", "[]"]),
            "POLICY_VALIDATION_FAILED",
            "--policy must be a JSON object",
            json!({}),
        ),
        (
            with(&starts("WP03"), &["--policy", "POLICY"]),
            "DEPENDENCIES_NOT_SATISFIED",
            "dependencies_not_satisfied: WP03 depends on WP01, WP02; all dependencies must be \
             approved or done before implementation can start",
            json!({"wp_id": "WP03", "unsatisfied_dependencies": ["WP01", "WP02"],
                "mission_slug": "<slug>", "mission_number": null, "mission_type": "software-dev"}),
        ),
        (
            with(&moves("in_review"), &["--policy", "POLICY"]),
            "TRANSITION_REJECTED",
            "Illegal transition: planned -> in_review",
            json!({}),
        ),
        (
            vec![
                "transition",
                "--wp",
                "WP01",
                "--to",
                "no lane",
                "--actor",
                "o",
            ],
            "TRANSITION_REJECTED",
            "Unknown lane: 'no lane'. The lanes are planned, claimed, in_progress, for_review, \
             in_review, approved, done, blocked, canceled",
            json!({}),
        ),
        (
            with(&moves("done"), &["--force"]),
            "TRANSITION_REJECTED",
            "Force transitions require actor and reason",
            json!({}),
        ),
        (
            vec!["accept-mission", "--actor", "o"],
            "MISSION_NOT_READY",
            "Mission has 3 incomplete WP(s)",
            json!({"incomplete_wps": ["WP01", "WP02", "WP03"], "mission_slug": "<slug>"}),
        ),
        (
            vec!["merge-mission"],
            "MISSION_NOT_READY",
            "Mission has 3 incomplete WP(s)",
            json!({"incomplete_wps": ["WP01", "WP02", "WP03"], "mission_slug": "<slug>"}),
        ),
        (
            vec!["merge-mission", "--strategy", "octopus"],
            "UNSUPPORTED_STRATEGY",
            "",
            json!({"strategy": "octopus", "supported": ["merge", "rebase", "squash"]}),
        ),
        (
            vec!["merge-mission", "--target", "nobranch"],
            "PREFLIGHT_FAILED",
            "Merge failed",
            json!({"target_branch": "nobranch", "mission_slug": "<slug>", "errors":
                ["Target branch 'nobranch' does not exist locally or on origin."]}),
        ),
    ]
}

#[test]
fn every_refusal_is_one_envelope_with_its_data_and_changes_nothing() {
    let project = Project::new();
    for (words, code, says, data) in refusals() {
        let told = project.refused(&words, code);
        let here = |text: &str| text.replace("<slug>", &project.fixture.slug);
        if !says.is_empty() {
            assert_eq!(message(&told), here(says), "{words:?}");
        }
        for (key, value) in data.as_object().unwrap() {
            let value: Value = serde_json::from_str(&here(&value.to_string())).unwrap();
            assert_eq!(told[key], value, "{key} of {words:?}");
        }
    }
}

#[test]
fn work_that_has_begun_is_protected() {
    let project = Project::new();
    project.succeeds(&start("WP01"));
    let to_review = [
        "transition",
        "--wp",
        "WP01",
        "--to",
        "for_review",
        "--actor",
        "orch",
        "--policy",
        "POLICY",
    ];
    let told = project.refused(&to_review, "TRANSITION_REJECTED");
    assert_eq!(told["lane_id"], "lane-a");
    assert_eq!(told["wp_id"], "WP01");
    let mut other = start("WP01");
    other[4] = "other";
    let told = project.refused(&other, "WP_ALREADY_CLAIMED");
    assert_eq!(told["claimed_by"], "orch");
    assert_eq!(told["requesting_actor"], "other");
    let review = [
        "start-review",
        "--wp",
        "WP01",
        "--actor",
        "rev",
        "--policy",
        "POLICY",
    ];
    let told = project.refused(&review, "TRANSITION_REJECTED");
    assert_eq!(
        message(&told),
        "WP WP01 is in 'in_progress', cannot start review"
    );
    write(&project.fixture.worktree("lane-a").join("src/half.py"), "x");
    let told = project.refused(&start("WP01"), "LANE_ALLOCATION_FAILED");
    assert_eq!(told["wp_id"], "WP01");
    assert!(
        told["reason"].as_str().unwrap().contains("half.py"),
        "{told}"
    );
}

#[test]
fn subtasks_must_be_done_by_the_status_or_by_the_callers_word() {
    let project = Project::new();
    project.implement("WP01", "lane-a", "src/greet.py");
    let to = ["transition", "--wp", "WP01", "--to", "for_review"];
    let to_review = [&to[..], &["--actor", "orch", "--policy", "POLICY"]].concat();
    project.refused(&to_review, "TRANSITION_REJECTED");
    let moved = project.succeeds(&[&to_review[..], &["--subtasks-complete"]].concat());
    assert_eq!(moved["to_lane"], "for_review");
}

#[test]
fn a_lane_without_the_plan_that_it_was_made_for_is_refused() {
    let project = Project::new();
    let file = project.fixture.directory.join("lanes.json");
    let mut lanes: Value = serde_json::from_str(&read(&file)).unwrap();
    // A commit that was never fetched.
    lanes["planning_commit_sha"] = "f".repeat(40).into();
    write(&file, lanes.to_string());
    let ran = project.call(&start("WP01")).run().expect_code(1);
    let told = envelope(&ran.stdout, "ANCESTRY_NOT_ESTABLISHED");
    let missing = told["missing_refs"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{told}");
    let log = read(&project.fixture.directory.join("status.events.jsonl"));
    assert!(!log.contains("in_progress"), "{log}");
}

#[test]
fn a_merge_numbers_the_mission_in_its_meta_and_in_its_status() {
    let project = Project::new();
    for (wp_id, lane, file) in [
        ("WP01", "lane-a", "src/greet.py"),
        ("WP02", "lane-b", "src/farewell.py"),
        ("WP03", "lane-c", "src/facade.py"),
    ] {
        project.implement(wp_id, lane, file);
        project.approve(wp_id);
    }
    assert_eq!(project.succeeds(&["merge-mission"])["mission_number"], 1);
    let document = |name: &str| -> Value {
        serde_json::from_str(&read(&project.fixture.directory.join(name))).unwrap()
    };
    assert_eq!(document("meta.json")["mission_number"], 1);
    assert_eq!(document("status.json")["mission_number"], "1");
    assert_eq!(project.sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn changed_ci_workflows_need_the_evidence_of_a_run() {
    let project = Project::new();
    for (wp_id, lane, file) in [
        ("WP01", "lane-a", ".github/workflows/ci.yml"),
        ("WP02", "lane-b", "src/farewell.py"),
        ("WP03", "lane-c", "src/facade.py"),
    ] {
        project.implement(wp_id, lane, file);
        project.approve(wp_id);
    }
    let accept = ["accept-mission", "--actor", "o"];
    let told = project.refused(&accept, "WORKFLOW_EVIDENCE_REQUIRED");
    let evidence = project.fixture.directory.join("workflow-evidence.md");
    assert_eq!(told["required_evidence_path"], evidence.to_str().unwrap());
    write(&evidence, "Run ID: 123456\n");
    assert_eq!(project.succeeds(&accept)["accepted"], true);
}
