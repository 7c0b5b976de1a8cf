//! `sync status`: how the queue stands, from disk; and how the daemon's WebSocket does, from the daemon.

mod check;

pub(super) use check::legacy_queues;

use crate::age::{age, moment};
use crate::daemon::control;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::session_store;
use crate::invocation::Invocation;
use crate::project;
use clap::Args;
use kitty_actors::auth::environment_token;
use kitty_actors::auth::store::Presence;
use kitty_actors::websocket::core::Status;
use kitty_config::Settings;
use kitty_runtime::consent::Consent;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::inbox::{Inbox, Reconciled};
use kitty_runtime::ipc::protocol::WebSocketHealth;
use kitty_runtime::owner::now_ms;
use kitty_runtime::snapshot::{ScopeSummary, TargetSummary, summarise};
use kitty_runtime::status_file::DamageReport;
use serde::Serialize;

/// Arguments of `sync status`.
#[derive(Debug, Args)]
pub struct SyncStatusArgs {
    /// Compares this process with the recorded daemon; ends with 2 when they differ
    #[arg(short, long)]
    pub check: bool,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct StatusDocument {
    hosted_sync: bool,
    state_root: String,
    server_url: Option<String>,
    authenticated: bool,
    project_uuid: Option<String>,
    consent: &'static str,
    healthy: bool,
    events: u64,
    waiting_in_inbox: u64,
    /// Bodies are counted apart from events.
    bodies: u64,
    open_bodies: u64,
    journal_bytes: u64,
    open: u64,
    oldest_open_at: Option<String>,
    max_queue_size: u64,
    targets: Vec<TargetDocument>,
    /// Steps of missions that were interrupted before their events were handed over.
    interrupted: InterruptedDocument,
    /// How the daemon's WebSocket stands, in the words of the reference.
    websocket: String,
    websocket_trouble: Option<String>,
    damage: Vec<DamageReport>,
}

#[derive(Debug, Serialize)]
struct InterruptedDocument {
    /// The next delivery settles them.
    to_settle: usize,
    /// Their processes are at work.
    in_work: usize,
    /// Why the others cannot be settled.
    undecided: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TargetDocument {
    server: String,
    account: String,
    team: String,
    queued: u64,
    delivered: u64,
    duplicate: u64,
    pending: u64,
    rejected: u64,
    quarantined: u64,
    transient: u64,
    held: u64,
    oldest_open_at: Option<String>,
    last_attempt_at: Option<String>,
    last_success_at: Option<String>,
    next_attempt_at: Option<String>,
    consecutive_failures: u32,
    last_error: Option<String>,
    bodies: BodiesDocument,
}

#[derive(Debug, Serialize)]
struct BodiesDocument {
    queued: u64,
    uploaded: u64,
    already_exists: u64,
    pending: u64,
    rejected: u64,
    quarantined: u64,
    transient: u64,
    held: u64,
    next_attempt_at: Option<String>,
}

impl From<&TargetSummary> for BodiesDocument {
    fn from(summary: &TargetSummary) -> Self {
        let counts = summary.bodies.counts;
        let rests = summary
            .bodies
            .not_before_ms
            .or(summary.bodies.rest_until_ms);
        Self {
            queued: summary.bodies_queued,
            uploaded: counts.delivered,
            already_exists: counts.duplicate,
            pending: counts.pending,
            rejected: counts.rejected,
            quarantined: counts.quarantined,
            transient: counts.transient,
            held: counts.held,
            next_attempt_at: rests.map(moment),
        }
    }
}

impl From<&TargetSummary> for TargetDocument {
    fn from(summary: &TargetSummary) -> Self {
        let attempt = &summary.attempt;
        Self {
            server: summary.target.server.clone(),
            account: summary.target.account.clone(),
            team: summary.target.team.clone(),
            queued: summary.queued,
            delivered: summary.counts.delivered,
            duplicate: summary.counts.duplicate,
            pending: summary.counts.pending,
            rejected: summary.counts.rejected,
            quarantined: summary.counts.quarantined,
            transient: summary.counts.transient,
            held: summary.counts.held,
            oldest_open_at: summary.oldest_open_ms.map(moment),
            last_attempt_at: attempt.last_ms.map(moment),
            last_success_at: attempt.last_success_ms.map(moment),
            next_attempt_at: attempt.not_before_ms.map(moment),
            consecutive_failures: attempt.failures,
            last_error: Some(attempt.message.clone()).filter(|message| !message.is_empty()),
            bodies: BodiesDocument::from(summary),
        }
    }
}

/// What the command found out; nothing of it needs sled, a lock or the network.
pub(super) struct Found {
    settings: Settings,
    server: Option<String>,
    authenticated: bool,
    project: Option<String>,
    pub(super) consent: Consent,
    pub(super) summary: ScopeSummary,
    /// What a delivery would make of events whose step was interrupted.
    pub(super) held: Reconciled,
    /// The target that was tried last.
    pub(super) current: Option<TargetSummary>,
}

impl Found {
    fn open(&self) -> u64 {
        self.current.as_ref().map_or(self.summary.events, |target| {
            target.queued + target.counts.pending + target.counts.transient
        })
    }

    /// The bodies that are still to be sent.
    pub(super) fn open_bodies(&self) -> u64 {
        let current = self.current.as_ref();
        current.map_or(self.summary.bodies, TargetSummary::open_bodies)
    }

    fn oldest_open_ms(&self) -> Option<u64> {
        match &self.current {
            Some(target) => target.oldest_open_ms,
            None => self.summary.oldest_ms,
        }
    }

    /// Tells whether nothing needs a person.
    fn is_healthy(&self) -> bool {
        let refused = self.current.as_ref().map_or(0, |target| {
            let bodies = target.bodies.counts;
            let events = target.counts.rejected + target.counts.quarantined + target.counts.held;
            events + bodies.rejected + bodies.quarantined + bodies.held
        });
        let failing = self
            .current
            .as_ref()
            .is_some_and(|target| target.attempt.failures > 0);
        self.summary.damage.is_empty()
            && self.held.undecided.is_empty()
            && refused == 0
            && !failing
            && (self.open() == 0 || self.authenticated)
    }
}

/// Runs `sync status`; reads only.
///
/// # Errors
/// [`Failure`] when the queue cannot be read.
pub fn run(invocation: &Invocation, args: &SyncStatusArgs) -> Result<Exit, Failure> {
    let found = find(invocation)?;
    if args.check {
        return Ok(check::check(invocation, args, &found));
    }
    if args.json {
        invocation
            .printer
            .json()
            .finish(&document(invocation, &found));
    } else {
        print(invocation, &found);
    }
    Ok(Exit::Success)
}

/// Looks at the events of interrupted steps; changes nothing.
fn held(invocation: &Invocation, project: Option<ProjectUuid>) -> Result<Reconciled, Failure> {
    let Some(project) = project else {
        return Ok(Reconciled::default());
    };
    let paths = project::scope(invocation, project).paths;
    Inbox::new(invocation.filesystem.clone(), paths)
        .reconcilable()
        .map_err(|error| unreadable(&error))
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(
        "queue_unreadable",
        format!("the queue could not be read: {error}"),
    )
    .next("Check the permissions of the state root; `spec-kitty state doctor` shows it.")
}

/// Looks at everything that lies on disk; changes nothing.
pub(super) fn find(invocation: &Invocation) -> Result<Found, Failure> {
    let settings = invocation.settings();
    let project = project::known_identity(invocation).ok().flatten();
    let summary = match project {
        Some(project) => summarise(&invocation.filesystem, &project::scope(invocation, project))
            .map_err(|error| unreadable(&error))?,
        None => ScopeSummary::default(),
    };
    let current = summary
        .targets
        .iter()
        .max_by_key(|target| target.attempt.last_ms)
        .cloned();
    let store = session_store(invocation)?;
    Ok(Found {
        server: invocation
            .server(&settings)
            .map(|server| server.to_string()),
        authenticated: environment_token(&invocation.environment).is_some()
            || matches!(
                store.presence(invocation.time.now()),
                Ok(Presence::Present { .. })
            ),
        project: project.map(|project| project.to_string()),
        settings,
        consent: project.map_or(Consent::Granted, |project| {
            Consent::read(
                &*invocation.filesystem,
                &project::scope(invocation, project).paths,
            )
        }),
        held: held(invocation, project)?,
        summary,
        current,
    })
}

fn document(invocation: &Invocation, found: &Found) -> StatusDocument {
    let line = websocket(invocation);
    StatusDocument {
        hosted_sync: invocation.hosted_sync(),
        state_root: invocation.map.root().display().to_string(),
        server_url: found.server.clone(),
        authenticated: found.authenticated,
        project_uuid: found.project.clone(),
        consent: found.consent.as_str(),
        healthy: found.is_healthy(),
        events: found.summary.events,
        waiting_in_inbox: found.summary.waiting_in_inbox,
        bodies: found.summary.bodies,
        open_bodies: found.open_bodies(),
        journal_bytes: found.summary.journal_bytes,
        open: found.open(),
        oldest_open_at: found.oldest_open_ms().map(moment),
        max_queue_size: found.settings.max_queue_size(),
        targets: found
            .summary
            .targets
            .iter()
            .map(TargetDocument::from)
            .collect(),
        interrupted: InterruptedDocument {
            to_settle: found.held.published + found.held.withdrawn,
            in_work: found.held.in_work,
            undecided: found.held.undecided.clone(),
        },
        websocket: line.status,
        websocket_trouble: line.trouble,
        damage: found.summary.damage.clone(),
    }
}

/// Asks the daemon how its WebSocket stands; without a daemon there is none.
fn websocket(invocation: &Invocation) -> WebSocketHealth {
    let health = control::health(invocation);
    let websocket = health.and_then(|health| health.websocket);
    websocket.unwrap_or_else(|| WebSocketHealth {
        status: Status::Offline.as_str().to_owned(),
        ..WebSocketHealth::default()
    })
}

fn print(invocation: &Invocation, found: &Found) {
    let printer = invocation.printer;
    let now = now_ms(&invocation.time);
    let row = |name: &str, value: String| printer.line(format!(" {name:<12} {value}"));
    printer.line("\nSpec Kitty Sync Status\n");
    let oldest = found.oldest_open_ms().map_or_else(String::new, |then| {
        format!(", oldest {} old", age(then, now))
    });
    row("Queue", format!("{} event(s){oldest}", found.open()));
    if found.summary.bodies > 0 {
        row("Bodies", format!("{} artifact(s)", found.open_bodies()));
    }
    let enabled = if invocation.hosted_sync() {
        "Enabled"
    } else {
        "Disabled (SPEC_KITTY_ENABLE_SAAS_SYNC=1)"
    };
    row("SaaS Sync", enabled.to_owned());
    row("Consent", found.consent.as_str().to_owned());
    row(
        "Sync Mode",
        found.settings.event_sync_mode().as_str().to_owned(),
    );
    row("WebSocket", websocket(invocation).status);
    let last = found
        .current
        .as_ref()
        .and_then(|target| target.attempt.last_success_ms);
    row(
        "Last Sync",
        last.map_or_else(
            || "Never".to_owned(),
            |then| format!("{} ago", age(then, now)),
        ),
    );
    row(
        "Auth",
        if found.authenticated {
            "Logged in"
        } else {
            "Not logged in"
        }
        .to_owned(),
    );
    row(
        "Server URL",
        found.server.clone().unwrap_or_else(|| "<unset>".to_owned()),
    );
    row(
        "Config File",
        invocation.map.config_toml().display().to_string(),
    );
    if let Some(target) = &found.current {
        print_target(invocation, target, now);
    }
    for damage in &found.summary.damage {
        printer.line(format!(" ! {} {}", damage.at, damage.what));
    }
    let interrupted = found.held.published + found.held.withdrawn;
    if interrupted > 0 {
        printer.line(format!(
            " ! {interrupted} step(s) of missions were interrupted; the next delivery settles them"
        ));
    }
    for why in &found.held.undecided {
        printer.line(format!(" ! An interrupted step cannot be settled: {why}"));
    }
    printer.line("");
    printer.line(match found.open() {
        _ if found.consent == Consent::Refused => {
            "This project has opted out; nothing of it leaves this machine.".to_owned()
        }
        0 if found.open_bodies() > 0 => format!(
            "All events synced; {} artifact bodies wait; `spec-kitty sync now` delivers them.",
            found.open_bodies()
        ),
        0 => "Queue empty -- all events synced.".to_owned(),
        open => format!("{open} event(s) wait; `spec-kitty sync now` delivers them."),
    });
}

fn print_target(invocation: &Invocation, target: &TargetSummary, now: u64) {
    let printer = invocation.printer;
    let counts = target.counts;
    printer.line("\nDelivery");
    printer.line(format!(
        "  To           {} (team {})",
        target.target.server, target.target.team
    ));
    printer.line(format!(
        "  Events       queued {}  delivered {}  duplicate {}  pending {}  rejected {}  quarantined {}  transient {}  held {}",
        target.queued,
        counts.delivered,
        counts.duplicate,
        counts.pending,
        counts.rejected,
        counts.quarantined,
        counts.transient,
        counts.held
    ));
    let bodies = target.bodies.counts;
    if target.bodies_queued + bodies.total() > 0 {
        printer.line(format!(
            "  Bodies       queued {}  uploaded {}  already there {}  pending {}  rejected {}  quarantined {}  transient {}  held {}",
            target.bodies_queued,
            bodies.delivered,
            bodies.duplicate,
            bodies.pending,
            bodies.rejected,
            bodies.quarantined,
            bodies.transient,
            bodies.held
        ));
    }
    let attempt = &target.attempt;
    if let Some(then) = attempt.last_ms {
        let result = if attempt.message.is_empty() {
            "all answered"
        } else {
            &attempt.message
        };
        printer.line(format!("  Last attempt {} ago: {result}", age(then, now)));
    }
    if let Some(then) = attempt.not_before_ms.filter(|then| *then > now) {
        printer.line(format!(
            "  Next attempt in {} s, as the server asked",
            (then - now).div_ceil(1000)
        ));
    }
    if counts.rejected + counts.quarantined > 0 {
        printer.line("  ! Some events were refused and are kept; `spec-kitty sync why <event-id>` explains one.");
    }
    if bodies.rejected + bodies.quarantined > 0 {
        printer.line("  ! Some bodies were refused and are kept; `spec-kitty sync why <body-id>` explains one.");
    }
    if counts.held > 0 {
        printer.line("  ! Some events were captured for another account, team or server, or while this project was opted out, and are not sent here.");
    }
}
