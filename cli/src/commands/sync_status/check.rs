//! `sync status --check`: the identity boundary, as a table or as one document.

use super::{Found, SyncStatusArgs};
use crate::boundary::{Boundary, Foreground, Mismatch, OwnerRecord};
use crate::daemon::orphans;
use crate::exit::Exit;
use crate::invocation::Invocation;
use kitty_config::env;
use kitty_runtime::legacy_files;
use serde::Serialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Serialize)]
struct CheckDocument {
    ok: bool,
    exit_code: u8,
    auth_required: bool,
    auth_present: bool,
    remote_sync: bool,
    live_orphan_daemon_count: usize,
    foreground: Foreground,
    daemon_owner_record: Map<String, Value>,
    active_queue: ActiveQueue,
    legacy_queue: LegacyQueue,
    mismatches: Vec<Mismatch>,
    target_authority: TargetAuthority,
    remediation: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct ActiveQueue {
    path: String,
    event_count: u64,
    body_upload_count: u64,
    available: bool,
}

/// Queues of the Python CLI, which `upgrade` takes over.
#[derive(Debug, Serialize)]
struct LegacyQueue {
    paths: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TargetAuthority {
    configured_server_url: Option<String>,
    env_server_url: Option<String>,
    resolved_server_url: Option<String>,
}

/// Runs the check; reads only. Ends with 2 when the boundary does not hold.
pub(super) fn check(invocation: &Invocation, args: &SyncStatusArgs, found: &Found) -> Exit {
    let boundary = Boundary::look(invocation, &found.settings);
    let orphans = orphans::find(invocation).len();
    let holds = boundary.holds() && orphans == 0;
    let exit = if holds { Exit::Success } else { Exit::Refused };
    if args.json {
        let document = document(invocation, found, &boundary, orphans);
        invocation.printer.json().finish(&document);
    } else {
        print(invocation, &boundary, orphans);
    }
    exit
}

fn document(
    invocation: &Invocation,
    found: &Found,
    boundary: &Boundary,
    orphans: usize,
) -> CheckDocument {
    let ok = boundary.holds() && orphans == 0;
    let exit = if ok { Exit::Success } else { Exit::Refused };
    CheckDocument {
        ok,
        exit_code: exit.code(),
        auth_required: invocation.hosted_sync(),
        auth_present: found.authenticated,
        remote_sync: invocation.hosted_sync(),
        live_orphan_daemon_count: orphans,
        foreground: boundary.foreground.clone(),
        daemon_owner_record: record(&boundary.record),
        active_queue: ActiveQueue {
            path: boundary.foreground.queue_db_path.clone(),
            event_count: found.open(),
            body_upload_count: found.summary.bodies,
            available: found.project.is_some(),
        },
        legacy_queue: LegacyQueue {
            paths: legacy_queues(invocation),
        },
        mismatches: boundary.mismatches.clone(),
        target_authority: TargetAuthority {
            configured_server_url: found.settings.server_url().map(str::to_owned),
            env_server_url: invocation
                .environment
                .text(env::SPEC_KITTY_SAAS_URL)
                .map(str::to_owned),
            resolved_server_url: found.server.clone(),
        },
        remediation: remediations(boundary, orphans),
    }
}

/// Lists what to do; a daemon that nobody records is the doctor's to judge.
fn remediations(boundary: &Boundary, orphans: usize) -> Vec<&'static str> {
    let mut remediations = boundary.remediations();
    if orphans > 0 {
        remediations.push("Run `spec-kitty doctor orphan-daemons`.");
    }
    remediations
}

/// Shows the record with its status, and never its token.
fn record(record: &OwnerRecord) -> Map<String, Value> {
    let mut shown = match record {
        OwnerRecord::Present(Value::Object(fields))
        | OwnerRecord::Orphan(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    if shown.contains_key("token") {
        shown.insert("token".to_owned(), json!("<redacted>"));
    }
    if let OwnerRecord::Unreadable(why) = record {
        shown.insert("diagnostic".to_owned(), json!(why));
    }
    shown.insert("status".to_owned(), json!(record.as_str()));
    shown
}

/// Names the queues of earlier releases that hold what `upgrade` has not seen, by file names alone.
pub(in crate::commands) fn legacy_queues(invocation: &Invocation) -> Vec<String> {
    let waiting = legacy_files::waiting(&*invocation.filesystem, &invocation.map);
    let files = waiting.unwrap_or_default().into_iter();
    files.map(|file| file.path.display().to_string()).collect()
}

fn print(invocation: &Invocation, boundary: &Boundary, orphans: usize) {
    let printer = invocation.printer;
    let row = |key: &str, value: &str| printer.line(format!("  {key:<24}{value}"));
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "<unset>".to_owned());
    if boundary.holds() && orphans == 0 {
        printer.line("Identity boundary check passed.");
    } else {
        printer.line("Identity boundary check FAILED:");
    }
    printer.line("Foreground:");
    let ours = &boundary.foreground;
    row("package_version", &ours.package_version);
    row("executable_path", &ours.executable_path);
    row("source_path", &shown(&ours.source_path));
    row("server_url", &shown(&ours.server_url));
    row("team_or_user", &shown(&ours.team_or_user));
    row("queue_db_path", &ours.queue_db_path);
    printer.line("Daemon owner record:");
    for (key, value) in record(&boundary.record) {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        row(&key, &text);
    }
    for mismatch in &boundary.mismatches {
        printer.line(format!(
            "Mismatch {}: foreground {}, daemon {}",
            mismatch.field,
            shown(&mismatch.foreground_value),
            shown(&mismatch.daemon_value)
        ));
    }
    if orphans > 0 {
        printer.line(format!("Orphan daemons: {orphans} live and not recorded"));
    }
    for path in legacy_queues(invocation) {
        printer.line(format!(
            "Legacy queue: {path} (waiting for `spec-kitty upgrade`)"
        ));
    }
    let remediations = remediations(boundary, orphans);
    if !remediations.is_empty() {
        printer.line("Remediation:");
        for remediation in remediations {
            printer.line(format!("  - {remediation}"));
        }
    }
}
