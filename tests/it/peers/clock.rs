//! `clock.json`: the Lamport clock that both programs move on.

use super::Peer;
use crate::support::sandbox::Sandbox;
use serde_json::Value;

/// A host that refuses connections at once.
const NOBODY: &str = "http://127.0.0.1:1";

fn values(events: &[Value]) -> Vec<u64> {
    let value = |event: &Value| event["lamport_clock"].as_u64().unwrap();
    events.iter().map(value).collect()
}

#[test]
fn python_goes_on_where_our_clock_is_and_we_where_its_is() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.create_mission("first");
    let before = sandbox.stored_events();
    let highest = values(&before).into_iter().max().unwrap();
    let ticked = peer.script(&sandbox, "clock.py", &["10"]);
    assert_eq!(
        ticked["value"], highest,
        "what we wrote is what Python loads"
    );
    assert_eq!(ticked["node_id"], before[0]["node_id"]);
    assert_eq!(ticked["after"], highest + 10);
    sandbox.create_mission("second");
    let after = &sandbox.stored_events()[before.len()..];
    assert!(!after.is_empty());
    for value in values(after) {
        assert!(
            value > highest + 10,
            "{value} may have been given by Python"
        );
    }
    assert_eq!(after[0]["node_id"], before[0]["node_id"]);
}

#[test]
fn a_machine_that_nobody_named_has_one_name_in_both() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::hosted(NOBODY);
    sandbox.create_mission("first");
    let python = peer.script(&sandbox, "clock.py", &[])["own_node_id"].clone();
    assert_eq!(sandbox.stored_events()[0]["node_id"], python);
}

#[test]
fn a_node_that_python_named_keeps_its_name() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::hosted(NOBODY);
    let ticked = peer.script(&sandbox, "clock.py", &["5"]);
    sandbox.create_mission("first");
    let events = sandbox.stored_events();
    for event in &events {
        assert_eq!(event["node_id"], ticked["node_id"]);
    }
    assert!(values(&events).into_iter().all(|value| value > 5));
}
