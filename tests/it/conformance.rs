//! Everything that this program can emit is made here and validated (document 4, NFR-002): every
//! kind, and every field of every kind.
//!
//! Which kinds there are is read from the sources, so that a new one without its validation fails.
//! `peers::envelopes` shows the same envelopes to the published packages.

use crate::architecture::event_kinds_in_sources;
use crate::orchestrator::course::Course;
use crate::support::daemons::DaemonMachine;
use crate::support::missions::read;
use crate::support::sandbox::{Sandbox, write};
use crate::support::teamspace::{OWNER, Teamspace};
use kitty_contract::{Gate, VENDORED_ARTIFACT};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Makes one of everything, delivers it, and returns what the server stored, byte for byte.
pub fn everything(teamspace: &Teamspace) -> (DaemonMachine, Vec<String>) {
    let mut sandbox = Sandbox::empty();
    sandbox.host(teamspace.url());
    sandbox.set("SPEC_KITTY_DAEMON_HEARTBEAT_SECONDS", "0");
    let sandbox = sandbox.with_artifacts();
    teamspace.log_in(&sandbox);
    let course = Course::begin(&sandbox);
    let slug = course.fixture.slug.clone();
    let setup_plan = [
        "agent",
        "mission",
        "setup-plan",
        "--mission",
        &slug,
        "--json",
    ];
    sandbox.run(&setup_plan);
    course.run_whole();
    // The artifacts drift: one is changed beside the program, and one that is needed is no text.
    let directory = course.fixture.directory.clone();
    write(
        &directory.join("plan.md"),
        read(&directory.join("plan.md")) + "\nMore.\n",
    );
    write(&directory.join("tasks.md"), b"\xff");
    let slug = course.fixture.slug.clone();
    sandbox.run(&[
        "agent",
        "mission",
        "setup-plan",
        "--mission",
        &slug,
        "--json",
    ]);
    let machine = DaemonMachine::of(sandbox);
    machine.start();
    machine.run(&["sync", "now"]);
    let beats = || {
        let stored = teamspace.all_stored_of(OWNER);
        stored.iter().any(|line| line.contains("BuildHeartbeat"))
    };
    if !beats() {
        machine.create_mission("one-more");
        machine.until("a heartbeat arrives", beats);
    }
    machine.stop();
    machine.run(&["sync", "now"]).expect_code(0);
    (machine, teamspace.all_stored_of(OWNER))
}

/// The fields that the contract names for a shape.
fn named(shape: &Value) -> BTreeSet<&str> {
    let object = &shape["object"];
    let of = |key: &str| -> Vec<&str> {
        match &object[key] {
            Value::Object(members) => members.keys().map(String::as_str).collect(),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    };
    [of("properties"), of("required")]
        .concat()
        .into_iter()
        .collect()
}

#[test]
fn nfr_002_every_kind_is_emitted_and_every_field_of_it_is_one_that_the_contract_checks() {
    let teamspace = Teamspace::start();
    let (_machine, stored) = everything(&teamspace);
    let gate = Gate::vendored();
    let artifact: Value = serde_json::from_str(VENDORED_ARTIFACT).unwrap();
    let envelope = named(&artifact["contexts"]["envelope"]);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in &stored {
        gate.check_event(line.as_bytes()).unwrap();
        let event: Value = serde_json::from_str(line).unwrap();
        let kind = event["event_type"].as_str().unwrap();
        *seen.entry(kind.to_owned()).or_default() += 1;
        assert!(
            event["build_id"].as_str().is_some_and(|id| id.len() == 36),
            "{line}"
        );
        for key in event.as_object().unwrap().keys() {
            assert!(
                envelope.contains(key.as_str()),
                "{kind}: `{key}` is checked by nobody"
            );
        }
        for (key, value) in [("payload", Value::Null), ("build_id", "".into())] {
            let mut broken = event.clone();
            broken[key] = value;
            assert!(gate.check_event_value(&broken).is_err(), "{key} of {line}");
        }
        let payload = named(&artifact["payloads"][kind]);
        for key in event["payload"].as_object().unwrap().keys() {
            assert!(
                payload.contains(key.as_str()),
                "{kind}: `payload.{key}` is checked by nobody"
            );
        }
    }
    let made: BTreeSet<String> = seen.into_keys().collect();
    let known: BTreeSet<String> = gate.event_types().map(str::to_owned).collect();
    assert_eq!(
        made,
        event_kinds_in_sources(&known),
        "a kind is not made here, or not in the sources"
    );
}
