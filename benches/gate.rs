//! The gate: cold, warm, through its actor. Its floor is parsing the same bytes.

use crate::Size;
use crate::events::reviewed_event;
use crate::launch::Service;
use crate::measure::{Samples, in_turn, seconds};
use crate::report::{Report, Row, Target};
use actix::Actor as _;
use bytes::Bytes;
use kitty_actors::gate::GateActor;
use kitty_actors::gate::messages::CheckOutbound;
use kitty_actors::supervise::{Child, ExitGuard};
use kitty_actors::supervisor::DaemonSupervisor;
use kitty_contract::{Context, Gate};
use kitty_runtime::time::system_time;
use serde_json::Value;
use std::io;
use std::time::{Duration, Instant};

const MICROSECONDS: f64 = 1e6;
/// The limit that the documents set: a hard failure beyond it.
const DOCUMENTED_LIMIT: f64 = 5000.0;
/// How often a thing is done for one sample, so that reading the clock does not count.
const PER_SAMPLE: u32 = 100;

/// Measures the gate.
///
/// # Errors
/// When a worker fails.
pub fn measure(size: Size, report: &mut Report) -> io::Result<()> {
    let (value, text) = (reviewed_event(), reviewed_event().to_string());
    let gate = Gate::vendored();
    gate.check_event(text.as_bytes())
        .map_err(io::Error::other)?;
    let rounds = size.pick(50, 500);
    let many = |work: &dyn Fn() -> bool| {
        seconds(|| (0..PER_SAMPLE).all(|_| work())) / f64::from(PER_SAMPLE)
    };
    let parse = || Ok(many(&|| serde_json::from_str::<Value>(&text).is_ok()));

    cold(size, report)?;
    let row = |name: &str, (ours, floor): (Samples, Samples)| {
        Row::new(
            "gate",
            format!("{name}, {} bytes", text.len()),
            "us",
            &ours.scaled(MICROSECONDS),
        )
        .beside("parsing it", &floor.scaled(MICROSECONDS))
    };
    let warm = in_turn(
        rounds,
        || Ok(many(&|| gate.check_event_value(&value).is_ok())),
        parse,
    )?;
    report.add(row("warm, a parsed event", warm).target(Target::AtMost(1.0)));
    let bytes = in_turn(
        rounds,
        || Ok(many(&|| gate.check_event(text.as_bytes()).is_ok())),
        parse,
    )?;
    report.add(row("warm, the bytes of an event", bytes).target(Target::RatioAtMost(1.0)));
    let single = (0..rounds * 20).map(|_| seconds(|| gate.check_event_value(&value).is_ok()));
    let single = Samples::new(single.collect()).scaled(MICROSECONDS);
    let p99 = Samples::new(vec![single.quantile(0.99)]);
    report.add(Row::new("gate", "warm, p99", "us", &p99).target(Target::AtMost(5.0)));

    let through = in_turn(5, || through_actor(&text, size.pick(50, 2000)), parse)?;
    report.add(row("through the actor, warm", through).target(Target::AtMost(20.0)));
    Ok(())
}

/// The first check of a process, in processes of their own.
fn cold(size: Size, report: &mut Report) -> io::Result<()> {
    let mut samples = Vec::new();
    for _ in 0..size.pick(5, 20) {
        let worker = Service::start(&["gate-cold"])?;
        samples.push(worker.said.parse::<f64>().map_err(io::Error::other)?);
    }
    let samples = Samples::new(samples).scaled(MICROSECONDS);
    let slowest = Samples::new(vec![samples.quantile(1.0)]);
    report.add(
        Row::new("gate", "cold, the first of a process", "us", &samples)
            .target(Target::AtMost(100.0)),
    );
    report.add(
        Row::new(
            "gate",
            "cold, the slowest process (documented limit)",
            "us",
            &slowest,
        )
        .target(Target::AtMost(DOCUMENTED_LIMIT)),
    );
    Ok(())
}

/// Returns what the first check of this process took, in seconds.
pub fn first_check() -> f64 {
    let text = reviewed_event().to_string();
    seconds(|| Gate::vendored().check_event(text.as_bytes()).is_ok())
}

/// Returns what a check through the actor takes at the median, in seconds.
fn through_actor(text: &str, count: usize) -> io::Result<f64> {
    let json = Bytes::from(text.to_owned());
    actix::System::new().block_on(async move {
        let supervisor = DaemonSupervisor::new(system_time()).start();
        let gate: Child<GateActor> = Child::unborn("gate");
        gate.reborn(GateActor::new(ExitGuard::new(gate.id(), supervisor.recipient())).start());
        let mut samples = Vec::with_capacity(count);
        for _ in 0..count {
            let check = CheckOutbound {
                context: Context::Envelope,
                json: json.clone(),
            };
            let started = Instant::now();
            let answer = gate.ask(check, Duration::from_secs(5)).await;
            samples.push(started.elapsed().as_secs_f64());
            answer
                .map_err(io::Error::other)?
                .map_err(io::Error::other)?;
        }
        Ok(Samples::new(samples).median())
    })
}
