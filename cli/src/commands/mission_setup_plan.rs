//! `agent mission setup-plan`: begins the planning of a mission, and ends it when the plan is written.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::{Invocation, VERSION};
use crate::project;
use crate::rows::{self, Writing};
use clap::Args;
use kitty_missions::create::Tools;
use kitty_missions::files::WorktreeFilesystem;
use kitty_missions::plan::{PlanAnswer, PlanStanding, setup_plan};
use kitty_missions::row_witness::RowWitness;
use kitty_runtime::id::EventIds;

/// Makes plan.md from a template, and commits it when it is written
#[derive(Debug, Args)]
pub struct SetupPlanArgs {
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command; what must be written first is an answer and not a failure.
///
/// # Errors
/// [`Failure`]; then nothing was changed.
pub fn run(invocation: &Invocation, args: &SetupPlanArgs) -> Result<Exit, Failure> {
    let project = project::current(invocation)?;
    let ids = EventIds::new(invocation.time.clone());
    let writing = Writing {
        invocation,
        project: &project,
        registers: None,
    };
    let work = |witness: &dyn RowWitness| {
        let tools = Tools {
            filesystem: &WorktreeFilesystem,
            time: &*invocation.time,
            ids: &ids,
            version: VERSION,
            witness,
        };
        setup_plan(&project, args.mission.as_deref(), &tools)
    };
    rows::write(
        &writing,
        work,
        |outcome| print(invocation, args, &outcome.answer),
        |outcome| outcome.answer.directory().to_owned(),
    )
    .map_err(|error| Failure::from_error(error.code(), error))?;
    Ok(Exit::Success)
}

fn print(invocation: &Invocation, args: &SetupPlanArgs, answer: &PlanAnswer) {
    let printer = invocation.printer;
    if args.json {
        printer.json().finish(answer);
        return;
    }
    let file = answer.plan_file();
    let file = file.display();
    match (&answer.standing, answer.standing.blocked_reason()) {
        (_, Some(reason)) => printer.line(format!("Blocked: {reason}.")),
        (PlanStanding::Complete { commit: None }, _) => {
            printer.line(format!("✓ The plan is committed: {file}"));
        }
        (PlanStanding::Complete { .. }, _) => printer.line(format!("✓ Plan committed: {file}")),
        (_, None) => {
            printer.line(format!("✓ Plan begun: {file}"));
            printer.line("  Next: fill it in and run this command again.");
        }
    }
}
