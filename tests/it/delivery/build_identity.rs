//! The build id, from the capture to the server's database and to a second account (document 4,
//! FR-007 and FR-008).

use super::{BLOCKED, DELIVERED};
use crate::support::sandbox::{Sandbox, event_id};
use crate::support::teamspace::{OWNER, Teamspace};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SECOND: &str = "second@example.invalid";

/// The build id of every event by its id.
fn builds<'a>(events: impl Iterator<Item = &'a Value>) -> BTreeMap<String, String> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    events
        .map(|event| (text(event, "event_id"), text(event, "build_id")))
        .collect()
}

fn held(sandbox: &Sandbox) -> BTreeMap<String, String> {
    builds(sandbox.stored_events().iter())
}

fn stored(teamspace: &Teamspace, email: &str) -> BTreeMap<String, String> {
    let lines = teamspace.stored_of(email);
    let envelopes: Vec<Value> = lines
        .iter()
        .map(|line| {
            assert!(!event_id(line).is_empty());
            serde_json::from_str(line).unwrap()
        })
        .collect();
    builds(envelopes.iter())
}

fn create_in(sandbox: &Sandbox, directory: &Path, slug: &str) {
    let create = ["agent", "mission", "create", slug, "--json"];
    sandbox
        .call(&create)
        .directory(directory)
        .run()
        .expect_code(0);
}

#[test]
fn fr_008_the_build_id_is_kept_through_capture_journal_rebuild_wire_database_and_replay() {
    let mut teamspace = Teamspace::start();
    teamspace.add_member(SECOND, "team-two");
    let sandbox = Sandbox::hosted(teamspace.url());
    sandbox.create_mission("before-anybody-logs-in");
    let clone = sandbox.base().join("clone");
    let config = std::fs::read(sandbox.repo().join(".kittify/config.yaml")).unwrap_or_default();
    sandbox.git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
    let uuid = format!("project:\n  uuid: {}\n", sandbox.project_uuid());
    for checkout in [sandbox.repo(), clone.clone()] {
        let text = [uuid.as_bytes(), &config].concat();
        crate::support::sandbox::write(&checkout.join(".kittify/config.yaml"), text);
    }
    create_in(&sandbox, &clone, "in-a-clone");
    let captured = held(&sandbox);
    let checkouts: BTreeSet<&String> = captured.values().collect();
    assert_eq!(checkouts.len(), 2, "{captured:?}");
    assert!(checkouts.iter().all(|build| !build.is_empty()));

    // Into the journal and the mailbox, without a server that takes anything.
    teamspace.log_in(&sandbox);
    teamspace.kill();
    let refused = sandbox.run(&["sync", "now", "--json"]);
    assert_ne!(refused.status.code(), Some(DELIVERED), "{refused:?}");
    assert_eq!(held(&sandbox), captured, "in the journal");

    // The mailbox is made again from the journal.
    let scope = sandbox.map().project_scope(&sandbox.project_uuid());
    std::fs::remove_dir_all(scope.mailbox()).unwrap();
    teamspace.start_again();
    sandbox.run(&["sync", "now"]).expect_code(DELIVERED);
    assert_eq!(stored(&teamspace, OWNER), captured, "in the database");

    // A second account gets what was captured while nobody was logged in, from the same journal.
    sandbox.run(&["auth", "logout"]).expect_code(0);
    teamspace.log_in_as(&sandbox, SECOND, &[]);
    let again = sandbox.run(&["sync", "now"]);
    assert_ne!(again.status.code(), Some(BLOCKED), "{again:?}");
    assert_eq!(stored(&teamspace, SECOND), captured, "replayed");
}
