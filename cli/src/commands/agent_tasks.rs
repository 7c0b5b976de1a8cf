//! `agent tasks`: subtasks and lanes of work packages, for agents.
//!
//! Source: reference orchestrator-missions, sections 4.6 and 4.7.

mod mark_status;
mod move_task;
mod status;

pub use mark_status::MarkStatusArgs;
pub use move_task::MoveTaskArgs;
pub use status::TasksStatusArgs;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Subcommand;

/// `agent tasks …`
#[derive(Debug, Subcommand)]
pub enum TasksCommand {
    /// Marks subtasks as done, or as to be done again
    MarkStatus(MarkStatusArgs),
    /// Moves a work package to a lane; back to `planned` with a reviewer's feedback
    MoveTask(Box<MoveTaskArgs>),
    /// Shows the work packages of a mission
    Status(TasksStatusArgs),
}

impl TasksCommand {
    /// Tells whether a failure is to be printed as JSON on stdout.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::MarkStatus(args) => args.json,
            Self::MoveTask(args) => args.json,
            Self::Status(args) => args.json,
        }
    }
}

/// Runs one of them.
///
/// # Errors
/// [`Failure`] outside a project.
pub fn run(invocation: &Invocation, command: &TasksCommand) -> Result<Exit, Failure> {
    match command {
        TasksCommand::MarkStatus(args) => mark_status::run(invocation, args),
        TasksCommand::MoveTask(args) => move_task::run(invocation, args),
        TasksCommand::Status(args) => status::run(invocation, args),
    }
}
