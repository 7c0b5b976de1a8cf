//! The document of `auth doctor --json`, whose keys are sorted, and the same for people.

use super::{LookedAtLock, mark};
use crate::auth_diagnosis::Finding;
use crate::daemon::orphans::{CleanupClass, Make, Orphan, SkipReason};
use crate::daemon::{absolute, hints};
use crate::invocation::Invocation;
use jiff::Timestamp;
use kitty_actors::auth::messages::SessionAnswer;
use kitty_actors::auth::session_status::ServerSession;
use kitty_runtime::time::iso;
use serde::Serialize;

/// Everything that the doctor looked at.
#[derive(Debug, Serialize)]
pub struct Document {
    pub auth_root: String,
    pub daemon: Option<Daemon>,
    pub findings: Vec<Finding>,
    pub generated_at: String,
    pub orphans: Vec<OrphanRow>,
    pub refresh_lock: Lock,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_result: Option<Reset>,
    pub schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_session: Option<ServerSession>,
    pub session: Option<Session>,
}

/// The recorded daemon.
#[derive(Debug, Serialize)]
pub struct Daemon {
    pub active: bool,
    pub package_version: Option<String>,
    pub pid: Option<u32>,
    pub port: Option<u16>,
    pub protocol_version: Option<u32>,
}

/// The session without its secrets.
#[derive(Debug, Serialize)]
pub struct Session {
    access_token_remaining_s: f64,
    in_memory_drift: bool,
    present: bool,
    refresh_token_remaining_s: Option<f64>,
    session_id: String,
    storage_backend: String,
    user_email: String,
}

impl Session {
    pub(super) fn of(answer: &SessionAnswer, drift: bool, now: Timestamp) -> Option<Self> {
        let summary = answer.summary.as_ref()?;
        let left = |end: Timestamp| end.duration_since(now).as_secs_f64();
        Some(Self {
            access_token_remaining_s: left(summary.access_token_expires_at),
            in_memory_drift: drift,
            present: true,
            refresh_token_remaining_s: summary.refresh_token_expires_at.map(left),
            session_id: summary.session_id.clone(),
            storage_backend: summary.storage_backend.clone(),
            user_email: summary.email.clone(),
        })
    }
}

/// The refresh lock.
#[derive(Debug, Serialize)]
pub struct Lock {
    age_s: Option<f64>,
    held: bool,
    holder_host: Option<String>,
    holder_pid: Option<u32>,
    started_at: Option<String>,
    stuck: bool,
    stuck_threshold_s: f64,
}

impl Lock {
    pub(super) fn of(lock: &LookedAtLock, stuck_threshold_s: f64) -> Self {
        let fact = &lock.fact;
        Self {
            age_s: fact.age_s,
            held: fact.held,
            holder_host: fact.holder_host.clone(),
            holder_pid: fact.holder_pid,
            started_at: lock.started_at.map(iso),
            stuck: fact.stuck,
            stuck_threshold_s,
        }
    }
}

/// An orphan daemon, with every key of the Python CLI; what no process table says is null.
#[derive(Debug, Serialize)]
pub struct OrphanRow {
    auth_scope: Option<String>,
    cleanup_class: CleanupClass,
    daemon_family: &'static str,
    daemon_root: String,
    executable_summary: Option<String>,
    identity_source: &'static str,
    is_recorded_singleton: bool,
    owner_present: bool,
    package_version: Option<String>,
    pid: u32,
    port: Option<u16>,
    protocol_version: Option<u32>,
    queue_db_path: Option<String>,
    self_report_matches_listener: bool,
    server_url: Option<String>,
    singleton_scope_id: Option<String>,
    skip_reason: Option<SkipReason>,
    spawn_shape_ok: bool,
}

impl OrphanRow {
    pub(super) fn of(invocation: &Invocation, orphan: &Orphan) -> Self {
        let root = absolute(invocation.map.root());
        let program = orphan.process.program.as_ref();
        let marked = orphan.reason != Some(SkipReason::PreMarker);
        Self {
            auth_scope: None,
            cleanup_class: orphan.class,
            daemon_family: "sync",
            executable_summary: program.map(|path| path.display().to_string()),
            identity_source: match orphan.make {
                Make::Python if marked => "cmdline_marker",
                Make::Python => "none",
                Make::Ours => "process_table",
            },
            is_recorded_singleton: false,
            owner_present: hints::any(invocation),
            package_version: None,
            pid: orphan.process.identity.pid,
            port: orphan.port,
            protocol_version: None,
            queue_db_path: None,
            self_report_matches_listener: false,
            server_url: None,
            singleton_scope_id: marked.then(|| root.clone()),
            daemon_root: root,
            skip_reason: orphan.reason,
            spawn_shape_ok: true,
        }
    }
}

/// What `--reset` did.
#[derive(Debug, Default, Serialize)]
pub struct Reset {
    pub failed: Vec<Failed>,
    pub skipped: Vec<Skipped>,
    pub swept: Vec<Ended>,
}

/// A daemon that was ended.
#[derive(Debug, Serialize)]
pub struct Ended {
    cleanup_path: &'static str,
    package_version: Option<String>,
    pid: u32,
    port: Option<u16>,
    protocol_version: Option<u32>,
    reason: CleanupClass,
}

impl Ended {
    pub(super) const fn of(orphan: &Orphan, cleanup_path: &'static str) -> Self {
        Self {
            cleanup_path,
            package_version: None,
            pid: orphan.process.identity.pid,
            port: orphan.port,
            protocol_version: None,
            reason: orphan.class,
        }
    }
}

/// A daemon that was left alone.
#[derive(Debug, Serialize)]
pub struct Skipped {
    pub cleanup_class: CleanupClass,
    pub pid: u32,
    pub port: Option<u16>,
    pub skip_reason: Option<SkipReason>,
}

/// A daemon that lives on.
#[derive(Debug, Serialize)]
pub struct Failed {
    pub failure_reason: &'static str,
    pub pid: u32,
    pub port: Option<u16>,
}

/// Prints what matters to a person: who, the daemon, and one next step per finding.
pub fn print(invocation: &Invocation, document: &Document) {
    let printer = invocation.printer;
    let row = |name: &str, value: String| printer.line(format!("{name:<14} {value}"));
    row(
        "Session",
        document.session.as_ref().map_or_else(
            || "none".to_owned(),
            |session| format!("{} ({})", session.user_email, session.session_id),
        ),
    );
    let lock = &document.refresh_lock;
    row(
        "Refresh lock",
        match (lock.held, lock.holder_pid) {
            (true, Some(pid)) => format!("held by process {pid}"),
            (true, None) => "held".to_owned(),
            (false, Some(pid)) => format!("free; process {pid} left its record behind"),
            (false, None) => "free".to_owned(),
        },
    );
    row(
        "Daemon",
        document.daemon.as_ref().map_or_else(
            || "none recorded".to_owned(),
            |daemon| {
                let pid = daemon
                    .pid
                    .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
                let state = if daemon.active {
                    "runs"
                } else {
                    "recorded, does not run"
                };
                format!("{state} (process {pid})")
            },
        ),
    );
    if let Some(server) = &document.server_session {
        let said = server.error.as_deref().unwrap_or("the session is active");
        row("Server", said.to_owned());
    }
    printer.line("");
    if document.findings.is_empty() {
        printer.line("No problems detected.");
    }
    for finding in &document.findings {
        printer.line(format!(
            "{} {}: {}",
            mark(finding),
            finding.id,
            finding.summary
        ));
        if let Some(next) = &finding.remediation {
            match next.command {
                Some(command) => printer.line(format!("  Run `{command}`: {}", next.description)),
                None => printer.line(format!("  {}", next.description)),
            }
        }
    }
    if document.server_session.is_none() && invocation.hosted_sync() {
        printer.line("`spec-kitty auth doctor --server` asks the server, too.");
    }
}
