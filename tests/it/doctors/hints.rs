//! The owner record says whom the daemon delivers for, and keeps saying the truth.

use super::machine;
use crate::support::daemons::DaemonMachine;
use crate::support::process::DEADLINE;
use crate::support::sandbox::Sandbox;
use crate::support::sessions::Seed;
use crate::support::teamspace::{OWNER, Teamspace};
use kitty_config::queue_scope;
use kitty_runtime::ipc::Request;
use serde_json::{Value, json};
use std::time::Instant;

fn owner(machine: &DaemonMachine) -> Value {
    let bytes = std::fs::read(machine.map().daemon_owner()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_record_follows_a_login_and_a_logout_and_the_boundary_holds_throughout() {
    let teamspace = Teamspace::start();
    let machine = DaemonMachine::of(Sandbox::hosted(teamspace.url()));
    machine.start();
    assert_eq!(owner(&machine)["auth_principal"], Value::Null);
    teamspace.log_in(&machine);
    let stored = machine.session().unwrap().session;
    let team = stored.private_team().unwrap().id.clone();
    let record = owner(&machine);
    assert_eq!(record["auth_principal"], OWNER);
    assert_eq!(record["auth_team"], json!(team));
    let scope = queue_scope(teamspace.url(), Some(OWNER), Some(&team));
    assert_eq!(record["auth_scope"], json!(scope));
    let check = machine.json(&["sync", "status", "--check", "--json"]);
    assert_eq!(
        check["foreground"]["team_or_user"],
        json!(format!("{OWNER}/{team}"))
    );
    machine.run(&["auth", "logout"]).expect_code(0);
    let record = owner(&machine);
    for key in ["auth_principal", "auth_team", "auth_scope"] {
        assert_eq!(record[key], Value::Null, "{record}");
    }
    machine.json(&["sync", "status", "--check", "--json"]);
}

#[test]
fn a_session_that_another_program_changed_is_noticed_with_the_next_work() {
    let machine = machine();
    machine.seed(&Seed::private());
    let daemon = machine.start();
    assert_eq!(owner(&machine)["auth_principal"], "ada@example.invalid");
    machine.seed(&Seed::private().of("grace", "t-2"));
    // Any work makes the daemon look again, also work that turns out to be none.
    machine.ask(Request::DrainProject {
        project: "no project".to_owned(),
        state_root: daemon.state_root,
        server: daemon.server,
        checkout: None,
    });
    let started = Instant::now();
    while owner(&machine)["auth_team"] != "t-2" {
        assert!(started.elapsed() < DEADLINE, "{}", owner(&machine));
    }
    machine.json(&["sync", "status", "--check", "--json"]);
}
