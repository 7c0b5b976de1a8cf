//! The background daemon of a sandbox: it never outlives its test.

use super::process::{DEADLINE, Run, signal};
use super::sandbox::Sandbox;
use kitty_runtime::ipc::{Answer, Greeting, Request, ask};
use kitty_runtime::lock::FileLock;
use kitty_runtime::process::{ProcessSignal, ProcessState};
use serde_json::Value;
use std::ops::Deref;
use std::time::Instant;

/// A machine on which daemons are started.
pub struct DaemonMachine {
    sandbox: Sandbox,
}

impl Deref for DaemonMachine {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl DaemonMachine {
    pub const fn of(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }

    /// Starts the daemon and returns who it is.
    #[track_caller]
    pub fn start(&self) -> Greeting {
        let started = self.json(&["sync", "daemon", "start", "--json"]);
        assert_eq!(started["started"], true, "{started}");
        let record = self.record().expect("a daemon that runs has a record");
        assert_eq!(started["pid"], record.process.pid, "{started}");
        record
    }

    /// What the daemon says about itself on disk.
    pub fn record(&self) -> Option<Greeting> {
        serde_json::from_slice(&std::fs::read(self.map().daemon_record()).ok()?).ok()
    }

    pub fn status(&self) -> Value {
        self.json(&["sync", "daemon", "status", "--json"])
    }

    pub fn stop(&self) -> Run {
        self.run(&["sync", "daemon", "stop"]).expect_code(0)
    }

    /// Asks the daemon something over its socket.
    #[track_caller]
    pub fn ask(&self, request: Request) -> Answer {
        ask(&self.map().daemon_socket(), request).unwrap()
    }

    /// Waits until nobody holds the daemon lock, which only the end of the daemon gives back.
    #[track_caller]
    pub fn until_ended(&self) {
        FileLock::acquire("the daemon lock", &self.map().daemon_lock(), DEADLINE).unwrap();
    }

    /// Waits until something holds.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < DEADLINE, "{what}: {:?}", self.log());
        }
    }

    /// The lines of the log.
    pub fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.map().daemon_log()).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for DaemonMachine {
    fn drop(&mut self) {
        if let Some(record) = self.record() {
            if record.process.state() == ProcessState::Stopped {
                signal("CONT", record.process.pid);
            }
            let _ = record.process.signal(ProcessSignal::Kill);
        }
    }
}
