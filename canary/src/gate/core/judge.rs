//! What each answer must be, and the message when it is not (reference A8).

use super::super::config::Version;
use super::super::facts::{
    Act, BlockerFound, Installed, Insubstantial, IssueState, Preflight, Release, Rows, RunFound,
    Runs, SuiteFound, Verb,
};
use super::super::snapshot::mutations;
use super::super::template;
use super::{Gate, Report, State};

/// How often the Teamspace suite must pass.
const SUITE_RUNS: usize = 4;

impl Gate {
    pub(super) fn blockers(&mut self, found: &[BlockerFound]) -> Result<(), Report> {
        for blocker in &self.config.blockers {
            let issue = &blocker.issue;
            let Some(found) = found.iter().find(|it| it.issue == *issue) else {
                return Err(Report::new(format!("GATE BLOCKED: {issue} was not found.")));
            };
            if found.state == IssueState::Open {
                return Err(Report::new(format!("GATE BLOCKED: {issue} is still OPEN.")));
            }
            match &found.insubstantial {
                None => {}
                Some(Insubstantial::DiagnosticOnly) => {
                    let message =
                        format!("GATE BLOCKED: {issue} fix appears to be diagnostic-only.");
                    return Err(Report::new(message));
                }
                Some(Insubstantial::TestFailsOnFix(why)) => {
                    let message = format!("GATE BLOCKED: {issue} fix does not pass its own test.");
                    return Err(Report::new(message).with([why.clone()]));
                }
                Some(Insubstantial::TestPassesOnParent) => {
                    let message = format!(
                        "GATE BLOCKED: {issue} fix is not tested: its test passes without it."
                    );
                    return Err(Report::new(message));
                }
            }
        }
        self.blockers_checked = true;
        if self.standing.state() == State::Idle {
            self.facts.candidate = None;
            self.reach(State::BlockersVerified);
        }
        Ok(())
    }

    pub(super) fn releases(&mut self, found: &[Release]) -> Result<(), Report> {
        let candidates = found.iter().filter(|it| it.prerelease);
        let newest = candidates
            .filter_map(|it| Some((Version::parse(&it.tag)?, it)))
            .max_by_key(|(version, _)| *version);
        let last = Version::parse(&self.config.last_tag);
        match newest {
            Some((version, release)) if Some(version) > last => {
                self.facts.candidate = Some(release.clone());
                Ok(())
            }
            _ => {
                let last = &self.config.last_tag;
                let message = format!("GATE BLOCKED: Latest published prerelease is still {last}.");
                Err(Report::new(message))
            }
        }
    }

    pub(super) fn installed(&mut self, found: &Result<Installed, String>) -> Result<(), Report> {
        match found {
            Ok(installed) => {
                self.facts.installed = Some(installed.clone());
                self.reach(State::RcInstalled);
                Ok(())
            }
            Err(why) => {
                let message = format!("GATE BLOCKED: {} could not be installed.", self.tag());
                // A new activation asks again which candidate is the newest.
                self.facts.candidate = None;
                Err(Report::new(message).with([why.clone()]))
            }
        }
    }

    pub(super) fn preflight(&mut self, found: &Preflight) -> Result<(), Report> {
        self.traceable(found)?;
        if found.health_status != 200 {
            return Err(Report::new("GATE BLOCKED: /health/ returned non-200.")
                .with([answered(found.health_status)]));
        }
        let least = &self.config.minimum_events;
        if Version::parse(&found.events_version) < Version::parse(least) {
            let message = format!(
                "GATE BLOCKED: /health/ reports spec_kitty_events={}, expected >= {least}.",
                found.events_version
            );
            return Err(Report::new(message));
        }
        // A server that is not ready because of them says how many there are: the more exact message.
        if let Some(count) = found.terminal_failed_infra.filter(|count| *count > 0) {
            let message = format!("GATE BLOCKED: terminal_failed_infra={count} > 0.");
            return Err(Report::new(message));
        }
        if found.ready_status != 200 || found.terminal_failed_infra.is_none() {
            return Err(
                Report::new("GATE BLOCKED: /health/ready/ returned non-200.")
                    .with([answered(found.ready_status)]),
            );
        }
        self.counted(found.business_rule.unwrap_or_default())?;
        self.counted(found.rows.count)?;
        if let Some(before) = self.facts.preflight.as_ref().filter(|_| self.preflight_due) {
            unchanged(&before.rows, &found.rows)?;
        }
        self.facts.preflight = Some(found.clone());
        self.preflight_due = false;
        if self.standing.state() == State::RcInstalled {
            self.reach(State::PreflightClean);
        }
        Ok(())
    }

    fn traceable(&self, found: &Preflight) -> Result<(), Report> {
        if let Some(error) = &found.import_error {
            let message = format!("GATE BLOCKED: {} does not load.", self.tag());
            return Err(Report::new(message).with([error.clone()]));
        }
        let tag = self.tag();
        if Version::parse(&found.cli_version) != Version::parse(&tag) {
            let says = &found.cli_version;
            return Err(Report::new(format!(
                "GATE BLOCKED: {tag} says that it is {says}."
            )));
        }
        let made_from = self.facts.candidate.as_ref().map(|it| it.commit.as_str());
        let made_from = made_from.filter(|commit| is_hash(commit));
        if let (Some(made_from), Some(says)) = (made_from, found.cli_commit.as_deref())
            && made_from != says
        {
            return Err(Report::new(format!(
                "GATE BLOCKED: {tag} was made from {made_from} but says {says}."
            )));
        }
        let least = &self.config.candidate.minimum_commit;
        if found.cli_commit.is_some() && found.commit_is_recent {
            return Ok(());
        }
        let commit = found.cli_commit.as_deref().unwrap_or("unknown");
        let message = format!("GATE BLOCKED: CLI commit {commit} is not at or after {least}.");
        Err(Report::new(message))
    }

    fn counted(&self, count: u64) -> Result<(), Report> {
        let expected = self.config.business_rule_rows;
        if count == expected {
            return Ok(());
        }
        let message =
            format!("UNEXPECTED: business_rule_rejected_count={count}, expected {expected}.");
        Err(Report::new(message))
    }

    pub(super) fn single(&mut self, found: &Runs) -> Result<(), Report> {
        let failed = |tag: &str| {
            let attempt = found.attempt;
            Report::new(format!(
                "GATE BLOCKED: Single-run canary failed on {tag} (attempt {attempt})."
            ))
        };
        let changed = mutations(&found.runs);
        let passed = found.runs.len() == 1 && found.runs.iter().all(RunFound::passed);
        self.judge_runs(found, passed, changed, &failed(&self.tag()))?;
        self.facts.single = Some(found.clone());
        self.reach(State::SingleRunPassed);
        Ok(())
    }

    pub(super) fn four(&mut self, found: &Runs) -> Result<(), Report> {
        let numbers: Vec<u8> = found.runs.iter().map(|it| it.run_number).collect();
        let mut ids: Vec<&String> = found.runs.iter().map(|it| &it.run_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let complete = numbers == [1, 2, 3, 4] && ids.len() == 4;
        let passed = complete && found.runs.iter().all(RunFound::passed);
        let changed = mutations(&found.runs);
        let report = Report::new("GATE BLOCKED: Four-run protocol failed.");
        self.judge_runs(found, passed, changed, &report)?;
        self.facts.four = Some(found.clone());
        self.reach(State::FourRunPassed);
        Ok(())
    }

    fn judge_runs(
        &mut self,
        found: &Runs,
        passed: bool,
        changed: Vec<String>,
        report: &Report,
    ) -> Result<(), Report> {
        if passed && changed.is_empty() {
            return Ok(());
        }
        let failed = found
            .runs
            .iter()
            .filter(|run| !run.passed())
            .flat_map(|run| {
                let number = run.run_number;
                let modes = run.scenarios.iter().enumerate();
                modes.filter_map(move |(at, mode)| {
                    let mode = mode.as_ref()?;
                    Some(format!("run {number}, scenario {}: {mode}", at + 1))
                })
            });
        let evidence = format!("evidence: {}", found.evidence);
        let details: Vec<String> = failed.chain(changed).chain([evidence]).collect();
        // What somebody changed between runs is no failure of a fix.
        if found.runs.iter().any(|run| !run.passed()) {
            self.reopen(found)?;
        }
        Err(report.clone().with(details))
    }

    pub(super) fn rows(&mut self, found: &Rows) -> Result<(), Report> {
        self.counted(found.count)?;
        if let Some(before) = &self.facts.preflight {
            unchanged(&before.rows, found)?;
        }
        self.facts.rows = Some(found.clone());
        let (issue, verb, text) = if self.standing.state() == State::FourRunPassed {
            let text = template::evidence(&self.config, &self.facts)?;
            (self.config.evidence_issue.clone(), Verb::Close, text)
        } else {
            let text = template::release(&self.config, &self.facts)?;
            (self.config.release_issue.clone(), Verb::Comment, text)
        };
        self.will(Act::new(issue, verb, &text));
        Ok(())
    }

    pub(super) fn issue(&mut self, found: IssueState) -> Result<(), Report> {
        let (issue, expected, next) = if self.standing.state() == State::FourRunPassed {
            (
                &self.config.evidence_issue,
                IssueState::Closed,
                State::E2eGateClosed,
            )
        } else {
            (
                &self.config.release_issue,
                IssueState::Open,
                State::GateComplete,
            )
        };
        if found == expected {
            self.reach(next);
            return Ok(());
        }
        Err(Report::new(match found {
            IssueState::Open => format!("GATE BLOCKED: {issue} is still OPEN."),
            IssueState::Closed => format!("GATE BLOCKED: {issue} is CLOSED and must remain OPEN."),
        }))
    }

    pub(super) fn suite(&mut self, found: &SuiteFound) -> Result<(), Report> {
        if found.passed.len() == SUITE_RUNS && found.passed.iter().all(|passed| *passed) {
            self.facts.suite = Some(found.clone());
            self.reach(State::TeamspacePassed);
            return Ok(());
        }
        let number = found.passed.iter().take_while(|passed| **passed).count() + 1;
        let message =
            format!("GATE BLOCKED: Teamspace suite failed in run {number}; root cause required.");
        Err(Report::new(message).with([format!("evidence: {}", found.evidence)]))
    }
}

/// Tells whether a word is the whole name of a commit and not, for example, that of a branch.
fn is_hash(word: &str) -> bool {
    word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// How a health endpoint was answered.
fn answered(status: u16) -> String {
    match status {
        0 => "nobody answered in time".to_owned(),
        status => format!("HTTP {status}"),
    }
}

fn unchanged(before: &Rows, now: &Rows) -> Result<(), Report> {
    if before == now {
        return Ok(());
    }
    Err(
        Report::new("UNEXPECTED: historical business_rule rows changed in content.").with([
            format!("before: {}", before.digest),
            format!("now: {}", now.digest),
        ]),
    )
}
