//! The canary over the Python CLI: it runs, and reports what that release really does.

use super::Peer;
use crate::canary::{Canary, modes};
use crate::support::process::program;
use serde_json::Value;

#[test]
fn the_canary_runs_over_python_and_reports_its_real_failures() {
    let Some(peer) = Peer::cli() else { return };
    let canary = Canary::new();
    // Minutes: that program takes seconds for every command. Each command has its own deadline.
    let mut command = canary.sandbox.command(program());
    command
        .args(["canary", "run", "--json", "--cli"])
        .arg(peer.python.with_file_name("spec-kitty"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["outcome"], "fail", "{document}");
    let result = &document["runs"][0];
    assert_eq!(result["cli_version"], "3.2.7");
    // Its own package, not the contract of ours.
    assert_eq!(result["events_package_version"], "6.1.0");
    let [fresh, legacy, _, rejection] = modes(result);
    // The events of its dossiers name no build, which the contract forbids and the server rejects.
    assert_eq!(fresh.as_deref(), Some("sync_now_nonzero"), "{result}");
    assert_eq!(rejection.as_deref(), Some("sync_now_nonzero"), "{result}");
    // Rows of another identity keep it from working for this one until a person migrates them.
    assert_eq!(
        legacy.as_deref(),
        Some("teamspace_migration_required"),
        "{result}"
    );
    let attempt = document["evidence"].as_str().unwrap();
    // Failures are evidence too.
    let verify = ["canary", "verify", attempt, "--single"];
    canary.call(&verify).expect_code(0);
}
