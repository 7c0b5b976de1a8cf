//! `agent mission setup-plan` and `finalize-tasks`: from a specification to work packages.

mod finalize;
mod interrupted;
mod refusals;

use crate::support::missions::{Mission, read};
use crate::support::process::Run;
use crate::support::sandbox::{Sandbox, write};
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::{Value, json};

fn setup_plan(sandbox: &Sandbox) -> Run {
    sandbox.run(&["agent", "mission", "setup-plan", "--json"])
}

fn finalize(sandbox: &Sandbox, more: &[&str]) -> Run {
    sandbox.run(&[&["agent", "mission", "finalize-tasks", "--json"], more].concat())
}

/// The rows of a status log, as type or lanes with their subject.
fn rows(mission: &Mission) -> Vec<String> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match row.get("event_type") {
            Some(kind) => format!("{} {}", text(kind), text(&row["payload"]["wp_id"])),
            None => format!("{} {}", text(&row["to_lane"]), text(&row["wp_id"])),
        }
        .trim_end()
        .to_owned()
    };
    mission
        .read("status.events.jsonl")
        .lines()
        .map(row)
        .collect()
}

#[test]
fn planning_waits_for_a_committed_specification_that_says_something() {
    let sandbox = Sandbox::new();
    let created = sandbox.create_mission("demo");
    let before = Tree::of(&sandbox.repo());
    let blocked = setup_plan(&sandbox).expect_code(0).json();
    assert_eq!(blocked["result"], "blocked");
    assert_eq!(blocked["error_code"], "SPEC_NOT_SUBSTANTIVE_OR_UNCOMMITTED");
    assert_eq!(
        (&blocked["spec_committed"], &blocked["spec_substantive"]),
        (&json!(false), &json!(false))
    );
    let spec = std::path::Path::new(created["spec_file"].as_str().unwrap());
    assert_unchanged(&before, &sandbox.repo());
    write(spec, "- **FR-001**: greets\n");
    let blocked = setup_plan(&sandbox).expect_code(0).json();
    assert_eq!(
        (&blocked["spec_committed"], &blocked["spec_substantive"]),
        (&json!(false), &json!(true))
    );
    std::fs::remove_file(spec).unwrap();
    let missing = setup_plan(&sandbox).expect_code(1).json();
    assert_eq!(missing["code"], "SPEC_FILE_MISSING");
}

#[test]
fn a_plan_is_begun_from_a_template_and_committed_once_it_is_written() {
    let sandbox = Sandbox::new();
    let mission = Mission::specified(&sandbox);
    let begun = setup_plan(&sandbox).expect_code(0).json();
    assert_eq!(begun["scaffold_only"], true);
    assert_eq!(begun["phase_complete"], false);
    assert_eq!(
        begun["plan_file"],
        mission.file("plan.md").to_str().unwrap()
    );
    let expected = [
        "MissionCreated",
        "SpecifyStarted",
        "SpecifyCompleted",
        "PlanStarted",
    ];
    assert_eq!(rows(&mission), expected);
    let before = Tree::of(&mission.directory);
    assert_eq!(
        setup_plan(&sandbox).expect_code(0).json()["scaffold_only"],
        true
    );
    assert_unchanged(&before, &mission.directory);
    mission.change(
        "plan.md",
        "**Language/Version**:",
        "**Language/Version**: Rust 1.90",
    );
    let short = setup_plan(&sandbox).expect_code(0).json();
    assert_eq!(short["result"], "blocked");
    assert!(
        short["blocked_reason"]
            .as_str()
            .unwrap()
            .contains("another field"),
        "{short}"
    );
    mission.change("plan.md", "**Storage**:", "**Storage**: none");
    let complete = setup_plan(&sandbox).expect_code(0).json();
    assert_eq!(
        (&complete["phase_complete"], &complete["commit_status"]),
        (&json!(true), &json!("committed"))
    );
    assert_eq!(complete["commit_hash"], sandbox.git(&["rev-parse", "HEAD"]));
    assert_eq!(rows(&mission).last().unwrap(), "PlanCompleted");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    let again = setup_plan(&sandbox).expect_code(0).json();
    assert_eq!(again["commit_status"], "unchanged");
    assert_eq!(
        sandbox.subjects()[0],
        format!("Add plan for feature {}", mission.slug)
    );
}

#[test]
fn the_answers_have_the_keys_of_today_in_their_order() {
    let sandbox = Sandbox::new();
    let _mission = Mission::with_tasks(&sandbox);
    let positions = |run: Run, keys: &[&str]| {
        let stdout = run.expect_code(0).stdout;
        let places: Vec<usize> = keys
            .iter()
            .map(|key| {
                stdout
                    .find(&format!("\"{key}\": "))
                    .unwrap_or_else(|| panic!("{key}: {stdout}"))
            })
            .collect();
        assert!(places.is_sorted(), "{keys:?}: {places:?}");
        let answer: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(answer.as_object().unwrap().len(), keys.len(), "{stdout}");
    };
    positions(
        setup_plan(&sandbox),
        &[
            "result",
            "phase_complete",
            "mission_slug",
            "plan_file",
            "feature_dir",
            "spec_file",
            "plan_substantive",
            "scaffold_only",
            "current_branch",
            "CURRENT_BRANCH",
            "target_branch",
            "base_branch",
            "TARGET_BRANCH",
            "BASE_BRANCH",
            "planning_base_branch",
            "PLANNING_BASE_BRANCH",
            "merge_target_branch",
            "MERGE_TARGET_BRANCH",
            "EXPECTED_TARGET_BRANCH",
            "EXPECTED_BASE_BRANCH",
            "branch_matches_target",
            "BRANCH_MATCHES_TARGET",
            "branch_strategy_summary",
            "runtime_vars",
            "NOW_UTC_ISO",
            "branch_context",
            "spec_kitty_version",
        ],
    );
    positions(
        finalize(&sandbox, &[]),
        &[
            "result",
            "wp_count",
            "updated_wp_count",
            "modified_wps",
            "unchanged_wps",
            "preserved_wps",
            "tasks_dir",
            "commit_created",
            "commit_hash",
            "commit_hashes",
            "files_committed",
            "dependencies_parsed",
            "requirement_refs_parsed",
            "bootstrap",
            "lanes",
            "ownership_warnings",
            "requirement_extraction_warnings",
            "post_integration_acceptance_warnings",
            "target_branch_override",
            "planning_commit",
            "spec_kitty_version",
        ],
    );
}

#[test]
fn every_row_of_planning_is_stored_as_an_event_with_its_id() {
    let sandbox = Sandbox::hosted("http://localhost:1");
    let mission = Mission::with_tasks(&sandbox);
    setup_plan(&sandbox).expect_code(0);
    finalize(&sandbox, &[]).expect_code(0);
    let id = |row: &Value| row["event_id"].as_str().unwrap().to_owned();
    let log = mission.read("status.events.jsonl");
    let rows: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut expected: Vec<String> = rows.iter().map(id).collect();
    let events = sandbox.stored_events();
    let planning = events
        .iter()
        .filter(|event| event["event_type"] != "BuildRegistered");
    let mut stored: Vec<String> = planning.map(id).collect();
    expected.sort();
    stored.sort();
    assert_eq!(stored, expected);
    let of = |kind: &str| {
        events
            .iter()
            .filter(|event| event["event_type"] == kind)
            .count()
    };
    assert_eq!(
        (of("WPCreated"), of("WPStatusChanged"), of("TasksCompleted")),
        (3, 3, 1)
    );
    let preview = sandbox.preview().len();
    assert_eq!(preview, events.len(), "something did not pass the gate");
}

#[test]
fn with_hosted_sync_off_planning_writes_the_repository_and_nothing_else() {
    let sandbox = Sandbox::new();
    let mission = Mission::with_tasks(&sandbox);
    setup_plan(&sandbox).expect_code(0);
    finalize(&sandbox, &[]).expect_code(0);
    assert!(!sandbox.state().exists());
    assert!(read(&mission.file("lanes.json")).contains("\"lane-c\""));
}
