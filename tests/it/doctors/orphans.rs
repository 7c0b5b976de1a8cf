//! Daemons that nobody records: each is found, and only what is provably ours is ended.

use super::{Bystander, findings, keys, machine};
use crate::support::daemons::DaemonMachine;
use crate::support::sandbox::write;
use crate::support::tree::{Tree, assert_unchanged};
use kitty_runtime::ipc::Greeting;
use kitty_runtime::process::{ProcessSignal, ProcessState};
use serde_json::{Value, json};
use std::process::Command;

const ORPHANS: &[&str] = &["doctor", "orphan-daemons", "--json"];
const RESET: &[&str] = &["auth", "doctor", "--reset", "--json"];

/// A daemon whose state root was removed under it.
struct Orphaned(Greeting);

impl Orphaned {
    fn on(machine: &DaemonMachine) -> Self {
        let daemon = Self(machine.start());
        std::fs::remove_dir_all(machine.state()).unwrap();
        daemon
    }
}

impl Drop for Orphaned {
    fn drop(&mut self) {
        let _ = self.0.process.signal(ProcessSignal::Kill);
    }
}

fn only(document: &Value) -> &Value {
    let orphans = document["orphans"].as_array().unwrap();
    assert_eq!(orphans.len(), 1, "{document}");
    &orphans[0]
}

#[test]
fn a_daemon_that_lost_its_state_root_is_found_and_ended() {
    let machine = machine();
    machine.start();
    let run = machine.run(ORPHANS).expect_code(0);
    let sorted = [
        "orphan_count",
        "orphans",
        "owner_record_path",
        "retirement_command",
    ];
    assert_eq!(keys(&run.stdout), sorted);
    assert_eq!(run.json()["retirement_command"], Value::Null);
    machine.stop();
    let orphaned = Orphaned::on(&machine);
    let pid = orphaned.0.process.pid;
    let found = machine.run(ORPHANS).expect_code(1).json();
    assert_eq!(only(&found)["pid"], pid);
    assert_eq!(only(&found)["cleanup_class"], "safe_auto");
    assert_eq!(
        found["retirement_command"],
        "spec-kitty auth doctor --reset"
    );
    let check = machine
        .run(&["sync", "status", "--check", "--json"])
        .expect_code(2)
        .json();
    assert_eq!(check["live_orphan_daemon_count"], 1, "{check}");
    let seen = machine.run(&["auth", "doctor", "--json"]).json();
    assert!(findings(&seen).contains(&"F-002"), "{seen}");
    assert!(!machine.state().exists(), "looking made the state root");
    // Another daemon of the same root is the real one by now, and stays.
    let real = machine.start();
    let reset = machine.run(RESET).json();
    assert_eq!(reset["reset_result"]["swept"][0]["pid"], pid, "{reset}");
    assert_eq!(reset["reset_result"]["failed"], json!([]));
    assert_eq!(reset["orphans"], json!([]));
    assert_eq!(orphaned.0.process.state(), ProcessState::Gone);
    assert_eq!(real.process.state(), ProcessState::Running);
    assert_eq!(machine.json(ORPHANS)["orphan_count"], 0);
}

#[test]
fn a_daemon_that_may_hold_the_lock_is_ended_only_when_a_person_insists() {
    let machine = machine();
    let daemon = machine.start();
    let guard = Orphaned(daemon.clone());
    std::fs::remove_file(machine.map().daemon_record()).unwrap();
    let found = machine.run(ORPHANS).expect_code(1).json();
    assert_eq!(only(&found)["skip_reason"], "unresponsive", "{found}");
    let reset = machine.run(RESET).json();
    assert_eq!(
        reset["reset_result"]["skipped"][0]["cleanup_class"],
        "operator_required"
    );
    assert_eq!(daemon.process.state(), ProcessState::Running);
    let forced = machine
        .run(&["auth", "doctor", "--reset", "--force", "--json"])
        .json();
    assert_eq!(
        forced["reset_result"]["swept"][0]["cleanup_path"],
        "terminate"
    );
    assert_eq!(daemon.process.state(), ProcessState::Gone);
    drop(guard);
}

#[test]
fn a_daemon_of_the_python_cli_is_reported_and_ended_only_with_force_and_a_marker() {
    let machine = machine();
    std::fs::create_dir_all(machine.state()).unwrap();
    let mut marked = Bystander::like_python(Some(&machine.state()));
    let mut elsewhere = Bystander::like_python(Some(&machine.home()));
    let mut unmarked = Bystander::like_python(None);
    let before = Tree::of(&machine.state());
    let run = machine.run(ORPHANS).expect_code(1);
    let found = run.json();
    assert_eq!(only(&found)["pid"], marked.id());
    assert_eq!(only(&found)["port"], 9412);
    assert!(!run.stdout.contains("control-secret"), "{run:?}");
    assert_unchanged(&before, &machine.state());
    let reset = machine.run(RESET).json();
    assert_eq!(reset["reset_result"]["swept"], json!([]), "{reset}");
    marked.is_unharmed();
    let forced = machine
        .run(&["auth", "doctor", "--reset", "--force", "--json"])
        .json();
    let swept = &forced["reset_result"]["swept"];
    assert_eq!(swept[0]["pid"], marked.id(), "{forced}");
    assert!(marked.0.wait().unwrap().code().is_none(), "by a signal");
    elsewhere.is_unharmed();
    unmarked.is_unharmed();
}

#[test]
fn a_process_that_only_looks_like_a_daemon_of_ours_is_nobodys_orphan() {
    let machine = machine();
    let directory = machine.base().join("pipes");
    std::fs::create_dir(&directory).unwrap();
    for name in ["sync", "daemon", "serve"] {
        let made = Command::new("mkfifo").arg(directory.join(name)).status();
        assert!(made.unwrap().success());
    }
    let mut command = Command::new("cat");
    command
        .args(["sync", "daemon", "serve"])
        .current_dir(&directory)
        .env("SPEC_KITTY_HOME", machine.state());
    let mut lookalike = Bystander::started(&mut command);
    assert_eq!(machine.json(ORPHANS)["orphan_count"], 0);
    machine.run(&["auth", "doctor", "--reset", "--force"]);
    lookalike.is_unharmed();
}

#[test]
fn the_record_of_a_dead_daemon_is_an_orphan_and_reset_removes_it() {
    let machine = machine();
    write(
        &machine.map().daemon_owner(),
        r#"{"pid":4194305,"package_version":"3.2.7","token":"control-secret"}"#,
    );
    let run = machine.run(ORPHANS).expect_code(1);
    let found = run.json();
    assert_eq!(only(&found)["state"], "dead");
    assert_eq!(only(&found)["package_version"], "3.2.7");
    assert!(!run.stdout.contains("control-secret"), "{run:?}");
    machine.run(RESET);
    assert_eq!(machine.json(ORPHANS)["orphan_count"], 0);
}
