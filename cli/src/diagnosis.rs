//! What is wrong with syncing on this machine: every finding by name, each with its next step.
//!
//! Facts come in, findings go out; the order is that of the way of an event, so that the first finding
//! is the first to repair.

use kitty_actors::auth::messages::SessionAnswer;
use kitty_actors::auth::store::Presence;
use kitty_config::EventSyncMode;
use kitty_runtime::consent::Consent;
use kitty_runtime::snapshot::{ScopeSummary, TargetSummary};
use serde::Serialize;

use crate::age::age;
use crate::boundary::{Boundary, OwnerRecord};

/// Events that wait longer than this were forgotten by whoever should have sent them: a week.
const FORGOTTEN_MS: u64 = 7 * 24 * 3600 * 1000;
/// How far a clock may run behind what was written before, a minute.
const CLOCK_SLACK_MS: u64 = 60 * 1000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word for programs.
    pub code: &'static str,
    /// What is the matter, in one sentence.
    pub message: String,
    /// The one next step.
    pub next_action: String,
}

/// What is known without the network.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Whether the machine has opted in.
    pub hosted_sync: bool,
    /// Why the settings count as empty, if they do.
    pub settings_problem: Option<String>,
    /// The configured server, or why what is configured cannot be used.
    pub server: Result<Option<String>, String>,
    /// Whether events are to be sent at all.
    pub mode: EventSyncMode,
    /// The session.
    pub session: &'a SessionAnswer,
    /// The recorded daemon.
    pub boundary: &'a Boundary,
    /// What was decided for the project.
    pub consent: Consent,
    /// The project's queue, or why it cannot be read.
    pub queue: Result<&'a ScopeSummary, String>,
    /// Why events of interrupted steps can be neither published nor withdrawn.
    pub undecided: &'a [String],
    /// The target that was tried last.
    pub current: Option<&'a TargetSummary>,
    /// How many undelivered events a project may hold.
    pub max_queue_size: u64,
    /// Queues of earlier releases that wait for `upgrade`.
    pub legacy_queues: Vec<String>,
    /// When the latest thing was written here, in milliseconds since the Unix epoch.
    pub latest_write_ms: Option<u64>,
    /// Now, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

fn finding(
    code: &'static str,
    message: impl Into<String>,
    next_action: impl Into<String>,
) -> Finding {
    Finding {
        code,
        message: message.into(),
        next_action: next_action.into(),
    }
}

/// Names everything that keeps events here or will; empty when syncing is healthy.
#[must_use]
pub fn diagnose(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(problem) = &facts.settings_problem {
        findings.push(finding(
            "settings_unreadable",
            problem,
            "Repair config.toml or move it away; it is never overwritten.",
        ));
    }
    if !facts.hosted_sync {
        findings.push(finding(
            "rollout_disabled",
            "Hosted SaaS sync is not enabled on this machine.",
            "Set `SPEC_KITTY_ENABLE_SAAS_SYNC=1` to opt in.",
        ));
        return findings;
    }
    of_the_way_out(facts, &mut findings);
    of_the_session(facts, &mut findings);
    of_the_daemon(facts.boundary, &mut findings);
    for why in facts.undecided {
        findings.push(finding(
            "interrupted_step",
            format!("A step of a mission was interrupted, and whether it happened cannot be told: {why}."),
            "Check out the branch of the mission and run `spec-kitty sync reconcile`.",
        ));
    }
    match &facts.queue {
        Ok(summary) => of_the_queue(facts, summary, &mut findings),
        Err(why) => findings.push(finding(
            "queue_unreadable",
            format!("The queue of this project cannot be read: {why}."),
            "Check the permissions of the state root; `spec-kitty state doctor` shows it.",
        )),
    }
    findings
}

fn of_the_way_out(facts: &Facts<'_>, findings: &mut Vec<Finding>) {
    match &facts.server {
        Ok(Some(_)) => {}
        Ok(None) => findings.push(finding(
            "missing_host_config",
            "No SaaS host URL is configured.",
            "Run `spec-kitty sync server <url>`, or set `SPEC_KITTY_SAAS_URL`.",
        )),
        Err(why) => findings.push(finding(
            "invalid_host_config",
            format!("The configured server cannot be used: {why}."),
            "Run `spec-kitty sync server <url>` with an https address.",
        )),
    }
    if facts.mode != EventSyncMode::Teamspace {
        findings.push(finding(
            "event_sync_mode",
            format!(
                "[event_sync].mode is '{}': events are kept and not sent.",
                facts.mode.as_str()
            ),
            "Run `spec-kitty config set event_sync.mode teamspace` to deliver them.",
        ));
    }
    if facts.consent == Consent::Refused {
        findings.push(finding(
            "project_refused",
            "This project has opted out; nothing of it leaves this machine.",
            "Run `spec-kitty sync opt-in` to let events leave that are captured from then on.",
        ));
    }
}

fn of_the_session(facts: &Facts<'_>, findings: &mut Vec<Finding>) {
    const LOG_IN: &str = "Run `spec-kitty auth login`.";
    let session = facts.session;
    if let Some(diagnostic) = &session.diagnostic {
        return findings.push(finding("session_unusable", &diagnostic.message, LOG_IN));
    }
    let ended = session.summary.as_ref().is_some_and(|summary| {
        let end = summary.refresh_token_expires_at;
        end.and_then(|end| u64::try_from(end.as_millisecond()).ok())
            .is_some_and(|end| end < facts.now_ms)
    });
    if ended || matches!(session.presence, Presence::Expired { .. }) {
        return findings.push(finding(
            "session_expired",
            "The session has ended and cannot be renewed.",
            LOG_IN,
        ));
    }
    if !session.is_authenticated() {
        return findings.push(finding(
            "missing_auth",
            "No SaaS authentication token is present.",
            LOG_IN,
        ));
    }
    let Some(summary) = &session.summary else {
        return;
    };
    if let (Some(issuer), Ok(Some(server))) = (&summary.issuer, &facts.server)
        && issuer.to_string() != *server
    {
        findings.push(finding(
            "session_of_another_server",
            format!("The session belongs to {issuer}, and {server} is configured."),
            "Run `spec-kitty auth login --force`, or `spec-kitty sync server` with the other address.",
        ));
    }
    if summary.private_team().is_none() {
        findings.push(finding(
            "direct_ingress_missing_private_team",
            "The account has no Private Teamspace that could receive events.",
            "Ask the server's operator for a Private Teamspace, then run `spec-kitty sync now`.",
        ));
    }
}

fn of_the_daemon(boundary: &Boundary, findings: &mut Vec<Finding>) {
    let next = boundary.remediations().join(" ");
    match &boundary.record {
        OwnerRecord::Absent | OwnerRecord::Present(_) => {}
        OwnerRecord::Orphan(_) => findings.push(finding(
            "daemon_orphaned",
            "A daemon is recorded whose process has ended.",
            next.clone(),
        )),
        OwnerRecord::Unreadable(why) => findings.push(finding(
            "daemon_record_unreadable",
            format!("The record of the daemon cannot be read: {why}."),
            next.clone(),
        )),
    }
    for mismatch in &boundary.mismatches {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "<unset>".to_owned());
        findings.push(finding(
            mismatch.field,
            format!(
                "The recorded daemon says {}, this process says {}.",
                shown(&mismatch.daemon_value),
                shown(&mismatch.foreground_value)
            ),
            mismatch.remediation_hint,
        ));
    }
}

fn of_the_queue(facts: &Facts<'_>, summary: &ScopeSummary, findings: &mut Vec<Finding>) {
    for damage in &summary.damage {
        findings.push(finding(
            "queue_damaged",
            format!("{} ({})", damage.what, damage.at),
            "Check the disk; what could be read is kept and sent.",
        ));
    }
    let counts = facts
        .current
        .map(|target| target.counts)
        .unwrap_or_default();
    for (code, count, what, next) in [
        (
            "events_rejected",
            counts.rejected,
            "rejected by the server",
            "Run `spec-kitty sync why <event-id>`; `spec-kitty sync now --report FILE` lists them.",
        ),
        (
            "events_quarantined",
            counts.quarantined,
            "kept back by the gate",
            "Run `spec-kitty sync why <event-id>` and report what it says.",
        ),
        (
            "events_held",
            counts.held,
            "captured for another account, team or server, or while opted out",
            "Log in as that account to send them; otherwise nothing is to be done.",
        ),
    ] {
        if count > 0 {
            findings.push(finding(code, format!("{count} event(s) are {what}."), next));
        }
    }
    of_the_bodies(facts, findings);
    let open = facts.current.map_or(summary.events, |target| {
        target.queued + target.counts.pending + target.counts.transient
    });
    if open >= facts.max_queue_size {
        findings.push(finding(
            "queue_full",
            format!(
                "{open} events wait and the queue holds {}: new ones are refused.",
                facts.max_queue_size
            ),
            "Run `spec-kitty sync now`, or raise sync.max_queue_size.",
        ));
    }
    of_the_delivery(facts, summary, open, findings);
    if !facts.legacy_queues.is_empty() {
        findings.push(finding(
            "legacy_queue",
            format!(
                "Queues of earlier releases wait in {}.",
                facts.legacy_queues.join(", ")
            ),
            "Run `spec-kitty upgrade`; `spec-kitty upgrade --dry-run` shows what it would do.",
        ));
    }
    if facts
        .latest_write_ms
        .is_some_and(|then| then > facts.now_ms + CLOCK_SLACK_MS)
    {
        findings.push(finding(
            "clock_jumped",
            "The clock of this machine is behind what was written here before.",
            "Set the clock; waits that a server asked for may last longer than meant until then.",
        ));
    }
}

fn of_the_bodies(facts: &Facts<'_>, findings: &mut Vec<Finding>) {
    const WHY: &str = "Run `spec-kitty sync now --json` or `spec-kitty sync why <body-id>`.";
    let Some(target) = facts.current else {
        return;
    };
    let counts = target.bodies.counts;
    for (code, count, what) in [
        ("bodies_rejected", counts.rejected, "rejected by the server"),
        (
            "bodies_quarantined",
            counts.quarantined,
            "kept back by the gate",
        ),
        (
            "bodies_held",
            counts.held,
            "captured for another account, team or server",
        ),
        (
            "bodies_failing",
            counts.transient,
            "not taken by the server yet; they are sent again, and events do not wait for them",
        ),
    ] {
        if count > 0 {
            findings.push(finding(
                code,
                format!("{count} artifact bodies are {what}."),
                WHY,
            ));
        }
    }
    let rests = target.bodies.not_before_ms;
    if let Some(until) = rests.filter(|until| *until > facts.now_ms) {
        findings.push(finding(
            "bodies_throttled",
            format!(
                "The server asked for no artifact bodies for another {} s.",
                (until - facts.now_ms).div_ceil(1000)
            ),
            "Wait; the next delivery after that sends what waits.",
        ));
    }
}

fn of_the_delivery(
    facts: &Facts<'_>,
    summary: &ScopeSummary,
    open: u64,
    findings: &mut Vec<Finding>,
) {
    if let Some(target) = facts.current.filter(|target| target.attempt.failures > 0) {
        findings.push(finding(
            "delivery_failing",
            format!(
                "The last {} delivery attempt(s) failed: {}",
                target.attempt.failures, target.attempt.message
            ),
            "Check the network and the server, then run `spec-kitty sync now`.",
        ));
    }
    let wait = facts
        .current
        .and_then(|target| target.attempt.not_before_ms);
    if let Some(until) = wait.filter(|until| *until > facts.now_ms) {
        findings.push(finding(
            "throttled",
            format!(
                "The server asked to be left alone for another {} s.",
                (until - facts.now_ms).div_ceil(1000)
            ),
            "Wait; the next delivery after that sends what waits.",
        ));
    }
    let oldest = facts
        .current
        .and_then(|target| target.oldest_open_ms)
        .or(summary.oldest_ms);
    if let Some(then) = oldest.filter(|then| open > 0 && then + FORGOTTEN_MS < facts.now_ms) {
        findings.push(finding(
            "delivery_forgotten",
            format!(
                "The oldest of {open} waiting event(s) is {} old.",
                age(then, facts.now_ms)
            ),
            "Run `spec-kitty sync now`.",
        ));
    }
}
