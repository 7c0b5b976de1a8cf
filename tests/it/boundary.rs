//! The identity boundary: a daemon that means something else stops a delivery before a byte leaves.

use crate::support::process::Run;
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::{BATCH, ScriptedServer};
use crate::support::sessions::Seed;
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::{Value, json};

fn machine(server: &ScriptedServer) -> Sandbox {
    let sandbox = Sandbox::hosted(&server.url());
    sandbox
        .run(&["config", "set", "event_sync.mode", "local_retention"])
        .expect_code(0);
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox.create_mission("first");
    sandbox
        .run(&["config", "set", "event_sync.mode", "teamspace"])
        .expect_code(0);
    sandbox
}

/// Writes a record of a running process that agrees with the foreground but for some fields.
fn record(sandbox: &Sandbox, change: &Value) {
    let check = sandbox.run(&["sync", "status", "--check", "--json"]).json();
    let ours = &check["foreground"];
    let mut record = json!({
        "pid": std::process::id(), "port": 9400, "token": "control-secret",
        "package_version": ours["package_version"], "executable_path": ours["executable_path"],
        "server_url": ours["server_url"], "queue_db_path": ours["queue_db_path"],
    });
    for (key, value) in change.as_object().unwrap() {
        record[key] = value.clone();
    }
    write(&sandbox.map().daemon_owner(), record.to_string());
}

fn refused(sandbox: &Sandbox, server: &ScriptedServer) -> Run {
    let requests = server.requests().len();
    let run = sandbox.run(&["sync", "now"]).expect_code(2);
    assert!(
        run.stderr.contains("Refusing `spec-kitty sync now`"),
        "{run:?}"
    );
    assert_eq!(server.requests().len(), requests, "a byte left");
    run
}

#[test]
fn without_a_record_and_with_one_that_agrees_the_boundary_holds() {
    let server = ScriptedServer::start();
    server.be_honest(BATCH);
    let sandbox = machine(&server);
    let check = sandbox.json(&["sync", "status", "--check", "--json"]);
    assert_eq!(check["daemon_owner_record"]["status"], "absent");
    record(&sandbox, &json!({}));
    let before = Tree::of(&sandbox.state());
    let check = sandbox.json(&["sync", "status", "--check", "--json"]);
    assert_unchanged(&before, &sandbox.state());
    assert_eq!(
        (&check["ok"], &check["mismatches"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(check["daemon_owner_record"]["token"], "<redacted>");
    let text = sandbox.run(&["sync", "status", "--check"]).expect_code(0);
    assert!(
        text.stdout.starts_with("Identity boundary check passed."),
        "{text:?}"
    );
    assert!(!text.stdout.contains("control-secret"), "{text:?}");
    let now = sandbox.json(&["sync", "now", "--json"]);
    assert_eq!(now["delivered"], 3, "{now}");
}

#[test]
fn every_field_that_differs_is_named_and_stops_a_delivery_before_a_byte_leaves() {
    let server = ScriptedServer::start();
    server.be_honest(BATCH);
    let sandbox = machine(&server);
    for (key, field) in [
        ("package_version", "daemon_package_version"),
        ("executable_path", "daemon_executable_path"),
        ("server_url", "daemon_server_url"),
        ("source_checkout_path", "daemon_source_path"),
        ("auth_team", "daemon_team_or_user"),
        ("auth_principal", "daemon_team_or_user"),
        ("queue_db_path", "daemon_queue_db_path"),
    ] {
        record(&sandbox, &json!({key: "something else"}));
        let check = sandbox
            .run(&["sync", "status", "--check", "--json"])
            .expect_code(2)
            .json();
        assert_eq!(check["mismatches"][0]["field"], field, "{check}");
        assert_eq!(check["mismatches"][0]["daemon_value"], "something else");
        assert_eq!(
            (&check["ok"], &check["exit_code"]),
            (&json!(false), &json!(2))
        );
        let text = sandbox.run(&["sync", "status", "--check"]).expect_code(2);
        assert!(
            text.stdout.starts_with("Identity boundary check FAILED:"),
            "{text:?}"
        );
        assert!(text.stdout.contains("Remediation:"), "{text:?}");
        let run = refused(&sandbox, &server);
        assert!(run.stderr.contains(field), "{run:?}");
    }
}

#[test]
fn what_a_dead_daemon_left_is_named_and_what_nobody_can_read_is_refused() {
    let server = ScriptedServer::start();
    let sandbox = machine(&server);
    // No process has this id: it is beyond what the kernel gives.
    record(&sandbox, &json!({"pid": 4_194_305}));
    let check = sandbox
        .run(&["sync", "status", "--check", "--json"])
        .expect_code(2)
        .json();
    assert_eq!(check["daemon_owner_record"]["status"], "orphan");
    server.be_honest(BATCH);
    for garbage in ["", "{", "[]", "{}", "\u{0}\u{0}"] {
        write(&sandbox.map().daemon_owner(), garbage);
        let check = sandbox
            .run(&["sync", "status", "--check", "--json"])
            .expect_code(2)
            .json();
        assert_eq!(
            check["daemon_owner_record"]["status"], "unreadable",
            "{garbage:?}"
        );
        let run = refused(&sandbox, &server);
        assert!(run.stderr.contains("sync daemon stop"), "{run:?}");
    }
    // What a dead daemon left keeps nobody from delivering.
    write(&sandbox.map().daemon_owner(), r#"{"pid":4194305}"#);
    let now = sandbox.json(&["sync", "now", "--json"]);
    assert_eq!(now["delivered"], 3, "{now}");
}

#[test]
fn a_local_command_succeeds_and_its_final_sync_sends_nothing_over_the_boundary() {
    let server = ScriptedServer::start();
    let sandbox = machine(&server);
    write(&sandbox.map().daemon_owner(), "{");
    let requests = server.requests().len();
    let created = sandbox
        .run(&["agent", "mission", "create", "second", "--json"])
        .expect_code(0);
    assert_eq!(created.json()["result"], "success");
    assert!(
        created.stderr.contains("sync.identity_boundary"),
        "{created:?}"
    );
    assert_eq!(server.requests().len(), requests, "a byte left");
    sandbox.run(&["sync", "status"]).expect_code(0);
}
