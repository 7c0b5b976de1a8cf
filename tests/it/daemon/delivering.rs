//! What the daemon delivers, and what happens to it when it is ended in the middle.

use crate::support::daemons::DaemonMachine;
use crate::support::process::signal;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{Answer, BATCH, ScriptedServer, Step};
use crate::support::sessions::Seed;
use crate::support::teamspace::Teamspace;
use crate::support::timing::shortest;
use std::time::{Duration, Instant};

/// What a daemon that is told to end may take.
pub const LIMIT_TO_END: Duration = Duration::from_secs(2);

pub(super) fn logged_in(server: &ScriptedServer) -> DaemonMachine {
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    DaemonMachine::of(sandbox)
}

#[test]
fn what_is_captured_while_it_runs_reaches_a_real_teamspace_without_sync_now() {
    let teamspace = Teamspace::start();
    let machine = DaemonMachine::of(Sandbox::hosted(teamspace.url()));
    teamspace.log_in(&machine);
    machine.start();
    machine.create_mission("first");
    let captured: Vec<String> = machine
        .stored_events()
        .iter()
        .map(|event| event["event_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(captured.len(), 3);
    machine.until("nothing waits", || machine.waiting().is_empty());
    assert_eq!(teamspace.stored_ids(), captured);
}

#[test]
fn the_command_hands_over_and_does_not_send_itself() {
    let server = ScriptedServer::start();
    let machine = logged_in(&server);
    server.always(BATCH, Step::Hang);
    machine.start();
    // A silent server holds up the daemon and not the command, whose limit is two seconds.
    let created = machine.run(&["agent", "mission", "create", "first", "--json"]);
    let created = created.expect_code(0);
    assert_eq!(created.stderr, "", "nothing was tried here: {created:?}");
    server.wait_until("the daemon sends", |server| server.count(BATCH) == 1);
    assert_eq!(machine.status()["health"]["draining"], true);
}

#[test]
fn a_daemon_that_was_stopped_does_not_take_anything_over() {
    let server = ScriptedServer::start();
    let machine = logged_in(&server);
    let daemon = machine.start();
    signal("STOP", daemon.process.pid);
    machine.create_mission("first");
    assert_eq!(server.stored_ids().len(), 3, "the command delivered itself");
}

#[test]
fn work_that_nobody_announced_is_found_at_the_start() {
    let server = ScriptedServer::start();
    let machine = logged_in(&server);
    server.always(BATCH, Step::Close);
    machine.create_mission("first");
    assert_eq!(server.stored_ids(), [""; 0]);
    server.be_honest(BATCH);
    machine.start();
    server.wait_until("the daemon delivers", |server| {
        server.stored_ids().len() == 3
    });
}

#[test]
fn a_server_that_comes_back_gets_everything_and_each_event_once() {
    let server = ScriptedServer::start();
    let machine = logged_in(&server);
    server.script(BATCH, [Step::Close, Step::Close]);
    machine.start();
    machine.create_mission("first");
    server.wait_until("the daemon tries again", |server| {
        server.stored_ids().len() == 3
    });
    machine.until("nothing waits", || machine.waiting().is_empty());
    assert_eq!(server.stored_ids().len(), 3);
}

#[test]
fn what_the_server_asked_for_holds_for_the_next_daemon_too() {
    let server = ScriptedServer::start();
    let machine = logged_in(&server);
    let throttled = Answer::new(429, "{}").header("Retry-After", "3600");
    server.always(BATCH, Step::with(move |_| throttled.clone()));
    machine.start();
    machine.create_mission("first");
    let drained = || machine.status()["health"]["consecutive_failures"].as_u64() > Some(0);
    machine.until("a drain failed", drained);
    machine.run(&["sync", "daemon", "restart"]).expect_code(0);
    machine.create_mission("second");
    machine.until("a drain failed", drained);
    assert_eq!(server.count(BATCH), 1, "{:?}", machine.log());
}

/// Ends a daemon by a signal while a silent server has its batch; returns what that took.
fn end_in_the_middle() -> Duration {
    let server = ScriptedServer::start();
    let machine = logged_in(&server);
    server.always(BATCH, Step::Hang);
    let daemon = machine.start();
    machine.create_mission("first");
    server.wait_until("a batch is on its way", |server| server.count(BATCH) == 1);
    let signalled = Instant::now();
    signal("TERM", daemon.process.pid);
    machine.until_ended();
    let took = signalled.elapsed();
    assert!(
        machine
            .log()
            .iter()
            .any(|line| line.ends_with("daemon ends: a signal"))
    );
    assert!(machine.record().is_none());
    assert_eq!(machine.waiting().len(), 3);
    server.be_honest(BATCH);
    machine.run(&["sync", "run"]).expect_code(0);
    assert_eq!(server.stored_ids().len(), 3);
    took
}

#[test]
fn a_signal_in_the_middle_of_a_batch_ends_it_in_two_seconds_and_loses_nothing() {
    let took = shortest(LIMIT_TO_END, end_in_the_middle);
    assert!(took < LIMIT_TO_END, "{took:?}");
}

#[test]
fn a_checkout_that_is_worked_in_says_so_through_the_gate() {
    let server = ScriptedServer::start();
    let mut sandbox = Sandbox::hosted(&server.url());
    sandbox.set("SPEC_KITTY_DAEMON_HEARTBEAT_SECONDS", "0");
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    let machine = DaemonMachine::of(sandbox);
    machine.start();
    machine.create_mission("first");
    server.wait_until("the daemon delivers", |server| {
        server.stored_ids().len() == 4
    });
    let events = machine.stored_events();
    let build = &events[0];
    let beat = events
        .iter()
        .find(|event| event["event_type"] == "BuildHeartbeat")
        .unwrap();
    let payload = beat["payload"].as_object().unwrap();
    let fields: Vec<&str> = payload.keys().map(String::as_str).collect();
    assert_eq!(fields, ["git_branch", "head_commit_sha", "repo_slug"]);
    for event in [build, beat] {
        assert_eq!(event["build_id"], event["aggregate_id"], "{event}");
    }
    assert_eq!(beat["build_id"], build["build_id"], "{beat}");
    assert_eq!(payload["git_branch"], "main", "{beat}");
    // The events of a mission are stored before its commit, and the checkout is at that commit now.
    let head = machine.git(&["rev-parse", "HEAD"]);
    assert_eq!(payload["head_commit_sha"], head, "{beat}");
}

#[test]
fn a_resident_daemon_is_small() {
    let server = ScriptedServer::start();
    let machine = logged_in(&server);
    let daemon = machine.start();
    machine.create_mission("first");
    server.wait_until("the daemon delivers", |server| {
        server.stored_ids().len() == 3
    });
    let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.pid)) else {
        return crate::support::process::skip("there is no /proc here");
    };
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    // Right after a drain; between drains it is smaller, and so is a release.
    assert!(kib < 20 * 1024, "{kib} KiB");
}
