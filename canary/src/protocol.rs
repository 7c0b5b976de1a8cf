//! Runs and the four-run protocol: the same four scenarios, one after the other, no retry, and nothing
//! touched between two runs.

use crate::machine::{Bench, CallError, Log, Machine};
use crate::ports::{Teamspace, Watcher};
use crate::result::{
    BoundaryEvidence, CanaryRunResult, FailureMode, Outcome, RUN_NUMBERS, Scenario, ScenarioResult,
    outcome_of,
};
use crate::scenarios;
use crate::scene::{Failing, Scene};
use kitty_contract::Gate;
use kitty_runtime::id::EventIds;
use kitty_runtime::time::{SharedTime, iso};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Everything that the runs of one attempt have in common.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The binary under test and what its machines need.
    pub bench: Bench,
    /// An empty directory that the machines are made in.
    pub work: PathBuf,
    /// The Teamspace.
    pub teamspace: &'a dyn Teamspace,
    /// Who is told where a run stands.
    pub watcher: &'a dyn Watcher,
    /// The clock.
    pub time: SharedTime,
}

/// What the binary under test says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its release.
    pub cli_version: String,
    /// The events package that it uses.
    pub events_package_version: String,
}

/// The distribution that defines the events.
const EVENTS_PACKAGE: &str = "spec-kitty-events";

impl Setup<'_> {
    /// Asks the binary under test for its release.
    ///
    /// # Errors
    /// [`CallError`] when it does not say one.
    pub fn release(&self) -> Result<Release, CallError> {
        let machine = Machine::new(&self.bench, &self.work.join("release"), "origin")?;
        let called = machine.spec_kitty(&["--version"])?;
        let version = called.stdout.split_whitespace().last();
        match version.filter(|_| called.code == Some(0)) {
            Some(version) => Ok(Release {
                cli_version: version.to_owned(),
                events_package_version: events_version(&self.bench.program),
            }),
            None => Err(CallError::Preparation(called.told())),
        }
    }

    /// Runs the four scenarios once.
    pub fn run(&self, release: &Release, number: u8) -> CanaryRunResult {
        let started = Instant::now();
        let timestamp = iso(self.time.now());
        let run_id = EventIds::new(self.time.clone()).next().to_string();
        let log = &self.bench.log;
        log.line(&format!("== run {number} ({run_id}) at {timestamp}"));
        let scenarios: Vec<ScenarioResult> = Scenario::ALL
            .into_iter()
            .map(|scenario| self.scenario(number, &run_id, scenario))
            .collect();
        let result = CanaryRunResult {
            outcome: outcome_of(&scenarios),
            run_id,
            run_number: number,
            cli_version: release.cli_version.clone(),
            events_package_version: release.events_package_version.clone(),
            timestamp,
            scenarios,
            cli_path: self.bench.program.display().to_string(),
            saas_url: self.teamspace.url().to_owned(),
            duration_ms: milliseconds(started.elapsed()),
        };
        log.line(&format!("== run {number}: {:?}", result.outcome));
        result
    }

    /// Runs the four runs in order; the first that fails is the last, because a failure has a cause
    /// that is found before anything is run again (reference A7).
    pub fn run_four(
        &self,
        release: &Release,
        mut each: impl FnMut(&CanaryRunResult),
    ) -> Vec<CanaryRunResult> {
        let mut results = Vec::new();
        for number in RUN_NUMBERS {
            let result = self.run(release, number);
            each(&result);
            let failed = result.outcome == Outcome::Fail;
            results.push(result);
            if failed {
                break;
            }
        }
        results
    }

    fn scenario(&self, number: u8, run_id: &str, scenario: Scenario) -> ScenarioResult {
        let started = Instant::now();
        self.bench.log.line(&format!(
            "-- scenario {} {}",
            scenario.id(),
            scenario.title()
        ));
        let mut evidence = BoundaryEvidence::default();
        let ended = self.play(number, run_id, scenario, &mut evidence);
        if let Err(failing) = &ended {
            self.bench
                .log
                .line(&format!("-- failed: {}: {}", failing.mode, failing.details));
        }
        let failing = ended.err();
        ScenarioResult {
            id: scenario.id(),
            name: scenario.title().to_owned(),
            status: if failing.is_none() {
                Outcome::Pass
            } else {
                Outcome::Fail
            },
            failure_mode: failing.as_ref().map(|it| it.mode),
            details: failing.map(|it| it.details),
            duration_ms: milliseconds(started.elapsed()),
            boundary_evidence: evidence,
        }
    }

    fn play(
        &self,
        number: u8,
        run_id: &str,
        scenario: Scenario,
        evidence: &mut BoundaryEvidence,
    ) -> Result<(), Failing> {
        let id = scenario.id();
        let base = self.work.join(format!("run-{number}/scenario-{id}"));
        let mark = run_id.to_lowercase();
        // The remote that the reference's checkouts have, with twelve digits of this run and scenario.
        let remote = format!(
            "git@github.com:Priivacy-ai/spec-kitty-canary-{}{number}{id}.git",
            &mark[mark.len() - 10..]
        );
        let mut scene = Scene {
            scenario,
            run_number: number,
            mark,
            machine: Machine::new(&self.bench, &base, &remote)?,
            teamspace: self.teamspace,
            watcher: self.watcher,
            evidence: BoundaryEvidence::default(),
        };
        let ready = || {
            self.teamspace
                .readiness()
                .map_err(|error| Failing::new(FailureMode::ReadinessDegraded, error.to_string()))
        };
        let ended = (|| {
            scene.evidence.readiness_before = ready()?;
            scenarios::run(&mut scene)?;
            scene.evidence.readiness_after = ready()?;
            scene.evidence.count_refused();
            Ok(())
        })();
        *evidence = std::mem::take(&mut scene.evidence);
        ended
    }
}

/// Makes a log for the runs of an attempt.
#[must_use]
pub fn new_log() -> Rc<Log> {
    Rc::new(Log::default())
}

/// Finds out which events package a program uses: what is installed beside a Python program, else the
/// release that the vendored contract was derived from.
fn events_version(program: &Path) -> String {
    let beside = program.canonicalize().ok();
    let python = beside
        .as_deref()
        .unwrap_or(program)
        .parent()
        .map(|it| it.join("python"));
    if let Some(python) = python.filter(|it| it.is_file()) {
        let script =
            format!("import importlib.metadata as m; print(m.version('{EVENTS_PACKAGE}'))");
        let mut command = Command::new(python);
        command
            .args(["-I", "-c", &script])
            .env_clear()
            .stdin(Stdio::null());
        let output = command.stderr(Stdio::null()).output();
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        if let Ok(said) = said
            && !said.is_empty()
        {
            return said;
        }
    }
    let packages = Gate::vendored().provenance().packages();
    let events = packages.filter(|package| package.name == EVENTS_PACKAGE);
    events
        .last()
        .map_or_else(|| "unknown".to_owned(), |it| it.version.to_owned())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
