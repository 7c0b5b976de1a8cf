//! Runs of the canary, each a child process between two snapshots, and their evidence as one attempt.

use super::super::config::GateConfig;
use super::super::core::Gate;
use super::super::facts::{RunFound, Runs};
use super::super::snapshot::{Snapshot, Span};
use super::super::world::WorldError;
use super::Site;
use crate::artifacts::{ArtifactError, Attempt, FOLDER, Protocol, run_file, verify};
use crate::result::{CanaryRunResult, Outcome};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one run may take: four scenarios of 900 s each (reference A1).
const RUN_LIMIT: Duration = Duration::from_secs(4 * 900);
/// The folder of the evidence within the directory of the gate.
const ARTIFACTS: &str = "artifacts";
/// The log of a run, in its attempt.
const LOG: &str = "canary.log";

/// What one run left.
struct Ended {
    result: CanaryRunResult,
    log: Vec<u8>,
    found: RunFound,
}

impl Site<'_> {
    /// Runs the canary so often; the first run that fails is the last.
    ///
    /// The attempt is made when all runs have ended: a gate that was killed leaves none that is open,
    /// and one that is there is never touched.
    pub(super) fn run_canary(
        &self,
        config: &GateConfig,
        gate: &Gate,
        times: u8,
    ) -> Result<Runs, WorldError> {
        let mut ended = Vec::new();
        for number in 1..=times {
            let step = format!("the canary, {number} of {times}");
            self.watcher.step(number, None, &step);
            let run = self.run_once(config, gate, number)?;
            let failed = run.result.outcome == Outcome::Fail;
            ended.push(run);
            if failed {
                break;
            }
        }
        self.preserve(super::tag(gate)?, ended)
            .map_err(WorldError::new)
    }

    fn run_once(&self, config: &GateConfig, gate: &Gate, number: u8) -> Result<Ended, WorldError> {
        let staging = self.scratch.path(&format!("run-{number}"));
        let words = self.words(config, gate, number, &staging)?;
        let before = self.snapshot(config)?;
        let called = self.commands().run(&words, &self.base, RUN_LIMIT);
        let called = called.map_err(WorldError::new)?;
        let after = self.snapshot(config)?;
        let (earlier_events_digest, foreign_events) = self.server.since(before.last_sequence)?;
        let attempt = only_attempt(&staging).ok_or_else(|| {
            WorldError(format!("run {number} left no evidence: {}", called.told()))
        })?;
        let result = self.read(config, gate, number, &attempt)?;
        let span = Span {
            before,
            after,
            earlier_events_digest,
            foreign_events,
        };
        Ok(Ended {
            log: std::fs::read(attempt.join(LOG)).unwrap_or_default(),
            found: RunFound::of(&result, span),
            result,
        })
    }

    fn words(
        &self,
        config: &GateConfig,
        gate: &Gate,
        number: u8,
        staging: &Path,
    ) -> Result<Vec<String>, WorldError> {
        let runner = if config.runner.is_empty() {
            &self.runner
        } else {
            &config.runner
        };
        let key = self.path(&config.server.approval_key_file);
        let mut words = runner.clone();
        let options: [(&str, String); 7] = [
            ("--run-number", number.to_string()),
            ("--server", config.server.url.clone()),
            ("--approval-key-file", key.display().to_string()),
            ("--account", config.server.account.clone()),
            ("--cli", super::installed(gate)?.program.clone()),
            ("--artifacts", staging.display().to_string()),
            ("--tag", super::tag(gate)?.to_owned()),
        ];
        for (name, value) in options {
            words.extend([name.to_owned(), value]);
        }
        words.push("--json".to_owned());
        Ok(words)
    }

    fn snapshot(&self, config: &GateConfig) -> Result<Snapshot, WorldError> {
        let mut snapshot = self.server.snapshot()?;
        snapshot.files = self.watched(config)?;
        Ok(snapshot)
    }

    /// Reads the evidence of a run; what does not verify, or is of anything else, is none.
    fn read(
        &self,
        config: &GateConfig,
        gate: &Gate,
        number: u8,
        attempt: &Path,
    ) -> Result<CanaryRunResult, WorldError> {
        let findings = verify(attempt, Protocol::Single).map_err(WorldError::new)?;
        if let Some(finding) = findings.first() {
            let what = format!("the evidence of run {number} does not verify: {finding}");
            return Err(WorldError(what));
        }
        let bytes = std::fs::read(attempt.join(run_file(number)))
            .map_err(|error| WorldError(format!("the evidence is not of run {number}: {error}")))?;
        let result: CanaryRunResult = serde_json::from_slice(&bytes).map_err(WorldError::new)?;
        let program = &super::installed(gate)?.program;
        let url = config.server.url.trim_end_matches('/');
        if result.cli_path != *program || result.saas_url != url {
            return Err(WorldError(format!(
                "the evidence of run {number} is of {} and {}, not of {program} and {url}",
                result.cli_path, result.saas_url
            )));
        }
        Ok(result)
    }

    /// Writes what was found as one attempt.
    fn preserve(&self, tag: &str, ended: Vec<Ended>) -> Result<Runs, ArtifactError> {
        let artifacts = self.directory.join(ARTIFACTS);
        let mut attempt = Attempt::begin(&*self.filesystem, &artifacts, tag)?;
        let mut log = Vec::new();
        let mut runs = Vec::new();
        for run in ended {
            attempt.write_run(&run.result)?;
            log.extend(run.log);
            runs.push(run.found);
        }
        attempt.write(LOG, &log)?;
        let spans: Vec<_> = runs.iter().map(|run| (run.run_number, &run.span)).collect();
        let spans = serde_json::to_vec_pretty(&spans).expect("snapshots have a JSON form");
        attempt.write("snapshots.json", &spans)?;
        let sealed = attempt.seal()?;
        let name = sealed.directory.to_string_lossy();
        let number = name
            .rsplit("-attempt")
            .next()
            .and_then(|it| it.parse().ok());
        Ok(Runs {
            attempt: number.unwrap_or_default(),
            evidence: self.told(&sealed.directory),
            digest: sealed.digest,
            runs,
        })
    }
}

/// Returns the one attempt that a run left in its artifacts.
fn only_attempt(artifacts: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(artifacts.join(FOLDER)).ok()?;
    let attempt = entries.next()?.ok()?.path();
    entries.next().is_none().then_some(attempt)
}
