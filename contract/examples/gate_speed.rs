//! Measures the gate: warm checks of one 1.5 KB event, parsed and as bytes, and the cold start.
//!
//! `cargo run --release -p kitty-contract --example gate_speed`

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use kitty_contract::{Context, Gate, VENDORED_ARTIFACT};
use serde_json::{Value, json};

const ROUNDS: usize = 200_000;

fn event() -> Value {
    let note = "Reviewed twice, once by hand; the second run was clean. ";
    json!({
        "admission_generation": 1, "aggregate_id": "WP01", "aggregate_type": "WorkPackage",
        "binding_audience": "local-nonstrict:http://127.0.0.1:33245",
        "build_id": "c4ad781d-049b-5533-a459-64c1ad68b1ce", "causation_id": null,
        "correlation_id": "01M7XAS67MT30DH0DY9EW5WFQY", "drain_blocked_reason": null,
        "event_id": "01M7XAS67MT30DH0DY9EW5WFQY", "event_type": "WPStatusChanged",
        "git_branch": "work", "head_commit_sha": "42d9c2bc1828a81a033e245ae357e5702ccf97fc",
        "lamport_clock": 27, "node_id": "b805cd5cee74",
        "payload": {
            "actor": {"role": "reviewer", "tool": "claude", "profile": "strict", "model": "m"},
            "evidence": {
                "repos": [{"repo": "acme/demo-repo", "branch": "work", "commit": "42d9c2bc1828a81a"}],
                "review": {"reviewer": "ann", "verdict": "approved", "reference": note},
                "verification": [{"command": "cargo test", "result": "passed", "summary": note}]
            },
            "execution_mode": "worktree", "force": false, "from_lane": "in_review",
            "mission_slug": "third-thing-01M7XAND", "reason": note, "review_ref": note,
            "to_lane": "approved", "wp_id": "WP01"
        },
        "project_slug": "demo-repo", "project_uuid": "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4",
        "repo_slug": "acme/demo-repo", "schema_version": "3.0.0",
        "spec_kitty_delivery_identity": "01M7XAS67MT30DH0DY9EW5WFQY", "team_slug": "t-private",
        "timestamp": "2026-11-20T20:00:00.651247+00:00", "type": "event"
    })
}

/// Runs a check many times; each run's time without the clock's own.
fn measure(mut check: impl FnMut()) -> Vec<Duration> {
    let clock = (0..1000)
        .map(|_| Instant::now().elapsed())
        .min()
        .unwrap_or_default();
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            check();
            start.elapsed().saturating_sub(clock)
        })
        .collect();
    times.sort_unstable();
    times
}

fn show(out: &mut impl io::Write, name: &str, times: &[Duration]) -> io::Result<()> {
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_nanos();
    writeln!(
        out,
        "{name:<34} median {:>7} ns   p99 {:>7} ns",
        at(0.5),
        at(0.99)
    )
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let start = Instant::now();
    let gate = Gate::vendored();
    let first = start.elapsed();
    let event = event();
    let bytes = event.to_string().into_bytes();
    gate.check_event_value(&event).map_err(io::Error::other)?;
    gate.check_event(&bytes).map_err(io::Error::other)?;
    writeln!(
        out,
        "event of {} bytes, artifact of {} bytes",
        bytes.len(),
        VENDORED_ARTIFACT.len()
    )?;
    writeln!(
        out,
        "{:<34} {:>14} ns",
        "first load in this process",
        first.as_nanos()
    )?;
    show(
        &mut out,
        "parsed: envelope only",
        &measure(|| {
            black_box(gate.check(Context::Envelope, black_box(&event))).ok();
        }),
    )?;
    show(
        &mut out,
        "parsed: envelope and payload",
        &measure(|| {
            black_box(gate.check_event_value(black_box(&event))).ok();
        }),
    )?;
    show(
        &mut out,
        "bytes: envelope only",
        &measure(|| {
            black_box(gate.check_bytes(Context::Envelope, black_box(&bytes))).ok();
        }),
    )?;
    show(
        &mut out,
        "bytes: envelope and payload",
        &measure(|| {
            black_box(gate.check_event(black_box(&bytes))).ok();
        }),
    )?;
    show(
        &mut out,
        "serde_json: parse into a value",
        &measure(|| {
            black_box(serde_json::from_slice::<Value>(black_box(&bytes))).ok();
        }),
    )?;
    let mut cold: Vec<_> = (0..2000)
        .map(|_| {
            let start = Instant::now();
            black_box(Gate::from_artifact(black_box(VENDORED_ARTIFACT))).ok();
            start.elapsed()
        })
        .collect();
    cold.sort_unstable();
    show(&mut out, "from_artifact, parse and compile", &cold)
}
