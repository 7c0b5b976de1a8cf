//! Keeps commands away from a project whose layout this release does not write.

use crate::args::{AgentCommand, Command};
use crate::commands::agent_tasks::TasksCommand;
use crate::exit::Exit;
use crate::invocation::Invocation;
use crate::project;
use kitty_missions::schema::{self, SchemaProblem};

/// Refuses a command that works on missions when the project needs a migration or a newer release.
///
/// The prose goes to stderr and stdout stays empty, whatever `--json` says: so scripts know it. Where
/// there is no project the command itself says so.
pub fn refuse(invocation: &Invocation, command: &Command) -> Option<Exit> {
    if !is_gated(command) {
        return None;
    }
    let project = project::current(invocation).ok()?;
    let problem = schema::check(&project.root).err()?;
    invocation.printer.error(problem.to_string());
    Some(match problem {
        SchemaProblem::NeedsMigration => Exit::NeedsMigration,
        SchemaProblem::TooNew { .. } => Exit::TooNew,
    })
}

/// Names the commands that read or write missions in the layout of today.
const fn is_gated(command: &Command) -> bool {
    match command {
        Command::Agent(AgentCommand::Tasks(TasksCommand::Status(_))) => false,
        Command::Agent(_) | Command::Accept(_) | Command::Merge(_) => true,
        // Machine state, settings and reading overviews must work whatever a project looks like.
        _ => false,
    }
}
