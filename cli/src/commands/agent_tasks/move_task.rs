//! `agent tasks move-task`: moves a work package, and back to `planned` with feedback.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::mission_desk::{CallError, MissionCall};
use clap::Args;
use kitty_missions::lane::Lane;
use kitty_missions::workflow::{
    self, Feedback, HandedOver, MoveRequest, RuntimeFacts, SelfReview, WorkflowError,
};
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `agent tasks move-task`.
#[derive(Debug, Args)]
pub struct MoveTaskArgs {
    /// The work package, for example WP01
    work_package: String,
    /// The lane to move to
    #[arg(long)]
    to: String,
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// The agent that moves it
    #[arg(long)]
    agent: Option<String>,
    /// The language model of the agent
    #[arg(long)]
    model: Option<String>,
    /// The profile of the agent
    #[arg(long)]
    profile: Option<String>,
    /// The run of the agent; accepted and recorded nowhere
    #[arg(long)]
    invocation_id: Option<String>,
    /// Who it is assigned to
    #[arg(long)]
    assignee: Option<String>,
    /// The process that works on it
    #[arg(long)]
    shell_pid: Option<i64>,
    /// Why
    #[arg(long)]
    note: Option<String>,
    /// The file with the reviewer's feedback; needed to move back to `planned`
    #[arg(long)]
    review_feedback_file: Option<PathBuf>,
    /// Where the approval is written
    #[arg(long)]
    approval_ref: Option<String>,
    /// Who reviewed
    #[arg(long)]
    reviewer: Option<String>,
    /// Approves one's own work; needs --force and the two options below
    #[arg(long)]
    self_review_fallback: bool,
    /// Who should have reviewed
    #[arg(long)]
    intended_reviewer: Option<String>,
    /// Why they did not
    #[arg(long)]
    reviewer_failure_reason: Option<String>,
    /// Why `done` is right although the work is not merged
    #[arg(long)]
    done_override_reason: Option<String>,
    /// Overrides edges and guards, but not the feedback
    #[arg(long)]
    force: bool,
    /// A reference to a ticket; may be repeated
    #[arg(long = "ticket-ref", alias = "tracker-ref", value_name = "REF")]
    tracker_ref: Vec<String>,
    /// Approves although the last review rejected it, and says so; needs --note
    #[arg(long)]
    skip_review_artifact_check: bool,
    /// Accepted for scripts; the status is always committed
    #[arg(long, overrides_with = "no_auto_commit")]
    auto_commit: bool,
    /// Refused: a move and its commit are one step
    #[arg(long)]
    no_auto_commit: bool,
    /// Accepted for scripts; nothing is run before a review
    #[arg(long)]
    skip_pre_review_gate: bool,
    /// Accepted for scripts
    #[arg(long)]
    owned_checkout: bool,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Why a move is not left uncommitted.
const NO_COMMIT: &str = "--no-auto-commit is not supported: a move, its events and its commit are one \
    step, which is taken back as a whole when one of them fails. Leave the option out; only the status \
    files of the mission are committed, and nothing else that you changed.";

/// What a move answers; the keys below the first ones belong to feedback and to moves to `planned`.
#[derive(Debug, Serialize)]
struct Answer {
    result: &'static str,
    transition_applied: bool,
    task_id: String,
    old_lane: Lane,
    new_lane: Lane,
    path: String,
    event_id: String,
    work_package_id: String,
    to_lane: Lane,
    status_events_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    review_feedback: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict_durably_persisted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability_classification: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability_reason: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtasks_reset_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtasks_reset_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtasks_previously_completed: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtasks_never_completed: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_claim_released: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    review_override_cleared: Option<bool>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] outside a project.
pub fn run(invocation: &Invocation, args: &MoveTaskArgs) -> Result<Exit, Failure> {
    let call = MissionCall::begin(invocation)?;
    Ok(call.end(args.json, move_task(&call, args)))
}

fn move_task(call: &MissionCall<'_>, args: &MoveTaskArgs) -> Result<Exit, CallError> {
    let to = Lane::from_typed(&args.to).map_err(|_| WorkflowError::UnknownLane {
        typed: args.to.trim().to_lowercase(),
    })?;
    if args.no_auto_commit {
        return Err(CallError::Input(NO_COMMIT.to_owned()));
    }
    let mission = call.mission(args.mission.as_deref())?;
    let feedback = feedback(call, args)?;
    let source = args.review_feedback_file.as_ref();
    let source = source
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let asked = MoveRequest {
        agent: args.agent.as_deref(),
        note: args.note.as_deref(),
        force: args.force,
        feedback: feedback.as_deref().map(|text| Feedback {
            source: &source,
            text,
        }),
        reviewer: args.reviewer.as_deref(),
        approval_ref: args.approval_ref.as_deref(),
        done_override_reason: args.done_override_reason.as_deref(),
        self_review: SelfReview {
            is_fallback: args.self_review_fallback,
            intended_reviewer: args.intended_reviewer.as_deref(),
            failure_reason: args.reviewer_failure_reason.as_deref(),
        },
        overrules_rejection: args.skip_review_artifact_check,
        runtime: RuntimeFacts {
            shell_pid: args.shell_pid,
            assignee: args.assignee.as_deref(),
            model: args.model.as_deref(),
            profile: args.profile.as_deref(),
            tracker_refs: args.tracker_ref.clone(),
        },
    };
    let desk = call.desk();
    let moved = workflow::move_task(&desk, mission, (&args.work_package, to), &asked)?;
    let answer = answer(call, args, &moved);
    call.perform(&moved.mission, moved.writer, &moved.step, || {
        print(call, args, &answer);
    })?;
    Ok(Exit::Success)
}

/// Reads the feedback; a file that is not there is a refusal of its own.
fn feedback(call: &MissionCall<'_>, args: &MoveTaskArgs) -> Result<Option<String>, CallError> {
    let Some(given) = &args.review_feedback_file else {
        return Ok(None);
    };
    let path = call.invocation.directory.join(given);
    let shown = given.display();
    if !path.exists() {
        return Err(CallError::Input(format!(
            "Review feedback file not found: {shown}"
        )));
    }
    if !path.is_file() {
        return Err(CallError::Input(format!(
            "Review feedback path is not a file: {shown}"
        )));
    }
    let text = std::fs::read_to_string(&path);
    text.map(Some).map_err(|error| {
        CallError::Input(format!(
            "Review feedback file {shown} cannot be read: {error}"
        ))
    })
}

fn answer(call: &MissionCall<'_>, args: &MoveTaskArgs, moved: &HandedOver) -> Answer {
    let mission = &moved.mission;
    let below_root = |path: PathBuf| {
        let below = path.strip_prefix(&call.project.root);
        below.unwrap_or(&path).display().to_string()
    };
    let review = moved.review.as_ref();
    let reset = moved.reset.as_ref();
    let log = mission
        .directory
        .join(kitty_missions::status_log::FILE_NAME);
    Answer {
        result: "success",
        transition_applied: true,
        task_id: args.work_package.clone(),
        old_lane: moved.from,
        new_lane: moved.to,
        path: moved.prompt.display().to_string(),
        event_id: moved.event_id.clone(),
        work_package_id: args.work_package.clone(),
        to_lane: moved.to,
        status_events_path: log.display().to_string(),
        review_feedback: review.map(|review| review.reference.clone()),
        verdict_durably_persisted: review.map(|_| true),
        durability_classification: review.map(|_| "durable"),
        // Present and null: there is nothing to explain.
        durability_reason: review.map(|_| ()),
        evidence_ref: review.map(|review| below_root(mission.directory.join(&review.path))),
        destination_ref: review.and_then(|_| mission.meta.target_branch.clone()),
        subtasks_reset_count: reset.map(|reset| reset.ids.len()),
        subtasks_reset_ids: reset.map(|reset| reset.ids.clone()),
        subtasks_previously_completed: reset.map(|reset| reset.completed.clone()),
        subtasks_never_completed: reset.map(|reset| reset.open.clone()),
        runtime_claim_released: reset.map(|_| true),
        review_override_cleared: reset.map(|_| true),
    }
}

fn print(call: &MissionCall<'_>, args: &MoveTaskArgs, answer: &Answer) {
    let printer = call.invocation.printer;
    if args.json {
        printer.json().finish(answer);
        return;
    }
    let (from, to) = (answer.old_lane, answer.new_lane);
    printer.line(format!("✓ Moved {} from {from} to {to}", answer.task_id));
    if let Some(file) = &answer.evidence_ref {
        printer.line(format!("  Feedback: {file}"));
    }
    let reset = answer.subtasks_reset_ids.as_deref().unwrap_or_default();
    if !reset.is_empty() {
        printer.line(format!("  To be done again: {}", reset.join(", ")));
    }
}
