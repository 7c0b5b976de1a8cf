//! What `sync now` says of bodies.

use crate::invocation::Invocation;
use kitty_actors::delivery::BodiesReport;
use serde::Serialize;

/// What became of bodies; the exit code is that of the events.
#[derive(Debug, Serialize)]
pub(super) struct BodiesDocument<'a> {
    uploaded: u64,
    already_exists: u64,
    rejected: u64,
    quarantined: u64,
    later: u64,
    resting: u64,
    held: u64,
    requests: u64,
    stopped: Option<&'a str>,
    failures: Vec<BodyFailureRow<'a>>,
}

#[derive(Debug, Serialize)]
struct BodyFailureRow<'a> {
    body_id: &'a str,
    outcome: &'static str,
    http_status: Option<u16>,
    error: &'a str,
}

impl<'a> From<&'a BodiesReport> for BodiesDocument<'a> {
    fn from(report: &'a BodiesReport) -> Self {
        let failures = report.failures.iter().map(|failure| BodyFailureRow {
            body_id: &failure.event_id,
            outcome: failure.outcome.as_str(),
            http_status: failure.http_status,
            error: &failure.error,
        });
        Self {
            uploaded: report.uploaded,
            already_exists: report.already_exists,
            rejected: report.rejected,
            quarantined: report.quarantined,
            later: report.later,
            resting: report.resting,
            held: report.held,
            requests: report.requests,
            stopped: report.stopped.as_deref(),
            failures: failures.collect(),
        }
    }
}

/// Prints it, if there was anything.
pub(super) fn print(invocation: &Invocation, bodies: &BodiesReport) {
    if *bodies == BodiesReport::default() {
        return;
    }
    let printer = invocation.printer;
    printer.line(format!(
        "Artifact bodies: uploaded {}  already there {}  later {}  refused {}  held {}",
        bodies.uploaded,
        bodies.already_exists,
        bodies.later + bodies.resting,
        bodies.rejected + bodies.quarantined,
        bodies.held
    ));
    super::failures::lines(&bodies.failures)
        .into_iter()
        .for_each(|line| printer.line(line));
    if let Some(trouble) = &bodies.stopped {
        printer.line(format!("Bodies stopped: {trouble}"));
    }
}
