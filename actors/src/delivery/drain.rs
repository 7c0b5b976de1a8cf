//! The drain: runs the rules of delivery against queue, gate, session and server.

mod run;

use super::bodies::{Bodies, Step};
use super::core::DrainPolicy;
use super::report::{Blocked, BlockedBy, DrainReport};
use super::wire::BATCH_ENDPOINT;
use crate::auth::AuthActor;
use crate::auth::pause::SharedPauses;
use crate::gate::GateActor;
use crate::host_memory::HostMemories;
use crate::ingress::IngressResolverActor;
use crate::ingress::messages::{IngressAnswer, IngressSkipped, ResolveIngress};
use crate::queue::QueueActor;
use crate::queue::messages::{BeginWork, FinishWork, GetConsent, GetTarget, QueueError, WorkBegun};
use crate::supervise::{AskError, Child};
use crate::transport::SharedTransport;
use crate::websocket::Line;
use kitty_config::ServerUrl;
use kitty_runtime::consent::Consent;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::owner::now_ms;
use kitty_runtime::target::DeliveryTarget;
use kitty_runtime::time::SharedTime;
use run::Run;
use std::time::Duration;

/// How long one ask of a local actor may take; the disk is slow before it is broken.
pub(super) const LOCAL_LIMIT: Duration = Duration::from_secs(60);
/// How long one batch may take, the server's work included (reference 5).
const BATCH_LIMIT: Duration = Duration::from_secs(60);
/// How long a token or the account's teams may take.
pub(super) const AUTH_LIMIT: Duration = Duration::from_secs(15);

/// The drain could not go on because something in this process failed.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// An actor did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Who a drain works with.
#[derive(Debug, Clone)]
pub struct DrainPorts {
    /// The configured server.
    pub server: Option<ServerUrl>,
    /// The project.
    pub project: ProjectUuid,
    /// Its queue.
    pub queue: Child<QueueActor>,
    /// The gate.
    pub gate: Child<GateActor>,
    /// The session.
    pub auth: Child<AuthActor>,
    /// Where events may go.
    pub ingress: Child<IngressResolverActor>,
    /// The network.
    pub transport: SharedTransport,
    /// What is remembered of the server.
    pub memories: HostMemories,
    /// The time.
    pub time: SharedTime,
    /// Pauses.
    pub pauses: SharedPauses,
    /// The WebSocket, where there is one.
    pub line: Option<Line>,
}

/// How a drain is asked to go about it.
#[derive(Debug, Clone)]
pub struct DrainRequest {
    /// What for, for others to read.
    pub purpose: String,
    /// How long to wait for another process that owns the queue.
    pub patience: Duration,
    /// The rules' numbers.
    pub policy: DrainPolicy,
    /// Whether what is remembered of the server is disregarded, because a person asked for it.
    pub insist: bool,
}

/// What a drain did, and what is worth saying about where it was going.
#[derive(Debug, Clone, Default)]
pub struct Drained {
    /// The counts.
    pub report: DrainReport,
    /// Direct ingress was skipped.
    pub skipped: Option<IngressSkipped>,
}

/// How far a drain has come; for progress bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events that were answered or settled in this drain.
    pub done: u64,
    /// Events that were open when it began.
    pub open: u64,
}

/// Is told how far a drain has come.
pub type OnProgress<'a> = &'a dyn Fn(Progress);

/// Sends what is open to the Private Teamspace of the account, and records every answer.
///
/// Nothing is sent that the gate did not let pass. Whatever happens, no event is lost: what is not
/// answered stays open. Dropping the future stops the drain at once.
///
/// # Errors
/// [`DrainError`] when this process cannot go on; everything that belongs to the network is part of
/// the report.
pub async fn drain(
    ports: &DrainPorts,
    request: &DrainRequest,
    on_progress: OnProgress<'_>,
) -> Result<Drained, DrainError> {
    if ports.queue.ask(GetConsent, LOCAL_LIMIT).await?? == Consent::Refused {
        return Ok(opted_out());
    }
    let target = match resolve(ports, request).await? {
        Ok(target) => target,
        Err(drained) => return Ok(*drained),
    };
    let begin = BeginWork {
        purpose: request.purpose.clone(),
        patience: request.patience,
    };
    if let WorkBegun::Busy(owner) = ports
        .queue
        .ask(begin, LOCAL_LIMIT + request.patience)
        .await??
    {
        let who = owner.map_or_else(String::new, |owner| {
            format!(" ({}, process {})", owner.purpose, owner.pid)
        });
        let blocked = Blocked::new(
            BlockedBy::Owner,
            format!("Another process is delivering this project's events{who}."),
            "Wait for it to finish, then run `spec-kitty sync now`.",
        );
        return Ok(Drained {
            report: DrainReport::blocked(blocked),
            skipped: None,
        });
    }
    let report = events_and_bodies(ports, request, &target, on_progress).await;
    let finished = ports
        .queue
        .ask(
            FinishWork {
                target: Some(target),
            },
            LOCAL_LIMIT,
        )
        .await;
    let report = match report {
        // It was decided while this drain was under way; what was answered by then is stored.
        Err(DrainError::Queue(QueueError::OptedOut)) => return Ok(opted_out()),
        report => report?,
    };
    finished??;
    Ok(Drained {
        report,
        skipped: None,
    })
}

/// Sends the events, and then the bodies; events that come in meanwhile go before the next body.
async fn events_and_bodies(
    ports: &DrainPorts,
    request: &DrainRequest,
    target: &DeliveryTarget,
    on_progress: OnProgress<'_>,
) -> Result<DrainReport, DrainError> {
    let began_ms = now_ms(&ports.time);
    let events = async || {
        let mut run = Run::new(ports, request, target.clone(), on_progress).await?;
        run.until_done().await
    };
    let mut report = events().await?;
    let has_ended = |report: &DrainReport| report.blocked.is_some() || report.stopped.is_some();
    if has_ended(&report) {
        return Ok(report);
    }
    let ask = GetTarget {
        target: target.clone(),
    };
    let row = ports.queue.ask(ask, LOCAL_LIMIT).await??.bodies;
    let mut bodies = Bodies::new(ports, request, target.clone(), row, began_ms);
    while bodies.step().await? == Step::EventsCame {
        report.add(events().await?);
        if has_ended(&report) {
            break;
        }
    }
    report.bodies = bodies.finish().await?;
    Ok(report)
}

/// Nothing of the project may leave.
fn opted_out() -> Drained {
    let blocked = Blocked::new(
        BlockedBy::Consent,
        "This project has opted out of hosted sync; nothing of it leaves this machine.",
        "Run `spec-kitty sync opt-in` to let events leave that are captured from then on.",
    );
    Drained {
        report: DrainReport::blocked(blocked),
        skipped: None,
    }
}

/// Finds out where events may go, or why nowhere.
async fn resolve(
    ports: &DrainPorts,
    request: &DrainRequest,
) -> Result<Result<DeliveryTarget, Box<Drained>>, DrainError> {
    let ask = ResolveIngress {
        endpoint: BATCH_ENDPOINT,
        insist: request.insist,
        limit: AUTH_LIMIT,
    };
    let answer = ports.ingress.ask(ask, AUTH_LIMIT * 2).await?;
    let blocked = |by, message: &str, next: &str| {
        let report = DrainReport::blocked(Blocked::new(by, message, next));
        Err(Box::new(Drained {
            report,
            skipped: None,
        }))
    };
    Ok(match answer {
        IngressAnswer::Direct(target) => Ok(target),
        IngressAnswer::Off => blocked(
            BlockedBy::Rollout,
            "Hosted SaaS sync is not enabled on this machine.",
            "Set `SPEC_KITTY_ENABLE_SAAS_SYNC=1` to opt in.",
        ),
        IngressAnswer::NoHost => blocked(
            BlockedBy::Host,
            "No SaaS host URL is configured.",
            "Set `SPEC_KITTY_SAAS_URL` in your environment, or run `spec-kitty sync server <url>`.",
        ),
        IngressAnswer::NotAuthenticated { message } => blocked(
            BlockedBy::Authentication,
            &message,
            "Run `spec-kitty auth login`.",
        ),
        IngressAnswer::Skipped(skipped) => {
            let report = DrainReport::blocked(Blocked::new(
                BlockedBy::PrivateTeamspace,
                "skipped: no Private Teamspace available for direct ingress",
                "Run `spec-kitty auth status` to see the teams of this account.",
            ));
            Err(Box::new(Drained {
                report,
                skipped: Some(skipped),
            }))
        }
    })
}
