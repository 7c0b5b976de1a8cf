//! A scenario at work: its machine, what it has seen, and the steps that several of them take.

use crate::login::{LoginError, log_in};
use crate::machine::{CallError, Called, EventSync, Machine};
use crate::mission::{LifecycleError, Mission, initialise, opt_in};
use crate::ports::{Teamspace, TeamspaceError, Watcher};
use crate::result::{BoundaryEvidence, FailureMode, SaasCounts, Scenario};
use crate::status_check::StatusCheck;
use serde_json::Value;
use std::collections::BTreeSet;

/// Why a scenario fails.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    pub(crate) mode: FailureMode,
    pub(crate) details: String,
}

impl Failing {
    pub(crate) fn new(mode: FailureMode, details: impl Into<String>) -> Self {
        Self {
            mode,
            details: details.into(),
        }
    }
}

impl From<CallError> for Failing {
    fn from(error: CallError) -> Self {
        Self::new(FailureMode::HarnessError, error.to_string())
    }
}

impl From<LifecycleError> for Failing {
    fn from(error: LifecycleError) -> Self {
        let mode = match &error {
            LifecycleError::Refused(called) => symptom(called).unwrap_or(FailureMode::HarnessError),
            LifecycleError::Call(_) => FailureMode::HarnessError,
        };
        Self::new(mode, error.to_string())
    }
}

impl From<LoginError> for Failing {
    fn from(error: LoginError) -> Self {
        let mode = match &error {
            LoginError::Refused(_) => FailureMode::AuthFailed,
            LoginError::Call(_) => FailureMode::HarnessError,
        };
        Self::new(mode, error.to_string())
    }
}

impl From<TeamspaceError> for Failing {
    fn from(error: TeamspaceError) -> Self {
        Self::new(FailureMode::HarnessError, error.to_string())
    }
}

/// Recognises what the reference knows by name (reference A5).
pub(crate) fn symptom(called: &Called) -> Option<FailureMode> {
    let unknown = called
        .stdout
        .lines()
        .chain(called.stderr.lines())
        .filter_map(|line| line.split_once("unknown: ")?.1.split_whitespace().next())
        .any(|count| {
            count
                .trim_end_matches(',')
                .parse::<u64>()
                .is_ok_and(|it| it > 0)
        });
    if unknown || called.says("sync.event_loop_unavailable") {
        return Some(FailureMode::EventLoopUnavailable);
    }
    let migration = [
        "TeamSpace Migration Required",
        "FORBIDDEN_KEY",
        "project-store-migrate",
    ];
    if migration.iter().any(|words| called.says(words)) {
        return Some(FailureMode::MigrationRequired);
    }
    called.says("HTTP 413").then_some(FailureMode::Http413)
}

/// One scenario at work.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) scenario: Scenario,
    pub(crate) run_number: u8,
    /// What names of this scenario end with: the run's id in lower case.
    pub(crate) mark: String,
    pub(crate) machine: Machine,
    pub(crate) teamspace: &'a dyn Teamspace,
    pub(crate) watcher: &'a dyn Watcher,
    pub(crate) evidence: BoundaryEvidence,
}

/// An envelope's field.
pub(crate) fn text<'v>(envelope: &'v Value, key: &str) -> &'v str {
    envelope[key].as_str().unwrap_or_default()
}

impl Scene<'_> {
    pub(crate) fn step(&self, step: &str) {
        self.watcher
            .step(self.run_number, Some(self.scenario), step);
    }

    /// Logs in by the device flow; the Teamspace's operator approves.
    pub(crate) fn log_in(&self) -> Result<(), Failing> {
        self.step("login");
        log_in(&self.machine, self.teamspace)?;
        Ok(())
    }

    /// Looks at the boundary; any exit code will do, but the answer must be readable.
    pub(crate) fn check(&mut self) -> Result<StatusCheck, Failing> {
        let called = self
            .machine
            .spec_kitty(&["sync", "status", "--check", "--json"])?;
        let check = StatusCheck::read(&called)
            .map_err(|why| Failing::new(FailureMode::StatusParseError, why))?;
        check.record(&called, &mut self.evidence);
        Ok(check)
    }

    /// Makes the project, takes it into hosted sync, and creates the scenario's mission.
    pub(crate) fn create_mission(&mut self, suffix: &str) -> Result<Mission, Failing> {
        self.step("mission");
        initialise(&self.machine)?;
        let first = opt_in(&self.machine)?;
        let mission = Mission::create(&self.machine, &format!("canary-{}{suffix}", self.mark))?;
        if first.code != Some(0) {
            // A release that knows a project only once it captured something.
            opt_in(&self.machine)?;
        }
        self.evidence.mission_slug = Some(mission.slug.clone());
        Ok(mission)
    }

    /// Returns the envelopes that wait to be delivered, when the program shows them.
    pub(crate) fn captured(&self) -> Result<Option<Vec<Value>>, Failing> {
        let called = self.machine.spec_kitty(&["sync", "preview", "--json"])?;
        let document = called.json().filter(|_| called.code == Some(0));
        Ok(document.and_then(|it| it["events"].as_array().cloned()))
    }

    /// Lets events leave and runs `sync now`, which must deliver at the first try.
    pub(crate) fn deliver(&self) -> Result<Called, Failing> {
        self.step("sync now");
        let called = self.try_to_deliver()?;
        if let Some(mode) = symptom(&called) {
            return Err(Failing::new(mode, called.told()));
        }
        if called.code != Some(0) {
            return Err(Failing::new(FailureMode::SyncNowNonzero, called.told()));
        }
        Ok(called)
    }

    pub(crate) fn try_to_deliver(&self) -> Result<Called, Failing> {
        self.machine.event_sync(EventSync::Delivering)?;
        let report = self.machine.beside("report.json");
        let report = report.to_string_lossy();
        Ok(self
            .machine
            .spec_kitty(&["sync", "now", "--report", &report])?)
    }

    /// Returns what the server holds, all projects of the account.
    pub(crate) fn stored(&self) -> Result<Vec<Value>, Failing> {
        Ok(self.teamspace.events()?)
    }

    /// Requires that the server holds the mission and exactly what was captured, each once; returns
    /// the envelopes of this scenario.
    pub(crate) fn require_materialized(
        &mut self,
        mission: &Mission,
        captured: Option<&[Value]>,
        last_lane: &str,
    ) -> Result<Vec<Value>, Failing> {
        self.step("server");
        let missing = |details: String| Failing::new(FailureMode::NotMaterialized, details);
        let stored = self.stored()?;
        let created = stored.iter().find(|it| {
            text(it, "event_type") == "MissionCreated"
                && it["payload"]["mission_slug"] == *mission.slug
        });
        let created = created.ok_or_else(|| {
            missing(format!(
                "the server holds no MissionCreated of {}",
                mission.slug
            ))
        })?;
        let project = text(created, "project_uuid").to_owned();
        let ours: Vec<Value> = stored
            .iter()
            .filter(|it| text(it, "project_uuid") == project)
            .cloned()
            .collect();
        self.count(&ours);
        self.evidence.project_slug = created["project_slug"].as_str().map(str::to_owned);
        if let Some(captured) = captured {
            let ids = |events: &[Value]| -> BTreeSet<String> {
                events
                    .iter()
                    .map(|it| text(it, "event_id").to_owned())
                    .collect()
            };
            let (expected, found) = (ids(captured), ids(&ours));
            let lost: Vec<&String> = expected.difference(&found).collect();
            let surplus: Vec<&String> = found.difference(&expected).collect();
            if !lost.is_empty() || !surplus.is_empty() || found.len() != ours.len() {
                return Err(missing(format!(
                    "captured {}, stored {}; not stored: {lost:?}; stored and never captured: {surplus:?}",
                    captured.len(),
                    ours.len()
                )));
            }
        }
        let newest = moves(&ours).last().copied();
        if newest.is_none_or(|it| it["payload"]["to_lane"] != *last_lane) {
            let lane = newest.map(|it| &it["payload"]["to_lane"]);
            return Err(missing(format!(
                "WP01 is in {lane:?} on the server, not in {last_lane}"
            )));
        }
        Ok(ours)
    }

    fn count(&mut self, events: &[Value]) {
        let of_type = |kind: &str| {
            events
                .iter()
                .filter(|it| text(it, "event_type") == kind)
                .count()
        };
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let forced = moves(events)
            .iter()
            .filter(|it| it["payload"]["force"] == true)
            .count();
        self.evidence.saas_counts = SaasCounts {
            sync_event_count: number(events.len()),
            mission_count: number(of_type("MissionCreated")),
            work_package_count: number(of_type("WPCreated")),
            status_transition_count: number(moves(events).len()),
            force_required_transition_count: number(forced),
            ..SaasCounts::default()
        };
    }
}

/// The moves of the work package, in order.
pub(crate) fn moves(events: &[Value]) -> Vec<&Value> {
    let moved = |it: &&Value| {
        text(it, "event_type") == "WPStatusChanged" && it["payload"]["wp_id"] == "WP01"
    };
    events.iter().filter(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn said(stdout: &str) -> Option<FailureMode> {
        symptom(&Called {
            words: "spec-kitty sync now".into(),
            code: Some(1),
            stdout: stdout.into(),
            stderr: String::new(),
            took: Duration::ZERO,
        })
    }

    #[test]
    fn what_the_reference_knows_by_name_is_recognised() {
        for (stdout, mode) in [
            ("Synced: 3  Errors: 0", None),
            ("  unknown: 0", None),
            ("  unknown: 3", Some(FailureMode::EventLoopUnavailable)),
            (
                "sync.event_loop_unavailable",
                Some(FailureMode::EventLoopUnavailable),
            ),
            (
                "TeamSpace Migration Required",
                Some(FailureMode::MigrationRequired),
            ),
            (
                "run `spec-kitty sync project-store-migrate`",
                Some(FailureMode::MigrationRequired),
            ),
            ("[FORBIDDEN_KEY] x", Some(FailureMode::MigrationRequired)),
            ("answered with HTTP 413", Some(FailureMode::Http413)),
        ] {
            assert_eq!(said(stdout), mode, "{stdout}");
        }
    }
}
