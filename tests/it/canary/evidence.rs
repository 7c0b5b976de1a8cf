//! `canary verify` and the published schema.

use super::{Canary, workspace};
use crate::support::sandbox::write;
use kitty_canary::artifacts::Attempt;
use kitty_canary::result::{
    BoundaryEvidence, CanaryRunResult, FailureMode, Outcome, Scenario, ScenarioResult, outcome_of,
};
use kitty_runtime::fs::OsFilesystem;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub fn result(number: u8, failed: Option<FailureMode>) -> CanaryRunResult {
    let scenario = |scenario: Scenario| {
        let mode = failed.filter(|_| scenario == Scenario::Rejection);
        ScenarioResult {
            id: scenario.id(),
            name: scenario.title().to_owned(),
            status: if mode.is_some() {
                Outcome::Fail
            } else {
                Outcome::Pass
            },
            failure_mode: mode,
            details: mode.map(|_| "for_review->in_review".to_owned()),
            duration_ms: 4,
            boundary_evidence: BoundaryEvidence::default(),
        }
    };
    let scenarios: Vec<ScenarioResult> = Scenario::ALL.into_iter().map(scenario).collect();
    CanaryRunResult {
        outcome: outcome_of(&scenarios),
        run_id: format!("01KRZYYXFZHZYHPPXJBVWV273{number}"),
        run_number: number,
        cli_version: "1.0.0".into(),
        events_package_version: "6.1.0".into(),
        timestamp: format!("2026-01-01T00:0{number}:00+00:00"),
        scenarios,
        cli_path: "/bin/spec-kitty".into(),
        saas_url: "http://127.0.0.1:1".into(),
        duration_ms: 16,
    }
}

fn attempt(canary: &Canary, runs: &[CanaryRunResult]) -> PathBuf {
    let artifacts = canary.sandbox.base().join("artifacts");
    let mut attempt = Attempt::begin(&OsFilesystem, &artifacts, "v1.0.0").unwrap();
    for run in runs {
        attempt.write_run(run).unwrap();
    }
    attempt.write("canary.log", b"log\n").unwrap();
    attempt.seal().unwrap().directory
}

fn verified(canary: &Canary, attempt: &Path, more: &[&str]) -> (i32, Value) {
    let words = ["canary", "verify", "--json", attempt.to_str().unwrap()];
    let run = canary.call(&[&words[..], more].concat());
    let document = run.json();
    assert_eq!(document["verified"] == true, run.code() == 0, "{run:?}");
    (run.code(), document)
}

#[test]
fn verify_ends_with_one_and_names_the_file_and_what_is_the_matter() {
    let canary = Canary::new();
    let attempt = attempt(&canary, &[1, 2, 3, 4].map(|number| result(number, None)));
    let (code, document) = verified(&canary, &attempt, &[]);
    assert_eq!(code, 0, "{document}");
    let digest = document["digest"].as_str().unwrap().to_owned();
    assert_eq!(verified(&canary, &attempt, &["--digest", &digest]).0, 0);
    let other = "0".repeat(64);
    assert_eq!(verified(&canary, &attempt, &["--digest", &other]).0, 1);
    assert_eq!(verified(&canary, &attempt, &["--single"]).0, 1);
    let file = attempt.join("runs/run-3.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    write(&file, text.replacen("pass", "fail", 1));
    let (code, document) = verified(&canary, &attempt, &[]);
    assert_eq!(code, 1);
    let findings = document["findings"].as_array().unwrap();
    let of_run = |what: &str| {
        let mut of_run = findings.iter().filter(|it| it["file"] == "runs/run-3.json");
        of_run.any(|it| it["what"].as_str().unwrap().contains(what))
    };
    assert!(of_run("was changed") && of_run("outcome"), "{document}");
    let told = canary.call(&["canary", "verify", attempt.to_str().unwrap()]);
    assert!(
        told.expect_code(1)
            .stdout
            .contains("runs/run-3.json: was changed")
    );
    let missing = canary.call(&["canary", "verify", "nowhere"]).expect_code(1);
    assert!(missing.stderr.contains("nowhere"), "{missing:?}");
}

#[test]
fn a_report_shows_every_run_and_why_one_failed_and_leaves_the_attempt_alone() {
    let canary = Canary::new();
    let failed = result(2, Some(FailureMode::RollbackRowMismatch));
    let attempt = attempt(&canary, &[result(1, None), failed]);
    let before = crate::support::tree::Tree::of(&attempt);
    let page = canary.sandbox.base().join("page.html");
    let words = ["canary", "report", attempt.to_str().unwrap(), "--output"];
    canary
        .call(&[&words[..], &[page.to_str().unwrap()]].concat())
        .expect_code(0);
    crate::support::tree::assert_unchanged(&before, &attempt);
    let page = std::fs::read_to_string(page).unwrap();
    for part in [
        "rollback_row_mismatch",
        "for_review-&gt;in_review",
        "holds the runs [1, 2]",
        "0.016 s",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn the_published_schema_is_of_the_form_that_results_have() {
    let schema = std::fs::read(workspace().join("docs/canary-result.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let stored = serde_json::to_value(result(1, None)).unwrap();
    let same = |schema: &Value, value: &Value| {
        let names = |value: &Value| -> Vec<String> {
            let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        assert_eq!(names(&schema["properties"]), names(value));
    };
    same(&schema, &stored);
    same(&schema["$defs"]["ScenarioResult"], &stored["scenarios"][0]);
    let evidence = &stored["scenarios"][0]["boundary_evidence"];
    same(&schema["$defs"]["BoundaryEvidence"], evidence);
    let modes = schema["$defs"]["FailureMode"].to_string();
    for mode in FailureMode::ALL {
        assert!(modes.contains(&format!("\"{mode}\"")), "{mode}: {modes}");
    }
}
