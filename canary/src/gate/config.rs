//! What a gate is told: the blockers, the tracker, the candidate, the server. One JSON file.

use super::facts::IssueRef;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The configuration of a gate; paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    /// The issues that must be closed by a substantive fix.
    pub blockers: Vec<Blocker>,
    /// The issue that the evidence closes.
    pub evidence_issue: IssueRef,
    /// The release tracker, which stays open.
    pub release_issue: IssueRef,
    /// The tag of the last candidate; only a newer one is installed.
    pub last_tag: String,
    /// How a candidate is installed and found.
    pub candidate: Candidate,
    /// The Teamspace.
    pub server: Server,
    /// The least events package that the server may have.
    #[serde(default = "least_events")]
    pub minimum_events: String,
    /// The commit of the events package that the candidate uses, for the release tracker.
    #[serde(default)]
    pub events_commit: String,
    /// How many historical `business_rule` rows the server holds.
    #[serde(default = "historical_rows")]
    pub business_rule_rows: u64,
    /// The command that runs the canary once; `spec-kitty canary run` of this program without it. It
    /// is given `--run-number`, `--server`, `--approval-key-file`, `--account`, `--cli`, `--artifacts`,
    /// `--tag` and `--json`, and leaves one attempt in the artifacts.
    #[serde(default)]
    pub runner: Vec<String>,
    /// The Teamspace suite: a command that is run four times. `{run}`, `{xml}` (where the JUnit XML
    /// is expected), `{server}`, `{account}`, `{approval_key_file}`, `{program}` and `{prefix}` are
    /// replaced.
    pub suite: Vec<String>,
    /// Files and directories besides the state root's own that no run may change.
    #[serde(default)]
    pub watch: Vec<PathBuf>,
    /// The file with the releases; without it `gh` is asked.
    #[serde(default)]
    pub releases_file: Option<PathBuf>,
    /// The file with the states of issues for the outbox; `gh` is asked without it.
    #[serde(default)]
    pub issues_file: Option<PathBuf>,
    /// The repository on GitHub whose releases `gh` lists.
    #[serde(default)]
    pub releases_repo: Option<String>,
}

/// A blocker and the fix that closed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocker {
    /// The issue.
    pub issue: IssueRef,
    /// Its fix.
    pub fix: Fix,
    /// The failure modes that mean that the fix did not work, so that the issue is opened again.
    #[serde(default)]
    pub failure_modes: Vec<String>,
}

/// What a fix is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// The checkout that has the commit.
    pub repository: PathBuf,
    /// The commit.
    pub commit: String,
    /// Where behaviour has to change.
    pub paths: Vec<String>,
    /// The files of the test; they are taken to the parent commit.
    pub test_files: Vec<String>,
    /// The command of the test; it must fail on the parent and pass on the fix.
    pub test: Vec<String>,
    /// Words that make a changed line immaterial, besides those of logging: for example `timeout`.
    #[serde(default)]
    pub immaterial: Vec<String>,
    /// How many seconds the test may take.
    #[serde(default = "test_seconds")]
    pub limit_seconds: u64,
}

/// How a candidate is installed and asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The command that installs `{artifact}` (`{tag}`) into `{prefix}`; without it the artifact is a
    /// program that is copied.
    #[serde(default)]
    pub install: Vec<String>,
    /// The program, relative to the prefix.
    #[serde(default = "program")]
    pub program: PathBuf,
    /// Commands that must succeed from the fresh prefix; `{program}` and `{prefix}` are replaced.
    #[serde(default)]
    pub imports: Vec<Vec<String>>,
    /// The command that prints the embedded commit; `{program} canary origin` without it.
    #[serde(default)]
    pub origin: Vec<String>,
    /// The commit that the candidate must be at or after.
    #[serde(default = "least_commit")]
    pub minimum_commit: String,
    /// A checkout that knows both commits.
    pub repository: PathBuf,
}

/// The Teamspace that the gate runs against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its address.
    pub url: String,
    /// The account of the canary.
    pub account: String,
    /// The file with the key that approves logins.
    pub approval_key_file: PathBuf,
    /// How many seconds to wait before a health endpoint that did not answer well is asked again.
    #[serde(default = "retry_seconds")]
    pub retry_seconds: u64,
}

fn least_events() -> String {
    "5.1.0".to_owned()
}

const fn test_seconds() -> u64 {
    900
}

const fn retry_seconds() -> u64 {
    15
}

const fn historical_rows() -> u64 {
    22
}

fn program() -> PathBuf {
    PathBuf::from("bin/spec-kitty")
}

fn least_commit() -> String {
    "cc5e1ca983adff4a45489ce7afe11ad3a3a26e30".to_owned()
}

impl GateConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if config.blockers.is_empty() {
            return Err("`blockers` is empty: a gate that waits for nothing is none".to_owned());
        }
        if Version::parse(&config.last_tag).is_none() {
            return Err(format!("`last_tag` {} is no version", config.last_tag));
        }
        if config.suite.is_empty() {
            return Err("`suite` names no command".to_owned());
        }
        if let Some(blocker) = config.blockers.iter().find(|it| it.fix.test.is_empty()) {
            return Err(format!("the fix of {} names no test", blocker.issue));
        }
        Ok(config)
    }
}

/// A release number such as `v3.2.0rc16`; a candidate comes before its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    numbers: [u64; 3],
    /// `u64::MAX` for a release, which comes after all its candidates.
    candidate: u64,
}

impl Version {
    /// Reads `[v]MAJOR.MINOR.PATCH[[-]rcN]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (numbers, candidate) = match text.split_once("rc") {
            Some((numbers, candidate)) => {
                let numbers = numbers.trim_end_matches(['-', '.']);
                (numbers, candidate.trim_start_matches('.').parse().ok()?)
            }
            None => (text, u64::MAX),
        };
        let mut parts = numbers.split('.').map(|part| part.parse().ok());
        let mut next = || parts.next().flatten();
        let numbers = [next()?, next()?, next()?];
        parts
            .next()
            .is_none()
            .then_some(Self { numbers, candidate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_is_a_configuration_with_every_field() {
        let text = include_str!("../../../docs/canary-gate.example.json");
        let config = GateConfig::parse(text).unwrap();
        let shown: serde_json::Value = serde_json::from_str(text).unwrap();
        let whole = serde_json::to_value(&config).unwrap();
        let names = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        // What `gh` is asked for instead of a file is the one alternative.
        let mut all = names(&whole);
        all.retain(|name| name != "releases_repo");
        assert_eq!(names(&shown), all);
        let parts = ["/blockers/0", "/blockers/0/fix", "/candidate", "/server"];
        for part in parts {
            let of = |value: &serde_json::Value| names(value.pointer(part).unwrap());
            assert_eq!(of(&shown), of(&whole), "{part}");
        }
    }

    #[test]
    fn candidates_are_ordered_by_number_and_come_before_their_release() {
        let order = [
            "3.1.9",
            "v3.2.0rc2",
            "3.2.0-rc15",
            "v3.2.0rc16",
            "v3.2.0",
            "v3.10.0rc1",
        ];
        let versions: Vec<Version> = order.iter().map(|it| Version::parse(it).unwrap()).collect();
        assert!(
            versions.windows(2).all(|pair| pair[0] < pair[1]),
            "{versions:?}"
        );
        for bad in ["", "3.2", "latest", "3.2.0rc", "3.2.0.1", "3.2.0b1"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
