//! Missions that we created, read by the commands of the Python CLI.

use super::Peer;
use crate::support::sandbox::Sandbox;
use serde_json::{Value, json};

#[test]
fn python_knows_a_mission_that_we_created() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::new();
    let created = sandbox.create_mission("user-auth");
    let slug = created["mission_slug"].as_str().unwrap();
    let ask = |command: &[&str]| {
        let arguments = [command, &["--mission", slug]].concat();
        peer.spec_kitty(&sandbox, &arguments).expect_code(0).json()
    };
    let state = ask(&["orchestrator-api", "mission-state"]);
    assert_eq!(state["success"], true, "{state}");
    let data = &state["data"];
    for field in ["mission_slug", "mission_number", "mission_type"] {
        assert_eq!(data[field], created[field], "{field}: {state}");
    }
    assert_eq!(data["work_packages"], json!([]));
    let ready = ask(&["orchestrator-api", "list-ready"]);
    assert_eq!(ready["data"]["ready_work_packages"], json!([]), "{ready}");
    let found = ask(&[
        "agent",
        "mission",
        "check-prerequisites",
        "--json",
        "--paths-only",
    ]);
    assert_eq!(found["spec_file"], created["spec_file"]);
    assert_eq!(found["feature_dir"], created["feature_dir"]);
}

#[test]
fn python_finds_a_mission_of_ours_by_its_short_id() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::new();
    let created = sandbox.create_mission("user-auth");
    let id = created["mission_id"].as_str().unwrap();
    for handle in [id, &id[..8]] {
        let arguments = ["orchestrator-api", "mission-state", "--mission", handle];
        let state: Value = peer.spec_kitty(&sandbox, &arguments).expect_code(0).json();
        assert_eq!(state["data"]["mission_slug"], created["mission_slug"]);
    }
}
