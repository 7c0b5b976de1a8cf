//! What the daemon does for one project: the drain of `sync now`, with nobody watching.

use super::heartbeat;
use crate::hosted::Hosted;
use crate::invocation::Invocation;
use crate::project::scope;
use kitty_actors::delivery::core::DrainPolicy;
use kitty_actors::delivery::drain::{DrainRequest, Drained, drain};
use kitty_actors::delivery::{BlockedBy, DrainReport};
use kitty_actors::schedule::core::DrainEnd;
use kitty_actors::websocket::Line;
use kitty_config::{EventSyncMode, Settings};
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::ipc::Health;
use kitty_runtime::owner::now_ms;
use kitty_runtime::snapshot::summarise;
use std::path::PathBuf;
use std::time::Duration;

/// The most open events of a project that go over the WebSocket (decision 15).
const FRESH_EVENTS: usize = 32;

/// How long a drain sends bodies; then it is the turn of the other projects' events.
const BODIES_FOR: Duration = Duration::from_secs(10);

/// How long the actors of a drain that was broken off may take to store what they know.
pub const LET_GO: Duration = Duration::from_millis(1200);

/// How long a drain that is to be broken off may go on: an answer that is on its way is taken in.
const GRACE: Duration = Duration::from_millis(500);

/// How a drain ended.
pub struct Ended {
    /// For the schedule.
    pub end: DrainEnd,
    /// Events that the server has now and had not before.
    pub delivered: u64,
    /// Events of these that went over the WebSocket.
    pub told: u64,
    /// What kept events here.
    pub trouble: Option<String>,
}

impl Ended {
    /// Writes down how it went.
    pub fn note(&self, health: &mut Health, now: u64) {
        health.drains += 1;
        health.delivered += self.delivered;
        health.last_drain_ms = Some(now);
        health.last_trouble.clone_from(&self.trouble);
    }

    /// There was nothing to do.
    pub fn idle() -> Self {
        Self {
            end: DrainEnd::Done { progress: false },
            delivered: 0,
            told: 0,
            trouble: None,
        }
    }

    fn failed(trouble: String) -> Self {
        Self {
            end: DrainEnd::Useless { wait: None },
            delivered: 0,
            told: 0,
            trouble: Some(trouble),
        }
    }

    fn of(report: &DrainReport) -> Self {
        let progress = report.made_progress();
        let blocked = report.blocked.as_ref();
        let end = match blocked.map(|blocked| blocked.by) {
            Some(BlockedBy::Owner) => DrainEnd::OwnedElsewhere,
            Some(_) => DrainEnd::Useless { wait: report.wait },
            None if report.stopped.is_some() => DrainEnd::Useless { wait: report.wait },
            None if report.bodies.interrupted => DrainEnd::Interrupted,
            None if report.left_open() > 0 || report.bodies.later + report.bodies.resting > 0 => {
                DrainEnd::Undecided { progress }
            }
            None => DrainEnd::Done { progress },
        };
        let blocked = blocked.map(|blocked| blocked.message.clone());
        Self {
            end,
            delivered: report.delivered + report.duplicate,
            told: report.told,
            trouble: blocked.or_else(|| report.stopped.clone()),
        }
    }
}

/// Captures the heartbeats that are due and delivers one project until it is done or `stop` completes; then everything known is stored.
///
/// Returns `None` when it was stopped.
pub async fn deliver(
    invocation: &Invocation,
    settings: &Settings,
    project: ProjectUuid,
    beats: &[PathBuf],
    line: &Line,
    stop: impl Future<Output = ()>,
) -> Option<Ended> {
    if settings.event_sync_mode() != EventSyncMode::Teamspace {
        line.unwanted();
        return Some(Ended::idle());
    }
    let hosted = Hosted::start(invocation, settings);
    for checkout in beats {
        if let Err(trouble) = heartbeat::capture(invocation, &hosted, project, checkout).await {
            tracing::warn!(%trouble, "a heartbeat was left out");
        }
    }
    let mut ports = hosted.system.drain(project, &hosted.queue(project));
    ports.line = Some(line.clone());
    let request = DrainRequest {
        purpose: "sync daemon".to_owned(),
        patience: Duration::ZERO,
        policy: DrainPolicy {
            fresh_events: FRESH_EVENTS,
            bodies_for: Some(BODIES_FOR),
            ..DrainPolicy::default()
        },
        insist: false,
    };
    let mut draining = Box::pin(drain(&ports, &request, &|_| {}));
    let drained = tokio::select! {
        drained = &mut draining => Some(drained),
        () = stop => {
            // What is on its way over the WebSocket is given back and noted, not sent once more.
            line.end();
            let _ = tokio::time::timeout(GRACE, &mut draining).await;
            None
        }
    };
    drop(draining);
    drop(ports);
    // What was acknowledged is stored whether or not the actors end in time.
    let _ = tokio::time::timeout(LET_GO, hosted.shut_down()).await;
    Some(match drained? {
        Ok(Drained { report, .. }) => {
            tell_line(line, &report);
            Ended::of(&report)
        }
        Err(error) => Ended::failed(error.to_string()),
    })
}

/// Lets the line know what a drain found out: whether the server is there, and whether it may go there.
fn tell_line(line: &Line, report: &DrainReport) {
    match report.blocked.as_ref().map(|blocked| blocked.by) {
        None if report.requests + report.told > 0 && report.stopped.is_none() => line.occasion(),
        Some(
            BlockedBy::Rollout
            | BlockedBy::Authentication
            | BlockedBy::Host
            | BlockedBy::PrivateTeamspace
            | BlockedBy::Permission
            | BlockedBy::Protocol
            | BlockedBy::Mode,
        ) => line.unwanted(),
        _ => {}
    }
}

/// Returns the projects of this machine that have something to deliver; reads and nothing else.
#[must_use]
pub fn with_work(invocation: &Invocation, server: Option<&str>) -> Vec<ProjectUuid> {
    let names = invocation.filesystem.list(&invocation.map.projects());
    let names = names.unwrap_or_default().into_iter();
    names
        .filter_map(|name| name.parse().ok())
        .filter(|project| has_work(invocation, *project, server))
        .collect()
}

fn has_work(invocation: &Invocation, project: ProjectUuid, server: Option<&str>) -> bool {
    let Ok(summary) = summarise(&invocation.filesystem, &scope(invocation, project)) else {
        return false;
    };
    let ours: Vec<_> = summary
        .targets
        .iter()
        .filter(|target| Some(target.target.server.as_str()) == server)
        .collect();
    let waits = |target: &&kitty_runtime::snapshot::TargetSummary| {
        let now = now_ms(&invocation.time);
        let rests = target
            .attempt
            .not_before_ms
            .is_some_and(|until| until > now);
        let bodies = target.bodies.not_before_ms.max(target.bodies.rest_until_ms);
        let bodies_rest = bodies.is_some_and(|until| until > now);
        let events = target.queued + target.counts.pending + target.counts.transient;
        !rests && (events > 0 || (!bodies_rest && target.open_bodies() > 0))
    };
    summary.waiting_in_inbox > 0
        || ours.iter().any(waits)
        || (ours.is_empty() && summary.events > 0)
}
