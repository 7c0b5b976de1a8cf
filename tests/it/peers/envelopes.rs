//! What the Teamspace holds is what the published event packages accept.

use super::Peer;
use crate::agent_tasks::table::Table;
use crate::conformance::everything;
use crate::support::sandbox::Sandbox;
use crate::support::teamspace::{OWNER, Teamspace};
use kitty_contract::Gate;
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
fn nfr_002_every_kind_that_is_emitted_is_valid_under_3_0_0_and_6_1_0_with_its_payload() {
    let (Some(old), Some(new)) = (Peer::events3(), Peer::events6()) else {
        return;
    };
    let teamspace = Teamspace::start();
    let (machine, stored) = everything(&teamspace);
    let of_old = verdict(&old, &machine, &stored, &[]);
    accepts(&of_old, "3.0.0", stored.len());
    let of_new = verdict(&new, &machine, &stored, &["--payloads"]);
    accepts(&of_new, "6.1.0", stored.len());
}

/// Canary scenario 4: the exact bytes that were stored of a work package sent back by its reviewer.
#[test]
fn a_rejection_is_stored_as_3_0_0_and_6_1_0_accept_it_from_every_lane() {
    let (Some(old), Some(new)) = (Peer::events3(), Peer::events6()) else {
        return;
    };
    let table = Table::hosted();
    let feedback = table.feedback("**Issue**: not yet\n");
    let file = ["--review-feedback-file", feedback.to_str().unwrap()];
    for lane in ["in_review", "for_review", "in_progress", "approved"] {
        table.move_to("WP01", "in_progress", &[]);
        if lane == "in_review" {
            table.work("lane-a", "src/greet.py");
        }
        table.mark_done(&["T001"]);
        if lane != "in_progress" {
            table.move_to("WP01", lane, &["--reviewer", "rev"]);
        }
        table.move_to("WP01", "planned", &file);
    }
    let stored = table.sandbox.stored_lines();
    let back: Vec<&String> = stored
        .iter()
        .filter(|line| line.contains("\"to_lane\":\"planned\"") && line.contains("backward rewind"))
        .collect();
    assert_eq!(back.len(), 4, "{stored:?}");
    for line in &stored {
        Gate::vendored().check_event(line.as_bytes()).unwrap();
    }
    let count: u64 = stored.len() as u64;
    for (peer, arguments) in [(&old, &[][..]), (&new, &["--payloads"][..])] {
        let verdict = verdict(peer, &table.sandbox, &stored, arguments);
        assert_eq!(verdict["complaints"], Value::Array(Vec::new()));
        let types = verdict["types"].as_object().unwrap();
        assert_eq!(types.values().filter_map(Value::as_u64).sum::<u64>(), count);
    }
    // Unforced the newer release refuses it: the oracle looks at exactly this.
    let unforced = [back[0].replace("\"force\":true", "\"force\":false")];
    assert_ne!(&unforced[0], back[0]);
    let refused = verdict(&new, &table.sandbox, &unforced, &["--payloads"]);
    let complaints = refused["complaints"].to_string();
    assert!(complaints.contains("force"), "{complaints}");
}
