//! SIGKILL at every point between git, status log and inbox: nothing is lost, nothing is there twice.
//!
//! Two ways to die, each at every N: before and after the Nth call of git, by a wrapper that is first
//! on the search path and kills its parent; and at the Nth system call that makes something durable or
//! visible, by strace.

use super::course::{Course, POLICY, assert_same};
use crate::support::process::{is_installed, program, run, skip, wrap};
use crate::support::sandbox::{Sandbox, write, write_script};
use crate::support::teamspace::Teamspace;
use std::path::PathBuf;
use std::process::Command;

/// More points than any command has.
const ENOUGH: usize = 200;
/// The calls at which a step becomes durable or visible.
const CALLS: &str = "rename,renameat,renameat2,fsync,fdatasync,unlink,unlinkat";

/// Where a process dies.
#[derive(Debug, Clone, Copy)]
enum Point {
    BeforeGit(usize),
    AfterGit(usize),
    SystemCall(usize),
}

/// Kills commands.
struct Killer {
    wrapper: PathBuf,
    count: PathBuf,
}

impl Killer {
    fn new(sandbox: &Sandbox) -> Self {
        let killer = Self {
            wrapper: sandbox.base().join("wrapper"),
            count: sandbox.base().join("git-calls"),
        };
        let real = run(sandbox
            .command("sh".as_ref())
            .args(["-c", "command -v git"]));
        write_script(
            &killer.wrapper.join("git"),
            &format!(
                "#!/bin/sh\n\
                 n=$(($(cat \"$GIT_CALLS\") + 1))\n\
                 echo $n > \"$GIT_CALLS\"\n\
                 [ $n = \"$KILL_BEFORE\" ] && kill -KILL $PPID && exit 1\n\
                 {} \"$@\"\n\
                 code=$?\n\
                 [ $n = \"$KILL_AFTER\" ] && kill -KILL $PPID\n\
                 exit $code\n",
                real.stdout.trim()
            ),
        );
        killer
    }

    /// Runs a command that dies at a point; tells whether it did.
    fn kills(&self, command: Command, point: Point) -> bool {
        let mut command = match point {
            Point::SystemCall(n) => {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-b", "execve", "-qq", "-o", "/dev/null"]);
                strace.args(["-e", &format!("trace={CALLS}")]);
                strace.args(["-e", &format!("inject={CALLS}:signal=KILL:when={n}")]);
                wrap(strace, &command)
            }
            _ => command,
        };
        if let Point::BeforeGit(n) | Point::AfterGit(n) = point {
            write(&self.count, "0");
            let mut path = self.wrapper.clone().into_os_string();
            path.push(":");
            path.push(crate::support::process::variable("PATH").unwrap());
            let name = match point {
                Point::BeforeGit(_) => "KILL_BEFORE",
                _ => "KILL_AFTER",
            };
            command
                .env("PATH", path)
                .env("GIT_CALLS", &self.count)
                .env(name, n.to_string());
        }
        let ran = run(&mut command);
        if ran.status.code().is_some() {
            assert_eq!(ran.code(), 0, "{point:?}: {ran:?}");
            return false;
        }
        true
    }

    /// Runs commands, each killed one point later, until one lives; `make` makes the next command.
    fn at_every_point(&self, mut make: impl FnMut(Point) -> Command) -> usize {
        let mut points = 0;
        let mut ways: Vec<fn(usize) -> Point> = vec![Point::BeforeGit, Point::AfterGit];
        if is_installed("strace") {
            ways.push(Point::SystemCall);
        } else {
            skip("the kill points between git calls need strace");
        }
        for way in ways {
            for n in 1..=ENOUGH {
                let point = way(n);
                if !self.kills(make(point), point) {
                    break;
                }
                points += 1;
                assert!(n < ENOUGH, "it never lives");
            }
        }
        points
    }
}

/// A machine that is logged in.
fn machine(teamspace: &Teamspace) -> Sandbox {
    let mut sandbox = Sandbox::empty();
    sandbox.host(teamspace.url());
    sandbox.unset("SPEC_KITTY_SYNC_ARTIFACTS");
    teamspace.log_in(&sandbox);
    sandbox
}

/// Heals, delivers and compares.
#[track_caller]
fn assert_healed(sandbox: &Sandbox, teamspace: &Teamspace) {
    sandbox.run(&["sync", "now"]).expect_code(0);
    let found = sandbox.json(&["sync", "reconcile", "--json"]);
    let held = &found["held"];
    for count in ["published", "withdrawn", "in_work"] {
        assert_eq!(held[count], 0, "{found}");
    }
    assert_eq!(held["undecided"].as_array().unwrap().len(), 0, "{found}");
    assert_eq!(found["without_event"], 0, "{found}");
    assert_same(&sandbox.repo(), teamspace);
}

#[test]
fn a_note_that_is_killed_anywhere_has_its_row_and_its_event_or_neither() {
    let teamspace = Teamspace::start();
    let sandbox = machine(&teamspace);
    let course = Course::begin(&sandbox);
    let killer = Killer::new(&sandbox);
    let words = ["--wp", "WP01", "--actor", "orch", "--note", "on the way"];
    let points = killer.at_every_point(|_| {
        let words = course.words("append-history", &words);
        course.fixture.command(&sandbox, &words)
    });
    assert!(points >= 6, "{points}");
    assert_healed(&sandbox, &teamspace);
}

#[test]
fn a_transition_that_is_killed_anywhere_has_its_row_and_its_events_or_neither() {
    let teamspace = Teamspace::start();
    let sandbox = machine(&teamspace);
    let course = Course::begin(&sandbox);
    course.start("WP01");
    let killer = Killer::new(&sandbox);
    let mut blocks = false;
    let points = killer.at_every_point(|_| {
        // Whether the last one happened shows in the board.
        let state = course.call("mission-state", &[]).json();
        let packages = state["data"]["work_packages"].as_array().unwrap().clone();
        let first = packages.iter().find(|package| package["wp_id"] == "WP01");
        blocks = first.unwrap()["lane"] != "blocked";
        let lane = if blocks { "blocked" } else { "in_progress" };
        let words = ["--wp", "WP01", "--to", lane, "--actor", "orch"];
        let more = ["--policy", POLICY, "--note", "waiting"];
        let words = course.words("transition", &[&words[..], &more[..]].concat());
        course.fixture.command(&sandbox, &words)
    });
    assert!(points >= 6, "{points}");
    assert_healed(&sandbox, &teamspace);
}

#[test]
fn a_start_that_is_killed_anywhere_can_be_repeated_and_has_all_its_events() {
    let teamspace = Teamspace::start();
    let sandbox = machine(&teamspace);
    let course = Course::begin(&sandbox);
    let killer = Killer::new(&sandbox);
    let points = killer.at_every_point(|_| {
        let words = ["--wp", "WP01", "--actor", "orch", "--policy", POLICY];
        // Back to the beginning, from wherever the last one died.
        course.start("WP01");
        course.move_to("WP01", "planned", &["--note", "restart"]);
        let words = course.words("start-implementation", &words);
        course.fixture.command(&sandbox, &words)
    });
    assert!(points >= 6, "{points}");
    assert_healed(&sandbox, &teamspace);
}

#[test]
fn a_merge_that_is_killed_again_and_again_ends_merged_with_every_event_once() {
    let teamspace = Teamspace::start();
    let sandbox = machine(&teamspace);
    let course = Course::begin(&sandbox);
    course.approve("WP01", "lane-a", "src/greet.py");
    course.approve("WP02", "lane-b", "src/farewell.py");
    course.start("WP03");
    course.move_to("WP03", "canceled", &["--note", "not needed", "--force"]);
    let killer = Killer::new(&sandbox);
    let words = course.words("merge-mission", &[]);
    let mut points = 0;
    let mission = format!("kitty/mission-{}", course.fixture.slug);
    let is_open = || !sandbox.git(&["branch", "--list", &mission]).is_empty();
    for n in 1..ENOUGH {
        let command = || course.fixture.command(&sandbox, &words);
        let before = killer.kills(command(), Point::BeforeGit(n));
        // Once everything is cleaned up there is nothing to merge any more.
        let after = is_open() && killer.kills(command(), Point::AfterGit(n));
        points += usize::from(before) + usize::from(after);
        if !is_open() {
            break;
        }
    }
    assert!(!is_open() && points >= 4, "{points}");
    assert_healed(&sandbox, &teamspace);
    let log = std::fs::read_to_string(course.fixture.directory.join("status.events.jsonl"));
    assert_eq!(log.unwrap().matches("\"to_lane\": \"done\"").count(), 2);
}

#[test]
fn a_creation_that_is_killed_anywhere_leaves_no_mission_without_events_and_no_event_without_one() {
    let teamspace = Teamspace::start();
    let sandbox = machine(&teamspace);
    sandbox.make_repository(&sandbox.repo());
    let killer = Killer::new(&sandbox);
    let mut made = 0;
    let points = killer.at_every_point(|_| {
        made += 1;
        let mut command = sandbox.command(program());
        command.args(["agent", "mission", "create", &format!("m{made}"), "--json"]);
        command
    });
    assert!(points >= 6, "{points}");
    assert_healed(&sandbox, &teamspace);
}

#[test]
fn a_finalization_that_is_killed_anywhere_is_completed_by_the_next_with_every_event_once() {
    let teamspace = Teamspace::start();
    let sandbox = machine(&teamspace);
    sandbox.make_repository(&sandbox.repo());
    let mission = crate::support::missions::Mission::with_tasks(&sandbox);
    let killer = Killer::new(&sandbox);
    let words = [
        "agent",
        "mission",
        "finalize-tasks",
        "--mission",
        &mission.slug,
        "--json",
    ];
    let mut points = 0;
    for n in 1..ENOUGH {
        let command = || {
            let mut command = sandbox.command(program());
            command.args(words);
            command
        };
        let before = killer.kills(command(), Point::BeforeGit(n));
        let after = killer.kills(command(), Point::AfterGit(n));
        points += usize::from(before) + usize::from(after);
        if !(before || after) {
            break;
        }
    }
    assert!(points >= 4, "{points}");
    assert_healed(&sandbox, &teamspace);
}
