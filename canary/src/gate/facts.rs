//! What the gate asks, what it is told, and what it has done; all of it is kept in the log.

use super::core::State;
use super::snapshot::Span;
use crate::result::{CanaryRunResult, Outcome};
use serde::{Deserialize, Serialize};

/// Something that the gate has to know before it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Are the blockers closed, and are their fixes substantive?
    Blockers,
    /// Which prereleases are published?
    Releases,
    /// Does the candidate install into a fresh prefix, and does it start from there?
    Install,
    /// What do the candidate and the server say about themselves?
    Preflight,
    /// How does one run of the canary end?
    SingleRun,
    /// How do four runs in a row end, and did anything change between them?
    FourRuns,
    /// How many historical rows are there, and what is in them?
    Rows,
    /// Which state does an issue have?
    Issue(IssueRef),
    /// How does the Teamspace suite end, four times?
    Suite,
}

/// One issue of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueRef {
    /// The repository, `owner/name`.
    pub repo: String,
    /// Its number.
    pub number: u64,
}

impl std::fmt::Display for IssueRef {
    /// The short form of the messages: `spec-kitty#1141`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.repo.rsplit('/').next().unwrap_or(&self.repo);
        write!(formatter, "{name}#{}", self.number)
    }
}

/// The two states of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum IssueState {
    /// Work is left.
    Open,
    /// It is done.
    Closed,
}

/// A blocker, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockerFound {
    /// The issue.
    pub issue: IssueRef,
    /// Its state.
    pub state: IssueState,
    /// Why its fix does not count; `None` when it does.
    pub insubstantial: Option<Insubstantial>,
}

/// Why a fix does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Insubstantial {
    /// It changes logging, comments or other immaterial lines only.
    DiagnosticOnly,
    /// The named test does not pass on the fix.
    TestFailsOnFix(String),
    /// The named test passes without the fix too, so that it proves nothing.
    TestPassesOnParent,
}

/// A published release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its tag, for example `v3.2.0rc16`.
    pub tag: String,
    /// Whether it is a prerelease.
    pub prerelease: bool,
    /// The commit it was made from.
    pub commit: String,
    /// Where it can be had: a path, or what the install command understands.
    pub artifact: String,
}

/// A candidate that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// The fresh prefix.
    pub prefix: String,
    /// The program in it.
    pub program: String,
}

/// What candidate and server say before the first run (reference A2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preflight {
    /// The version that the candidate says it has.
    pub cli_version: String,
    /// The commit that is embedded in the candidate; `None` when there is none.
    pub cli_commit: Option<String>,
    /// Whether that commit is the configured one or a descendant of it.
    pub commit_is_recent: bool,
    /// Whether what a later scenario needs (owner record, preflight) loads in the candidate.
    pub import_error: Option<String>,
    /// The status of `/health/`; 0 when nobody answered in time.
    pub health_status: u16,
    /// The version of the service.
    pub service_version: String,
    /// The commit, or image, of the service.
    pub service_commit: String,
    /// The events package of the service.
    pub events_version: String,
    /// The status of `/health/ready/`; 0 when nobody answered in time.
    pub ready_status: u16,
    /// Rows that failed for good because of infrastructure; `None` when the server did not say.
    pub terminal_failed_infra: Option<u64>,
    /// Rows that a business rule refused.
    pub business_rule: Option<u64>,
    /// The historical rows as the reading API gives them.
    pub rows: Rows,
    /// When this was asked, in seconds since 1970.
    pub at: i64,
}

/// The historical rows: how many, and a digest over all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The SHA-256 over their content in order.
    pub digest: String,
}

/// One run, as far as the gate judges and reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFound {
    /// Its position.
    pub run_number: u8,
    /// Its ULID.
    pub run_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The release that was run.
    pub cli_version: String,
    /// The failure mode of each scenario, by number; `None` where it passed.
    pub scenarios: Vec<Option<String>>,
    /// What was there before and after it.
    pub span: Span,
}

impl RunFound {
    /// Takes from a result what the gate needs.
    #[must_use]
    pub fn of(result: &CanaryRunResult, span: Span) -> Self {
        let mode = |found: &crate::result::ScenarioResult| {
            let failed = found.status == Outcome::Fail;
            failed.then(|| {
                found
                    .failure_mode
                    .map_or_else(|| "unnamed".to_owned(), |mode| mode.to_string())
            })
        };
        let sound = result.contradictions().is_empty();
        Self {
            run_number: result.run_number,
            run_id: result.run_id.clone(),
            outcome: if sound { result.outcome } else { Outcome::Fail },
            cli_version: result.cli_version.clone(),
            scenarios: result.scenarios.iter().map(mode).collect(),
            span,
        }
    }

    /// Tells whether it has four scenarios and all passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Pass
            && self.scenarios.len() == 4
            && self.scenarios.iter().all(Option::is_none)
    }
}

/// The runs of one attempt and where their evidence lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// The number of the attempt.
    pub attempt: u32,
    /// The directory of the evidence, relative to the gate's.
    pub evidence: String,
    /// The digest of its manifest.
    pub digest: String,
    /// The runs, in order.
    pub runs: Vec<RunFound>,
}

/// How the Teamspace suite ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteFound {
    /// The directory of logs and JUnit XML, relative to the gate's.
    pub evidence: String,
    /// The digest of its manifest.
    pub digest: String,
    /// Whether each of the consecutive runs passed.
    pub passed: Vec<bool>,
}

/// An answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::Blockers`].
    Blockers(Vec<BlockerFound>),
    /// To [`Question::Releases`].
    Releases(Vec<Release>),
    /// To [`Question::Install`]; the error is why it cannot be installed.
    Install(Result<Installed, String>),
    /// To [`Question::Preflight`].
    Preflight(Box<Preflight>),
    /// To [`Question::SingleRun`].
    SingleRun(Runs),
    /// To [`Question::FourRuns`].
    FourRuns(Runs),
    /// To [`Question::Rows`].
    Rows(Rows),
    /// To [`Question::Issue`].
    Issue(IssueState),
    /// To [`Question::Suite`].
    Suite(SuiteFound),
}

/// What is done to an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// A comment is posted.
    Comment,
    /// A comment is posted and the issue is closed.
    Close,
    /// A comment is posted and the issue is opened again unless it is open.
    Reopen,
}

impl std::fmt::Display for Verb {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Comment => "comment",
            Self::Close => "close",
            Self::Reopen => "reopen",
        })
    }
}

/// Something that others see; done once, however often the gate is killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Follows from the content: the same act has the same id for ever.
    pub id: String,
    /// The issue.
    pub issue: IssueRef,
    /// What is done.
    pub verb: Verb,
    /// The exact bytes of the comment; its last line holds the id.
    pub body: String,
}

impl Act {
    /// Creates an act; the id is derived from everything else.
    #[must_use]
    pub fn new(issue: IssueRef, verb: Verb, text: &str) -> Self {
        let content = format!("{}\n{}\n{verb}\n{text}", issue.repo, issue.number);
        let id = super::digest(content.as_bytes())[..32].to_owned();
        let body = format!("{}\n\n{}\n", text.trim_end(), Self::mark(&id));
        Self {
            id,
            issue,
            verb,
            body,
        }
    }

    /// Returns the line by which a comment is found again.
    #[must_use]
    pub fn mark(id: &str) -> String {
        format!("<!-- spec-kitty-gate:{id} -->")
    }
}

/// How an act was done: rendered for a person, or executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// It lies in the outbox, at this path, and waits for a person.
    Rendered(String),
    /// It was done; the address of the comment.
    Executed(String),
}

/// Everything that moves the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Somebody started it, or started it again.
    Activated {
        /// In seconds since 1970.
        at: i64,
        /// The digest of the configuration.
        config: String,
        /// Where it is to go on instead of where it stopped; never ahead of what was reached.
        from: Option<State>,
    },
    /// A question was answered.
    Answered(Answer),
    /// An act is about to be done.
    Intended(Act),
    /// An act was done.
    Done {
        /// Its id.
        id: String,
        /// How.
        witness: Witness,
    },
}

/// What the gate wants done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Find out.
    Ask(Question),
    /// Do.
    Do(Act),
}
