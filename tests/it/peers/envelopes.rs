//! What the Teamspace holds is what the published event packages accept.

use super::Peer;
use crate::orchestrator::course::Course;
use crate::support::sandbox::Sandbox;
use crate::support::teamspace::{OWNER, Teamspace};
use serde_json::Value;

/// Captures two missions and delivers them; returns what the server stored.
fn delivered(sandbox: &mut Sandbox, teamspace: &Teamspace) -> Vec<String> {
    sandbox.host(teamspace.url());
    sandbox.unset("SPEC_KITTY_SYNC_ARTIFACTS");
    teamspace.log_in(sandbox);
    sandbox.create_mission("first");
    sandbox.create_mission("second");
    sandbox.run(&["sync", "now"]).expect_code(0);
    let stored = teamspace.all_stored_of(OWNER);
    assert!(stored.len() >= 5, "{stored:?}");
    stored
}

/// Asks a release what it thinks of envelopes.
fn verdict(peer: &Peer, sandbox: &Sandbox, envelopes: &[String], arguments: &[&str]) -> Value {
    peer.script_over(sandbox, "envelopes.py", arguments, envelopes)
}

#[track_caller]
fn accepts(verdict: &Value, release: &str, count: usize) {
    assert_eq!(verdict["release"], release);
    assert_eq!(verdict["complaints"], Value::Array(Vec::new()));
    let types = verdict["types"].as_object().unwrap();
    let checked: u64 = types.values().filter_map(Value::as_u64).sum();
    assert_eq!(checked, count as u64);
    for expected in [
        "BuildRegistered",
        "MissionCreated",
        "SpecifyStarted",
        "MissionDossierArtifactIndexed",
        "MissionDossierSnapshotComputed",
    ] {
        assert!(types.contains_key(expected), "{types:?}");
    }
}

#[test]
fn stored_envelopes_are_valid_under_3_0_0_and_6_1_0_with_their_payloads() {
    let (Some(old), Some(new)) = (Peer::events3(), Peer::events6()) else {
        return;
    };
    let teamspace = Teamspace::start();
    let mut sandbox = Sandbox::new();
    let stored = delivered(&mut sandbox, &teamspace);
    accepts(
        &verdict(&old, &sandbox, &stored, &[]),
        "3.0.0",
        stored.len(),
    );
    accepts(
        &verdict(&new, &sandbox, &stored, &["--payloads"]),
        "6.1.0",
        stored.len(),
    );
    // The oracle can say no.
    let broken = [stored[0].replace("\"build_id\"", "\"built_id\"")];
    for peer in [&old, &new] {
        let complaints = &verdict(peer, &sandbox, &broken, &[])["complaints"];
        assert!(complaints.to_string().contains("build_id"), "{complaints}");
    }
}

#[test]
fn a_whole_mission_is_valid_under_3_0_0_and_6_1_0_with_its_payloads() {
    let (Some(old), Some(new)) = (Peer::events3(), Peer::events6()) else {
        return;
    };
    let teamspace = Teamspace::start();
    let mut sandbox = Sandbox::empty();
    sandbox.host(teamspace.url());
    let sandbox = sandbox.with_artifacts();
    teamspace.log_in(&sandbox);
    Course::begin(&sandbox).run_whole();
    sandbox.run(&["sync", "now"]).expect_code(0);
    let stored = teamspace.all_stored_of(OWNER);
    let of_old = verdict(&old, &sandbox, &stored, &[]);
    accepts(&of_old, "3.0.0", stored.len());
    let of_new = verdict(&new, &sandbox, &stored, &["--payloads"]);
    accepts(&of_new, "6.1.0", stored.len());
    for expected in [
        "DependencyResolved",
        "HistoryAdded",
        "MissionClosed",
        "MissionDossierParityDriftDetected",
        "WPAssigned",
        "WPCreated",
        "WPStatusChanged",
    ] {
        assert!(of_new["types"].get(expected).is_some(), "{of_new}");
    }
}
