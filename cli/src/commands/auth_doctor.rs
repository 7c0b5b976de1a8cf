//! `auth doctor`: session, refresh lock and daemon, from disk alone unless the server is asked for.

mod document;

use crate::auth_diagnosis::{
    Facts, Finding, LockFact, SessionFact, Severity, diagnose, is_critical,
};
use crate::daemon::{control, hints, orphans, record};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::{Hosted, session_store};
use crate::invocation::{Invocation, VERSION};
use clap::Args;
use document::{Daemon, Document, Ended, Failed, Lock, OrphanRow, Reset, Session, Skipped};
use kitty_actors::auth::messages::{GetSession, SessionAnswer, SessionDetail, SessionOrigin};
use kitty_actors::auth::refresh_lock::{Released, inspect, release_left_behind};
use kitty_actors::auth::session_status::{ServerSession, session_status};
use kitty_actors::auth::store::HostIdentity;
use kitty_config::policy::DISABLED_MESSAGE;
use kitty_runtime::fs::read_all;
use kitty_runtime::process::ProcessState;
use kitty_runtime::time::iso;
use std::time::Duration;

/// How long the session may take to be read.
const LOCAL_LIMIT: Duration = Duration::from_secs(10);
/// How long the server may take, a renewed token included.
const SERVER_LIMIT: Duration = Duration::from_secs(10);

/// Arguments of `auth doctor`.
#[derive(Debug, Args)]
pub struct AuthDoctorArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
    /// Ends orphan daemons that are provably ours, and removes what dead ones left
    #[arg(long)]
    reset: bool,
    /// With --reset: also those that a person has to decide about
    #[arg(long)]
    force: bool,
    /// Empties the refresh lock's record if its holder is gone
    #[arg(long)]
    unstick_lock: bool,
    /// From how many seconds on the refresh lock counts as stuck
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = threshold)]
    stuck_threshold: f64,
    /// Asks the server whether the session is alive
    #[arg(long)]
    server: bool,
}

fn threshold(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    if seconds.is_finite() && seconds >= 0.0 {
        Ok(seconds)
    } else {
        Err("not a number of seconds".to_owned())
    }
}

/// Runs `auth doctor`; changes something only with `--reset` and `--unstick-lock`, and asks somebody
/// only with `--server`. Ends with 1 when something is critical.
///
/// # Errors
/// [`Failure`] when the session store cannot be chosen or its actor does not answer.
pub async fn run(invocation: &Invocation, args: &AuthDoctorArgs) -> Result<Exit, Failure> {
    let settings = invocation.settings();
    let store = session_store(invocation)?;
    let hosted = Hosted::with_store(invocation, &settings, store);
    let server = match args.server {
        true if invocation.hosted_sync() => {
            Some(session_status(hosted.system.auth(), &*hosted.transport, SERVER_LIMIT).await)
        }
        true => Some(ServerSession::unconfirmed(DISABLED_MESSAGE)),
        false => None,
    };
    let before = session_bytes(invocation);
    let question = GetSession {
        detail: SessionDetail::Summary,
    };
    let session = hosted.system.auth().ask(question, LOCAL_LIMIT).await;
    hosted.shut_down().await;
    let session = session.map_err(|error| Failure::from_error("session", error))?;
    let (mut said, reset) = repair(invocation, args);
    let document = look(invocation, args, &session, &before, server, reset);
    let exit = if is_critical(&document.findings) {
        Exit::Failed
    } else {
        Exit::Success
    };
    if args.json {
        invocation.printer.json().finish_indented(&document);
    } else {
        document::print(invocation, &document);
        said.drain(..)
            .for_each(|line| invocation.printer.line(line));
    }
    Ok(exit)
}

/// Does what was asked for; returns what a person reads about it.
fn repair(invocation: &Invocation, args: &AuthDoctorArgs) -> (Vec<String>, Option<Reset>) {
    let mut said = Vec::new();
    let reset = args.reset.then(|| reset(invocation, args.force, &mut said));
    if args.unstick_lock {
        said.push(unstick(invocation, args));
    }
    (said, reset)
}

fn reset(invocation: &Invocation, force: bool, said: &mut Vec<String>) -> Reset {
    let mut result = Reset::default();
    for orphan in orphans::find(invocation) {
        let pid = orphan.process.identity.pid;
        let port = orphan.port;
        if !orphan.may_be_ended(force) {
            result.skipped.push(Skipped {
                cleanup_class: orphan.class,
                pid,
                port,
                skip_reason: orphan.reason,
            });
            continue;
        }
        match orphan.end() {
            Ok(cleanup_path) => result.swept.push(Ended::of(&orphan, cleanup_path)),
            Err(failure_reason) => result.failed.push(Failed {
                failure_reason,
                pid,
                port,
            }),
        }
    }
    said.push(format!(
        "--reset: {} orphan(s) swept, {} skipped, {} failed.",
        result.swept.len(),
        result.skipped.len(),
        result.failed.len()
    ));
    // A daemon that is recorded and does not live: what it left is in nobody's way any more.
    if daemon(invocation).is_some_and(|daemon| !daemon.active) {
        said.push(match control::stop(invocation) {
            Ok(_) => "--reset: removed what the last daemon left behind.".to_owned(),
            Err(error) => format!("--reset: {error}"),
        });
    }
    result
}

fn unstick(invocation: &Invocation, args: &AuthDoctorArgs) -> String {
    let lock = lock(invocation, args.stuck_threshold);
    if !lock.fact.stuck {
        return "--unstick-lock: lock not stuck; no-op.".to_owned();
    }
    let path = invocation.map.auth().refresh_lock();
    let released = release_left_behind(&path, &HostIdentity::of_this_process().hostname);
    match released {
        Ok(Released::Emptied) => "--unstick-lock: stuck lock released.".to_owned(),
        Ok(Released::HolderLives) => {
            "--unstick-lock: lock not removed; its holder lives.".to_owned()
        }
        Ok(Released::OtherHost) => {
            "--unstick-lock: lock not removed; its holder is on another host.".to_owned()
        }
        Ok(Released::Nothing) => "--unstick-lock: lock not stuck; no-op.".to_owned(),
        Err(error) => format!("--unstick-lock: {} cannot be used: {error}", path.display()),
    }
}

/// Looks at everything; changes nothing.
fn look(
    invocation: &Invocation,
    args: &AuthDoctorArgs,
    session: &SessionAnswer,
    before: &Option<Vec<u8>>,
    server: Option<ServerSession>,
    reset: Option<Reset>,
) -> Document {
    let now = invocation.time.now();
    let lock = lock(invocation, args.stuck_threshold);
    let daemon = daemon(invocation);
    let found = orphans::find(invocation);
    let drift = *before != session_bytes(invocation);
    let findings = diagnose(&Facts {
        hosted_sync: invocation.hosted_sync(),
        session: session_fact(session, now),
        drift,
        lock: &lock.fact,
        stuck_threshold_s: args.stuck_threshold,
        daemon: daemon
            .as_ref()
            .map(|daemon| (daemon.active, daemon.package_version.clone())),
        version: VERSION,
        hostname: &HostIdentity::of_this_process().hostname,
        orphans: (
            found.len(),
            found.iter().any(|orphan| !orphan.may_be_ended(false)),
        ),
        server: server.as_ref(),
    });
    Document {
        auth_root: invocation.map.auth().directory().display().to_string(),
        daemon,
        findings,
        generated_at: iso(now),
        orphans: found
            .iter()
            .map(|it| OrphanRow::of(invocation, it))
            .collect(),
        refresh_lock: Lock::of(&lock, args.stuck_threshold),
        reset_result: reset,
        schema_version: 2,
        server_session: server,
        session: Session::of(session, drift, now),
    }
}

/// The stored session as it lies there, sealed; a changed one has other bytes.
fn session_bytes(invocation: &Invocation) -> Option<Vec<u8>> {
    read_all(&*invocation.filesystem, &invocation.map.auth().session()).ok()
}

fn session_fact(answer: &SessionAnswer, now: jiff::Timestamp) -> SessionFact {
    if answer.origin == SessionOrigin::Environment {
        return SessionFact::Environment;
    }
    let Some(summary) = &answer.summary else {
        let cause = answer.diagnostic.as_ref();
        return SessionFact::Absent(cause.map(|diagnostic| diagnostic.message.clone()));
    };
    let left = |end: jiff::Timestamp| end.duration_since(now).as_secs();
    SessionFact::Present {
        access_s: left(summary.access_token_expires_at),
        refresh_s: summary.refresh_token_expires_at.map(left),
    }
}

/// The refresh lock and when its holder took it.
struct LookedAtLock {
    fact: LockFact,
    started_at: Option<jiff::Timestamp>,
}

/// Looks at the refresh lock; one that cannot be read is held by nobody we know.
fn lock(invocation: &Invocation, stuck_threshold_s: f64) -> LookedAtLock {
    let state = inspect(&invocation.map.auth().refresh_lock()).ok();
    let held = state.as_ref().is_some_and(|state| state.held);
    let holder = state.and_then(|state| state.holder);
    let started_at = holder.as_ref().and_then(|holder| holder.started_at);
    let now = invocation.time.now();
    let age_s = started_at.map(|then| now.duration_since(then).as_secs_f64());
    LookedAtLock {
        fact: LockFact {
            held,
            holder_pid: holder.as_ref().map(|holder| holder.pid),
            holder_host: holder.map(|holder| holder.host),
            age_s,
            stuck: age_s.is_some_and(|age| age > stuck_threshold_s),
        },
        started_at,
    }
}

/// Describes the recorded daemon from its files and the process table; `None` when none is recorded.
fn daemon(invocation: &Invocation) -> Option<Daemon> {
    if let Some(greeting) = record::read(invocation) {
        return Some(Daemon {
            active: greeting.process.state() == ProcessState::Running,
            package_version: Some(greeting.version),
            pid: Some(greeting.process.pid),
            port: None,
            protocol_version: Some(greeting.protocol),
        });
    }
    if !hints::any(invocation) {
        return None;
    }
    let pid = hints::state_pid(invocation).or_else(|| hints::owner_pid(invocation));
    let active = pid.is_some_and(|pid| orphans::is_daemon(invocation, pid));
    let release = hints::owner(invocation)
        .and_then(|owner| Some(owner.get("package_version")?.as_str()?.to_owned()));
    Some(Daemon {
        active,
        package_version: release,
        pid,
        port: hints::state_port(invocation),
        protocol_version: None,
    })
}

/// Tells how a finding is marked for people.
const fn mark(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Info => "i",
        Severity::Warn => "!",
        Severity::Critical => "X",
    }
}
