//! The Python CLI's own commands against our Teamspace, from its login to its logout.
//!
//! Release 3.2.7 has to be taken past its own obstacles, with its own commands only: a machine on
//! which it never captured anything refuses to opt in (so something is captured first), nothing
//! captured before the opt-in is ever sent, and every event of a dossier has an empty `build_id`,
//! which the contract forbids and the server therefore rejects, one by one.

use super::Peer;
use super::server::log_in;
use crate::support::daemons::DaemonMachine;
use crate::support::process::Run;
use crate::support::sandbox::{Sandbox, write};
use crate::support::teamspace::{OWNER, Teamspace};
use serde_json::Value;
use std::collections::BTreeSet;

/// The project, as `init` would have named it.
const PROJECT: &str = "5f2b8f64-2f2c-4d0e-9a33-111122223333";

/// A machine on which only the Python CLI works.
struct Foreign {
    peer: Peer,
    sandbox: Sandbox,
    teamspace: Teamspace,
}

impl Foreign {
    /// A project on a branch of its own and a login by the device flow.
    fn new(peer: Peer) -> Self {
        let teamspace = Teamspace::start();
        let sandbox = Sandbox::hosted(teamspace.url());
        let config = format!(
            "project:\n  uuid: {PROJECT}\n  slug: demo-repo\nmission_type_activations:\n  - software-dev\n"
        );
        write(&sandbox.repo().join(".kittify/config.yaml"), config);
        // No daemon is to outlive the test.
        let manual = "[sync]\nbackground_daemon = \"manual\"\n";
        write(&sandbox.map().config_toml(), manual);
        sandbox.git(&["checkout", "--quiet", "-b", "work"]);
        let machine = Self {
            peer,
            sandbox,
            teamspace,
        };
        machine.commit();
        log_in(&machine.peer, &machine.sandbox, &machine.teamspace);
        machine
    }

    fn commit(&self) {
        self.sandbox.git(&["add", "--all"]);
        self.sandbox.git(&["commit", "--quiet", "-m", "Go on"]);
    }

    fn run(&self, words: &str) -> Run {
        let words: Vec<&str> = words.split(' ').collect();
        self.peer.spec_kitty(&self.sandbox, &words)
    }

    /// Creates a mission with one work package in the lane `planned`.
    fn create_mission(&self) -> String {
        let created = self.run("agent mission create user-auth --json");
        let created: Value = created.expect_code(0).json();
        let slug = created["mission_slug"].as_str().unwrap().to_owned();
        let tasks = self.sandbox.repo().join("kitty-specs").join(&slug);
        write(
            &tasks.join("tasks/WP01-first.md"),
            "---\nwork_package_id: WP01\ntitle: First package\ndependencies: []\n---\n\n\
             # WP01\n\n## Activity Log\n",
        );
        self.commit();
        self.emit(&slug, "planned");
        slug
    }

    fn emit(&self, mission: &str, lane: &str) {
        let words =
            format!("agent status emit WP01 --to {lane} --mission {mission} --actor claude --json");
        let emitted: Value = self.run(&words).expect_code(0).json();
        assert_eq!(emitted["to_lane"], lane, "{emitted}");
    }

    /// What it captured so far: id, type, and whether a build is named.
    fn captured(&self) -> Vec<(String, String, bool)> {
        let journal = self.peer.script(&self.sandbox, "journal.py", &[PROJECT]);
        serde_json::from_value(journal).unwrap()
    }

    /// `sync now`, how it ended and its report.
    fn deliver(&self) -> (Run, Value) {
        let report = self.sandbox.base().join("report.json");
        let run = self.run(&format!("sync now --report {}", report.display()));
        let report = std::fs::read(report).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        (run, serde_json::from_slice(&report).unwrap())
    }

    fn stored(&self) -> BTreeSet<String> {
        self.teamspace.stored_ids().into_iter().collect()
    }
}

#[test]
fn python_logs_in_opts_in_delivers_its_own_events_and_logs_out() {
    let Some(peer) = Peer::cli() else { return };
    let machine = Foreign::new(peer);
    looks_at_its_session(&machine);
    let mission = opts_in(&machine);
    delivers(&machine, &mission);
    imports_its_history(&machine);
    logs_out(&machine);
}

fn looks_at_its_session(machine: &Foreign) {
    let status = machine.run("auth status").expect_code(0);
    assert!(status.says("+ Authenticated"), "{status:?}");
    let whoami = machine.run("auth whoami").expect_code(0);
    assert_eq!(whoami.stdout.trim(), OWNER);
    let doctor: Value = machine
        .run("auth doctor --json --server")
        .expect_code(0)
        .json();
    assert_eq!(doctor["session"]["user_email"], OWNER, "{doctor}");
    assert_eq!(doctor["server_session"]["active"], true, "{doctor}");
    let server = machine.run("sync server").expect_code(0);
    assert!(server.says("Server URL:"), "{server:?}");
    // Both programs read the one session.
    let ours = machine.sandbox.run(&["auth", "whoami"]).expect_code(0);
    assert_eq!(ours.stdout.trim(), OWNER);
}

/// Goes past the fresh machine's deadlock; nothing has left when it returns.
fn opts_in(machine: &Foreign) -> String {
    let fresh = machine.run("sync status --check --json").expect_code(2);
    let url = fresh.json()["foreground"]["server_url"].clone();
    assert_eq!(url, machine.teamspace.url(), "{fresh:?}");
    let refused = machine.run("sync opt-in").expect_code(2);
    assert!(refused.says("layout is legacy"), "{refused:?}");
    let mission = machine.create_mission();
    machine.run("sync opt-in").expect_code(0);
    let checked: Value = machine
        .run("sync status --check --json")
        .expect_code(0)
        .json();
    assert_eq!(checked["ok"], true, "{checked}");
    assert!(!machine.captured().is_empty());
    assert!(machine.stored().is_empty());
    mission
}

fn delivers(machine: &Foreign, mission: &str) {
    let withheld = machine.captured().len();
    let note = format!("agent tasks add-history WP01 --mission {mission} --note hello --json");
    machine.run(&note).expect_code(0);
    let (run, report) = machine.deliver();
    let sent: Vec<_> = machine.captured().split_off(withheld);
    assert_eq!(run.code(), 0, "{run:?} {report}");
    assert_eq!(report["delivered"], sent.len(), "{report}");
    assert!(
        sent.iter().any(|(_, kind, _)| kind == "HistoryAdded"),
        "{sent:?}"
    );
    let expected = |sent: &[(String, String, bool)]| -> BTreeSet<String> {
        let named = sent.iter().filter(|(_, _, has_build)| *has_build);
        named.map(|(id, _, _)| id.clone()).collect()
    };
    assert_eq!(machine.stored(), expected(&sent));
    // A transition is followed by events of the dossier, which name no build.
    machine.emit(mission, "claimed");
    let (run, report) = machine.deliver();
    let all: Vec<_> = machine.captured().split_off(withheld);
    assert!(
        all.iter().any(|(_, kind, _)| kind == "WPStatusChanged"),
        "{all:?}"
    );
    let good = expected(&all);
    assert_eq!(machine.stored(), good);
    let rejected = all.len() - good.len();
    assert_eq!(report["delivered"], good.len() - sent.len(), "{report}");
    assert_eq!(report["rejected"], rejected, "{report}");
    assert_eq!(run.code(), i32::from(rejected > 0), "{run:?}");
    for failure in report["failures"].as_array().unwrap() {
        assert_eq!(failure["outcome"], "rejected", "{report}");
        let reason = failure["error"].as_str().unwrap();
        assert!(reason.contains("build_id"), "{report}");
    }
}

fn imports_its_history(machine: &Foreign) {
    let before = machine.stored();
    let confirmed = machine
        .run("sync import-history --confirm-history")
        .expect_code(0);
    let action = confirmed
        .stdout
        .split_whitespace()
        .find(|word| word.starts_with("history-"))
        .unwrap_or_else(|| panic!("{confirmed:?}"));
    assert_eq!(machine.stored(), before, "confirming sends nothing");
    let apply = format!("sync import-history --apply --history-action-id {action}");
    let applied = machine.run(&apply).expect_code(0);
    assert!(applied.says("Imported:"), "{applied:?}");
    let stored = machine.teamspace.stored_of(OWNER);
    for kind in ["MissionCreated", "WPCreated"] {
        let named = format!("\"event_type\":\"{kind}\"");
        assert!(
            stored.iter().any(|line| line.contains(&named)),
            "{kind}: {stored:?}"
        );
    }
    assert!(stored.len() > before.len());
}

fn logs_out(machine: &Foreign) {
    let session = machine.sandbox.session().expect("there is a session");
    let token = session.session.access_token.expose().to_owned();
    assert_eq!(machine.teamspace.get("/api/v1/me", &token).status, 200);
    let logout = machine.run("auth logout").expect_code(0);
    assert!(logout.says("Server revocation confirmed"), "{logout:?}");
    assert_eq!(machine.teamspace.get("/api/v1/me", &token).status, 401);
    assert!(machine.sandbox.session().is_none());
}

#[test]
fn python_sees_our_daemon_and_its_commands_cannot_end_it() {
    let Some(peer) = Peer::cli() else { return };
    let machine = DaemonMachine::of(Sandbox::hosted("http://127.0.0.1:1"));
    let daemon = machine.start();
    let pid = daemon.process.pid;
    let python = |words: &[&str]| peer.spec_kitty(&machine, words);
    let checked = python(&["sync", "status", "--check", "--json"]).expect_code(2);
    let record = checked.json()["daemon_owner_record"].clone();
    assert_eq!(record["status"], "present", "{checked:?}");
    assert_eq!(record["pid"], pid, "{record}");
    assert_eq!(record["server_url"], "http://127.0.0.1:1", "{record}");
    let orphans = python(&["doctor", "orphan-daemons", "--json"]).expect_code(0);
    assert_eq!(orphans.json()["orphan_count"], 0, "{orphans:?}");
    // It ends every daemon whose id it can read; this one it cannot.
    let restart = python(&["doctor", "restart-daemon", "--json"]);
    assert_ne!(restart.code(), 0, "{restart:?}");
    let status = machine.status();
    assert_eq!(
        (&status["running"], &status["pid"]),
        (&true.into(), &pid.into()),
        "{restart:?}"
    );
    machine.stop();
    machine.until_ended();
}
