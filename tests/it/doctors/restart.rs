//! `doctor restart-daemon`: four ends, each with its code, and no foreign process in any of them.

use super::{Bystander, NOBODY, keys, machine};
use crate::support::process::DEADLINE;
use crate::support::sandbox::{Sandbox, write};
use crate::support::tree::{Tree, assert_unchanged};
use kitty_runtime::process::ProcessState;
use serde_json::json;
use std::time::Instant;

const RESTART: &[&str] = &["doctor", "restart-daemon", "--json"];

#[test]
fn a_daemon_that_runs_is_replaced_and_the_answer_has_the_documented_keys() {
    let machine = machine();
    let first = machine.start();
    let run = machine.run(RESTART).expect_code(0);
    let sorted = ["error", "exit_code", "new_pid", "previous_pid", "status"];
    assert_eq!(keys(&run.stdout), sorted);
    let restarted = run.json();
    let second = machine.record().unwrap();
    assert_ne!(first.process, second.process);
    assert_eq!(first.process.state(), ProcessState::Gone);
    assert_eq!(
        restarted,
        json!({
            "error": null, "exit_code": 0, "status": "restarted",
            "previous_pid": first.process.pid, "new_pid": second.process.pid,
        })
    );
    let text = machine
        .run(&["doctor", "restart-daemon"])
        .expect_code(0)
        .stdout;
    let third = machine.record().unwrap().process.pid;
    assert_eq!(
        text.trim(),
        format!(
            "Sync daemon restarted (previous_pid={}, new_pid={third}).",
            second.process.pid
        )
    );
}

#[test]
fn without_a_registered_daemon_nothing_is_started() {
    let machine = machine();
    let before = Tree::of(&machine.state());
    let document = machine.run(RESTART).expect_code(1).json();
    assert_eq!(document["status"], "no_owner");
    assert_eq!(
        document["error"],
        "No registered sync daemon — run `spec-kitty sync now` to launch one."
    );
    assert_unchanged(&before, &machine.state());
}

#[test]
fn with_hosted_sync_off_a_running_daemon_is_left_alone_and_none_is_started() {
    let machine = machine();
    let daemon = machine.start();
    let started = Instant::now();
    while machine.log().is_empty() {
        assert!(started.elapsed() < DEADLINE, "the daemon says nothing");
    }
    for (name, value) in [
        ("SPEC_KITTY_ENABLE_SAAS_SYNC", "0"),
        ("SPEC_KITTY_SYNC_DISABLE", "1"),
    ] {
        let before = Tree::of(&machine.state());
        let run = machine.call(RESTART).env(name, value).run().expect_code(2);
        let document = run.json();
        assert_eq!(document["status"], "respawn_failed", "{document}");
        assert_eq!(document["error"], "Respawn skipped: rollout_disabled");
        assert_eq!(daemon.process.state(), ProcessState::Running);
        // The daemon goes on with its own work and may say so.
        let mut changes = before.changes(&Tree::of(&machine.state()));
        changes.retain(|name| name != "sync-daemon.log");
        assert_eq!(changes, [""; 0]);
    }
}

#[test]
fn in_manual_mode_the_old_daemon_ends_and_none_is_started() {
    let machine = machine();
    let daemon = machine.start();
    machine
        .run(&["config", "set", "sync.background_daemon", "manual"])
        .expect_code(0);
    let document = machine.run(RESTART).expect_code(2).json();
    assert_eq!(document["error"], "Respawn skipped: policy_manual");
    assert_eq!(document["previous_pid"], daemon.process.pid);
    assert_eq!(daemon.process.state(), ProcessState::Gone);
    assert_eq!(machine.status()["state"], "absent");
}

#[test]
fn whatever_a_dead_daemon_left_is_cleaned_up_on_the_way() {
    let mut bystander = Bystander::new();
    let recycled = json!({"pid": bystander.id(), "server_url": "https://other.example"});
    for record in ["{", "[]", r#"{"pid":4194305}"#, &recycled.to_string()] {
        let machine = machine();
        write(&machine.map().daemon_owner(), record);
        let document = machine.run(RESTART).expect_code(0).json();
        assert_eq!(document["status"], "stale_owner_cleaned", "{record}");
        assert_eq!(machine.status()["pid"], document["new_pid"], "{record}");
        let check = machine.json(&["sync", "status", "--check", "--json"]);
        assert_eq!(check["ok"], true, "{check}");
        machine.stop();
        write(&machine.map().daemon_owner(), record);
        machine.stop();
        assert!(!machine.map().daemon_owner().exists(), "{record}");
    }
    bystander.is_unharmed();
}

#[test]
fn a_living_daemon_of_the_python_cli_is_not_ended() {
    let sandbox = Sandbox::hosted(NOBODY);
    let mut python = Bystander::like_python(Some(&sandbox.state()));
    write(
        &sandbox.map().daemon_owner(),
        json!({"pid": python.id(), "token": "control-secret"}).to_string(),
    );
    let run = sandbox.run(RESTART).expect_code(3);
    assert_eq!(run.json()["status"], "stop_failed", "{run:?}");
    assert!(!run.stdout.contains("control-secret"), "{run:?}");
    sandbox.run(&["sync", "daemon", "stop"]).expect_code(0);
    assert!(sandbox.map().daemon_owner().exists(), "it is that daemon's");
    python.is_unharmed();
}
