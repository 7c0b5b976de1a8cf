//! The real outside of a gate: git, commands, the candidate's prefix, the canary and the suite as child
//! processes, a Teamspace, a tracker and releases.
//!
//! Everything is found out anew when it is asked: nothing is remembered here, so that a gate that was
//! killed needs nothing but its log. What it needs while it works lies in a [`Scratch`] that its
//! successor clears, processes included.

mod blockers;
mod candidate;
mod commands;
mod preflight;
mod runs;
mod scratch;
mod suite;
mod watched;

pub use candidate::commit_in;
pub use scratch::Scratch;

use super::config::GateConfig;
use super::core::Gate;
use super::facts::{Act, Answer, Installed, Question, Witness};
use super::world::{ReleaseSource, ServerView, Tracker, World, WorldError};
use crate::ports::Watcher;
use commands::Commands;
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::time::SharedTime;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a site is made of.
#[derive(Debug)]
pub struct Site<'a> {
    /// The file system.
    pub filesystem: SharedFilesystem,
    /// The clock.
    pub time: SharedTime,
    /// The directory that the paths of the configuration are relative to.
    pub base: PathBuf,
    /// The directory of the gate.
    pub directory: PathBuf,
    /// Where work is done that nothing remains of.
    pub scratch: Scratch,
    /// Where programs are found.
    pub search_path: OsString,
    /// The command that runs the canary when the configuration names none.
    pub runner: Vec<String>,
    /// The files and directories of this machine that no run may change.
    pub watch: Vec<PathBuf>,
    /// The issues.
    pub tracker: Box<dyn Tracker + 'a>,
    /// The releases.
    pub releases: Box<dyn ReleaseSource + 'a>,
    /// The Teamspace.
    pub server: &'a dyn ServerView,
    /// Who is told which run of the canary or of the suite begins.
    pub watcher: &'a dyn Watcher,
}

impl Site<'_> {
    fn commands(&self) -> Commands<'_> {
        Commands {
            scratch: &self.scratch,
            search_path: &self.search_path,
        }
    }

    /// Resolves a path of the configuration.
    fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// Returns a path as the log has it: relative to the directory of the gate.
    fn told(&self, path: &Path) -> String {
        let within = path.strip_prefix(&self.directory).unwrap_or(path);
        within.display().to_string()
    }
}

fn installed(gate: &Gate) -> Result<&Installed, WorldError> {
    let found = gate.facts().installed.as_ref();
    found.ok_or_else(|| WorldError("no candidate is installed".to_owned()))
}

fn tag(gate: &Gate) -> Result<&str, WorldError> {
    let found = gate.facts().candidate.as_ref();
    let found = found.ok_or_else(|| WorldError("no candidate is chosen".to_owned()))?;
    Ok(&found.tag)
}

impl World for Site<'_> {
    fn answer(&mut self, question: &Question, gate: &Gate) -> Result<Answer, WorldError> {
        let config: &GateConfig = gate.config();
        self.scratch.clear()?;
        let answer = match question {
            Question::Blockers => Answer::Blockers(self.find_blockers(config)?),
            Question::Releases => Answer::Releases(self.releases.releases()?),
            Question::Install => {
                let candidate = gate.facts().candidate.as_ref();
                let candidate =
                    candidate.ok_or_else(|| WorldError("no candidate is chosen".to_owned()))?;
                Answer::Install(self.install(config, candidate)?)
            }
            Question::Preflight => Answer::Preflight(Box::new(self.preflight(config, gate)?)),
            Question::SingleRun => Answer::SingleRun(self.run_canary(config, gate, 1)?),
            Question::FourRuns => Answer::FourRuns(self.run_canary(config, gate, 4)?),
            Question::Rows => Answer::Rows(self.server.rows()?),
            Question::Issue(issue) => Answer::Issue(self.tracker.state(issue)?),
            Question::Suite => Answer::Suite(self.run_suite(config, gate)?),
        };
        self.scratch.clear()?;
        Ok(answer)
    }

    fn perform(&mut self, act: &Act) -> Result<Witness, WorldError> {
        self.tracker.perform(act)
    }
}
