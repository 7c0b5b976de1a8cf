//! The background daemon, as processes of the real program.

mod delivering;
mod line;
mod recovery;
#[cfg(target_arch = "x86_64")]
mod succession;

use crate::support::daemons::DaemonMachine;
use crate::support::process::{Run, Running};
use crate::support::sandbox::Sandbox;
use crate::support::tree::{Tree, assert_unchanged};
use kitty_runtime::ipc::{Answer, Request};
use serde_json::Value;

/// A host that refuses connections at once.
const NOBODY: &str = "http://127.0.0.1:1";

fn machine() -> DaemonMachine {
    DaemonMachine::of(Sandbox::hosted(NOBODY))
}

#[test]
fn a_daemon_starts_once_answers_leaves_hints_without_secrets_and_stops() {
    let machine = machine();
    assert_eq!(machine.status()["state"], "absent");
    let daemon = machine.start();
    assert_eq!(machine.start(), daemon, "it runs already");
    let status = machine.status();
    assert_eq!(status["running"], true, "{status}");
    assert_eq!(status["daemon"]["server"], NOBODY, "{status}");
    assert!(status["health"].is_object(), "{status}");
    let pid = daemon.process.pid;
    let state = std::fs::read_to_string(machine.map().daemon_state()).unwrap();
    let socket = format!("unix:{}", machine.map().daemon_socket().display());
    assert_eq!(
        state.lines().collect::<Vec<_>>(),
        [&socket, "-", "-", &format!("process {pid}")],
        "other tools drop empty lines, and signal whatever number stands last"
    );
    let owner: Value =
        serde_json::from_slice(&std::fs::read(machine.map().daemon_owner()).unwrap()).unwrap();
    assert_eq!(
        (&owner["pid"], &owner["token"]),
        (&pid.into(), &"<redacted>".into())
    );
    assert_eq!(owner.as_object().unwrap().len(), 12, "{owner}");
    let started_at = owner["started_at"].as_str().unwrap();
    assert!(started_at.ends_with("+00:00"), "{started_at}");
    let tree = Tree::of(&machine.state());
    assert!(
        tree.files().all(|(_, mode)| mode == 0o600),
        "{:?}",
        tree.names()
    );
    assert!(
        tree.directories().all(|(_, mode)| mode == 0o700),
        "{:?}",
        tree.names()
    );
    machine.stop();
    machine.until_ended();
    let map = machine.map();
    for path in [
        map.daemon_state(),
        map.daemon_owner(),
        map.daemon_socket(),
        map.daemon_record(),
    ] {
        assert!(!path.exists(), "{}", path.display());
    }
    let run = machine.stop();
    assert!(run.says("No sync daemon runs."), "{run:?}");
    assert!(
        machine
            .run(&["sync", "daemon", "logs"])
            .says("daemon ends: it was asked to")
    );
}

#[test]
fn two_hundred_starts_at_once_give_one_daemon() {
    let machine = machine();
    let starts: Vec<_> = (0..200)
        .map(|_| machine.call(&["sync", "daemon", "start", "--json"]).start())
        .collect();
    let runs: Vec<Run> = starts.into_iter().map(Running::finish).collect();
    let record = machine.record().unwrap();
    for run in runs {
        let started = run.expect_code(0).json();
        assert_eq!(started["pid"], record.process.pid, "{started}");
    }
    let births = machine
        .log()
        .iter()
        .filter(|line| line.contains("serves as"))
        .count();
    assert_eq!(births, 1, "{:?}", machine.log());
}

#[test]
fn a_restart_gives_another_process() {
    let machine = machine();
    let first = machine.start();
    let restarted = machine.json(&["sync", "daemon", "restart", "--json"]);
    assert_eq!(restarted["started"], true, "{restarted}");
    assert_ne!(restarted["pid"], first.process.pid, "{restarted}");
    assert_eq!(machine.status()["pid"], restarted["pid"]);
}

#[test]
fn manual_mode_says_two_lines_and_starts_nothing() {
    let machine = machine();
    machine
        .run(&["config", "set", "sync.background_daemon", "manual"])
        .expect_code(0);
    let before = Tree::of(&machine.state());
    for verb in ["start", "restart"] {
        let run = machine.run(&["sync", "daemon", verb]).expect_code(0);
        assert_eq!(
            run.stdout,
            "Background sync is in manual mode (`[sync].background_daemon = \"manual\"`).\n\
             Run `spec-kitty sync run` to perform a one-shot remote sync.\n"
        );
        let outcome = machine.json(&["sync", "daemon", verb, "--json"]);
        assert_eq!(outcome["started"], false, "{outcome}");
        assert_eq!(outcome["skipped_reason"], "policy_manual", "{outcome}");
        assert!(outcome["pid"].is_null(), "{outcome}");
    }
    assert_unchanged(&before, &machine.state());
}

#[test]
fn with_hosted_sync_off_there_is_no_daemon_and_no_file() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SPEC_KITTY_SAAS_URL", NOBODY);
    let outcome = sandbox.json(&["sync", "daemon", "start", "--json"]);
    assert_eq!(outcome["skipped_reason"], "rollout_disabled", "{outcome}");
    let run = sandbox.run(&["sync", "daemon", "start"]).expect_code(0);
    assert!(
        run.stdout.starts_with("Hosted SaaS sync is not enabled"),
        "{run:?}"
    );
    sandbox.run(&["sync", "daemon", "serve"]).expect_code(3);
    sandbox.run(&["sync", "daemon", "install"]).expect_code(3);
    sandbox.create_mission("first");
    assert!(!sandbox.state().exists());
    assert_eq!(Tree::of(&sandbox.home()).names(), [""; 0]);
}

#[test]
fn a_newer_release_takes_over_and_no_other_one() {
    let machine = machine();
    machine.start();
    let retire = |version: &str| Request::Retire {
        version: version.to_owned(),
    };
    for version in [env!("CARGO_PKG_VERSION"), "0.0.1", "garbage"] {
        let answer = machine.ask(retire(version));
        assert!(
            matches!(&answer, Answer::Refused { code, .. } if code == "not_newer"),
            "{answer:?}"
        );
    }
    assert_eq!(machine.ask(retire("99.0.0")), Answer::Ending {});
    machine.until_ended();
    assert_eq!(machine.status()["state"], "absent");
}

#[test]
fn what_is_meant_for_another_root_or_server_is_refused() {
    let machine = machine();
    let daemon = machine.start();
    let drain = |state_root: &str, server: &str| Request::DrainProject {
        project: "11111111-2222-4333-8444-555555555555".to_owned(),
        state_root: state_root.to_owned(),
        server: Some(server.to_owned()),
        checkout: None,
    };
    for (root, server, expected) in [
        ("/elsewhere", NOBODY, "state_root_mismatch"),
        (
            &*daemon.state_root,
            "https://example.invalid",
            "server_mismatch",
        ),
    ] {
        let answer = machine.ask(drain(root, server));
        assert!(
            matches!(&answer, Answer::Refused { code, .. } if code == expected),
            "{answer:?}"
        );
    }
    assert_eq!(
        machine.ask(drain(&daemon.state_root, NOBODY)),
        Answer::Accepted {}
    );
}

#[test]
fn a_daemon_that_nobody_needs_retires() {
    let mut sandbox = Sandbox::hosted(NOBODY);
    sandbox.set("SPEC_KITTY_DAEMON_IDLE_SECONDS", "1");
    let machine = DaemonMachine::of(sandbox);
    machine.start();
    machine.until_ended();
    assert!(
        machine
            .log()
            .iter()
            .any(|line| line.ends_with("daemon ends: nothing to do"))
    );
    assert_eq!(machine.status()["state"], "absent");
}

#[test]
fn a_service_file_is_written_and_removed_and_starts_nothing() {
    let machine = machine();
    let written = machine.json(&["sync", "daemon", "install", "--json"]);
    let path = written["path"].as_str().unwrap();
    assert!(
        path.starts_with(machine.home().to_str().unwrap()),
        "{written}"
    );
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(machine.state().to_str().unwrap()), "{text}");
    assert_eq!(machine.status()["state"], "absent");
    let removed = machine.json(&["sync", "daemon", "uninstall", "--json"]);
    assert_eq!(removed["changed"], true, "{removed}");
    assert!(!std::path::Path::new(path).exists());
    let again = machine.json(&["sync", "daemon", "uninstall", "--json"]);
    assert_eq!(again["changed"], false, "{again}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_service_file_lies_where_xdg_says() {
    let mut sandbox = Sandbox::hosted(NOBODY);
    let settings = sandbox.base().join("settings");
    sandbox.set("XDG_CONFIG_HOME", &settings);
    let written = sandbox.json(&["sync", "daemon", "install", "--json"]);
    let path = written["path"].as_str().unwrap();
    assert!(path.starts_with(settings.to_str().unwrap()), "{written}");
    assert!(std::path::Path::new(path).is_file());
    assert_eq!(Tree::of(&sandbox.home()).names(), [""; 0]);
}
