//! Every documented stop from the first run on (reference A8), over recorded runs.

use super::{TAG, Works};
use crate::support::sandbox::{write, write_script};
use serde_json::{Value, json};

#[track_caller]
fn details(document: &Value) -> Vec<&str> {
    let details = document["details"].as_array().unwrap();
    details.iter().map(|it| it.as_str().unwrap()).collect()
}

#[test]
fn four_runs_of_which_one_fails_stop_the_gate_and_open_the_blamed_issue_once() {
    let works = Works::new();
    works.fail_run(3);
    let message = "GATE BLOCKED: Four-run protocol failed.";
    let document = works.stops("SINGLE_RUN_PASSED", message);
    let attempt = format!("artifacts/sync_identity_boundary/{TAG}-attempt2");
    assert_eq!(
        details(&document),
        [
            "run 2, scenario 4: rollback_row_mismatch",
            &format!("evidence: {attempt}")
        ]
    );
    // The run that failed was the last, and its evidence stays.
    assert_eq!(works.runs(), 3);
    let latest = works.directory().join(&attempt).join("latest.json");
    let latest = std::fs::read_to_string(latest).unwrap();
    assert!(latest.contains("rollback_row_mismatch"), "{latest}");
    assert_eq!(works.asked(), ["reopen spec-kitty#1141"]);
    let (_, body) = works.outbox().remove(0);
    assert!(body.contains(&attempt) && body.contains("| 2 | FAIL | pass | pass | pass |"));
    // Nothing goes on while the issue is open, and nobody is told twice.
    works.stops(
        "SINGLE_RUN_PASSED",
        "GATE BLOCKED: spec-kitty#1141 is still OPEN.",
    );
    assert_eq!(works.asked(), ["reopen spec-kitty#1141"]);
    assert_eq!(works.runs(), 3);
}

#[test]
fn whatever_changes_between_or_during_runs_stops_the_gate_and_blames_no_fix() {
    let works = Works::new();
    works.write("watched/queue.db", "a row");
    works.close("run-3");
    works.write("during-4.sh", "echo more >> watched/queue.db");
    let gate = works.start(&["--json"]);
    works.arrives("run-3");
    works.teamspace.plant_failure("business_rule", "another");
    write(&works.path("watched/owner.json"), "{}");
    works.open("run-3");
    let document = gate.finish().expect_code(1).json();
    let message = "GATE BLOCKED: Four-run protocol failed.";
    assert_eq!(document["message"], message, "{document:#}");
    let watched = |name: &str| works.path("watched").join(name).display().to_string();
    let found = details(&document);
    for change in [
        "during run 2 the server's failed rows changed".to_owned(),
        format!("during run 2 {} changed", watched("owner.json")),
        format!("during run 3 {} changed", watched("queue.db")),
    ] {
        assert!(found.contains(&&*change), "{change}: {document:#}");
    }
    assert_eq!(works.asked(), [""; 0]);
}

#[test]
fn a_comment_that_lacks_a_field_is_not_posted() {
    let mut works = Works::new();
    works.config["events_commit"] = json!("");
    let message = "GATE BLOCKED: the comment for spec-kitty#1038 lacks events commit.";
    works.stops("TEAMSPACE_PASSED", message);
    assert_eq!(works.asked(), ["close e2e#41"]);
}

#[test]
fn a_suite_that_fails_once_stops_the_gate_and_its_log_and_xml_stay() {
    let works = Works::new();
    works.write("fail-suite-3", "");
    let message = "GATE BLOCKED: Teamspace suite failed in run 3; root cause required.";
    let document = works.stops("E2E_GATE_CLOSED", message);
    let evidence = details(&document)[0].strip_prefix("evidence: ").unwrap();
    let evidence = works.directory().join(evidence);
    let read = |name: &str| std::fs::read_to_string(evidence.join(name)).unwrap();
    assert!(read("teamspace-canary-run-3.log").contains("failed: sync"));
    assert!(read("teamspace-canary-run-3.xml").contains("the board differs"));
    assert!(!evidence.join("teamspace-canary-run-4.log").exists());
    // Mended, the gate goes on from there: the canary is not run again, nobody is told twice.
    std::fs::remove_file(works.path("fail-suite-3")).unwrap();
    works.completes();
    assert_eq!(works.runs(), 5);
    assert_eq!(works.asked(), ["close e2e#41", "comment spec-kitty#1038"]);
}

#[test]
fn a_suite_without_a_report_did_not_pass() {
    let mut works = Works::new();
    works.config["suite"] = json!(["sh", "-c", "exit 0"]);
    let message = "GATE BLOCKED: Teamspace suite failed in run 1; root cause required.";
    works.stops("E2E_GATE_CLOSED", message);
}

#[test]
fn a_release_tracker_that_is_closed_stops_the_gate() {
    let works = Works::new();
    works.write_issues(&[("CLOSED", 1141), ("CLOSED", 1182)], "CLOSED");
    let message = "GATE BLOCKED: spec-kitty#1038 is CLOSED and must remain OPEN.";
    works.stops("TEAMSPACE_PASSED", message);
    assert_eq!(works.verify(&works.commits.fix, &[]).code(), 1);
}

#[test]
fn historical_rows_whose_content_changed_stop_the_gate() {
    let mut works = Works::new();
    works.teamspace.plant_failure("business_rule", "one");
    works.config["business_rule_rows"] = json!(1);
    works.close("suite-2");
    let gate = works.start(&["--json"]);
    works.arrives("suite-2");
    works.teamspace.rewrite_failures("other words");
    works.open("suite-2");
    let document = gate.finish().expect_code(1).json();
    let message = "UNEXPECTED: historical business_rule rows changed in content.";
    assert_eq!(document["message"], message, "{document:#}");
    assert_eq!(document["state"], "TEAMSPACE_PASSED");
    assert_eq!(works.asked(), ["close e2e#41"]);
}

#[test]
fn evidence_of_another_program_or_that_was_changed_counts_as_none() {
    let works = Works::new();
    works.write(
        "passed.json",
        super::template(None).replace("@CLI@", "/bin/other"),
    );
    let run = works.gate(&[]).expect_code(1);
    assert!(run.stderr.contains("is of /bin/other"), "{run:?}");
    works.write("passed.json", super::template(None));
    let runner = std::fs::read_to_string(works.path("runner.sh")).unwrap();
    write_script(
        &works.path("runner.sh"),
        &format!("{runner}echo more >> canary.log\n"),
    );
    let run = works.gate(&[]).expect_code(1);
    assert!(
        run.stderr
            .contains("does not verify: canary.log: was changed"),
        "{run:?}"
    );
    assert!(!works.directory().join("artifacts").exists());
}
