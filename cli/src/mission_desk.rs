//! What the commands work with that move missions along: a project, a mission, and how a refusal is
//! answered.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::mission_step::{self, Doing, StepError};
use crate::project;
use kitty_missions::git::GitProgram;
use kitty_missions::handle::NamedMission;
use kitty_missions::project::Project;
use kitty_missions::status_writer::StatusWriter;
use kitty_missions::workflow::{Desk, Step, WorkflowError};
use kitty_runtime::id::EventIds;
use serde_json::json;

/// One call of such a command.
#[derive(Debug)]
pub struct MissionCall<'a> {
    /// The run of the program.
    pub invocation: &'a Invocation,
    /// The project.
    pub project: Project,
    git: GitProgram,
    ids: EventIds,
}

/// A mission command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The rules of missions forbid it.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// It was allowed and could not be written.
    #[error(transparent)]
    Step(#[from] StepError),
    /// What was given cannot be used.
    #[error("{0}")]
    Input(String),
}

impl<'a> MissionCall<'a> {
    /// Finds the project.
    ///
    /// # Errors
    /// [`Failure`] when there is none.
    pub fn begin(invocation: &'a Invocation) -> Result<Self, Failure> {
        Ok(Self {
            invocation,
            project: project::current(invocation)?,
            git: invocation.git(),
            ids: EventIds::new(invocation.time.clone()),
        })
    }

    /// What operations on missions work with.
    pub fn desk(&self) -> Desk<'_> {
        Desk {
            git: &self.git,
            project: &self.project,
            time: &*self.invocation.time,
            ids: &self.ids,
        }
    }

    /// Finds the mission that is named, or that the working directory is about.
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub fn mission(&self, typed: Option<&str>) -> Result<NamedMission, WorkflowError> {
        self.desk()
            .chosen_mission(typed, &self.invocation.directory)
    }

    /// Writes a step with its events and prints the answer.
    ///
    /// # Errors
    /// [`StepError`]; then nothing was printed.
    pub fn perform(
        &self,
        mission: &NamedMission,
        writer: StatusWriter,
        step: &Step,
        print: impl FnOnce(),
    ) -> Result<(), StepError> {
        let doing = Doing {
            desk: self.desk(),
            mission,
            writer,
            step,
        };
        mission_step::perform(self.invocation, doing, |_| print())
    }

    /// Answers an error: with `--json` as `{"error": …}` on stdout, as scripts know it.
    pub fn refuse(&self, json: bool, error: &CallError) -> Exit {
        let printer = self.invocation.printer;
        let message = error.to_string();
        if json {
            printer.json().finish(&json!({ "error": message }));
        } else {
            printer.error(format!("Error: {message}"));
        }
        Exit::Failed
    }

    /// Ends a command whose work ended so.
    pub fn end(&self, json: bool, ended: Result<Exit, CallError>) -> Exit {
        ended.unwrap_or_else(|error| self.refuse(json, &error))
    }
}
