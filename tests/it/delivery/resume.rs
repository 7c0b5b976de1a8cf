//! Deliveries that are killed: nothing is lost, and the Teamspace holds nothing twice.

use super::relay::{Moment, Relay};
use super::{DELIVERED, capture};
use crate::support::sandbox::Sandbox;
use serde_json::json;

#[test]
fn a_delivery_that_is_killed_again_and_again_ends_with_every_event_stored_once_and_in_order() {
    let relay = Relay::start();
    let mut sandbox = Sandbox::new();
    relay.log_in(&mut sandbox);
    let ids = capture(&sandbox, 150);
    for batch in 1..=4 {
        for moment in [Moment::BeforeTheTeamspace, Moment::BeforeTheAnswer] {
            relay.kill_delivery(&sandbox, batch, moment);
            let stored = relay.teamspace.stored_ids();
            assert_eq!(stored, ids[..stored.len()], "batch {batch}, {moment:?}");
            // What the client believes to be delivered is stored, and nothing is forgotten.
            let waiting = sandbox.waiting();
            let answered = ids.len() - waiting.len();
            assert_eq!(waiting, ids[answered..]);
            assert!(answered <= stored.len(), "{answered} of {}", stored.len());
        }
    }
    let stored = relay.teamspace.stored_ids().len();
    let open = sandbox.waiting().len();
    let report = sandbox.json(&["sync", "now", "--json"]);
    let twice = stored - (ids.len() - open);
    assert!(twice > 0, "the last kill left an answer that nobody heard");
    assert_eq!(report["duplicate"], twice, "{report}");
    assert_eq!(report["delivered"], open - twice, "{report}");
    assert_eq!(relay.teamspace.stored_ids(), ids);
    let status = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(
        (&status["open"], &status["damage"]),
        (&json!(0), &json!([])),
        "{status}"
    );
}

#[test]
fn events_that_are_captured_between_two_kills_are_delivered_after_those_before() {
    let relay = Relay::start();
    let mut sandbox = Sandbox::new();
    relay.log_in(&mut sandbox);
    let mut ids = Vec::new();
    for batch in [2, 1, 3] {
        ids.extend(capture(&sandbox, 42));
        relay.kill_delivery(&sandbox, batch, Moment::BeforeTheAnswer);
    }
    sandbox.run(&["sync", "now"]).expect_code(DELIVERED);
    assert_eq!(relay.teamspace.stored_ids(), ids);
}

#[test]
fn a_teamspace_that_is_killed_in_the_middle_has_what_it_acknowledged_and_gets_the_rest() {
    let mut relay = Relay::start();
    let mut sandbox = Sandbox::new();
    relay.log_in(&mut sandbox);
    let ids = capture(&sandbox, 60);
    relay.kill_delivery(&sandbox, 3, Moment::BeforeTheAnswer);
    let stored = relay.teamspace.stored_ids();
    relay.teamspace.kill();
    assert_eq!(relay.teamspace.stored_ids(), stored);
    relay.teamspace.start_again();
    sandbox.run(&["sync", "now"]).expect_code(DELIVERED);
    assert_eq!(relay.teamspace.stored_ids(), ids);
}
