//! `doctor restart-daemon` and `doctor orphan-daemons` (reference 8): keys, codes and sentences are
//! those of the Python CLI.

use crate::boundary::OwnerRecord;
use crate::daemon::orphans::{self, CleanupClass, Orphan, SkipReason};
use crate::daemon::{control, hints, record};
use crate::daemon_policy::{self, Intent, MANUAL_LINES, POLICY_MANUAL};
use crate::exit::Exit;
use crate::invocation::Invocation;
use clap::Args;
use kitty_config::policy::DISABLED_MESSAGE;
use serde::Serialize;
use serde_json::{Value, json};

/// Arguments of both.
#[derive(Debug, Args)]
pub struct DaemonDoctorArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

const NO_OWNER: &str = "No registered sync daemon — run `spec-kitty sync now` to launch one.";
const ROLLOUT_DISABLED: &str = "rollout_disabled";

/// What came of a restart; the keys are sorted.
#[derive(Debug, Serialize)]
struct Restart {
    error: Option<String>,
    exit_code: u8,
    new_pid: Option<u32>,
    previous_pid: Option<u32>,
    status: &'static str,
}

/// Runs `doctor restart-daemon`. Ends with 0 restarted, 1 no daemon is registered, 2 not started
/// again, 3 not stopped.
pub fn restart(invocation: &Invocation, args: &DaemonDoctorArgs) -> Exit {
    let done = restarted(invocation);
    if args.json {
        invocation.printer.json().finish(&done);
    } else {
        print_restart(invocation, &done);
    }
    match done.exit_code {
        0 => Exit::Success,
        1 => Exit::Failed,
        2 => Exit::Refused,
        _ => Exit::Blocked,
    }
}

fn restarted(invocation: &Invocation) -> Restart {
    let recorded = record::read(invocation);
    let known = recorded.as_ref().map(|greeting| greeting.process.pid);
    let previous_pid = known
        .or_else(|| hints::owner_pid(invocation))
        .or_else(|| hints::state_pid(invocation));
    let ended = |status, exit_code, error: Option<String>| Restart {
        error,
        exit_code,
        new_pid: None,
        previous_pid,
        status,
    };
    if recorded.is_none() && !hints::any(invocation) {
        return ended("no_owner", 1, Some(NO_OWNER.to_owned()));
    }
    // Nothing hosted exists on this machine: nothing is asked, ended or started.
    if !invocation.hosted_sync() {
        let error = format!("Respawn skipped: {ROLLOUT_DISABLED}");
        return ended("respawn_failed", 2, Some(error));
    }
    let policy = match invocation.settings().background_daemon() {
        Ok(policy) => policy,
        Err(error) => {
            return ended(
                "respawn_failed",
                2,
                Some(format!("Respawn failed: {error}")),
            );
        }
    };
    if let Some(pid) = previous_pid.filter(|pid| known.is_none() && orphans::is_python_daemon(*pid))
    {
        let error = format!(
            "Stop failed: process {pid} is a daemon of the Python CLI and is not ended from here; \
             run that program's `spec-kitty doctor restart-daemon`, or end the process"
        );
        return ended("stop_failed", 3, Some(error));
    }
    let status = match control::stop(invocation) {
        Ok(Some(_)) => "restarted",
        Ok(None) => "stale_owner_cleaned",
        Err(error) => return ended("stop_failed", 3, Some(format!("Stop failed: {error}"))),
    };
    let outcome = daemon_policy::ensure_daemon(true, Intent::RemoteRequired, policy, || {
        let started = control::start(invocation).map_err(|error| error.to_string())?;
        Ok(started.pid)
    });
    match outcome.pid {
        Some(pid) => Restart {
            new_pid: Some(pid),
            ..ended(status, 0, None)
        },
        None => {
            let reason = outcome.skipped_reason.unwrap_or_default();
            ended(
                "respawn_failed",
                2,
                Some(format!("Respawn skipped: {reason}")),
            )
        }
    }
}

fn print_restart(invocation: &Invocation, done: &Restart) {
    let printer = invocation.printer;
    let shown = |pid: Option<u32>| pid.map_or_else(|| "None".to_owned(), |pid| pid.to_string());
    let pids = format!(
        "(previous_pid={}, new_pid={})",
        shown(done.previous_pid),
        shown(done.new_pid)
    );
    let error = done.error.as_deref().unwrap_or_default();
    match done.status {
        "restarted" => printer.line(format!("Sync daemon restarted {pids}.")),
        "stale_owner_cleaned" => printer.line(format!(
            "Stale daemon owner record cleaned; daemon restarted {pids}."
        )),
        "no_owner" => printer.line(error),
        "stop_failed" => printer.line(format!("Daemon stop failed: {error}")),
        _ => {
            printer.line(format!("Daemon respawn failed: {error}"));
            if error.ends_with(POLICY_MANUAL) {
                MANUAL_LINES.iter().for_each(|line| printer.line(line));
            } else if error.ends_with(ROLLOUT_DISABLED) {
                printer.line(DISABLED_MESSAGE);
            } else {
                printer.line("See `spec-kitty sync daemon logs`; `sync now` works without it.");
            }
        }
    }
}

/// The document of `orphan-daemons --json`; the keys are sorted.
#[derive(Debug, Serialize)]
struct OrphanDocument {
    orphan_count: usize,
    orphans: Vec<OrphanRow>,
    owner_record_path: String,
    retirement_command: Option<&'static str>,
}

/// A dead daemon's record, or a live daemon that nobody records; what is not known is null.
#[derive(Debug, Default, Serialize)]
struct OrphanRow {
    auth_scope: Option<String>,
    cleanup_class: Option<CleanupClass>,
    executable_path: Option<String>,
    package_version: Option<String>,
    pid: Option<u32>,
    port: Option<u16>,
    queue_db_path: Option<String>,
    server_url: Option<String>,
    skip_reason: Option<SkipReason>,
    source_checkout_path: Option<String>,
    started_at: Value,
    state: &'static str,
}

/// Runs `doctor orphan-daemons`; reads only. Ends with 1 when there is any.
pub fn orphans(invocation: &Invocation, args: &DaemonDoctorArgs) -> Exit {
    let document = look(invocation);
    if args.json {
        invocation.printer.json().finish_indented(&document);
    } else {
        print_orphans(invocation, &document);
    }
    if document.orphan_count == 0 {
        Exit::Success
    } else {
        Exit::Failed
    }
}

fn look(invocation: &Invocation) -> OrphanDocument {
    let mut rows: Vec<OrphanRow> = dead_record(invocation).into_iter().collect();
    let found = orphans::find(invocation);
    rows.extend(found.iter().map(live));
    let forced = found.iter().any(|orphan| !orphan.may_be_ended(false));
    OrphanDocument {
        orphan_count: rows.len(),
        owner_record_path: invocation.map.daemon_owner().display().to_string(),
        retirement_command: match (rows.is_empty(), forced) {
            (true, _) => None,
            (false, false) => Some("spec-kitty auth doctor --reset"),
            (false, true) => Some("spec-kitty auth doctor --reset --force"),
        },
        orphans: rows,
    }
}

fn dead_record(invocation: &Invocation) -> Option<OrphanRow> {
    let OwnerRecord::Orphan(record) = OwnerRecord::read(invocation) else {
        return None;
    };
    let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| record.get(key).and_then(Value::as_u64);
    Some(OrphanRow {
        auth_scope: text("auth_scope"),
        executable_path: text("executable_path"),
        package_version: text("package_version"),
        pid: number("pid").and_then(|pid| pid.try_into().ok()),
        port: number("port").and_then(|port| port.try_into().ok()),
        queue_db_path: text("queue_db_path"),
        server_url: text("server_url"),
        source_checkout_path: text("source_checkout_path"),
        started_at: record.get("started_at").cloned().unwrap_or_default(),
        state: "dead",
        ..OrphanRow::default()
    })
}

fn live(orphan: &Orphan) -> OrphanRow {
    let program = orphan.process.program.as_ref();
    OrphanRow {
        cleanup_class: Some(orphan.class),
        executable_path: program.map(|path| path.display().to_string()),
        pid: Some(orphan.process.identity.pid),
        port: orphan.port,
        skip_reason: orphan.reason,
        started_at: json!(null),
        state: "live",
        ..OrphanRow::default()
    }
}

fn print_orphans(invocation: &Invocation, document: &OrphanDocument) {
    let printer = invocation.printer;
    let Some(command) = document.retirement_command else {
        printer.line("Orphan Daemons: no orphan daemon owner records detected.");
        return;
    };
    printer.line(format!(
        "Orphan Daemons — {} record(s)",
        document.orphan_count
    ));
    for row in &document.orphans {
        let pid = row
            .pid
            .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        let program = row.executable_path.as_deref().unwrap_or("<unknown>");
        let what = match row.state {
            "dead" => "recorded and dead",
            _ => "lives and is not recorded",
        };
        printer.line(format!("  process {pid} {what}  {program}"));
    }
    printer.line(format!("Next: {command}"));
}
