//! The Teamspace suite: go-live, pulse and sync (reference A10), each as several real processes against one
//! Teamspace, through public commands only.

mod failure;
mod go_live;
mod junit;
mod pulse;
mod stage;
mod sync;

pub use failure::SuiteFailure;
pub use junit::junit;

use crate::machine::Bench;
use crate::ports::{LiveTeamspace, SuiteWatcher};
use crate::result::Outcome;
use serde::Serialize;
use stage::Stage;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the Teamspace has to show what was delivered (reference A10).
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One case of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// A lifecycle of an authenticated machine is shown by the Teamspace.
    GoLive,
    /// A subscriber hears every event while machines work.
    Pulse,
    /// Two machines with two worktrees each end with one board.
    Sync,
}

impl Case {
    /// Every case, in the order in which they run.
    pub const ALL: [Self; 3] = [Self::GoLive, Self::Pulse, Self::Sync];

    /// Returns the name by which it is reported.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GoLive => "go_live",
            Self::Pulse => "pulse",
            Self::Sync => "sync",
        }
    }

    /// Returns what it shows.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::GoLive => "Authenticated lifecycle materializes in the Teamspace",
            Self::Pulse => "A subscriber hears every event once and in order",
            Self::Sync => "Two machines with two worktrees each end with one board",
        }
    }
}

/// Everything that the suite needs.
#[derive(Debug)]
pub struct Suite<'a> {
    /// The binary under test and what its machines need.
    pub bench: Bench,
    /// An empty directory that the machines are made in.
    pub work: PathBuf,
    /// The Teamspace.
    pub teamspace: &'a dyn LiveTeamspace,
    /// Who is told where the suite stands.
    pub watcher: &'a dyn SuiteWatcher,
    /// How long the Teamspace has to show what was delivered.
    pub patience: Duration,
    /// What names of this run end with; lower case.
    pub mark: String,
}

/// What the suite found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuiteResult {
    /// `pass` if and only if every case passed.
    pub outcome: Outcome,
    /// The cases, in the order in which they ran.
    pub cases: Vec<CaseResult>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// What one case found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// Its name.
    pub name: Case,
    /// What it shows.
    pub title: &'static str,
    /// Whether it passed.
    pub status: Outcome,
    /// Why it failed; null when it passed.
    pub failure_mode: Option<SuiteFailure>,
    /// What was expected and what was found; null when it passed.
    pub details: Option<String>,
    /// How many events of the case the Teamspace holds.
    pub events: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl Suite<'_> {
    /// Runs every case; one that fails does not keep the others from running.
    pub fn run(&self, mut each: impl FnMut(&CaseResult)) -> SuiteResult {
        let started = Instant::now();
        let mut cases = Vec::new();
        for case in Case::ALL {
            let result = self.play(case);
            each(&result);
            cases.push(result);
        }
        let passed = cases.iter().all(|it| it.status == Outcome::Pass);
        SuiteResult {
            outcome: outcome(passed),
            cases,
            duration_ms: milliseconds(started.elapsed()),
        }
    }

    fn play(&self, case: Case) -> CaseResult {
        let started = Instant::now();
        let log = &self.bench.log;
        log.line(&format!("-- {} {}", case.name(), case.title()));
        let mut stage = Stage::new(self, case);
        let ended = stage.between_ready(|stage| match case {
            Case::GoLive => go_live::run(stage),
            Case::Pulse => pulse::run(stage),
            Case::Sync => sync::run(stage),
        });
        if let Err(failing) = &ended {
            let (mode, details) = (failing.mode, &failing.details);
            log.line(&format!("-- failed: {mode}: {details}"));
        }
        let failing = ended.as_ref().err();
        CaseResult {
            name: case,
            title: case.title(),
            status: outcome(ended.is_ok()),
            failure_mode: failing.map(|it| it.mode),
            details: failing.map(|it| it.details.clone()),
            events: stage.events,
            duration_ms: milliseconds(started.elapsed()),
        }
    }
}

const fn outcome(passed: bool) -> Outcome {
    if passed { Outcome::Pass } else { Outcome::Fail }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
