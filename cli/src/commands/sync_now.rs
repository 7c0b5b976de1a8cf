//! `sync now`: delivers what is open, and says exactly what came of it.

mod bodies;
mod failures;

use crate::boundary::Boundary;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::Invocation;
use crate::project::known_identity;
use bodies::BodiesDocument;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kitty_actors::delivery::core::DrainPolicy;
use kitty_actors::delivery::drain::{DrainRequest, Drained, Progress, drain};
use kitty_actors::delivery::{Blocked, BlockedBy, DrainReport};
use kitty_config::policy::DISABLED_MESSAGE;
use kitty_config::{EventSyncMode, Settings};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::python_json;
use kitty_runtime::time::iso;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long another process that is delivering already is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long revocations that were kept may take.
const REVOKE_LIMIT: Duration = Duration::from_secs(5);

/// Arguments of `sync now`.
#[derive(Debug, Args)]
pub struct SyncNowArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
    /// Writes the JSON document to this file as well
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Fails when anything stays open (default)
    #[arg(long, overrides_with = "no_strict")]
    strict: bool,
    /// Ends with 0 also when events stay open or were refused
    #[arg(long)]
    no_strict: bool,
}

/// The document of `--json` and `--report`.
#[derive(Debug, Serialize)]
struct SyncDocument<'a> {
    generated_at: String,
    dispatched: bool,
    outcome: &'static str,
    exit_code: u8,
    selected: u64,
    delivered: u64,
    duplicate: u64,
    pending: u64,
    rejected: u64,
    quarantined: u64,
    transient: u64,
    terminal_failed: u64,
    held: u64,
    requests: u64,
    duration_ms: u64,
    blocked: Option<BlockedDocument<'a>>,
    stopped: Option<&'a str>,
    summary: Summary,
    failures: Vec<FailureRow<'a>>,
    bodies: BodiesDocument<'a>,
}

#[derive(Debug, Serialize)]
struct BlockedDocument<'a> {
    reason: &'static str,
    message: &'a str,
    next_action: &'a str,
}

#[derive(Debug, Serialize)]
struct Summary {
    total_events: u64,
    synced: u64,
    failed: u64,
    delivered: u64,
    duplicate: u64,
    pending: u64,
    rejected: u64,
    transient: u64,
    terminal_failed: u64,
    selected: u64,
}

#[derive(Debug, Serialize)]
struct FailureRow<'a> {
    event_id: &'a str,
    outcome: &'static str,
    http_status: Option<u16>,
    error: &'a str,
}

/// Runs `sync now`.
///
/// # Errors
/// [`Failure`] when this process cannot go on; what the network did is an outcome, not a failure.
pub fn run(invocation: &Invocation, args: &SyncNowArgs) -> Result<Exit, Failure> {
    let settings = invocation.settings();
    let started = Instant::now();
    let drained = if !invocation.hosted_sync() {
        return disabled(invocation, args);
    } else if settings.event_sync_mode() != EventSyncMode::Teamspace {
        let mode = settings.event_sync_mode().as_str();
        Drained {
            report: DrainReport::blocked(Blocked::new(
                BlockedBy::Mode,
                format!("[event_sync].mode is '{mode}': events are kept and not sent."),
                "Run `spec-kitty config set event_sync.mode teamspace` to deliver them.",
            )),
            skipped: None,
        }
    } else {
        match known_identity(invocation)? {
            Some(project) => within_actors(deliver(invocation, &settings, project))?,
            // Nothing was ever captured here.
            None => Drained::default(),
        }
    };
    finish(invocation, args, &drained, started.elapsed())
}

async fn deliver(
    invocation: &Invocation,
    settings: &Settings,
    project: ProjectUuid,
) -> Result<Drained, Failure> {
    let hosted = Hosted::start(invocation, settings);
    let boundary = Boundary::look_within(invocation, settings, &hosted).await;
    if let Some(refusal) = boundary.refusal("spec-kitty sync now") {
        hosted.shut_down().await;
        return Err(refusal);
    }
    let ports = hosted.system.drain(project, &hosted.queue(project));
    let request = DrainRequest {
        purpose: "sync now".to_owned(),
        patience: PATIENCE,
        policy: DrainPolicy::default(),
        insist: true,
    };
    let bar = progress_bar(invocation);
    let drained = drain(&ports, &request, &|progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    if drained.as_ref().is_ok_and(may_revoke) && invocation.map.machine_scope().inbox_new().is_dir()
    {
        // Logouts that the server has not heard of; a failure leaves them to the next command.
        let _ = hosted.system.revocation().send_kept(REVOKE_LIMIT).await;
    }
    hosted.shut_down().await;
    drained.map_err(|error| Failure::from_error("delivery_failed", error))
}

/// Tells whether a drain leaves reason to believe that the server can be reached: it was, or nobody
/// is logged in and so it was not tried.
fn may_revoke(drained: &Drained) -> bool {
    let blocked = drained.report.blocked.as_ref();
    drained.report.requests > 0
        || blocked.is_some_and(|blocked| blocked.by == BlockedBy::Authentication)
}

fn progress_bar(invocation: &Invocation) -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_draw_target(if invocation.printer.may_show_progress() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    });
    let style = ProgressStyle::with_template(
        "Delivering {bar:40} {pos}/{len} events ({per_sec}, {eta} left)",
    )
    .expect("the template is valid");
    bar.with_style(style)
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.open.max(progress.done));
    bar.set_position(progress.done);
}

fn disabled(invocation: &Invocation, args: &SyncNowArgs) -> Result<Exit, Failure> {
    let report = DrainReport::blocked(Blocked::new(
        BlockedBy::Rollout,
        "Hosted SaaS sync is not enabled on this machine.",
        "Set `SPEC_KITTY_ENABLE_SAAS_SYNC=1` to opt in.",
    ));
    let document = document(invocation, &report, Exit::Success, Duration::ZERO);
    write_report(invocation, args, &document)?;
    if args.json {
        invocation.printer.json().finish(&document);
    } else {
        invocation.printer.line(DISABLED_MESSAGE);
    }
    Ok(Exit::Success)
}

/// How a delivery ended, whatever the exit code makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    /// The server has taken what is left and not decided yet.
    Undecided,
    Pending,
    Failed,
    Blocked,
}

impl Outcome {
    /// Decides: blocked, failed, pending, delivered; the first that applies.
    fn of(report: &DrainReport) -> Self {
        match report.blocked.as_ref().map(|blocked| blocked.by) {
            // Both end by themselves: the events wait, and nobody has to do anything.
            Some(BlockedBy::Throttled | BlockedBy::Owner) => Self::Pending,
            Some(_) => Self::Blocked,
            None if report.rejected + report.quarantined > 0 => Self::Failed,
            None if report.stopped.is_some() || report.left_open() > report.pending => {
                Self::Pending
            }
            None if report.pending > 0 => Self::Undecided,
            None => Self::Delivered,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Undecided | Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }

    /// Returns the exit code; what the server has taken counts as sent: queued is not failed.
    const fn exit(self, strict: bool) -> Exit {
        match self {
            Self::Blocked => Exit::Blocked,
            Self::Failed if strict => Exit::Failed,
            Self::Pending if strict => Exit::Pending,
            _ => Exit::Success,
        }
    }
}

fn document<'a>(
    invocation: &Invocation,
    report: &'a DrainReport,
    exit: Exit,
    duration: Duration,
) -> SyncDocument<'a> {
    SyncDocument {
        generated_at: iso(invocation.time.now()),
        dispatched: report.requests > 0,
        outcome: Outcome::of(report).as_str(),
        exit_code: exit.code(),
        selected: report.selected,
        delivered: report.delivered,
        duplicate: report.duplicate,
        pending: report.pending,
        rejected: report.rejected,
        quarantined: report.quarantined,
        transient: report.transient,
        terminal_failed: report.rejected + report.quarantined,
        held: report.held,
        requests: report.requests,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        blocked: report.blocked.as_ref().map(|blocked| BlockedDocument {
            reason: blocked.by.as_str(),
            message: &blocked.message,
            next_action: &blocked.next_action,
        }),
        stopped: report.stopped.as_deref(),
        summary: summary(report),
        failures: report
            .failures
            .iter()
            .map(|failure| FailureRow {
                event_id: &failure.event_id,
                outcome: failure.outcome.as_str(),
                http_status: failure.http_status,
                error: &failure.error,
            })
            .collect(),
        bodies: BodiesDocument::from(&report.bodies),
    }
}

const fn summary(report: &DrainReport) -> Summary {
    Summary {
        total_events: report.selected,
        synced: report.delivered + report.duplicate,
        failed: report.rejected + report.quarantined + report.transient,
        delivered: report.delivered,
        duplicate: report.duplicate,
        pending: report.pending,
        rejected: report.rejected,
        transient: report.transient,
        terminal_failed: report.rejected + report.quarantined,
        selected: report.selected,
    }
}

fn finish(
    invocation: &Invocation,
    args: &SyncNowArgs,
    drained: &Drained,
    duration: Duration,
) -> Result<Exit, Failure> {
    let report = &drained.report;
    let exit = Outcome::of(report).exit(args.strict || !args.no_strict);
    let document = document(invocation, report, exit, duration);
    write_report(invocation, args, &document)?;
    if let Some(skipped) = &drained.skipped {
        tracing::warn!("{}", skipped.warning());
    }
    if args.json {
        invocation.printer.json().finish(&document);
    } else {
        print(invocation, report);
    }
    Ok(exit)
}

fn write_report(
    invocation: &Invocation,
    args: &SyncNowArgs,
    document: &SyncDocument<'_>,
) -> Result<(), Failure> {
    let Some(path) = &args.report else {
        return Ok(());
    };
    let text = python_json::indented(document);
    let written = crashsafe::replace(
        &*invocation.filesystem,
        path,
        text.as_bytes(),
        Durability::PowerCut,
    );
    written.map_err(|error| {
        Failure::new(
            "report_not_written",
            format!("{} could not be written: {error}", path.display()),
        )
        .next("Choose another file; the delivery itself is recorded.")
    })
}

fn print(invocation: &Invocation, report: &DrainReport) {
    let printer = invocation.printer;
    if let Some(blocked) = &report.blocked {
        printer.line(format!("Event sync gated: {}", blocked.by.as_str()));
        printer.line(&blocked.message);
        printer.line(&blocked.next_action);
    }
    let answered = report.selected > report.left_open() || report.pending + report.transient > 0;
    if answered || report.stopped.is_some() {
        print_counts(invocation, report);
    } else if report.blocked.is_none() && report.held == 0 {
        printer.line("Queue is empty, nothing to sync.");
    }
    bodies::print(invocation, &report.bodies);
    if report.held > 0 {
        printer.line(format!(
            "{} event(s) were captured for another account, team or server; they are kept and not sent here.",
            report.held
        ));
    }
}

fn print_counts(invocation: &Invocation, report: &DrainReport) {
    let printer = invocation.printer;
    printer.line(format!(
        "Event sync (TEAMSPACE): delivered {}  duplicate {}  pending {}  rejected {}  transient {}  \
         terminal-failed {}  (selected {})",
        report.delivered,
        report.duplicate,
        report.pending,
        report.rejected,
        report.transient,
        report.rejected + report.quarantined,
        report.selected
    ));
    failures::lines(&report.failures)
        .into_iter()
        .for_each(|line| printer.line(line));
    if let Some(trouble) = &report.stopped {
        printer.line(format!("Stopped: {trouble}"));
        printer.line(
            "Everything that was not answered is kept and sent by the next `spec-kitty sync now`.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(change: impl FnOnce(&mut DrainReport)) -> DrainReport {
        let mut report = DrainReport {
            selected: 10,
            delivered: 10,
            ..DrainReport::default()
        };
        change(&mut report);
        report
    }

    #[test]
    fn the_exit_code_tells_delivered_pending_blocked_and_failed_apart() {
        let blocked = |by| Some(Blocked::new(by, "", ""));
        for (report, word, strict, lenient) in [
            (report(|_| {}), "delivered", Exit::Success, Exit::Success),
            (
                report(|r| (r.delivered, r.duplicate) = (4, 6)),
                "delivered",
                Exit::Success,
                Exit::Success,
            ),
            (
                report(|r| (r.delivered, r.pending) = (9, 1)),
                "pending",
                Exit::Success,
                Exit::Success,
            ),
            (
                report(|r| (r.delivered, r.transient) = (9, 1)),
                "pending",
                Exit::Pending,
                Exit::Success,
            ),
            (
                report(|r| r.delivered = 9),
                "pending",
                Exit::Pending,
                Exit::Success,
            ),
            (
                report(|r| r.stopped = Some("x".into())),
                "pending",
                Exit::Pending,
                Exit::Success,
            ),
            (
                report(|r| (r.delivered, r.rejected) = (9, 1)),
                "failed",
                Exit::Failed,
                Exit::Success,
            ),
            (
                report(|r| (r.delivered, r.quarantined) = (9, 1)),
                "failed",
                Exit::Failed,
                Exit::Success,
            ),
            (
                report(|r| r.blocked = blocked(BlockedBy::Host)),
                "blocked",
                Exit::Blocked,
                Exit::Blocked,
            ),
            (
                report(|r| r.blocked = blocked(BlockedBy::Throttled)),
                "pending",
                Exit::Pending,
                Exit::Success,
            ),
            (
                report(|r| r.blocked = blocked(BlockedBy::Owner)),
                "pending",
                Exit::Pending,
                Exit::Success,
            ),
        ] {
            let outcome = Outcome::of(&report);
            assert_eq!(outcome.as_str(), word, "{report:?}");
            assert_eq!(outcome.exit(true), strict, "{report:?}");
            assert_eq!(outcome.exit(false), lenient, "{report:?}");
        }
    }
}
