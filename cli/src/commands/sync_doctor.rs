//! `sync doctor`: names everything that keeps events here, from disk alone.

use crate::boundary::Boundary;
use crate::commands::sync_status::{find, legacy_queues};
use crate::diagnosis::{Facts, Finding, diagnose};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::Invocation;
use clap::Args;
use kitty_actors::auth::messages::{GetSession, SessionAnswer, SessionDetail};
use kitty_config::{Settings, SettingsDocument};
use kitty_runtime::owner::now_ms;
use serde::Serialize;
use std::time::Duration;

/// How long the session may take to be read.
const LOCAL_LIMIT: Duration = Duration::from_secs(10);

/// Arguments of `sync doctor`.
#[derive(Debug, Args)]
pub struct SyncDoctorArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct DoctorDocument {
    healthy: bool,
    issues: Vec<Finding>,
}

/// Runs `sync doctor`; reads only. Ends with 1 when anything is wrong.
///
/// # Errors
/// [`Failure`] when the actors do not answer.
pub fn run(invocation: &Invocation, args: &SyncDoctorArgs) -> Result<Exit, Failure> {
    let settings = invocation.settings();
    let (session, boundary) = within_actors(look(invocation, &settings))?;
    let found = find(invocation);
    let facts = Facts {
        hosted_sync: invocation.hosted_sync(),
        settings_problem: SettingsDocument::open(&invocation.map.config_toml())
            .err()
            .map(|failure| format!("config.toml counts as empty: {}", failure.detail)),
        server: invocation
            .host(&settings)
            .map(|host| host.map(|host| host.url.to_string()))
            .map_err(|error| error.to_string()),
        mode: settings.event_sync_mode(),
        session: &session,
        boundary: &boundary,
        consent: found
            .as_ref()
            .map_or(kitty_runtime::consent::Consent::Granted, |found| {
                found.consent
            }),
        queue: found
            .as_ref()
            .map(|found| &found.summary)
            .map_err(ToString::to_string),
        undecided: found
            .as_ref()
            .map_or(&[], |found| found.held.undecided.as_slice()),
        current: found.as_ref().ok().and_then(|found| found.current.as_ref()),
        max_queue_size: settings.max_queue_size(),
        legacy_queues: legacy_queues(invocation),
        latest_write_ms: found
            .as_ref()
            .ok()
            .and_then(|found| found.current.as_ref()?.attempt.last_ms),
        now_ms: now_ms(&invocation.time),
    };
    let issues = diagnose(&facts);
    let exit = if issues.is_empty() {
        Exit::Success
    } else {
        Exit::Failed
    };
    let document = DoctorDocument {
        healthy: issues.is_empty(),
        issues,
    };
    if args.json {
        invocation.printer.json().finish(&document);
    } else {
        print(invocation, &document);
    }
    Ok(exit)
}

async fn look(
    invocation: &Invocation,
    settings: &Settings,
) -> Result<(SessionAnswer, Boundary), Failure> {
    let hosted = Hosted::start(invocation, settings);
    let question = GetSession {
        detail: SessionDetail::Summary,
    };
    let session = hosted.system.auth().ask(question, LOCAL_LIMIT).await;
    let boundary = Boundary::look_within(invocation, settings, &hosted).await;
    hosted.shut_down().await;
    let session = session.map_err(|error| Failure::from_error("session", error))?;
    Ok((session, boundary))
}

fn print(invocation: &Invocation, document: &DoctorDocument) {
    let printer = invocation.printer;
    if document.healthy {
        printer.line("No issues detected. Sync is healthy.");
        return;
    }
    printer.line("Issues found:");
    for issue in &document.issues {
        printer.line(format!("  - {}: {}", issue.code, issue.message));
        printer.line(format!("    {}", issue.next_action));
    }
}
