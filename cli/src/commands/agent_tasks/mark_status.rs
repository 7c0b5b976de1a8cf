//! `agent tasks mark-status`: notes which subtasks are done.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::mission_desk::{CallError, MissionCall};
use clap::{Args, ValueEnum};
use kitty_missions::handle::NamedMission;
use kitty_missions::lane::Lane;
use kitty_missions::reducer::reduce;
use kitty_missions::snapshot::Snapshot;
use kitty_missions::status_log::{self, StatusLog};
use kitty_missions::workflow::{self, Form, Found, WorkflowError};
use serde::Serialize;
use std::collections::BTreeMap;

/// Arguments of `agent tasks mark-status`.
#[derive(Debug, Args)]
pub struct MarkStatusArgs {
    /// The subtasks, for example T001 T002
    #[arg(required = true)]
    subtasks: Vec<String>,
    /// What they are now
    #[arg(long)]
    status: SubtaskStatus,
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What a subtask can be marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SubtaskStatus {
    Done,
    Pending,
}

impl SubtaskStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pending => "pending",
        }
    }

    const fn lane(self) -> Lane {
        match self {
            Self::Done => Lane::Done,
            Self::Pending => Lane::Planned,
        }
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    results: Vec<Marked>,
    summary: Summary,
}

#[derive(Debug, Serialize)]
struct Marked {
    id: String,
    outcome: &'static str,
    format: Option<&'static str>,
    message: String,
}

#[derive(Debug, Serialize)]
struct Summary {
    updated: usize,
    already_satisfied: usize,
    not_found: usize,
}

const UPDATED: &str = "updated";
const SATISFIED: &str = "already_satisfied";
const NOT_FOUND: &str = "not_found";

/// Runs the command; exit 1 when none of the subtasks exists.
///
/// # Errors
/// [`Failure`] outside a project.
pub fn run(invocation: &Invocation, args: &MarkStatusArgs) -> Result<Exit, Failure> {
    let call = MissionCall::begin(invocation)?;
    Ok(call.end(args.json, mark(&call, args)))
}

fn mark(call: &MissionCall<'_>, args: &MarkStatusArgs) -> Result<Exit, CallError> {
    let mission = call.mission(args.mission.as_deref())?;
    let found = workflow::find_subtasks(&mission, &args.subtasks)?;
    let snapshot = snapshot(&mission)?;
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut results = Vec::new();
    for (typed, found) in &found {
        let marked = judge(typed, found.as_ref(), &snapshot, args.status);
        if let Some(found) = found.as_ref().filter(|_| marked.outcome == UPDATED) {
            let ids = wanted.entry(found.wp_id.clone()).or_default();
            ids.push(found.id.clone());
        }
        results.push(marked);
    }
    let count = |outcome| results.iter().filter(|one| one.outcome == outcome).count();
    let answer = Answer {
        summary: Summary {
            updated: count(UPDATED),
            already_satisfied: count(SATISFIED),
            not_found: count(NOT_FOUND),
        },
        results,
    };
    let exit = if answer.summary.not_found == answer.results.len() {
        Exit::Failed
    } else {
        Exit::Success
    };
    if wanted.is_empty() {
        print(call, args, &answer);
        return Ok(exit);
    }
    let desk = call.desk();
    workflow::guard_branch(&desk, "spec-kitty agent tasks mark-status")?;
    let entry = workflow::mark_subtasks(&desk, mission, "user", wanted, args.status.lane())?;
    call.perform(&entry.mission, entry.writer, &entry.step, || {
        print(call, args, &answer);
    })?;
    Ok(exit)
}

fn snapshot(mission: &NamedMission) -> Result<Snapshot, WorkflowError> {
    let text = status_log::read(&mission.directory)?;
    Ok(reduce(&StatusLog::parse(&text).strict()?))
}

fn judge(typed: &str, found: Option<&Found>, snapshot: &Snapshot, status: SubtaskStatus) -> Marked {
    let Some(found) = found else {
        return Marked {
            id: typed.to_owned(),
            outcome: NOT_FOUND,
            format: None,
            message: format!("{typed} was not found in any supported task format."),
        };
    };
    let state = snapshot.work_packages.get(&found.wp_id);
    let noted = state.and_then(|state| state.subtasks.as_ref()?.get(&found.id));
    let word = status.as_str();
    let (format, row) = match found.form {
        Form::Checkbox => ("checkbox", "checkbox row"),
        Form::Table => ("pipe_table", "pipe-table row"),
        Form::Roster => ("authored_roster", "list of its work package"),
    };
    let (outcome, message) = if noted == Some(&status.lane()) {
        (SATISFIED, format!("{typed} is {word} already."))
    } else {
        (
            UPDATED,
            format!("Marked {typed} as {word} ({row} updated)."),
        )
    };
    Marked {
        id: typed.to_owned(),
        outcome,
        format: Some(format),
        message,
    }
}

fn print(call: &MissionCall<'_>, args: &MarkStatusArgs, answer: &Answer) {
    let printer = call.invocation.printer;
    if args.json {
        printer.json().finish(answer);
        return;
    }
    for marked in &answer.results {
        let sign = if marked.outcome == NOT_FOUND {
            "✗"
        } else {
            "✓"
        };
        printer.line(format!("{sign} {}", marked.message));
    }
}
