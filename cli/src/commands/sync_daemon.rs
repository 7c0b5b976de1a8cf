//! `sync daemon …`: the background daemon, from outside.

use crate::daemon::control::{self, ControlError, Standing};
use crate::daemon::serve::{Daemon, NotBorn};
use crate::daemon::service;
use crate::daemon_policy::{self, Intent, MANUAL_LINES, Outcome, POLICY_MANUAL};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::{Args, Subcommand};
use kitty_config::policy::DISABLED_MESSAGE;
use kitty_runtime::fs::read_all;
use kitty_runtime::ipc::{Greeting, Health};
use kitty_runtime::process::detach;
use serde::Serialize;

/// `sync daemon …`
#[derive(Debug, Subcommand)]
pub enum DaemonCommand {
    /// Starts the daemon unless one runs
    Start(Json),
    /// Ends the daemon; everything it knows is stored first
    Stop(Json),
    /// Shows whether a daemon runs and how it does
    Status(Json),
    /// Ends the daemon and starts it again
    Restart(Json),
    /// Shows the end of the daemon's log
    Logs(LogsArgs),
    /// Writes a service file for your login; starts nothing
    Install(Json),
    /// Removes the service file
    Uninstall(Json),
    /// Is the daemon (used by `start` and by services)
    #[command(hide = true)]
    Serve(ServeArgs),
}

/// The one option of most.
#[derive(Debug, Args)]
pub struct Json {
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// How many lines
    #[arg(long, default_value_t = 50)]
    lines: usize,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Tells the process that started it, on stdin, what became of it
    #[arg(long)]
    announce: bool,
    /// Stays when there is nothing to do
    #[arg(long)]
    stay: bool,
}

impl DaemonCommand {
    /// Tells whether a failure is to be printed as JSON on stdout.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Start(args)
            | Self::Stop(args)
            | Self::Status(args)
            | Self::Restart(args)
            | Self::Install(args)
            | Self::Uninstall(args) => args.json,
            Self::Logs(args) => args.json,
            Self::Serve(_) => false,
        }
    }
}

/// Runs `sync daemon …`.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, command: &DaemonCommand) -> Result<Exit, Failure> {
    match command {
        DaemonCommand::Start(args) => start(invocation, args.json, false),
        DaemonCommand::Restart(args) => start(invocation, args.json, true),
        DaemonCommand::Stop(args) => stop(invocation, args.json),
        DaemonCommand::Status(args) => status(invocation, args.json),
        DaemonCommand::Logs(args) => logs(invocation, args),
        DaemonCommand::Install(args) => install(invocation, args.json),
        DaemonCommand::Uninstall(args) => uninstall(invocation, args.json),
        DaemonCommand::Serve(args) => serve(invocation, args),
    }
}

fn failed(error: ControlError) -> Failure {
    Failure::from_error("daemon_control", error)
}

fn start(invocation: &Invocation, json: bool, again: bool) -> Result<Exit, Failure> {
    let policy = invocation
        .settings()
        .background_daemon()
        .map_err(|error| Failure::from_error("invalid_setting", error))?;
    let rollout = invocation.hosted_sync();
    let mut ran_already = false;
    let outcome = daemon_policy::ensure_daemon(rollout, Intent::RemoteRequired, policy, || {
        if again {
            control::stop(invocation).map_err(|error| error.to_string())?;
        }
        let started = control::start(invocation).map_err(|error| error.to_string())?;
        ran_already = started.ran_already;
        Ok(started.pid)
    });
    let failed = outcome
        .skipped_reason
        .as_deref()
        .and_then(|reason| reason.strip_prefix("start_failed: "));
    let exit = if failed.is_some() {
        Exit::Failed
    } else {
        Exit::Success
    };
    if json {
        invocation.printer.json().finish(&outcome);
        return Ok(exit);
    }
    if let Some(reason) = failed {
        let failure = Failure::new("start_failed", reason);
        return Err(failure.next("See `spec-kitty sync daemon logs`; `sync now` works without it."));
    }
    say_started(invocation, &outcome, ran_already);
    Ok(exit)
}

fn say_started(invocation: &Invocation, outcome: &Outcome, ran_already: bool) {
    let printer = invocation.printer;
    match (outcome.pid, outcome.skipped_reason.as_deref()) {
        (Some(pid), _) if ran_already => printer.line(format!("Sync daemon runs (process {pid}).")),
        (Some(pid), _) => printer.line(format!("Sync daemon started (process {pid}).")),
        (None, Some(POLICY_MANUAL)) => MANUAL_LINES.iter().for_each(|line| printer.line(line)),
        (None, _) => printer.line(DISABLED_MESSAGE),
    }
}

/// The document of `stop --json`.
#[derive(Debug, Serialize)]
struct StopDocument {
    stopped: bool,
    pid: Option<u32>,
}

fn stop(invocation: &Invocation, json: bool) -> Result<Exit, Failure> {
    let pid = control::stop(invocation).map_err(failed)?;
    if json {
        let stopped = pid.is_some();
        invocation
            .printer
            .json()
            .finish(&StopDocument { stopped, pid });
    } else {
        invocation.printer.line(match pid {
            Some(pid) => format!("Sync daemon stopped (process {pid})."),
            None => "No sync daemon runs.".to_owned(),
        });
    }
    Ok(Exit::Success)
}

/// The document of `status --json`.
#[derive(Debug, Serialize)]
struct StatusDocument<'a> {
    running: bool,
    state: &'a str,
    pid: Option<u32>,
    hosted_sync: bool,
    policy: Option<&'a str>,
    socket: String,
    log: String,
    daemon: Option<&'a Greeting>,
    health: Option<Health>,
}

fn status(invocation: &Invocation, json: bool) -> Result<Exit, Failure> {
    let standing = control::standing(invocation).map_err(|error| failed(error.into()))?;
    let (state, greeting) = match &standing {
        Standing::Running(greeting) => ("running", Some(&**greeting)),
        Standing::Silent(greeting) => ("silent", Some(&**greeting)),
        Standing::Absent { left_behind: None } => ("absent", None),
        Standing::Absent { left_behind } => ("left_behind", left_behind.as_deref()),
    };
    let running = state == "running";
    let policy = invocation.settings().background_daemon().ok();
    let document = StatusDocument {
        running,
        state,
        pid: greeting.map(|greeting| greeting.process.pid),
        hosted_sync: invocation.hosted_sync(),
        policy: policy.map(kitty_config::DaemonPolicy::as_str),
        socket: invocation
            .map
            .daemon_socket()
            .to_string_lossy()
            .into_owned(),
        log: invocation.map.daemon_log().to_string_lossy().into_owned(),
        daemon: greeting,
        health: running.then(|| control::health(invocation)).flatten(),
    };
    if json {
        invocation.printer.json().finish(&document);
    } else {
        print(invocation, &document);
    }
    Ok(Exit::Success)
}

fn print(invocation: &Invocation, document: &StatusDocument<'_>) {
    let printer = invocation.printer;
    let pid = document.pid.unwrap_or_default();
    printer.line(match document.state {
        "running" => format!("Daemon      running (process {pid})"),
        "silent" => format!(
            "Daemon      process {pid} does not answer; run `spec-kitty sync daemon restart`"
        ),
        "left_behind" => {
            format!("Daemon      not running; process {pid} ended without clearing up")
        }
        _ => "Daemon      not running".to_owned(),
    });
    if let Some(daemon) = document.daemon {
        printer.line(format!("Version     {}", daemon.version));
        printer.line(format!(
            "Server      {}",
            daemon.server.as_deref().unwrap_or("<unset>")
        ));
    }
    if let Some(health) = &document.health {
        printer.line(format!(
            "Delivered   {} event(s) in {} drain(s)",
            health.delivered, health.drains
        ));
        if let Some(websocket) = &health.websocket {
            let why = websocket.trouble.as_ref();
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            printer.line(format!("WebSocket   {}{why}", websocket.status));
        }
        if let Some(trouble) = &health.last_trouble {
            printer.line(format!("Trouble     {trouble}"));
        }
    }
    printer.line(format!(
        "Policy      {}",
        document.policy.unwrap_or("invalid")
    ));
    printer.line(format!("Log         {}", document.log));
}

/// The document of `logs --json`.
#[derive(Debug, Serialize)]
struct LogsDocument<'a> {
    path: String,
    lines: Vec<&'a str>,
}

fn logs(invocation: &Invocation, args: &LogsArgs) -> Result<Exit, Failure> {
    let path = invocation.map.daemon_log();
    let bytes = match read_all(&*invocation.filesystem, &path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let message = format!("{} cannot be read: {error}", path.display());
            return Err(Failure::new("log_unreadable", message).next("Check its permissions."));
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let lines = all[all.len().saturating_sub(args.lines)..].to_vec();
    if args.json {
        let path = path.to_string_lossy().into_owned();
        invocation
            .printer
            .json()
            .finish(&LogsDocument { path, lines });
    } else {
        lines.iter().for_each(|line| invocation.printer.line(line));
    }
    Ok(Exit::Success)
}

/// The document of `install --json` and `uninstall --json`.
#[derive(Debug, Serialize)]
struct ServiceDocument {
    path: String,
    changed: bool,
    next_action: String,
}

fn install(invocation: &Invocation, json: bool) -> Result<Exit, Failure> {
    if !invocation.hosted_sync() {
        return Err(disabled());
    }
    let written = service::install(invocation)?;
    say_service(invocation, json, written, true, "Written");
    Ok(Exit::Success)
}

fn uninstall(invocation: &Invocation, json: bool) -> Result<Exit, Failure> {
    let (service, existed) = service::uninstall(invocation)?;
    let what = if existed { "Removed" } else { "Not there" };
    say_service(invocation, json, service, existed, what);
    Ok(Exit::Success)
}

fn say_service(
    invocation: &Invocation,
    json: bool,
    service: service::Service,
    changed: bool,
    what: &str,
) {
    let path = service.path.to_string_lossy().into_owned();
    if json {
        invocation.printer.json().finish(&ServiceDocument {
            path,
            changed,
            next_action: service.next,
        });
    } else {
        invocation.printer.line(format!("{what}: {path}"));
        invocation.printer.line(format!("Next: {}", service.next));
    }
}

fn disabled() -> Failure {
    Failure::new(
        "rollout_disabled",
        "Hosted SaaS sync is not enabled on this machine.",
    )
    .exit(Exit::Blocked)
    .next("Set `SPEC_KITTY_ENABLE_SAAS_SYNC=1` to opt in.")
}

fn serve(invocation: &Invocation, args: &ServeArgs) -> Result<Exit, Failure> {
    if !invocation.hosted_sync() {
        if args.announce {
            let reason = "hosted sync is off".to_owned();
            control::announce(Err(&NotBorn::Failed(reason)));
        }
        return Err(disabled());
    }
    if args.announce {
        detach();
    }
    let born = Daemon::birth(invocation, args.stay);
    if args.announce {
        control::announce(born.as_ref().map(|_| std::process::id()));
    }
    match born {
        Ok(daemon) => daemon.live(invocation),
        Err(NotBorn::LostRace(reason) | NotBorn::Failed(reason)) => {
            let failure = Failure::new("daemon_not_started", reason);
            Err(failure.next("Run `spec-kitty sync daemon status`."))
        }
    }
}
