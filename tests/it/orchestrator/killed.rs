//! SIGKILL at every point between git, status log and inbox: nothing is lost, nothing is there twice.

use super::course::{Course, POLICY, assert_same};
use crate::support::killer::{ENOUGH, Killer, Point};
use crate::support::process::program;
use crate::support::sandbox::Sandbox;
use crate::support::teamspace::Teamspace;

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
