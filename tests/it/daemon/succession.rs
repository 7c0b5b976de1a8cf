//! Two releases on one machine: the newer one takes over from the older, and never the other way round.
//!
//! The other release is a copy of the program in which every mention of its version is replaced by a
//! higher one of the same length: another executable that says another version wherever it says one.
//! Short texts also stand inside instructions, which keep them in one piece only on this architecture.

use crate::support::daemons::DaemonMachine;
use crate::support::process::{Run, program, run};
use crate::support::sandbox::{Sandbox, set_mode, write};
use crate::support::scripted_server::{BATCH, ScriptedServer, Step};
use crate::support::sessions::Seed;
use kitty_runtime::process::ProcessState;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Finds the version: where it is stored, and where an instruction moves its first four bytes.
fn mentions(program: &[u8]) -> Vec<usize> {
    let is_text = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_whole = |at: usize| program[at..].starts_with(VERSION.as_bytes());
    let beginnings = memchr::memmem::find_iter(program, &VERSION[..4]);
    beginnings
        .filter(|at| is_whole(*at) || !is_text(program[at - 1]))
        .collect()
}

/// Writes a newer release into a directory and returns where it is and what it calls itself.
fn newer_release(directory: &Path) -> (PathBuf, String) {
    let newer = format!("9{}", &VERSION[1..]);
    assert_ne!(newer, VERSION, "there is no higher version of this length");
    let mut bytes = std::fs::read(program()).unwrap();
    for at in mentions(&bytes) {
        bytes[at] = b'9';
    }
    // A process that another test starts just now would hold a program that is written here open for
    // writing, and nobody could run it: so another process writes it.
    let (patched, path) = (directory.join("patched"), directory.join("spec-kitty"));
    write(&patched, bytes);
    run(Command::new("cp").arg(&patched).arg(&path)).expect_code(0);
    set_mode(&path, 0o755);
    if cfg!(target_os = "macos") {
        // A changed program has to be signed again before it may run there.
        let mut sign = Command::new("codesign");
        run(sign.args(["--force", "--sign", "-"]).arg(&path)).expect_code(0);
    }
    let said = run(Command::new(&path).arg("--version")).expect_code(0);
    assert_eq!(said.stdout, format!("spec-kitty {newer}\n"));
    (path, newer)
}

/// A machine with both releases, and a server that says nothing to batches.
struct Both {
    machine: DaemonMachine,
    server: ScriptedServer,
    newer: PathBuf,
    version: String,
}

impl Both {
    fn new() -> Self {
        let server = ScriptedServer::start();
        let sandbox = Sandbox::hosted(&server.url());
        sandbox.seed(&Seed::private().issued_by(&server.url()));
        server.always(BATCH, Step::Hang);
        let (newer, version) = newer_release(&sandbox.base().join("newer"));
        Self {
            machine: DaemonMachine::of(sandbox),
            server,
            newer,
            version,
        }
    }

    fn newer(&self, arguments: &[&str]) -> Run {
        run(self.machine.command(&self.newer).args(arguments))
    }
}

#[test]
fn a_newer_release_retires_the_older_daemon_in_the_middle_of_its_work_and_nothing_is_lost() {
    let both = Both::new();
    let old = both.machine.start();
    assert_eq!(old.version, VERSION);
    both.machine.create_mission("first");
    both.server
        .wait_until("the older one sends", |server| server.count(BATCH) == 1);
    both.server.be_honest(BATCH);
    let started = both.newer(&["sync", "daemon", "start", "--json"]);
    let started = started.expect_code(0).json();
    let record = both.machine.record().unwrap();
    assert_eq!(record.version, both.version);
    assert_eq!(started["pid"], record.process.pid, "{started}");
    assert_eq!(old.process.state(), ProcessState::Gone);
    both.machine.until("both have said that they serve", || {
        let log = both.machine.log();
        log.iter().filter(|line| line.contains("serves as")).count() == 2
    });
    both.server.wait_until("the newer one delivers", |server| {
        server.stored_ids().len() == 3
    });
    both.machine
        .until("nothing waits", || both.machine.waiting().is_empty());
    let status = both.newer(&["sync", "daemon", "status", "--json"]).json();
    assert_eq!(status["daemon"]["version"], both.version, "{status}");
}

#[test]
fn an_older_release_finds_a_newer_daemon_and_leaves_it_to_its_work() {
    let both = Both::new();
    let started = both.newer(&["sync", "daemon", "start", "--json"]);
    let started = started.expect_code(0).json();
    let newer = both.machine.record().unwrap();
    assert_eq!(newer.version, both.version);
    let found = both.machine.json(&["sync", "daemon", "start", "--json"]);
    assert_eq!(found["pid"], started["pid"], "{found}");
    // What the older release captures is the newer daemon's to deliver.
    both.server.be_honest(BATCH);
    both.machine.create_mission("first");
    both.server.wait_until("the newer one delivers", |server| {
        server.stored_ids().len() == 3
    });
    assert_eq!(both.machine.record().unwrap().process, newer.process);
    assert_ne!(newer.process.state(), ProcessState::Gone);
    let log = both.machine.log();
    let births = log.iter().filter(|line| line.contains("serves as")).count();
    assert_eq!(births, 1, "{log:?}");
}
