//! A large mission: what reading its log and its work packages costs.

use kitty_missions::lane::Lane;
use kitty_missions::reducer::reduce;
use kitty_missions::status_log::StatusLog;
use kitty_missions::status_log::row::{Actor, ExecutionMode, Policy, Transition};
use serde_json::json;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// What a row of an orchestrator carries.
fn policy() -> Policy<'static> {
    let policy = json!({
        "agent_family": "claude", "approval_mode": "full_auto", "dangerous_flags": [],
        "network_mode": "none", "orchestrator_id": "spec-kitty-orchestrator",
        "orchestrator_version": "0.1.2", "sandbox_mode": "workspace_write",
        "tool_restrictions": null
    });
    Policy::new(policy.as_object().unwrap())
}

/// A log of work packages that go round and round through review.
pub(crate) fn log_of(rows: usize, packages: usize) -> String {
    const ROUND: [Lane; 5] = [
        Lane::Planned,
        Lane::Claimed,
        Lane::InProgress,
        Lane::ForReview,
        Lane::InReview,
    ];
    let mut text = String::new();
    for index in 0..rows {
        let turn = index / packages;
        let row = Transition {
            event_id: format!("01M7XCXHVZWH6XDZ25{index:08}").into(),
            mission_slug: "large-mission-01M7XCXH".into(),
            mission_id: Some("01M7XCXHVZWH6XDZ2500000000".into()),
            wp_id: format!("WP{:03}", index % packages).into(),
            from_lane: ROUND[turn % 5],
            to_lane: ROUND[(turn + 1) % 5],
            at: format!("2026-11-20T21:13:37.{index:08}+00:00").into(),
            actor: Actor::from("spec-kitty-orchestrator"),
            force: turn % 5 == 4,
            execution_mode: ExecutionMode::Worktree,
            reason: Some("Started review via action command".into()),
            reason_source: None,
            review_ref: None,
            evidence: None,
            review_result: None,
            policy_metadata: (turn % 5 < 4).then(policy),
        };
        writeln!(text, "{}", row.to_line()).unwrap();
    }
    text
}

/// The fastest of several runs: the others were disturbed.
fn fastest(runs: usize, mut work: impl FnMut()) -> Duration {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap()
}

#[test]
fn reading_a_log_is_linear_in_its_rows() {
    let time = |text: &str, rows: usize| {
        fastest(5, || {
            let log = StatusLog::parse(text);
            assert!(log.problems.is_empty(), "{:?}", log.problems);
            let snapshot = reduce(&log);
            assert_eq!(snapshot.event_count, rows);
            assert_eq!(snapshot.work_packages.len(), 1_000);
        })
    };
    let small = log_of(10_000, 1_000);
    let large = log_of(100_000, 1_000);
    let (one, ten) = (time(&small, 10_000), time(&large, 100_000));
    assert!(ten < one * 30, "10,000 rows {one:?}, 100,000 rows {ten:?}");
}
