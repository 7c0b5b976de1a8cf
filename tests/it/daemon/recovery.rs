//! Whatever became of the last daemon, the next command puts it in order and harms nobody else.

use super::machine;
use crate::support::process::signal;
use crate::support::timing::shortest;
use kitty_runtime::ipc::Greeting;
use kitty_runtime::lock::FileLock;
use kitty_runtime::process::{ProcessIdentity, ProcessState};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CREATE: &[&str] = &["agent", "mission", "create", "after-it", "--json"];

/// A process that has nothing to do with the daemon, and waits.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    #[track_caller]
    fn is_unharmed(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it was signalled");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn after_a_kill_or_a_stop_the_next_start_gives_a_daemon_that_answers() {
    for name in ["KILL", "STOP"] {
        let machine = machine();
        let first = machine.start();
        signal(name, first.process.pid);
        let second = machine.start();
        assert_ne!(first.process, second.process, "{name}");
        assert_eq!(first.process.state(), ProcessState::Gone, "{name}");
        assert_eq!(machine.status()["running"], true, "{name}");
        assert_eq!(machine.status()["pid"], second.process.pid, "{name}");
    }
}

#[test]
fn after_a_kill_or_a_stop_the_next_stop_leaves_nothing_behind() {
    for (name, state) in [("KILL", "left_behind"), ("STOP", "silent")] {
        let machine = machine();
        let first = machine.start();
        signal(name, first.process.pid);
        if name == "KILL" {
            machine.until_ended();
        }
        let status = machine.status();
        assert_eq!(status["state"], state, "{name}");
        machine.stop();
        assert_eq!(first.process.state(), ProcessState::Gone, "{name}");
        assert_eq!(machine.status()["state"], "absent", "{name}");
        assert!(!machine.map().daemon_owner().exists(), "{name}");
    }
}

/// What the next command may take to put things in order.
const RECOVERY: Duration = Duration::from_secs(1);

#[test]
fn the_next_command_recovers_within_a_second() {
    for name in ["KILL", "STOP"] {
        let took = shortest(RECOVERY, || {
            let machine = machine();
            let first = machine.start();
            signal(name, first.process.pid);
            let next = machine.run(&["sync", "daemon", "start"]).expect_code(0);
            assert_eq!(machine.status()["running"], true, "{name}");
            next.took
        });
        assert!(took < RECOVERY, "after {name}: {took:?}");
        let took = shortest(RECOVERY, || {
            let machine = machine();
            let first = machine.start();
            signal(name, first.process.pid);
            machine.run(CREATE).expect_code(0).took
        });
        assert!(took < RECOVERY, "a mission after {name}: {took:?}");
    }
    let took = shortest(RECOVERY, || {
        let machine = machine();
        let mut bystander = Bystander::new();
        recycle(&machine, bystander.0.id());
        drop(UnixListener::bind(machine.map().daemon_socket()).unwrap());
        let next = machine.run(&["sync", "daemon", "start"]).expect_code(0);
        bystander.is_unharmed();
        next.took
    });
    assert!(
        took < RECOVERY,
        "a stale socket and a recycled id: {took:?}"
    );
}

/// Writes the record of a daemon that is gone and whose id another process has by now.
fn recycle(machine: &crate::support::daemons::DaemonMachine, pid: u32) -> Greeting {
    let daemon = machine.start();
    machine.stop();
    machine.until_ended();
    let recycled = Greeting {
        process: ProcessIdentity {
            pid,
            // The clock of starts ticks every 10 ms, and the two may have started in one tick.
            start: format!("{}0", daemon.process.start),
        },
        ..daemon
    };
    let text = serde_json::to_vec(&recycled).unwrap();
    crate::support::sandbox::write(&machine.map().daemon_record(), text);
    recycled
}

#[test]
fn a_stale_socket_and_a_recycled_id_are_put_in_order_without_a_signal() {
    for verb in ["start", "stop", "restart"] {
        let machine = machine();
        let mut bystander = Bystander::new();
        recycle(&machine, bystander.0.id());
        drop(UnixListener::bind(machine.map().daemon_socket()).unwrap());
        machine.run(&["sync", "daemon", verb]).expect_code(0);
        bystander.is_unharmed();
        assert_eq!(machine.status()["running"], verb != "stop", "{verb}");
    }
}

#[test]
fn a_lock_that_another_program_holds_is_respected() {
    let machine = machine();
    let mut bystander = Bystander::new();
    recycle(&machine, bystander.0.id());
    let path = machine.map().daemon_lock();
    let held = FileLock::try_acquire("the daemon lock", &path)
        .unwrap()
        .unwrap();
    let refused = machine
        .run(&["sync", "daemon", "start", "--json"])
        .expect_code(1)
        .json();
    assert_eq!(refused["started"], false, "{refused}");
    let reason = refused["skipped_reason"].as_str().unwrap();
    assert!(
        reason.starts_with("start_failed: another program holds"),
        "{reason}"
    );
    bystander.is_unharmed();
    drop(held);
    machine.start();
}
