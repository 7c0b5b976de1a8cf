//! How long an orchestrator waits for its host, beside the Python CLI in the same run.

use super::handover::Handover;
use crate::support::process::program;
use std::path::Path;
use std::time::Duration;

const POLICY: &str = r#"{"orchestrator_id": "o", "orchestrator_version": "1", "agent_family": "a", "approval_mode": "m", "sandbox_mode": "s", "network_mode": "n", "dangerous_flags": []}"#;

/// What an orchestrator does with a mission of three work packages, agents apart.
fn drive(mission: &Handover, host: &Path) {
    mission.api(host, &["contract-version"]);
    for (wp_id, subtask, lane, file) in [
        ("WP01", "T001", "lane-a", "src/greet.py"),
        ("WP02", "T002", "lane-b", "src/farewell.py"),
        ("WP03", "T003", "lane-c", "src/facade.py"),
    ] {
        mission.api(host, &["mission-state"]);
        mission.api(host, &["list-ready"]);
        mission.start(host, wp_id);
        mission.commit(lane, file);
        mission.mark(host, subtask);
        mission.for_review(host, wp_id);
        mission.review(host, wp_id);
    }
    mission.api(host, &["accept-mission", "--actor", "a person"]);
    mission.api(host, &["merge-mission"]);
}

/// The shortest call of a verb: whatever else the machine does disturbs it the least.
fn shortest(mission: &Handover, verb: &str) -> Duration {
    let took = mission.took.borrow();
    let calls = took.iter().filter(|(called, _)| called == verb);
    calls.map(|(_, took)| *took).min().unwrap()
}

#[track_caller]
fn assert_times_faster(what: &str, ours: Duration, theirs: Duration, times: u32) {
    assert!(
        theirs >= ours * times,
        "{what}: {ours:?} beside {theirs:?} is not {times} times faster"
    );
}

#[test]
fn an_orchestrator_waits_for_us_a_thirtieth_of_what_it_waits_for_python() {
    let (Some(ours), Some(theirs)) = (Handover::begin(false), Handover::begin(true)) else {
        return;
    };
    drive(&theirs, &theirs.theirs);
    drive(&ours, program());
    let total = |mission: &Handover| -> Duration {
        mission.took.borrow().iter().map(|(_, took)| *took).sum()
    };
    assert_times_faster("a whole mission", total(&ours), total(&theirs), 30);
}

#[test]
fn reading_is_three_hundred_times_faster_and_a_transition_with_its_commit_forty_times() {
    let (Some(ours), Some(theirs)) = (Handover::begin(false), Handover::begin(true)) else {
        return;
    };
    let lanes = ["blocked", "planned"];
    for (mission, host, rounds) in [
        (&theirs, theirs.theirs.as_path(), 3),
        (&ours, program(), 20),
    ] {
        for round in 0..rounds {
            mission.api(host, &["contract-version"]);
            mission.api(host, &["mission-state"]);
            let to = ["transition", "--wp", "WP01", "--to", lanes[round % 2]];
            let by = ["--actor", "o", "--note", "n", "--force", "--policy", POLICY];
            mission.api(host, &[&to[..], &by].concat());
        }
    }
    for (verb, times) in [
        ("contract-version", 300),
        ("mission-state", 300),
        ("transition", 40),
    ] {
        let (ours, theirs) = (shortest(&ours, verb), shortest(&theirs, verb));
        assert_times_faster(verb, ours, theirs, times);
    }
}
