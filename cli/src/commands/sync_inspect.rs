//! `sync why` and `sync preview`: one event explained, and the exact bytes that would leave.

use crate::age::{age, moment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::session_store;
use crate::invocation::Invocation;
use crate::project;
use clap::Args;
use kitty_actors::auth::store::ReadPurpose;
use kitty_actors::delivery::wire::{Admission, BATCH_ENDPOINT, PROTOCOL_HEADER};
use kitty_config::ServerUrl;
use kitty_contract::Gate;
use kitty_runtime::owner::{Scope, now_ms};
use kitty_runtime::snapshot::{Found, find, open_events, summarise};
use kitty_runtime::target::DeliveryTarget;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Arguments of `sync why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The event's id
    event_id: String,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sync preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
    /// Shows at most this many events
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

#[derive(Debug, Serialize)]
struct WhyDocument {
    event_id: String,
    event_type: Option<String>,
    captured_at: String,
    place: &'static str,
    gate: String,
    targets: Vec<WhyTarget>,
}

#[derive(Debug, Serialize)]
struct WhyTarget {
    server: String,
    team: String,
    state: &'static str,
    http_status: Option<u16>,
    category: Option<String>,
    message: Option<String>,
    last_attempt_at: Option<String>,
    next_attempt: String,
}

fn scope_of_project(invocation: &Invocation) -> Result<Option<Scope>, Failure> {
    Ok(project::known_identity(invocation)?.map(|project| project::scope(invocation, project)))
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(
        "queue_unreadable",
        format!("the queue could not be read: {error}"),
    )
    .next("Check the permissions of the state root; `spec-kitty state doctor` shows it.")
}

/// Runs `sync why`; reads only.
///
/// # Errors
/// [`Failure`] when no such event is stored here.
pub fn why(invocation: &Invocation, args: &WhyArgs) -> Result<Exit, Failure> {
    let unknown = || {
        Failure::new(
            "unknown_event",
            format!("No event {} is stored for this project.", args.event_id),
        )
        .next("Run `spec-kitty sync preview` to list the events that wait.")
    };
    let scope = scope_of_project(invocation)?.ok_or_else(unknown)?;
    let id = args.event_id.trim().to_uppercase();
    let found = find(&invocation.filesystem, &scope, &id).map_err(|error| unreadable(&error))?;
    let found = match found {
        Some(found) => found,
        None => find(&invocation.filesystem, &scope, args.event_id.trim())
            .map_err(|error| unreadable(&error))?
            .ok_or_else(unknown)?,
    };
    let document = explain(invocation, &scope, &id, &found)?;
    if args.json {
        invocation.printer.json().finish(&document);
    } else {
        print_why(invocation, &document, found.captured_ms);
    }
    Ok(Exit::Success)
}

fn explain(
    invocation: &Invocation,
    scope: &Scope,
    id: &str,
    found: &Found,
) -> Result<WhyDocument, Failure> {
    let summary = summarise(&invocation.filesystem, scope).map_err(|error| unreadable(&error))?;
    let now = now_ms(&invocation.time);
    let event: Option<Value> = serde_json::from_slice(&found.payload).ok();
    let event_type = event
        .as_ref()
        .and_then(|event| event.get("event_type")?.as_str());
    let gate = match Gate::vendored().check_event(&found.payload) {
        Ok(()) => "passes".to_owned(),
        Err(violation) => violation.to_string(),
    };
    let targets = found
        .answers
        .iter()
        .map(|answer| {
            let attempt = summary.for_target(&answer.target).attempt;
            let next_attempt = if !answer.state.is_open() {
                "never".to_owned()
            } else if let Some(then) = attempt.not_before_ms.filter(|then| *then > now) {
                moment(then)
            } else {
                "at the next delivery".to_owned()
            };
            let detail = answer.detail.clone();
            WhyTarget {
                server: answer.target.server.clone(),
                team: answer.target.team.clone(),
                state: answer.state.as_str(),
                http_status: detail.as_ref().and_then(|detail| detail.http_status),
                category: detail.as_ref().and_then(|detail| detail.category.clone()),
                message: detail.map(|detail| detail.message).or_else(|| {
                    Some(attempt.message)
                        .filter(|message| answer.state.is_open() && !message.is_empty())
                }),
                last_attempt_at: attempt.last_ms.map(moment),
                next_attempt,
            }
        })
        .collect();
    Ok(WhyDocument {
        event_id: id.to_owned(),
        event_type: event_type.map(str::to_owned),
        captured_at: moment(found.captured_ms),
        place: if found.sequence.is_some() {
            "journal"
        } else {
            "inbox"
        },
        gate,
        targets,
    })
}

fn print_why(invocation: &Invocation, document: &WhyDocument, captured_ms: u64) {
    let printer = invocation.printer;
    let kind = document.event_type.as_deref().unwrap_or("unreadable event");
    let captured = age(captured_ms, now_ms(&invocation.time));
    let head = format!(
        "{} {kind}: captured {captured} ago, gate: {}",
        document.event_id, document.gate
    );
    if document.targets.is_empty() {
        printer.line(format!("{head}; not tried yet, sent at the next delivery"));
        return;
    }
    for target in &document.targets {
        let answer = target
            .message
            .as_deref()
            .map_or_else(String::new, |message| format!(" ({message})"));
        printer.line(format!(
            "{head}; {} at {} team {}{answer}; next try: {}",
            target.state, target.server, target.team, target.next_attempt
        ));
    }
}

#[derive(Debug, Serialize)]
struct PreviewDocument<'a> {
    method: &'static str,
    url: Option<String>,
    headers: Vec<(&'static str, &'static str)>,
    team: Option<&'a str>,
    count: usize,
    events: Vec<Box<RawValue>>,
}

/// Runs `sync preview`: prints what would leave the machine, byte for byte, one event a line.
///
/// Reads only. Nothing else leaves with a batch but the session's token.
///
/// # Errors
/// [`Failure`] when the queue cannot be read.
pub fn preview(invocation: &Invocation, args: &PreviewArgs) -> Result<Exit, Failure> {
    let settings = invocation.settings();
    let server = invocation.server(&settings);
    let target = server
        .as_ref()
        .and_then(|server| target_of_session(invocation, server));
    let events = match scope_of_project(invocation)? {
        Some(scope) => open_events(&invocation.filesystem, &scope, target.as_ref(), args.limit)
            .map_err(|error| unreadable(&error))?,
        None => Vec::new(),
    };
    let fallback = ServerUrl::parse("http://localhost").expect("the address is valid");
    let admission = Admission::local(server.as_ref().unwrap_or(&fallback));
    let lines = events
        .iter()
        .map(|(id, event)| String::from_utf8_lossy(&admission.preview(id, event)).into_owned());
    if !args.json {
        for line in lines {
            invocation.printer.line(line);
        }
        return Ok(Exit::Success);
    }
    let document = PreviewDocument {
        method: "POST",
        url: server
            .as_ref()
            .map(|server| server.endpoint(BATCH_ENDPOINT)),
        headers: vec![
            ("Authorization", "Bearer <redacted>"),
            ("Content-Encoding", "gzip"),
            ("Content-Type", "application/json"),
            PROTOCOL_HEADER,
        ],
        team: target.as_ref().map(|target| target.team.as_str()),
        count: events.len(),
        events: lines
            .filter_map(|line| RawValue::from_string(line).ok())
            .collect(),
    };
    invocation.printer.json().finish(&document);
    Ok(Exit::Success)
}

/// Returns where events would go for the account that is logged in, without the network.
fn target_of_session(invocation: &Invocation, server: &ServerUrl) -> Option<DeliveryTarget> {
    let store = session_store(invocation).ok()?;
    let stored = store.read(ReadPurpose::Inspect).ok()??;
    let team = stored.session.private_team()?.id.clone();
    Some(DeliveryTarget {
        server: server.to_string(),
        account: stored.session.user_id,
        team,
    })
}
