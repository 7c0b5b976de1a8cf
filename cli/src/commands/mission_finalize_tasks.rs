//! `agent mission finalize-tasks`: checks, seeds and commits the work packages of a mission.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::{Invocation, VERSION};
use crate::project;
use crate::rows::{self, Writing};
use clap::Args;
use kitty_missions::create::Tools;
use kitty_missions::files::WorktreeFilesystem;
use kitty_missions::plan::finalize::{
    FinalizeAnswer, FinalizeError, FinalizeOptions, finalize, validate,
};
use kitty_missions::row_witness::{NoWitness, RowWitness};
use kitty_runtime::id::EventIds;
use std::path::PathBuf;

/// Checks the work packages, gives them their first status and lanes, and commits them
#[derive(Debug, Args)]
pub struct FinalizeTasksArgs {
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
    /// Checks everything and changes nothing
    #[arg(long)]
    validate_only: bool,
    /// Another target branch than meta.json says; it is recorded there
    #[arg(long)]
    target_branch: Option<String>,
    /// The linked worktree that has the mission; for missions of the topology single_branch
    #[arg(long)]
    owned_checkout: Option<PathBuf>,
    /// Lets lanes begin with an amended plan although execution has begun
    #[arg(long)]
    refresh_planning_commit: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]; a refusal changes nothing.
pub fn run(invocation: &Invocation, args: &FinalizeTasksArgs) -> Result<Exit, Failure> {
    let project = project::current(invocation)?;
    let ids = EventIds::new(invocation.time.clone());
    let options = FinalizeOptions {
        mission: args.mission.clone(),
        target_branch: args.target_branch.clone(),
        owned_checkout: args.owned_checkout.clone(),
        refresh_planning_commit: args.refresh_planning_commit,
    };
    if args.validate_only {
        let answer =
            validate(&project, &options, &tools(invocation, &ids, &NoWitness)).map_err(refused)?;
        if args.json {
            invocation.printer.json().finish(&answer);
        } else {
            let count = answer.wp_count;
            invocation.printer.line(format!(
                "✓ {count} work package(s) hold together; nothing was changed."
            ));
            warn(
                invocation,
                &answer.ownership_warnings,
                &answer.requirement_extraction_warnings,
            );
        }
        return Ok(Exit::Success);
    }
    let writing = Writing {
        invocation,
        project: &project,
        registers: None,
    };
    rows::write(
        &writing,
        |witness| finalize(&project, &options, &tools(invocation, &ids, witness)),
        |done| print(invocation, args, &done.answer),
        |done| done.directory.clone(),
    )
    .map_err(refused)?;
    Ok(Exit::Success)
}

fn tools<'a>(
    invocation: &'a Invocation,
    ids: &'a EventIds,
    witness: &'a dyn RowWitness,
) -> Tools<'a> {
    Tools {
        filesystem: &WorktreeFilesystem,
        time: &*invocation.time,
        ids,
        version: VERSION,
        witness,
    }
}

fn refused(error: FinalizeError) -> Failure {
    Failure::from_error(error.code(), error)
}

fn print(invocation: &Invocation, args: &FinalizeTasksArgs, answer: &FinalizeAnswer) {
    let printer = invocation.printer;
    if args.json {
        printer.json().finish(answer);
        return;
    }
    printer.line(format!(
        "✓ {} work package(s) in {} lane(s), {} new",
        answer.wp_count, answer.lanes.count, answer.bootstrap.newly_seeded
    ));
    match &answer.commit_hash {
        Some(commit) => printer.line(format!("  Committed: {commit}")),
        None => printer.line("  Nothing had changed."),
    }
    warn(
        invocation,
        &answer.ownership_warnings,
        &answer.requirement_extraction_warnings,
    );
}

fn warn(invocation: &Invocation, one: &[String], other: &[String]) {
    for warning in one.iter().chain(other) {
        invocation.printer.note(format!("Warning: {warning}"));
    }
}
