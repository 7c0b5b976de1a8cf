//! `scripts/run-sync-identity-boundary-canary.sh`: what a release calls.

use super::{Canary, modes};
use crate::support::process::program;
use serde_json::Value;

fn json(path: std::path::PathBuf) -> Value {
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_four_scenarios_pass_on_our_binary_and_the_evidence_verifies_and_is_reported() {
    let canary = Canary::new();
    let run = canary.run_script(&["--single", "--yes"]).expect_code(0);
    assert!(run.stdout.contains("\nVerified  "), "{run:?}");
    let attempts = canary
        .sandbox
        .repo()
        .join("artifacts/sync_identity_boundary");
    let attempt = attempts.join(format!("v{}-attempt1", env!("CARGO_PKG_VERSION")));
    let result = json(attempt.join("latest.json"));
    assert_eq!(result, json(attempt.join("runs/run-1.json")));
    assert_eq!(result["outcome"], "pass", "{result}");
    assert_eq!(modes(&result), [None, None, None, None]);
    assert_eq!(result["cli_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(result["cli_path"], program().to_str().unwrap());
    let evidence = |at: usize| &result["scenarios"][at]["boundary_evidence"];
    for at in 0..4 {
        assert!(
            evidence(at)["saas_counts"]["sync_event_count"]
                .as_u64()
                .unwrap()
                > 5,
            "{at}"
        );
        assert_eq!(evidence(at)["readiness_after"]["status"], "ready");
        let counts = &evidence(at)["saas_counts"];
        assert_eq!(counts["batch_intake_terminal_failed"], 0, "{at}");
        assert_eq!(counts["batch_intake_business_rule_rejected"], 0, "{at}");
    }
    assert!(
        evidence(1)["legacy_queue_db_path"]
            .as_str()
            .unwrap()
            .contains("queue.db")
    );
    assert_eq!(
        evidence(2)["daemon_owner"]["mismatch_fields"],
        serde_json::json!([
            "package_version",
            "executable_path",
            "source_path",
            "server_url",
            "team_or_user",
            "queue_db_path"
        ])
    );
    assert!(evidence(3)["saas_counts"]["force_required_transition_count"].as_u64() >= Some(1));
    // The log has every call, and no token.
    let log = std::fs::read_to_string(attempt.join("canary.log")).unwrap();
    assert!(log.contains("$ spec-kitty auth login --headless"), "{log}");
    assert!(log.contains("--review-feedback-file"), "{log}");
    assert!(
        !log.contains("Bearer ey") && !log.contains("skta_"),
        "a token in the log"
    );
    let report = canary.call(&["canary", "report", attempt.to_str().unwrap()]);
    let report = report.expect_code(0);
    let page = report.stdout.trim().strip_prefix("Report  ").unwrap();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains("The evidence verifies") && page.contains("PASS"),
        "{page}"
    );
    let verified = ["canary", "verify", attempt.to_str().unwrap(), "--single"];
    canary.call(&verified).expect_code(0);
}

#[test]
fn without_the_opt_in_a_trusted_runner_or_a_binary_it_does_not_begin() {
    let canary = Canary::new();
    let refused = |words: &[&str], change: &[(&str, &str)], says: &str| {
        let mut command = canary.script();
        command.args(words).envs(change.iter().copied());
        command.stdin(std::process::Stdio::null());
        let run = crate::support::process::run(&mut command).expect_code(2);
        assert!(run.stderr.contains(says), "{run:?}");
    };
    refused(
        &["--yes"],
        &[("SPEC_KITTY_ENABLE_SAAS_SYNC", "0")],
        "hosted sync is off",
    );
    refused(&[], &[], "trusted runner");
    refused(&["--five"], &[], "--five");
    let missing = ("SK_E2E_SPEC_KITTY_BIN", "/nonexistent/spec-kitty");
    refused(&["--yes"], &[missing], "/nonexistent/spec-kitty");
    let run = canary.call(&["canary", "run", "--cli", "/nonexistent/spec-kitty"]);
    let run = run.expect_code(2);
    assert!(run.stderr.contains("/nonexistent/spec-kitty"), "{run:?}");
    assert!(!canary.sandbox.repo().join("artifacts").exists());
}
