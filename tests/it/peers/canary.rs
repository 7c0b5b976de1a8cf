//! The canary over the Python CLI: it runs, and reports what that release really does.

use super::Peer;
use crate::canary::{Canary, modes};

#[test]
fn the_canary_runs_over_python_and_reports_its_real_failures() {
    let Some(peer) = Peer::cli() else { return };
    let canary = Canary::new();
    let run = canary.over(&peer.python.with_file_name("spec-kitty"), &[]);
    let run = run.expect_code(1);
    let document = run.json();
    assert_eq!(document["outcome"], "fail", "{document}");
    let result = &document["runs"][0];
    assert_eq!(result["cli_version"], "3.2.7");
    // Its own package, not the contract of ours.
    assert_eq!(result["events_package_version"], "6.1.0");
    let found = modes(result);
    // Release 3.2.7 delivers no mission of a fresh machine whole, and keeps no identity apart.
    assert!(found.iter().all(Option::is_some), "{found:?}: {result}");
    let attempt = document["evidence"].as_str().unwrap();
    // Failures are evidence too.
    let verify = ["canary", "verify", attempt, "--single"];
    canary.call(&verify).expect_code(0);
}
