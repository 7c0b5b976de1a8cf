//! `agent status`: the status log of a mission, for agents.
//!
//! Source: reference orchestrator-missions, section 4.6.

use super::orchestrator_api::review_input;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::mission_desk::{CallError, MissionCall};
use crate::ordered::Node;
use clap::{Args, Subcommand};
use kitty_missions::lane::Lane;
use kitty_missions::reducer::reduce;
use kitty_missions::status_log::row::Row;
use kitty_missions::workflow::{
    self, Inspection, Step, TransitionRequest, WorkflowError, diagnose, validate,
};
use serde::Serialize;
use serde_json::{Map, Value};

/// `agent status …`
#[derive(Debug, Subcommand)]
pub enum AgentStatusCommand {
    /// Moves a work package
    Emit(Box<EmitArgs>),
    /// Writes status.json anew from the log, and commits both
    Materialize(StatusFilesArgs),
    /// Checks the log and status.json
    Validate(StatusFilesArgs),
    /// Names everything that is wrong with the status of a mission, with the next step
    Doctor(StatusFilesArgs),
}

/// Arguments of `agent status emit`.
#[derive(Debug, Args)]
pub struct EmitArgs {
    /// The work package, for example WP01
    work_package: String,
    /// The lane to move to
    #[arg(long)]
    to: String,
    /// Who moves it
    #[arg(long)]
    actor: String,
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// Overrides edges and guards; needs --reason
    #[arg(long)]
    force: bool,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// What approves it, as JSON
    #[arg(long)]
    evidence_json: Option<String>,
    /// The review that it refers to
    #[arg(long)]
    review_ref: Option<String>,
    /// The outcome of the review, as JSON
    #[arg(long)]
    review_result_json: Option<String>,
    /// Accepted for scripts; the workspace is looked up
    #[arg(long)]
    workspace_context: Option<String>,
    /// One's word that every subtask is done
    #[arg(long)]
    subtasks_complete: bool,
    /// Accepted for scripts; the commit on the lane is looked for
    #[arg(long)]
    implementation_evidence_present: bool,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// Arguments of the commands about the files.
#[derive(Debug, Args)]
pub struct StatusFilesArgs {
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct EmitAnswer<'a> {
    event_id: &'a str,
    wp_id: &'a str,
    work_package_id: &'a str,
    from_lane: Lane,
    to_lane: Lane,
    status_events_path: String,
    actor: &'a str,
}

#[derive(Debug, Serialize)]
struct InspectAnswer<'a> {
    mission_slug: &'a str,
    passed: bool,
    errors: &'a [String],
    warnings: &'a [String],
    error_count: usize,
    warning_count: usize,
}

impl AgentStatusCommand {
    /// Tells whether a failure is to be printed as JSON on stdout.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Emit(args) => args.json,
            Self::Materialize(args) | Self::Validate(args) | Self::Doctor(args) => args.json,
        }
    }
}

/// Runs one of them.
///
/// # Errors
/// [`Failure`] outside a project.
pub fn run(invocation: &Invocation, command: &AgentStatusCommand) -> Result<Exit, Failure> {
    let call = MissionCall::begin(invocation)?;
    let ended = match command {
        AgentStatusCommand::Emit(args) => emit(&call, args),
        AgentStatusCommand::Materialize(args) => materialize(&call, args),
        AgentStatusCommand::Validate(args) => inspect(&call, args, Inspect::Log),
        AgentStatusCommand::Doctor(args) => inspect(&call, args, Inspect::Everything),
    };
    Ok(call.end(command.wants_json(), ended))
}

fn emit(call: &MissionCall<'_>, args: &EmitArgs) -> Result<Exit, CallError> {
    let to = Lane::from_typed(&args.to).map_err(|_| WorkflowError::UnknownLane {
        typed: args.to.trim().to_lowercase(),
    })?;
    let input =
        |refusal: super::orchestrator_api::envelope::Refusal| CallError::Input(refusal.message);
    let evidence = review_input::evidence_object(args.evidence_json.as_deref()).map_err(input)?;
    let evidence = review_input::evidence(evidence.as_ref()).map_err(input)?;
    let result = review_input::review_result(args.review_result_json.as_deref()).map_err(input)?;
    let slug = call.mission(args.mission.as_deref())?.slug;
    let asked = TransitionRequest {
        to,
        actor: &args.actor,
        note: args.reason.as_deref(),
        force: args.force,
        review_ref: args.review_ref.as_deref(),
        review_result: result.as_ref(),
        evidence: evidence.as_ref(),
        subtasks_complete: args.subtasks_complete,
        policy: None,
    };
    let moved = workflow::transition(&call.desk(), (&slug, &args.work_package), &asked)?;
    let log = moved
        .mission
        .directory
        .join(kitty_missions::status_log::FILE_NAME);
    let event_id = moved
        .step
        .rows
        .last()
        .map(Row::event_id)
        .unwrap_or_default()
        .to_owned();
    call.perform(&moved.mission, moved.writer, &moved.step, || {
        let printer = call.invocation.printer;
        let (wp_id, from) = (&args.work_package, moved.from);
        if args.json {
            printer.json().finish(&EmitAnswer {
                event_id: &event_id,
                wp_id,
                work_package_id: wp_id,
                from_lane: from,
                to_lane: to,
                status_events_path: log.display().to_string(),
                actor: &args.actor,
            });
        } else {
            printer.line(format!("✓ {wp_id}: {from} -> {to}"));
        }
    })?;
    Ok(Exit::Success)
}

fn materialize(call: &MissionCall<'_>, args: &StatusFilesArgs) -> Result<Exit, CallError> {
    let mission = call.mission(args.mission.as_deref())?;
    let desk = call.desk();
    let writer = desk.open(&mission)?;
    let snapshot = reduce(&writer.log());
    let kind = mission.meta.mission_type.as_deref().unwrap_or_default();
    let text = snapshot.to_status_json(mission.meta.mission_number, kind);
    let message = format!("chore(spec-kitty): materialize status of {}", mission.slug);
    let step = Step::of_rows(Vec::new(), message);
    call.perform(&mission, writer, &step, || {
        let printer = call.invocation.printer;
        if args.json {
            printer.json().finish(&as_recorded(&text));
        } else {
            let count = snapshot.event_count;
            printer.line(format!(
                "✓ {}: status.json says what {count} move(s) lead to",
                mission.slug
            ));
        }
    })?;
    Ok(Exit::Success)
}

/// The keys of `status.json` in the order in which the command always printed them; those that are
/// not named here follow.
fn as_recorded(text: &str) -> Node {
    let status: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    Node::ordered(status, &STATUS_KEYS, |key, value| match (key, value) {
        ("work_packages", Value::Object(packages)) => {
            Node::ordered(packages, &[], |_, package| package_as_recorded(package))
        }
        ("summary", Value::Object(summary)) => {
            let lanes = Lane::DISPLAYED.map(Lane::as_str);
            Node::ordered(summary, &lanes, |_, count| Node::Plain(count))
        }
        (_, value) => Node::Plain(value),
    })
}

fn package_as_recorded(package: Value) -> Node {
    let Value::Object(package) = package else {
        return Node::Plain(package);
    };
    Node::ordered(package, &PACKAGE_KEYS, |key, value| match (key, value) {
        ("review_result", Value::Object(result)) => {
            let order = ["reviewer", "verdict", "reference"];
            Node::ordered(result, &order, |_, text| Node::Plain(text))
        }
        (_, value) => Node::Plain(value),
    })
}

const STATUS_KEYS: [&str; 8] = [
    "mission_slug",
    "mission_number",
    "mission_type",
    "materialized_at",
    "event_count",
    "last_event_id",
    "work_packages",
    "summary",
];
const PACKAGE_KEYS: [&str; 12] = [
    "lane",
    "actor",
    "last_transition_at",
    "last_event_id",
    "force_count",
    "review_result",
    "notes",
    "subtasks",
    "agent",
    "shell_pid",
    "shell_pid_created_at",
    "review",
];

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inspect {
    Log,
    Everything,
}

fn inspect(
    call: &MissionCall<'_>,
    args: &StatusFilesArgs,
    what: Inspect,
) -> Result<Exit, CallError> {
    let mission = call.mission(args.mission.as_deref())?;
    let Inspection { errors, warnings } = match what {
        Inspect::Log => validate(&mission),
        Inspect::Everything => diagnose(&call.desk(), &mission),
    };
    let passed = errors.is_empty();
    let printer = call.invocation.printer;
    if args.json {
        printer.json().finish(&InspectAnswer {
            mission_slug: &mission.slug,
            passed,
            errors: &errors,
            warnings: &warnings,
            error_count: errors.len(),
            warning_count: warnings.len(),
        });
    } else {
        if passed && warnings.is_empty() {
            printer.line(format!("✓ The status of {} is in order.", mission.slug));
        }
        for error in &errors {
            printer.line(format!("✗ {error}"));
        }
        for warning in &warnings {
            printer.line(format!("! {warning}"));
        }
    }
    Ok(if passed { Exit::Success } else { Exit::Failed })
}
