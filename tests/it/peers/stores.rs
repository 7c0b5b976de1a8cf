//! The stores of one program do not stand in the way of the other.

use super::Peer;
use crate::support::sandbox::Sandbox;
use serde_json::json;

#[test]
fn a_project_that_only_we_know_is_none_of_pythons() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::hosted("http://127.0.0.1:1");
    sandbox.create_mission("first");
    assert!(sandbox.map().projects().is_dir(), "our queue is there");
    assert_eq!(peer.script(&sandbox, "stores.py", &[]), json!([]));
    // And the script sees what it should see.
    let theirs = sandbox.map().legacy_projects().join(sandbox.project_uuid());
    std::fs::create_dir_all(theirs).unwrap();
    assert_eq!(
        peer.script(&sandbox, "stores.py", &[]),
        json!([sandbox.project_uuid()])
    );
}
