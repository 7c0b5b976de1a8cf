//! `orchestrator-api`: the machine API of orchestrators.
//!
//! Whatever happens, stdout gets exactly one envelope: also for a command line that cannot be
//! parsed, a fault inside, a full disk or a lock that is not free.
//!
//! Source: reference orchestrator-missions, section 1.

mod command;
mod contract_version;
mod cutover_page;
mod data;
pub(super) mod envelope;
mod merge;
mod refusals;
pub(super) mod review_input;
mod usage;
mod verbs;

use crate::exit::Exit;
use crate::invocation::Invocation;
use crate::mission_step::{self, Doing};
use crate::printer::Printer;
use clap::Parser as _;
use clap::error::ErrorKind;
use command::OrchestratorCommand;
pub use cutover_page::cutover_page;
use data::Data;
use envelope::{Refusal, print_refusal, print_success};
use kitty_config::Environment;
use kitty_contract::{Context, Gate};
use kitty_missions::git::GitProgram;
use kitty_missions::handle::NamedMission;
use kitty_missions::project::Project;
use kitty_missions::status_writer::StatusWriter;
use kitty_missions::workflow::{Desk, Step, WorkflowError};
use kitty_runtime::id::EventIds;
use kitty_runtime::python_json;
use kitty_runtime::time::system_time;
use refusals::Told;
use serde::Serialize;
use std::cell::Cell;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The word that leads to these commands.
pub const GROUP: &str = "orchestrator-api";
/// The verb of an envelope about a command line that names none.
const UNKNOWN: &str = "unknown";

/// Returns the words after `orchestrator-api`, if that is the command.
#[must_use]
pub fn words_of(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let mut words = arguments.iter().skip(1);
    let group = words.find(|word| *word != "--quiet")?;
    (group == GROUP).then(|| std::iter::once(group).chain(words).cloned().collect())
}

/// Runs one call; prints its envelope.
pub fn run(environment: Environment, printer: Printer, words: &[OsString]) -> Exit {
    let time = system_time();
    let command = match OrchestratorCommand::try_parse_from(words) {
        Ok(command) => command,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            printer.line(error.render().to_string().trim_end());
            return Exit::Success;
        }
        Err(error) => {
            return print_refusal(printer, time.now(), UNKNOWN, &usage::refusal(&error));
        }
    };
    let ended = Cell::new(None);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let invocation = Invocation::new(environment, printer)
            .map_err(|failure| Refusal::new("INTERNAL_ERROR", failure.message))?;
        let call = Answering {
            invocation: &invocation,
            git: invocation.git(),
            ids: EventIds::new(invocation.time.clone()),
            verb: command.verb.name(),
            ended: &ended,
        };
        verbs::answer(&call, &command.verb)
    }));
    let outcome = outcome.unwrap_or_else(|_| {
        let message = "This program failed inside; nothing acknowledged is lost. \
                       Please report it with the line on stderr.";
        Err(Refusal::new("INTERNAL_ERROR", message).ending(Exit::Internal))
    });
    // What fails after the envelope cannot change it.
    match (ended.get(), outcome) {
        (Some(exit), _) => exit,
        (None, Ok(())) => Exit::Internal,
        (None, Err(refusal)) => print_refusal(printer, time.now(), command.verb.name(), &refusal),
    }
}

/// One call that is being answered.
struct Answering<'a> {
    invocation: &'a Invocation,
    git: GitProgram,
    ids: EventIds,
    verb: &'static str,
    /// How the program ends, once its envelope is printed.
    ended: &'a Cell<Option<Exit>>,
}

impl Answering<'_> {
    /// Does something with the project; refusals carry their message alone.
    fn desk<T>(
        &self,
        work: impl FnOnce(&Desk<'_>) -> Result<T, WorkflowError>,
    ) -> Result<T, Refusal> {
        let project = self.project()?;
        work(&self.desk_of(&project)).map_err(|error| refusals::of(&error, None))
    }

    /// Does something with the project; refusals carry what belongs to their code.
    fn desk_for<T>(
        &self,
        told: &Told<'_>,
        work: impl FnOnce(&Desk<'_>) -> Result<T, WorkflowError>,
    ) -> Result<T, Refusal> {
        let project = self.project()?;
        let desk = self.desk_of(&project);
        work(&desk).map_err(|error| refusals::of_call(&error, &desk, told))
    }

    fn project(&self) -> Result<Project, Refusal> {
        let named = self.invocation.named_project_root();
        Project::locate(&self.git, &self.invocation.directory, named.as_deref())
            .map_err(|error| Refusal::new("MISSION_NOT_FOUND", error.to_string()))
    }

    fn desk_of<'a>(&'a self, project: &'a Project) -> Desk<'a> {
        Desk {
            git: &self.git,
            project,
            time: &*self.invocation.time,
            ids: &self.ids,
        }
    }

    /// Writes what is to be written and prints the answer; without a step only the latter.
    ///
    /// The answer passes the gate before anything is written: a success that the contract forbids
    /// does not happen.
    fn perform(
        &self,
        mission: NamedMission,
        writer: StatusWriter,
        step: Option<Step>,
        data: &Data,
    ) -> Result<(), Refusal> {
        check(data)?;
        let Some(step) = step else {
            drop(writer);
            self.print_unchecked(data);
            return Ok(());
        };
        let project = self.project()?;
        let doing = Doing {
            desk: self.desk_of(&project),
            mission: &mission,
            writer,
            step: &step,
        };
        mission_step::perform(self.invocation, doing, |_| self.print_unchecked(data))
            .map_err(|error| refusals::of_step(&error, self.verb))
    }

    /// Refuses because of what went wrong with the project.
    fn refuse(&self, error: &WorkflowError, told: &Told<'_>) -> Refusal {
        match self.project() {
            Ok(project) => refusals::of_call(error, &self.desk_of(&project), told),
            Err(_) => refusals::of(error, None),
        }
    }

    /// Prints the envelope of a refusal that comes after something was written.
    fn print_refusal(&self, refusal: &Refusal) {
        let now = self.invocation.time.now();
        let exit = print_refusal(self.invocation.printer, now, self.verb, refusal);
        self.ended.set(Some(exit));
    }

    /// Prints an answer that passes the gate.
    fn print(&self, data: &Data) -> Result<(), Refusal> {
        check(data)?;
        self.print_unchecked(data);
        Ok(())
    }

    fn print_unchecked(&self, data: &impl Serialize) {
        let now = self.invocation.time.now();
        print_success(self.invocation.printer, now, self.verb, data);
        self.ended.set(Some(Exit::Success));
    }
}

/// Passes the data of an answer through the gate.
fn check(data: &Data) -> Result<(), Refusal> {
    let json = python_json::line(data);
    let checked = Gate::vendored().check_bytes(Context::OrchestratorApi, json.as_bytes());
    checked.map_err(|violation| {
        let message = format!("The answer does not conform to the contract: {violation}");
        Refusal::new("INTERNAL_ERROR", message)
    })
}
