//! Every documented stop before the first run (reference A8).

use super::{TAG, Works, issue};
use crate::support::process::run;
use crate::support::sandbox::write_script;
use crate::support::scripted_server::{ScriptedServer, Step};
use serde_json::json;

/// Nothing was run and nobody was told anything.
#[track_caller]
fn nothing_happened(works: &Works) {
    assert_eq!(works.runs(), 0);
    assert_eq!(works.asked(), [""; 0]);
    assert!(!works.directory().join("artifacts").exists());
}

#[test]
fn an_open_blocker_stops_the_gate_and_it_goes_on_when_it_is_closed() {
    let works = Works::new();
    works.write_issues(&[("CLOSED", 1141), ("OPEN", 1182)], "OPEN");
    works.stops("IDLE", "GATE BLOCKED: spec-kitty#1182 is still OPEN.");
    nothing_happened(&works);
    works.write_issues(&[("CLOSED", 1141), ("CLOSED", 1182)], "OPEN");
    works.completes();
}

#[test]
fn a_checkout_that_another_user_owns_is_no_reason_to_stop() {
    let mut works = Works::new();
    let git = "#!/bin/sh\nPATH=${PATH#*:}\n\
               export GIT_TEST_ASSUME_DIFFERENT_OWNER=1 GIT_CONFIG_NOSYSTEM=1\n\
               exec git \"$@\"\n";
    works.stand_in("git", git);
    let mut plain = works
        .sandbox
        .command(&works.sandbox.base().join("programs/git"));
    let fixes = works.path("fixes");
    let refused = run(plain.args(["rev-parse", "HEAD"]).current_dir(fixes));
    assert!(refused.stderr.contains("dubious ownership"), "{refused:?}");
    works.completes();
}

#[test]
fn a_fix_that_only_explains_stops_the_gate() {
    let mut works = Works::new();
    works.config["blockers"][0]["fix"]["commit"] = json!(works.commits.diagnostic);
    let message = "GATE BLOCKED: spec-kitty#1141 fix appears to be diagnostic-only.";
    works.stops("IDLE", message);
    nothing_happened(&works);
}

#[test]
fn a_test_that_passes_without_the_fix_stops_the_gate() {
    let mut works = Works::new();
    works.config["blockers"][0]["fix"]["test"] = json!(["sh", "-c", "test -e queue.sh"]);
    let message = "GATE BLOCKED: spec-kitty#1141 fix is not tested: its test passes without it.";
    works.stops("IDLE", message);
    nothing_happened(&works);
}

#[test]
fn a_test_that_fails_with_the_fix_or_takes_too_long_stops_the_gate() {
    let mut works = Works::new();
    let message = "GATE BLOCKED: spec-kitty#1182 fix does not pass its own test.";
    works.config["blockers"][1]["fix"]["test"] = json!(["sh", "-c", "echo no row; exit 3"]);
    let document = works.stops("IDLE", message);
    let detail = document["details"][0].as_str().unwrap();
    assert!(detail.contains("ended with 3: no row"), "{document:#}");
    // Another configuration is another gate.
    std::fs::remove_dir_all(works.directory()).unwrap();
    let fix = &mut works.config["blockers"][1]["fix"];
    fix["test"] = json!(["sh", "-c", "sleep 600"]);
    fix["limit_seconds"] = json!(1);
    let document = works.stops("IDLE", message);
    let detail = document["details"][0].as_str().unwrap();
    assert!(detail.contains("did not end within 1s"), "{document:#}");
    nothing_happened(&works);
}

#[test]
fn a_test_that_fails_on_the_parent_only_because_it_is_not_there_yet_stops_the_gate() {
    let mut works = Works::new();
    let fix = &mut works.config["blockers"][0]["fix"];
    fix["test_files"] = json!([]);
    fix["test"] = json!(["sh", "-c", "test -e test.sh"]);
    let message = "GATE BLOCKED: spec-kitty#1141 fix is not tested: its test passes without it.";
    works.stops("IDLE", message);
    nothing_happened(&works);
}

#[test]
fn a_test_that_does_not_start_proves_nothing_and_leaves_the_gate_where_it_is() {
    for test in [
        json!(["./no-such-test"]),
        json!(["sh", "-c", "no-such-test"]),
    ] {
        let mut works = Works::new();
        works.config["blockers"][0]["fix"]["test"] = test;
        let run = works.gate(&[]).expect_code(1);
        assert!(run.stderr.contains("the gate stays at IDLE"), "{run:?}");
        assert!(run.stderr.contains("does not start"), "{run:?}");
        nothing_happened(&works);
    }
}

#[test]
fn without_a_newer_candidate_the_gate_stops() {
    let mut works = Works::new();
    works.config["last_tag"] = json!(TAG);
    let message = format!("GATE BLOCKED: Latest published prerelease is still {TAG}.");
    works.stops("BLOCKERS_VERIFIED", &message);
    nothing_happened(&works);
}

#[test]
fn a_candidate_that_does_not_install_or_start_stops_the_gate() {
    let message = format!("GATE BLOCKED: {TAG} could not be installed.");
    let stops = |change: &dyn Fn(&mut Works), why: &str| {
        let mut works = Works::new();
        change(&mut works);
        let document = works.stops("BLOCKERS_VERIFIED", &message);
        let detail = document["details"][0].as_str().unwrap();
        assert!(detail.contains(why), "{document:#}");
        nothing_happened(&works);
    };
    stops(
        &|works| std::fs::remove_file(works.path("candidate.sh")).unwrap(),
        "candidate.sh",
    );
    stops(
        &|works| {
            let install = ["sh", "-c", "echo no room for {tag} in {prefix}; exit 1"];
            works.config["candidate"]["install"] = json!(install);
        },
        "no room for",
    );
    stops(
        &|works| write_script(&works.path("candidate.sh"), "#!/bin/sh\nexit 9\n"),
        "ended with 9",
    );
}

#[test]
fn a_candidate_that_does_not_load_or_is_another_or_too_old_stops_the_gate() {
    let stops = |change: &dyn Fn(&mut Works), message: &str| {
        let mut works = Works::new();
        change(&mut works);
        works.stops("RC_INSTALLED", message);
        nothing_happened(&works);
    };
    stops(
        &|works| works.config["candidate"]["imports"] = json!([["{program}", "no-such-command"]]),
        &format!("GATE BLOCKED: {TAG} does not load."),
    );
    stops(
        &|works| {
            let version = "if [ \"$1\" = --version ]; then echo spec-kitty 0.0.1; exit 0; fi";
            works.write_candidate(version);
        },
        &format!("GATE BLOCKED: {TAG} says that it is 0.0.1."),
    );
    let mut works = Works::new();
    works.config["candidate"]["minimum_commit"] = json!(works.commits.diagnostic);
    let (says, least) = (works.commits.fix.clone(), works.commits.diagnostic.clone());
    let message = format!("GATE BLOCKED: CLI commit {says} is not at or after {least}.");
    works.stops("RC_INSTALLED", &message);
    nothing_happened(&works);
    let works = Works::new();
    works.write_releases(&works.commits.parent, "candidate.sh");
    let (made_from, says) = (&works.commits.parent, &works.commits.fix);
    let message = format!("GATE BLOCKED: {TAG} was made from {made_from} but says {says}.");
    works.stops("RC_INSTALLED", &message);
}

#[test]
fn a_server_that_is_not_healthy_or_not_there_stops_the_gate() {
    let mut works = Works::new();
    works.teamspace.kill();
    let message = "GATE BLOCKED: /health/ returned non-200.";
    let document = works.stops("RC_INSTALLED", message);
    assert_eq!(document["details"][0], "nobody answered in time");
    nothing_happened(&works);
    works.teamspace.start_again();
    works.completes();
}

#[test]
fn health_and_readiness_other_than_200_stop_the_gate() {
    let health = json!({"status": "ok", "version": "1", "spec_kitty_events": "6.1.0"});
    let cases = [
        (
            500,
            200,
            "GATE BLOCKED: /health/ returned non-200.",
            "HTTP 500",
        ),
        (
            200,
            503,
            "GATE BLOCKED: /health/ready/ returned non-200.",
            "HTTP 503",
        ),
    ];
    for (live, ready, message, detail) in cases {
        let server = ScriptedServer::start();
        server.always("/health/", Step::json(live, &health));
        server.always("/health/ready/", Step::json(ready, &json!({})));
        let mut works = Works::new();
        works.config["server"]["url"] = json!(server.url());
        let document = works.stops("RC_INSTALLED", message);
        assert_eq!(document["details"][0], detail, "{document:#}");
        // Each was asked once more before it counted.
        let bad = if live == 200 {
            "/health/ready/"
        } else {
            "/health/"
        };
        assert_eq!(server.count(bad), 2);
        nothing_happened(&works);
    }
}

#[test]
fn rows_that_failed_for_want_of_infrastructure_stop_the_gate() {
    let works = Works::new();
    works.teamspace.plant_failure("infra", "one");
    works.stops("RC_INSTALLED", "GATE BLOCKED: terminal_failed_infra=1 > 0.");
    nothing_happened(&works);
}

#[test]
fn another_count_of_historical_rows_than_expected_stops_the_gate() {
    let mut works = Works::new();
    works.config["business_rule_rows"] = json!(2);
    works.teamspace.plant_failure("business_rule", "one");
    let message = "UNEXPECTED: business_rule_rejected_count=1, expected 2.";
    works.stops("RC_INSTALLED", message);
    nothing_happened(&works);
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused_with_the_name_of_its_field() {
    let mut works = Works::new();
    let refused = |works: &Works, says: &str| {
        let run = works.gate(&[]).expect_code(2);
        assert!(run.stderr.contains(says), "{says}: {run:?}");
        assert!(run.stderr.contains("canary-gate.json"), "{run:?}");
        assert!(!works.directory().exists());
    };
    works.config["surprise"] = json!(1);
    refused(&works, "surprise");
    works.config.as_object_mut().unwrap().remove("surprise");
    let blockers = works.config["blockers"].take();
    works.config["blockers"] = json!([]);
    refused(&works, "`blockers` is empty");
    works.config["blockers"] = blockers;
    let suite = works.config.as_object_mut().unwrap().remove("suite");
    refused(&works, "suite");
    works.config["suite"] = suite.unwrap();
    works.config["evidence_issue"] = issue("e2e", 41);
    let missing = works
        .sandbox
        .run(&["canary", "gate", "--config", "nowhere.json"]);
    assert!(missing.expect_code(2).stderr.contains("nowhere.json"));
    let unknown = works.gate(&["--from", "SOMEWHERE"]).expect_code(2);
    assert!(unknown.stderr.contains("BLOCKERS_VERIFIED"), "{unknown:?}");
    let ahead = works.gate(&["--from", "FOUR_RUN_PASSED"]).expect_code(2);
    assert!(ahead.stderr.contains("has not come that far"), "{ahead:?}");
}
