//! `sync why` and `sync preview`: one event explained, and the exact bytes that would leave.

use crate::age::{age, moment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::session_store;
use crate::invocation::Invocation;
use crate::project;
use clap::Args;
use kitty_actors::auth::store::ReadPurpose;
use kitty_actors::delivery::bodies::{CONTENT_ENDPOINT, content_request};
use kitty_actors::delivery::wire::{Admission, BATCH_ENDPOINT, PROTOCOL_HEADER};
use kitty_actors::gate::core::{GateCore, Input};
use kitty_config::ServerUrl;
use kitty_contract::Context;
use kitty_runtime::body::BodyTask;
use kitty_runtime::consent::Consent;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::outcome::{DeliveryState, OutcomeDetail};
use kitty_runtime::owner::{Scope, TargetAnswer, now_ms};
use kitty_runtime::record::RecordKind;
use kitty_runtime::snapshot::{
    Found, OpenRecord, ScopeSummary, find, open_bodies, open_events, summarise,
};
use kitty_runtime::target::DeliveryTarget;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Arguments of `sync why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The id of an event, or of a body
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
    /// What it is a body of, if it is one.
    body: Option<WhyBody>,
    captured_at: String,
    place: &'static str,
    gate: String,
    next_action: Option<&'static str>,
    targets: Vec<WhyTarget>,
}

#[derive(Debug, Serialize)]
struct WhyBody {
    mission_slug: String,
    artifact_path: String,
    content_hash: String,
    size_bytes: usize,
}

impl WhyBody {
    fn of(found: &Found) -> Option<Self> {
        if found.kind != RecordKind::Body {
            return None;
        }
        let task = BodyTask::from_bytes(&found.payload).ok()?;
        Some(Self {
            mission_slug: task.mission_slug,
            artifact_path: task.artifact_path,
            content_hash: task.content_hash,
            size_bytes: task.content_body.len(),
        })
    }
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
    next_action: Option<&'static str>,
}

const DELIVER: &str = "Run `spec-kitty sync now`.";
const REPORT: &str = "It is kept and never sent; report it with this line.";

/// The queue of this project, if anything was ever captured here.
struct Stored {
    project: ProjectUuid,
    scope: Scope,
}

impl Stored {
    fn of(invocation: &Invocation) -> Result<Option<Self>, Failure> {
        let project = project::known_identity(invocation)?;
        Ok(project.map(|project| Self {
            project,
            scope: project::scope(invocation, project),
        }))
    }

    /// Asks the gate what it will say when the event is about to leave.
    fn refusal(&self, gate: &GateCore, event: &[u8]) -> Option<OutcomeDetail> {
        gate.step(&Input::Egress(&self.project, event)).detail()
    }

    /// Asks the gate what it will say when the body is about to leave.
    fn body_refusal(&self, server: &ServerUrl, body: &[u8]) -> Option<OutcomeDetail> {
        let refused = |message: String| OutcomeDetail {
            message,
            ..OutcomeDetail::default()
        };
        let task = match BodyTask::from_bytes(body) {
            Ok(task) => task,
            Err(error) => return Some(refused(error.to_string())),
        };
        if task.project_uuid != self.project.to_string() {
            let message = "the body does not name the project that stores it";
            return Some(refused(message.to_owned()));
        }
        let request = content_request(&task, server);
        let gate = GateCore::default();
        gate.step(&Input::Outbound(Context::BodySync, &request))
            .detail()
    }
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
    let stored = Stored::of(invocation)?.ok_or_else(unknown)?;
    let typed = args.event_id.trim();
    let look = |id: &str| {
        let found = find(&invocation.filesystem, &stored.scope, id);
        found.map_err(|error| unreadable(&error))
    };
    // Ids of this program are upper-case; those of other programs are taken as they are.
    let upper = typed.to_uppercase();
    let lower = typed.to_lowercase();
    let typed = if lower.starts_with("body-") {
        &lower
    } else {
        typed
    };
    let (id, found) = match look(&upper)? {
        Some(found) => (upper.as_str(), found),
        None => (typed, look(typed)?.ok_or_else(unknown)?),
    };
    let document = explain(invocation, &stored, id, &found)?;
    if args.json {
        invocation.printer.json().finish(&document);
    } else {
        print_why(invocation, &document, found.captured_ms);
    }
    Ok(Exit::Success)
}

fn explain(
    invocation: &Invocation,
    stored: &Stored,
    id: &str,
    found: &Found,
) -> Result<WhyDocument, Failure> {
    let summary =
        summarise(&invocation.filesystem, &stored.scope).map_err(|error| unreadable(&error))?;
    let event: Option<Value> = serde_json::from_slice(&found.payload).ok();
    let event_type = event
        .as_ref()
        .and_then(|event| event.get("event_type")?.as_str());
    let refusal = match found.kind {
        RecordKind::Body => stored.body_refusal(&configured(invocation), &found.payload),
        _ => stored.refusal(&GateCore::default(), &found.payload),
    };
    let next_action = match &refusal {
        Some(_) => Some(REPORT),
        None => found.answers.is_empty().then_some(DELIVER),
    };
    let targets = found
        .answers
        .iter()
        .map(|answer| explain_target(invocation, &summary, answer, found.kind, refusal.is_some()))
        .collect();
    Ok(WhyDocument {
        event_id: id.to_owned(),
        event_type: event_type.map(str::to_owned),
        body: WhyBody::of(found),
        captured_at: moment(found.captured_ms),
        place: if found.sequence.is_some() {
            "journal"
        } else {
            "inbox"
        },
        gate: refusal.map_or_else(|| "passes".to_owned(), |refusal| refusal.message),
        next_action,
        targets,
    })
}

fn explain_target(
    invocation: &Invocation,
    summary: &ScopeSummary,
    answer: &TargetAnswer,
    kind: RecordKind,
    refused_by_gate: bool,
) -> WhyTarget {
    let target = summary.for_target(&answer.target);
    let mut attempt = target.attempt;
    if kind == RecordKind::Body {
        let own = answer.retry.map(|retry| retry.not_before_ms);
        let all = target.bodies.not_before_ms.max(target.bodies.rest_until_ms);
        attempt.not_before_ms = own.max(all).max(attempt.not_before_ms);
    }
    let now = now_ms(&invocation.time);
    let will_be_sent = answer.state.is_open() && !refused_by_gate;
    let next_attempt = match attempt.not_before_ms.filter(|then| *then > now) {
        _ if !will_be_sent => "never".to_owned(),
        Some(then) => moment(then),
        None => "at the next delivery".to_owned(),
    };
    let detail = answer.detail.as_ref();
    let trouble = Some(attempt.message).filter(|message| will_be_sent && !message.is_empty());
    let held = (answer.state == DeliveryState::Held)
        .then(|| "captured for another account, team or server, or while opted out".to_owned());
    WhyTarget {
        server: answer.target.server.clone(),
        team: answer.target.team.clone(),
        state: answer.state.as_str(),
        http_status: detail.and_then(|detail| detail.http_status),
        category: detail.and_then(|detail| detail.category.clone()),
        message: detail
            .map(|detail| detail.message.clone())
            .or(held)
            .or(trouble),
        last_attempt_at: attempt.last_ms.map(moment),
        next_attempt,
        next_action: next_action(answer.state, refused_by_gate),
    }
}

/// Says what a person can do about an event that is not delivered.
const fn next_action(state: DeliveryState, refused_by_gate: bool) -> Option<&'static str> {
    match state {
        DeliveryState::Delivered | DeliveryState::Duplicate => None,
        DeliveryState::Rejected => {
            Some("It is kept and not sent again; show the reason to the server's operator.")
        }
        DeliveryState::Held => Some(
            "Log in as the account it was captured for, on its server, and run `spec-kitty sync now`.",
        ),
        DeliveryState::Quarantined => Some(REPORT),
        _ if refused_by_gate => Some(REPORT),
        DeliveryState::Queued | DeliveryState::Pending | DeliveryState::Transient => Some(DELIVER),
    }
}

fn print_why(invocation: &Invocation, document: &WhyDocument, captured_ms: u64) {
    let printer = invocation.printer;
    let body = document.body.as_ref();
    let body = body.map(|body| format!("body of {}:{}", body.mission_slug, body.artifact_path));
    let kind = body.as_deref().or(document.event_type.as_deref());
    let kind = kind.unwrap_or("unreadable event");
    let captured = age(captured_ms, now_ms(&invocation.time));
    let head = format!(
        "{} {kind}: captured {captured} ago, gate: {}",
        document.event_id, document.gate
    );
    if document.targets.is_empty() {
        let fate = if document.gate == "passes" {
            "sent at the next delivery"
        } else {
            "never sent"
        };
        printer.line(format!("{head}; not tried yet, {fate}"));
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
    let mut actions = document
        .targets
        .iter()
        .filter_map(|target| target.next_action);
    if let Some(action) = document.next_action.or_else(|| actions.next()) {
        printer.line(action);
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
    /// One request each, in their order, after the events.
    bodies: BodiesPreview,
}

#[derive(Debug, Serialize)]
struct BodiesPreview {
    url: Option<String>,
    headers: Vec<(&'static str, &'static str)>,
    count: usize,
    requests: Vec<Box<RawValue>>,
}

/// Runs `sync preview`: prints what would leave the machine, byte for byte, one event a line, and then
/// one upload a line.
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
    let (events, bodies) = match Stored::of(invocation)? {
        Some(stored) => would_leave(
            invocation,
            &stored,
            server.as_ref(),
            target.as_ref(),
            args.limit,
        )?,
        None => (Vec::new(), Vec::new()),
    };
    let admission = Admission::local(&configured(invocation));
    let lines = events
        .iter()
        .map(|(id, event)| String::from_utf8_lossy(&admission.preview(id, event)).into_owned());
    if !args.json {
        for line in lines.chain(bodies) {
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
        bodies: BodiesPreview {
            url: server
                .as_ref()
                .map(|server| server.endpoint(CONTENT_ENDPOINT)),
            headers: vec![
                ("Authorization", "Bearer <redacted>"),
                ("Content-Type", "application/json"),
                PROTOCOL_HEADER,
            ],
            count: bodies.len(),
            requests: bodies
                .into_iter()
                .filter_map(|request| RawValue::from_string(request).ok())
                .collect(),
        },
    };
    invocation.printer.json().finish(&document);
    Ok(Exit::Success)
}

/// Returns the configured server; a placeholder of the same form without one.
fn configured(invocation: &Invocation) -> ServerUrl {
    let fallback = || ServerUrl::parse("http://localhost").expect("the address is valid");
    invocation
        .server(&invocation.settings())
        .unwrap_or_else(fallback)
}

/// Lists the events and the uploads that the next delivery would send: open, and let pass by the gate.
fn would_leave(
    invocation: &Invocation,
    stored: &Stored,
    server: Option<&ServerUrl>,
    target: Option<&DeliveryTarget>,
    limit: usize,
) -> Result<(Vec<OpenRecord>, Vec<String>), Failure> {
    let filesystem = &invocation.filesystem;
    let last = match target {
        Some(_) => None,
        // Nobody is logged in: what the last account would get, if there was one.
        None => last_target(invocation, stored, server)?,
    };
    let target = target.or(last.as_ref());
    let mut events = open_events(filesystem, &stored.scope, target, limit)
        .map_err(|error| unreadable(&error))?;
    let mut bodies = open_bodies(filesystem, &stored.scope, target, limit)
        .map_err(|error| unreadable(&error))?;
    if Consent::read(&**filesystem, &stored.scope.paths) == Consent::Refused {
        events.clear();
        bodies.clear();
    }
    let gate = GateCore::default();
    events.retain(|(_, event)| stored.refusal(&gate, event).is_none());
    let server = configured(invocation);
    bodies.retain(|(_, body)| stored.body_refusal(&server, body).is_none());
    let requests = bodies.iter().filter_map(|(_, body)| {
        let task = BodyTask::from_bytes(body).ok()?;
        String::from_utf8(content_request(&task, &server)).ok()
    });
    Ok((events, requests.collect()))
}

fn last_target(
    invocation: &Invocation,
    stored: &Stored,
    server: Option<&ServerUrl>,
) -> Result<Option<DeliveryTarget>, Failure> {
    let summary =
        summarise(&invocation.filesystem, &stored.scope).map_err(|error| unreadable(&error))?;
    let of_server = summary
        .targets
        .into_iter()
        .filter(|summary| server.is_some_and(|server| summary.target.server == server.as_str()));
    Ok(of_server
        .max_by_key(|summary| summary.attempt.last_ms)
        .map(|summary| summary.target))
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
