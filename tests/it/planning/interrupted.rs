//! `finalize-tasks` that is killed, runs out of disk or runs twice at once: the next run makes the same
//! of the work packages, and nothing is lost.

use super::rows;
use crate::support::killer::{ENOUGH, Killer, ways};
use crate::support::missions::Mission;
use crate::support::process::{Run, program, run};
use crate::support::sandbox::{Sandbox, write};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

const FINALIZE: [&str; 4] = ["agent", "mission", "finalize-tasks", "--json"];

/// A mission that can be finalized again and again from the same beginning.
struct Again {
    sandbox: Sandbox,
    mission: Mission,
    saved: PathBuf,
}

impl Again {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let mission = Mission::with_tasks(&sandbox);
        mission.change("spec.md", "# Demo", "# Demo\n\nCloses #1163.");
        let wps = "work_packages:\n\
            - {id: WP01, title: Greeting}\n- {id: WP02, title: Farewell}\n\
            - {id: WP03, title: Facade, dependencies: [WP01, WP02]}\n";
        write(&mission.file("wps.yaml"), wps);
        sandbox.commit_all("List the work packages");
        let saved = sandbox.base().join("saved");
        copy(&sandbox, &sandbox.repo(), &saved);
        Self {
            sandbox,
            mission,
            saved,
        }
    }

    fn begin_again(&self) {
        std::fs::remove_dir_all(self.sandbox.repo()).unwrap();
        copy(&self.sandbox, &self.saved, &self.sandbox.repo());
    }

    fn command(&self) -> Command {
        let mut command = self.sandbox.command(program());
        command.args(FINALIZE).current_dir(self.sandbox.repo());
        command
    }

    /// What is there, without times and ids.
    fn result(&self) -> (Vec<String>, Vec<(String, String)>) {
        let mut files = Vec::new();
        for name in [
            "acceptance-matrix.json",
            "issue-matrix.json",
            "tasks.md",
            "wps.yaml",
            "tasks/WP01-greeting.md",
            "tasks/WP02-farewell.md",
            "tasks/WP03-facade.md",
        ] {
            files.push((name.to_owned(), self.mission.read(name)));
        }
        let document =
            |name: &str| serde_json::from_str::<Value>(&self.mission.read(name)).unwrap();
        let (lanes, status) = (document("lanes.json"), document("status.json"));
        files.push(("lanes".to_owned(), lanes["lanes"].to_string()));
        files.push(("summary".to_owned(), status["summary"].to_string()));
        assert_eq!(self.sandbox.git(&["status", "--porcelain"]), "");
        let plan = lanes["planning_commit_sha"].as_str().unwrap();
        self.sandbox
            .git(&["merge-base", "--is-ancestor", plan, "HEAD"]);
        (rows(&self.mission), files)
    }
}

fn copy(sandbox: &Sandbox, from: &std::path::Path, to: &std::path::Path) {
    let mut command = sandbox.command("cp".as_ref());
    command.arg("-a").arg(from).arg(to);
    run(command.current_dir(sandbox.base())).expect_code(0);
}

fn refused(ran: &Run) {
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.json()["error"].is_string(), "{ran:?}");
}

#[test]
fn killed_at_every_git_command_and_every_change_of_a_file_the_next_run_makes_the_same() {
    let again = Again::new();
    run(&mut again.command()).expect_code(0);
    let whole = again.result();
    let killer = Killer::new(&again.sandbox);
    let mut points = 0;
    for way in ways() {
        for n in 1..ENOUGH {
            again.begin_again();
            if !killer.kills(again.command(), way(n)) {
                break;
            }
            points += 1;
            run(&mut again.command()).expect_code(0);
            assert_eq!(again.result(), whole, "killed at {:?}", way(n));
        }
    }
    // Six commits of several git commands each, and as many files.
    assert!(points > 30, "{points}");
}

#[test]
fn on_a_full_disk_it_is_refused_and_the_next_run_makes_the_same() {
    let again = Again::new();
    run(&mut again.command()).expect_code(0);
    let whole = again.result();
    let mut failures = 0;
    for blocks in [0, 1, 2, 3, 4, 6, 8, 16, 64, 1024] {
        again.begin_again();
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let ran = again.sandbox.call(&FINALIZE).within_shell(&script);
        if ran.code() == 0 {
            break;
        }
        refused(&ran);
        failures += 1;
        run(&mut again.command()).expect_code(0);
        assert_eq!(again.result(), whole, "{blocks} blocks");
    }
    assert!(failures > 2, "{failures}");
    assert_eq!(again.result(), whole);
}

#[test]
fn two_at_once_make_the_same_as_one() {
    let again = Again::new();
    run(&mut again.command()).expect_code(0);
    let whole = again.result();
    for _ in 0..3 {
        again.begin_again();
        let both = [(); 2].map(|()| again.sandbox.call(&FINALIZE).start());
        let mut seeded = 0;
        for one in both {
            let answer = one.finish().expect_code(0).json();
            seeded += answer["bootstrap"]["newly_seeded"].as_u64().unwrap();
        }
        assert_eq!(seeded, 3);
        assert_eq!(again.result(), whole);
    }
}
