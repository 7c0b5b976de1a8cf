//! `tracker sync pull|push|run|publish`: the commands that need the server, and may start the daemon.

use super::outcome;
use super::session::{Session, Verb, text, within};
use super::status::upgrade_line;
use crate::daemon::control;
use crate::daemon_policy::{self, Decision, Intent, MANUAL_LINES, POLICY_MANUAL, ensure_daemon};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::{Args, Subcommand};
use kitty_actors::tracker::TrackerRequest;
use kitty_config::DaemonPolicy;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// `tracker sync …`
#[derive(Debug, Subcommand)]
pub enum TrackerSyncCommand {
    /// Pulls issues of the provider
    Pull(SyncArgs),
    /// Pushes changes to the provider
    Push(PushArgs),
    /// Pulls and pushes
    Run(SyncArgs),
    /// Not supported for hosted providers
    Publish(PublishArgs),
}

/// Arguments of `tracker sync pull` and `run`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// How many issues at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Arguments of `tracker sync push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// A file with a JSON array of changes, or `-` for stdin
    #[arg(long, value_name = "FILE")]
    items_json: Option<PathBuf>,
    /// Accepted for compatibility; hosted providers take the items as they are
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Arguments of `tracker sync publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

impl TrackerSyncCommand {
    /// Tells whether a failure is to be printed as JSON on stdout.
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Pull(args) | Self::Run(args) => args.json,
            Self::Push(args) => args.json,
            Self::Publish(args) => args.json,
        }
    }

    /// How the result is headed.
    const fn title(&self) -> &'static str {
        match self {
            Self::Pull(_) => "Pull",
            Self::Push(_) => "Push",
            Self::Run(_) => "Sync run",
            Self::Publish(_) => "Publish",
        }
    }
}

/// Runs `tracker sync`: the policy first, because in manual mode nothing is sent, not even a probe.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, command: &TrackerSyncCommand) -> Result<Exit, Failure> {
    let json = command.wants_json();
    let policy = invocation
        .settings()
        .background_daemon()
        .map_err(|error| Failure::from_error("invalid_setting", error))?;
    let rollout = invocation.hosted_sync();
    let decision = daemon_policy::decide(rollout, Intent::RemoteRequired, policy);
    if decision == Decision::Skip(POLICY_MANUAL) {
        return Ok(manual(invocation, json));
    }
    within(invocation, Verb::Sync, json, async |session| {
        hand_over(invocation, policy);
        synchronise(session, command).await
    })
}

/// Says that the operator chose this, which is no error.
fn manual(invocation: &Invocation, json: bool) -> Exit {
    let printer = invocation.printer;
    if json {
        let document = json!({
            "started": false,
            "skipped_reason": POLICY_MANUAL,
            "message": MANUAL_LINES[0],
            "next_action": MANUAL_LINES[1],
        });
        printer.json().finish_indented(&document);
    } else {
        for line in MANUAL_LINES {
            printer.line(line);
        }
    }
    Exit::Success
}

/// Sees to it that the daemon runs; the command goes on whatever comes of it.
fn hand_over(invocation: &Invocation, policy: DaemonPolicy) {
    let outcome = ensure_daemon(
        invocation.hosted_sync(),
        Intent::RemoteRequired,
        policy,
        || {
            let started = control::start(invocation).map_err(|error| error.to_string())?;
            Ok(started.pid)
        },
    );
    tracing::debug!(
        started = outcome.started,
        skipped_reason = outcome.skipped_reason,
        pid = outcome.pid,
        "the background daemon"
    );
}

async fn synchronise(session: &Session<'_>, command: &TrackerSyncCommand) -> Result<Exit, Failure> {
    let route = session.route()?;
    let request = match command {
        TrackerSyncCommand::Pull(args) => TrackerRequest::pull(&route, args.limit),
        TrackerSyncCommand::Run(args) => TrackerRequest::run(&route, args.limit),
        TrackerSyncCommand::Push(args) => {
            TrackerRequest::push(&route, items(args.items_json.as_deref())?)
        }
        TrackerSyncCommand::Publish(_) => {
            return Err(Failure::new(
                "publish_not_supported",
                "Snapshot publish is not supported for SaaS-backed providers. Use \
                 `spec-kitty tracker sync push` to push changes through the SaaS control plane.",
            ));
        }
    };
    let mut answer = session.call(&request).await?;
    answer["pending_binding_upgrade"] = session.pending_upgrade(&answer).into();
    show(session.invocation, command, &answer);
    let Some(failure) = outcome::failure(command.title(), &answer) else {
        return Ok(Exit::Success);
    };
    for line in failure {
        session.invocation.printer.error(line);
    }
    Ok(Exit::Failed)
}

fn show(invocation: &Invocation, command: &TrackerSyncCommand, answer: &Value) {
    let printer = invocation.printer;
    if command.wants_json() {
        printer.json().finish_indented(answer);
        return;
    }
    let status = answer.get("status").map_or("complete".to_owned(), text);
    printer.line(format!("{} {status}", command.title()));
    if let (TrackerSyncCommand::Pull(_), Some(path)) = (command, answer.get("identity_path")) {
        printer.line(format!("- provider: {}", text(&path["provider"])));
        printer.line(format!("- type: {}", text(&path["type"])));
    }
    let summary = &answer["summary"];
    for name in ["total", "succeeded", "failed", "skipped"] {
        let count = summary.get(name).map_or("0".to_owned(), text);
        printer.line(format!("- {name}: {count}"));
    }
    if answer["has_more"] == true {
        let cursor = answer.get("next_cursor").filter(|cursor| !cursor.is_null());
        let cursor = cursor.map_or("N/A".to_owned(), text);
        printer.line(format!("- has_more: yes (next_cursor: {cursor})"));
    }
    if let Some(reference) = answer["pending_binding_upgrade"].as_str() {
        printer.line(upgrade_line(reference));
    }
}

/// Reads the changes to push.
fn items(source: Option<&Path>) -> Result<Vec<Value>, Failure> {
    let refused = |message: String| Failure::new("push_items", message);
    let Some(source) = source else {
        return Err(
            refused("--items-json is required for SaaS-backed providers.".to_owned()).next(
                "Provide a JSON file with PushItem[] mutations, or use '-' for stdin.\n\
                 For full bidirectional sync, use: tracker sync run",
            ),
        );
    };
    let mut text = String::new();
    let read = if source == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(source).map(|content| text = content)
    };
    let name = source.display();
    read.map_err(|error| refused(format!("--items-json: {name} cannot be read: {error}")))?;
    match serde_json::from_str(&text) {
        Ok(Value::Array(items)) => Ok(items),
        Ok(_) => Err(refused(
            "--items-json must contain a JSON array of PushItem objects.".to_owned(),
        )),
        Err(error) => Err(refused(format!(
            "--items-json: {name} is not JSON: {error}"
        ))),
    }
}
