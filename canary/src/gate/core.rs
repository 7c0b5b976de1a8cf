//! The state machine of document 5: pure, `step(input) -> effects`.
//!
//! It asks one thing at a time, and stops with a message (reference A8) whenever an answer is not what
//! the next state needs. What it was told decides alone: the same inputs make the same gate, which is
//! how it is resumed.

mod judge;
#[cfg(test)]
pub(crate) mod tests;

use super::config::GateConfig;
use super::facts::{
    Act, Answer, Effect, Input, Installed, Preflight, Question, Release, Rows, Runs, SuiteFound,
    Verb, Witness,
};
use super::template::{self, Missing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a preflight counts, in seconds (reference A2: an older one is taken again).
const PREFLIGHT_LASTS: i64 = 24 * 60 * 60;

/// How far a gate has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Nothing is known.
    Idle,
    /// Every blocker is closed by a substantive fix.
    BlockersVerified,
    /// A newer candidate is installed.
    RcInstalled,
    /// Candidate and server are what they must be.
    PreflightClean,
    /// One run passed.
    SingleRunPassed,
    /// Four runs in a row passed and nothing else changed.
    FourRunPassed,
    /// The evidence is posted and its issue closed.
    E2eGateClosed,
    /// The Teamspace suite passed four times.
    TeamspacePassed,
    /// The release may go out.
    GateComplete,
}

impl State {
    /// Every state, in order.
    pub const ALL: [Self; 9] = [
        Self::Idle,
        Self::BlockersVerified,
        Self::RcInstalled,
        Self::PreflightClean,
        Self::SingleRunPassed,
        Self::FourRunPassed,
        Self::E2eGateClosed,
        Self::TeamspacePassed,
        Self::GateComplete,
    ];

    /// Returns the name of document 5.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::BlockersVerified => "BLOCKERS_VERIFIED",
            Self::RcInstalled => "RC_INSTALLED",
            Self::PreflightClean => "PREFLIGHT_CLEAN",
            Self::SingleRunPassed => "SINGLE_RUN_PASSED",
            Self::FourRunPassed => "FOUR_RUN_PASSED",
            Self::E2eGateClosed => "E2E_GATE_CLOSED",
            Self::TeamspacePassed => "TEAMSPACE_PASSED",
            Self::GateComplete => "GATE_COMPLETE",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is no state of the gate; the states are {names}")
        })
    }
}

/// Why a gate stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The message of reference A8.
    pub message: String,
    /// What it rests on, evidence included.
    pub details: Vec<String>,
}

impl Report {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            details: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }
}

impl From<Missing> for Report {
    fn from(missing: Missing) -> Self {
        Self::new(format!("GATE BLOCKED: {missing}"))
    }
}

/// Where a gate stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It goes on from here.
    At(State),
    /// It stopped on its way from this state.
    Stopped {
        /// The state that was reached.
        at: State,
        /// Why.
        report: Report,
    },
}

impl Standing {
    /// Returns the state that was reached.
    #[must_use]
    pub const fn state(&self) -> State {
        match self {
            Self::At(state) | Self::Stopped { at: state, .. } => *state,
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(state) => state.fmt(formatter),
            Self::Stopped { at, report } => write!(formatter, "STOPPED({at}): {}", report.message),
        }
    }
}

/// What the gate has learned.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The candidate.
    pub candidate: Option<Release>,
    /// Where it is installed.
    pub installed: Option<Installed>,
    /// The preflight that the runs rest on.
    pub preflight: Option<Preflight>,
    /// The single run.
    pub single: Option<Runs>,
    /// The four runs.
    pub four: Option<Runs>,
    /// The suite.
    pub suite: Option<SuiteFound>,
    /// The historical rows, asked for since the last state was reached.
    pub rows: Option<Rows>,
}

/// The gate.
#[derive(Debug, Clone)]
pub struct Gate {
    config: GateConfig,
    standing: Standing,
    reached: State,
    facts: Facts,
    /// Whether the blockers were checked since the last activation.
    blockers_checked: bool,
    /// Whether the preflight is too old to count.
    preflight_due: bool,
    /// What is to be done before anything else: what a stop asks for.
    pending: Vec<Act>,
    done: BTreeMap<String, Witness>,
    active: bool,
}

impl Gate {
    /// Creates a gate in [`State::Idle`] that nobody activated.
    #[must_use]
    pub fn new(config: GateConfig) -> Self {
        Self {
            config,
            standing: Standing::At(State::Idle),
            reached: State::Idle,
            facts: Facts::default(),
            blockers_checked: false,
            preflight_due: false,
            pending: Vec::new(),
            done: BTreeMap::new(),
            active: false,
        }
    }

    /// Returns where it stands.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Returns what it has learned.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns what it is configured with.
    #[must_use]
    pub const fn config(&self) -> &GateConfig {
        &self.config
    }

    /// Returns what was done and how, by the id of the act.
    #[must_use]
    pub const fn done(&self) -> &BTreeMap<String, Witness> {
        &self.done
    }

    /// Takes an input and returns what is to be done next; nothing when the gate stopped or is complete.
    ///
    /// An answer that nobody asked for changes nothing.
    pub fn step(&mut self, input: &Input) -> Vec<Effect> {
        match input {
            Input::Activated { at, from, .. } => self.activate(*at, *from),
            Input::Answered(answer) => {
                if self.next().is_some_and(|effect| fits(&effect, answer)) {
                    self.learn(answer);
                }
            }
            Input::Intended(_) => {}
            Input::Done { id, witness } => {
                self.done.insert(id.clone(), witness.clone());
                self.pending.retain(|act| act.id != *id);
            }
        }
        self.next().into_iter().collect()
    }

    /// What a stop asks for is done first; then everything goes on at the stopped step, after the
    /// blockers were checked again.
    fn activate(&mut self, now: i64, from: Option<State>) {
        let state = match from {
            Some(from) if from <= self.reached => from,
            _ => self.standing.state(),
        };
        self.active = true;
        self.standing = Standing::At(state);
        self.facts.rows = None;
        self.blockers_checked = state == State::GateComplete;
        let preflight = self.facts.preflight.as_ref();
        let old = preflight.is_some_and(|it| now.saturating_sub(it.at) > PREFLIGHT_LASTS);
        let awaits_runs = [State::PreflightClean, State::SingleRunPassed].contains(&state);
        self.preflight_due = old && awaits_runs;
    }

    /// Returns the one thing to be done next.
    #[must_use]
    pub fn next(&self) -> Option<Effect> {
        if !self.active {
            return None;
        }
        if let Some(act) = self.pending.first() {
            return Some(Effect::Do(act.clone()));
        }
        let Standing::At(state) = self.standing else {
            return None;
        };
        if !self.blockers_checked {
            return Some(Effect::Ask(Question::Blockers));
        }
        if self.preflight_due {
            return Some(Effect::Ask(Question::Preflight));
        }
        let question = match state {
            State::Idle => Question::Blockers,
            State::BlockersVerified if self.facts.candidate.is_none() => Question::Releases,
            State::BlockersVerified => Question::Install,
            State::RcInstalled => Question::Preflight,
            State::PreflightClean => Question::SingleRun,
            State::SingleRunPassed => Question::FourRuns,
            State::FourRunPassed | State::TeamspacePassed if self.facts.rows.is_none() => {
                Question::Rows
            }
            State::FourRunPassed => Question::Issue(self.config.evidence_issue.clone()),
            State::E2eGateClosed => Question::Suite,
            State::TeamspacePassed => Question::Issue(self.config.release_issue.clone()),
            State::GateComplete => return None,
        };
        Some(Effect::Ask(question))
    }

    fn learn(&mut self, answer: &Answer) {
        let judged = match answer {
            Answer::Blockers(found) => self.blockers(found),
            Answer::Releases(found) => self.releases(found),
            Answer::Install(found) => self.installed(found),
            Answer::Preflight(found) => self.preflight(found),
            Answer::SingleRun(found) => self.single(found),
            Answer::FourRuns(found) => self.four(found),
            Answer::Rows(found) => self.rows(found),
            Answer::Issue(found) => self.issue(*found),
            Answer::Suite(found) => self.suite(found),
        };
        if let Err(report) = judged {
            let at = self.standing.state();
            self.standing = Standing::Stopped { at, report };
        }
    }

    fn reach(&mut self, state: State) {
        self.standing = Standing::At(state);
        self.reached = self.reached.max(state);
        self.facts.rows = None;
    }

    /// Queues an act unless the very same was done before.
    fn will(&mut self, act: Act) {
        if !self.done.contains_key(&act.id) {
            self.pending.push(act);
        }
    }

    /// Opens the issues again whose failure mode came back; all of them when no mode is anybody's.
    fn reopen(&mut self, runs: &Runs) -> Result<(), Report> {
        let modes: Vec<&String> = runs
            .runs
            .iter()
            .flat_map(|it| &it.scenarios)
            .flatten()
            .collect();
        let names = |it: &&super::config::Blocker| {
            it.failure_modes.iter().any(|mode| modes.contains(&mode))
        };
        let mut blamed: Vec<_> = self.config.blockers.iter().filter(names).collect();
        if blamed.is_empty() {
            blamed = self.config.blockers.iter().collect();
        }
        let tag = self.tag();
        let issues: Vec<_> = blamed.into_iter().map(|it| it.issue.clone()).collect();
        for issue in issues {
            let text = template::failure(&tag, &issue, runs)?;
            self.will(Act::new(issue, Verb::Reopen, &text));
        }
        Ok(())
    }

    fn tag(&self) -> String {
        let candidate = self.facts.candidate.as_ref();
        candidate.map_or_else(String::new, |it| it.tag.clone())
    }
}

/// Tells whether an answer is one to what was asked.
const fn fits(effect: &Effect, answer: &Answer) -> bool {
    let Effect::Ask(question) = effect else {
        return false;
    };
    matches!(
        (question, answer),
        (Question::Blockers, Answer::Blockers(_))
            | (Question::Releases, Answer::Releases(_))
            | (Question::Install, Answer::Install(_))
            | (Question::Preflight, Answer::Preflight(_))
            | (Question::SingleRun, Answer::SingleRun(_))
            | (Question::FourRuns, Answer::FourRuns(_))
            | (Question::Rows, Answer::Rows(_))
            | (Question::Issue(_), Answer::Issue(_))
            | (Question::Suite, Answer::Suite(_))
    )
}
