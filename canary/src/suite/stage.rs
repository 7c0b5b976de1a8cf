//! A case at work: its machines, what it has seen, and the steps that several cases take.

use super::{Case, Suite, SuiteFailure};
use crate::login::{LoginError, log_in};
use crate::machine::{CallError, Called, EventSync, Machine};
use crate::mission::LifecycleError;
use crate::ports::{LiveTeamspace, TeamspaceError};
use crate::scene::text;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// How often the Teamspace is asked while something is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why a case fails.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    pub(super) mode: SuiteFailure,
    pub(super) details: String,
}

impl Failing {
    pub(super) fn new(mode: SuiteFailure, details: impl Into<String>) -> Self {
        Self {
            mode,
            details: details.into(),
        }
    }

    fn step(error: impl ToString) -> Self {
        Self::new(SuiteFailure::StepFailed, error.to_string())
    }
}

impl From<CallError> for Failing {
    fn from(error: CallError) -> Self {
        Self::step(error)
    }
}

impl From<LifecycleError> for Failing {
    fn from(error: LifecycleError) -> Self {
        Self::step(error)
    }
}

impl From<LoginError> for Failing {
    fn from(error: LoginError) -> Self {
        Self::step(error)
    }
}

impl From<TeamspaceError> for Failing {
    fn from(error: TeamspaceError) -> Self {
        Self::step(error)
    }
}

/// One case at work.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) suite: &'a Suite<'a>,
    case: Case,
    /// How many events of the case the Teamspace holds.
    pub(super) events: u64,
}

impl<'a> Stage<'a> {
    pub(super) const fn new(suite: &'a Suite<'a>, case: Case) -> Self {
        Self {
            suite,
            case,
            events: 0,
        }
    }

    pub(super) fn teamspace(&self) -> &dyn LiveTeamspace {
        self.suite.teamspace
    }

    pub(super) fn step(&self, step: &str) {
        self.suite.watcher.step(self.case, step);
    }

    /// Returns a name for a mission that no other run has.
    pub(super) fn label(&self, word: &str) -> String {
        let case = self.case.name().replace('_', "-");
        format!("suite-{case}-{word}-{}", self.suite.mark)
    }

    /// Returns where a machine, or something else of this case, is made.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.suite.work.join(self.case.name()).join(name)
    }

    /// Makes a machine with a repository of its own.
    pub(super) fn machine(&self, name: &str) -> Result<Machine, Failing> {
        let remote = format!("git@github.com:spec-kitty-suite/{}.git", self.label(name));
        let place = self.place(name);
        Ok(Machine::new(&self.suite.bench, &place, &remote)?)
    }

    pub(super) fn log_in(&self, machine: &Machine) -> Result<(), Failing> {
        self.step("login");
        Ok(log_in(machine, self.suite.teamspace)?)
    }

    /// Requires that the Teamspace is well before and after, and that nothing failed for good in between.
    pub(super) fn between_ready(
        &mut self,
        play: impl FnOnce(&mut Self) -> Result<(), Failing>,
    ) -> Result<(), Failing> {
        self.require_ready()?;
        let failed = self.teamspace().failed_rows()?;
        play(self)?;
        self.require_ready()?;
        let now = self.teamspace().failed_rows()?;
        if now == failed {
            return Ok(());
        }
        let details = format!("{failed} rows had failed for good before, {now} afterwards");
        Err(Failing::new(SuiteFailure::RowsFailed, details))
    }

    fn require_ready(&self) -> Result<(), Failing> {
        let ready = self.teamspace().readiness();
        let degraded = |error: TeamspaceError| {
            Failing::new(SuiteFailure::ReadinessDegraded, error.to_string())
        };
        ready.map(drop).map_err(degraded)
    }

    /// Returns the envelopes that wait to be delivered.
    pub(super) fn waiting(&self, machine: &Machine) -> Result<Vec<Value>, Failing> {
        let called = machine.spec_kitty(&["sync", "preview", "--json"])?;
        let document = called.json().filter(|_| called.code == Some(0));
        let events = document.and_then(|it| it["events"].as_array().cloned());
        events.ok_or_else(|| Failing::step(called.told()))
    }

    /// Lets events leave and runs `sync now`, however it ends.
    pub(super) fn try_to_deliver(&self, machine: &Machine) -> Result<Called, Failing> {
        machine.event_sync(EventSync::Delivering)?;
        Ok(machine.spec_kitty(&["sync", "now"])?)
    }

    /// Lets events leave, runs `sync now`, which must succeed, and keeps events again.
    pub(super) fn deliver(&self, machine: &Machine) -> Result<(), Failing> {
        let called = self.try_to_deliver(machine)?;
        machine.event_sync(EventSync::Withheld)?;
        if called.code == Some(0) {
            return Ok(());
        }
        Err(Failing::step(called.told()))
    }

    /// Returns what the Teamspace holds of some projects, in order of arrival.
    pub(super) fn stored_of(&self, projects: &BTreeSet<String>) -> Result<Vec<Value>, Failing> {
        let mut stored = self.teamspace().events()?;
        stored.retain(|it| projects.contains(text(it, "project_uuid")));
        Ok(stored)
    }

    /// Asks until there is an answer; `None` when the time is over.
    pub(super) fn until<T>(
        &self,
        mut ask: impl FnMut() -> Result<Option<T>, Failing>,
    ) -> Result<Option<T>, Failing> {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask()? {
                return Ok(Some(answer));
            }
            if started.elapsed() > self.suite.patience {
                return Ok(None);
            }
            pause();
        }
    }

    /// Waits until the Teamspace shows a mission with its work package in a lane.
    pub(super) fn require_materialized(&self, slug: &str, lane: &str) -> Result<(), Failing> {
        self.step("materialization");
        let mut seen = "nothing".to_owned();
        let shown = self.until(|| {
            let Some(mission) = self.teamspace().mission(slug)? else {
                return Ok(None);
            };
            let lanes = lanes(&mission);
            seen = format!("{lanes:?}");
            let expected = BTreeMap::from([("WP01".to_owned(), lane.to_owned())]);
            Ok((lanes == expected).then_some(()))
        })?;
        shown.ok_or_else(|| {
            let seconds = self.suite.patience.as_secs();
            let details = format!(
                "mission {slug} did not materialize within {seconds}s: \
                 expected WP01 in {lane}, the Teamspace shows {seen}"
            );
            Failing::new(SuiteFailure::NotMaterialized, details)
        })
    }

    /// Requires that the Teamspace holds exactly what was captured, each once; returns it in order of
    /// arrival.
    pub(super) fn require_exactly(
        &mut self,
        captured: &BTreeSet<String>,
        projects: &BTreeSet<String>,
    ) -> Result<Vec<Value>, Failing> {
        let stored = self.stored_of(projects)?;
        self.events += u64::try_from(stored.len()).unwrap_or(u64::MAX);
        let found = ids(&stored);
        let lost: Vec<&String> = captured.difference(&found).collect();
        let surplus: Vec<&String> = found.difference(captured).collect();
        if lost.is_empty() && surplus.is_empty() && found.len() == stored.len() {
            return Ok(stored);
        }
        let details = format!(
            "captured {}, stored {}; not stored: {}; stored and never captured: {}",
            captured.len(),
            stored.len(),
            some(lost),
            some(surplus)
        );
        Err(Failing::new(SuiteFailure::EventsDiffer, details))
    }
}

/// How many ids a message names.
const NAMED: usize = 3;

/// Names some of many ids.
pub(super) fn some<T: AsRef<str>>(ids: impl IntoIterator<Item = T>) -> String {
    let all: Vec<T> = ids.into_iter().collect();
    let named: Vec<&str> = all.iter().take(NAMED).map(AsRef::as_ref).collect();
    match all.len().checked_sub(NAMED) {
        None | Some(0) => format!("[{}]", named.join(", ")),
        Some(more) => format!("[{} and {more} more]", named.join(", ")),
    }
}

/// The lanes of a mission's work packages, as the reading API shows them.
pub(super) fn lanes(mission: &Value) -> BTreeMap<String, String> {
    let packages = mission["work_packages"].as_array().into_iter().flatten();
    packages
        .map(|it| (text(it, "wp_id").to_owned(), text(it, "lane").to_owned()))
        .collect()
}

/// The ids of envelopes.
pub(super) fn ids(events: &[Value]) -> BTreeSet<String> {
    let id = |it: &Value| text(it, "event_id").to_owned();
    events.iter().map(id).collect()
}

/// The projects of envelopes.
pub(super) fn projects(events: &[Value]) -> BTreeSet<String> {
    let project = |it: &Value| text(it, "project_uuid").to_owned();
    events.iter().map(project).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server that is asked again and again is left a moment; the wait has a deadline"
)]
fn pause() {
    thread::sleep(LOOK_AGAIN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_some_of_many_ids() {
        assert_eq!(some([] as [&str; 0]), "[]");
        assert_eq!(some(["a", "b", "c"]), "[a, b, c]");
        assert_eq!(some(["a", "b", "c", "d", "e"]), "[a, b, c and 2 more]");
    }
}
