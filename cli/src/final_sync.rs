//! The final sync: one try to deliver after a local command, bounded and never in its way.
//!
//! A daemon that answers takes the project over; without one the try is made here.
//! The command's answer is printed before this begins, and nothing here changes it. What is worth
//! knowing goes to stderr as one diagnostic line, in the words of the Python CLI (reference 6).

use crate::boundary::Boundary;
use crate::daemon::control::hand_over;
use crate::hosted::Hosted;
use crate::invocation::Invocation;
use crate::project::scope;
use kitty_actors::delivery::core::DrainPolicy;
use kitty_actors::delivery::drain::{DrainRequest, Drained, drain};
use kitty_actors::delivery::{Blocked, BlockedBy};
use kitty_actors::queue::messages::{BeginWork, FinishWork, WorkBegun};
use kitty_config::{EventSyncMode, Settings};
use kitty_runtime::diagnostic::Diagnostic;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::owner::now_ms;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const PHASE: &str = "final_sync";
/// Records after which an inbox is worth the opening of the mailbox.
const LONG_INBOX: u64 = 1000;
/// What the clearing of an inbox waits for at most; the final sync's own limit comes before it.
const CLEARING_LIMIT: Duration = Duration::from_secs(60);
/// Which part of the limit is kept for ending the work in order.
const PART_FOR_THE_END: u32 = 8;
/// How long the actors may take to stop when all the time is used up.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// Tries to deliver what a project has stored and stops the actors, all within the configured time.
///
/// A live daemon is told and nothing else is done; one that is silent costs a quarter of a second.
/// A server that gave nothing a moment ago is left alone: the command is not held up again.
pub async fn final_sync(
    invocation: &Invocation,
    settings: &Settings,
    hosted: &Hosted,
    project: ProjectUuid,
) {
    let limit = settings.final_sync_timeout();
    let deadline = Instant::now() + limit;
    let at_work = settings.event_sync_mode() == EventSyncMode::Teamspace
        && !hand_over(invocation, settings, project);
    if at_work {
        let trying = try_once(invocation, settings, hosted, project);
        let tried = timeout_at(deadline - limit / PART_FOR_THE_END, trying).await;
        let diagnostic = match tried {
            Ok(diagnostic) => diagnostic,
            Err(_) => {
                leave_alone(invocation, settings, hosted);
                finish_work(hosted, project, deadline).await;
                Some(too_slow(limit))
            }
        };
        if let Some(diagnostic) = diagnostic {
            invocation.printer.diagnostic(&diagnostic);
        }
    }
    let left = deadline.saturating_duration_since(Instant::now());
    hosted.shut_down_within(left.max(LAST_MOMENT)).await;
}

/// Delivers, unless the server is known to be of no use for now; returns what is worth saying.
async fn try_once(
    invocation: &Invocation,
    settings: &Settings,
    hosted: &Hosted,
    project: ProjectUuid,
) -> Option<Diagnostic> {
    let now = now_ms(&invocation.time);
    if let Some(server) = invocation.server(settings)
        && hosted.system.memories().of(&server).rests(now)
    {
        tracing::debug!(%server, "the server gave nothing a moment ago; events stay queued");
        clear_inbox(invocation, hosted, project).await;
        return None;
    }
    let boundary = Boundary::look_within(invocation, settings, hosted).await;
    if let Some(refusal) = boundary.refusal("final sync") {
        return Some(failed("sync.identity_boundary", &refusal.message));
    }
    let ports = hosted.system.drain(project, &hosted.queue(project));
    let request = DrainRequest {
        purpose: "final sync".to_owned(),
        patience: Duration::ZERO,
        policy: DrainPolicy {
            retries: 0,
            // Bodies leave time for the end of the work, and never use up that of the events.
            body_limit: settings.final_sync_timeout() / 4,
            bodies_for: Some(settings.final_sync_timeout() / 2),
            ..DrainPolicy::default()
        },
        insist: false,
    };
    match drain(&ports, &request, &|_| {}).await {
        Ok(drained) => {
            if drained.report.was_in_vain() {
                leave_alone(invocation, settings, hosted);
            }
            after(&drained)
        }
        Err(error) => Some(failed("sync.final_sync_failed", &error.to_string())),
    }
}

/// Ends the work on the queue in order after a try that was broken off: without its last word, which is
/// `status.json`, every reader would have to read the whole journal until the next delivery.
async fn finish_work(hosted: &Hosted, project: ProjectUuid, deadline: Instant) {
    let queue = hosted.queue(project);
    let left = deadline.saturating_duration_since(Instant::now());
    let finished = queue.ask(FinishWork { target: None }, left).await;
    if !finished.is_ok_and(|finished| finished.is_ok()) {
        tracing::debug!("the work was not ended in order; the next command puts it right");
    }
}

/// Remembers that the server gave nothing, unless that is remembered already.
fn leave_alone(invocation: &Invocation, settings: &Settings, hosted: &Hosted) {
    let Some(server) = invocation.server(settings) else {
        return;
    };
    let now = now_ms(&invocation.time);
    hosted.system.memories().update(&server, |memory| {
        if !memory.rests(now) {
            memory.failed(now);
        }
    });
}

fn too_slow(limit: Duration) -> Diagnostic {
    Diagnostic::warning(
        "sync.final_sync_timeout",
        PHASE,
        format!(
            "Final sync did not complete within {}s. Queued events remain durable and will be retried.",
            limit.as_secs()
        ),
    )
}

/// Moves a long inbox into the journal, so that a machine that is offline for weeks does not collect a
/// directory of files that every reader has to list. One command in hundreds pays for it.
async fn clear_inbox(invocation: &Invocation, hosted: &Hosted, project: ProjectUuid) {
    let paths = scope(invocation, project).paths;
    let waiting = Inbox::new(invocation.filesystem.clone(), paths).tally();
    if waiting.is_ok_and(|waiting| waiting.records < LONG_INBOX) {
        return;
    }
    let queue = hosted.queue(project);
    let begin = BeginWork {
        purpose: "final sync".to_owned(),
        patience: Duration::ZERO,
    };
    let cleared = match queue.ask(begin, CLEARING_LIMIT).await {
        Ok(Ok(WorkBegun::Owner(_))) => queue
            .ask(FinishWork { target: None }, CLEARING_LIMIT)
            .await
            .is_ok_and(|finished| finished.is_ok()),
        // Whoever works on the queue clears it.
        Ok(Ok(WorkBegun::Busy(_))) => true,
        _ => false,
    };
    if !cleared {
        tracing::debug!("the inbox was not cleared; the next command tries again");
    }
}

/// Says what kept the events here; a delivery that went well says nothing.
fn after(drained: &Drained) -> Option<Diagnostic> {
    if let Some(skipped) = &drained.skipped {
        tracing::warn!("{}", skipped.warning());
    }
    let report = &drained.report;
    if let Some(blocked) = &report.blocked {
        return blocked_diagnostic(blocked);
    }
    if let Some(trouble) = &report.stopped {
        return Some(failed("sync.server_unreachable", trouble));
    }
    let refused = report.rejected + report.quarantined;
    (refused > 0).then(|| {
        Diagnostic::warning(
            "sync.events_refused",
            PHASE,
            format!("{refused} event(s) were refused and are kept. Run `spec-kitty sync status` to see them."),
        )
    })
}

fn blocked_diagnostic(blocked: &Blocked) -> Option<Diagnostic> {
    let code = match blocked.by {
        BlockedBy::PrivateTeamspace => "sync.direct_ingress_missing_private_team",
        BlockedBy::Authentication => "sync.server_auth_failure",
        BlockedBy::Host => "sync.missing_host_config",
        BlockedBy::Permission => "sync.permission_denied",
        BlockedBy::Protocol => "sync.protocol_mismatch",
        // Somebody else delivers, or the server asked to wait: both are in order.
        BlockedBy::Owner
        | BlockedBy::Throttled
        | BlockedBy::Rollout
        | BlockedBy::Mode
        | BlockedBy::Consent => {
            return None;
        }
    };
    Some(failed(code, &blocked.message))
}

/// Renders a failure in the words of the Python CLI.
fn failed(code: &'static str, detail: &str) -> Diagnostic {
    let message = format!(
        "Final sync failed after local command success. \
         Queued events remain durable and will be retried. Detail: {detail}"
    );
    Diagnostic::warning(code, PHASE, message)
}
