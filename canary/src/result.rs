//! What one run of the canary found, as it is stored (document 5, `CanaryRunResult`).
//!
//! Pure: the outcome follows from the statuses, and [`CanaryRunResult::contradictions`] names
//! everything in a stored result that does not follow.

mod evidence;
mod failure_mode;

pub use evidence::{BoundaryEvidence, DaemonOwner, SaasCounts};
pub use failure_mode::FailureMode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The runs of the protocol, in order.
pub const RUN_NUMBERS: std::ops::RangeInclusive<u8> = 1..=4;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every scenario passed.
    Pass,
    /// At least one scenario failed, or is missing.
    Fail,
}

/// One of the four scenarios, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A fresh login delivers a fresh mission.
    FreshMission,
    /// Queue rows of another identity are neither adopted nor lost.
    LegacyRows,
    /// A daemon of another identity stops a delivery.
    OwnerMismatch,
    /// A rejected work package goes back forced and with a reason.
    Rejection,
}

impl Scenario {
    /// Every scenario, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::FreshMission,
        Self::LegacyRows,
        Self::OwnerMismatch,
        Self::Rejection,
    ];

    /// Returns the number of document 5.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::FreshMission => 1,
            Self::LegacyRows => 2,
            Self::OwnerMismatch => 3,
            Self::Rejection => 4,
        }
    }

    /// Returns the name of document 5.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::FreshMission => "Fresh Authenticated Mission",
            Self::LegacyRows => "Legacy Queue Row Migration",
            Self::OwnerMismatch => "Daemon Owner Mismatch Refusal",
            Self::Rejection => "Review Rejection Force-Required Contract",
        }
    }
}

/// What one run found (document 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanaryRunResult {
    /// `pass` if and only if all four scenarios are there and passed.
    pub outcome: Outcome,
    /// The run's ULID, unique.
    #[schemars(regex(pattern = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"))]
    pub run_id: String,
    /// The position in the four-run protocol.
    #[schemars(range(min = 1, max = 4))]
    pub run_number: u8,
    /// The release of the binary under test, as it says itself.
    pub cli_version: String,
    /// The release of the events package that the binary under test uses.
    pub events_package_version: String,
    /// When the run started, ISO 8601.
    pub timestamp: String,
    /// What the scenarios found, by number.
    pub scenarios: Vec<ScenarioResult>,
    /// The program that was run.
    pub cli_path: String,
    /// The server it was run against.
    pub saas_url: String,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
}

/// What one scenario found (document 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioResult {
    /// The number of the scenario.
    #[schemars(range(min = 1, max = 4))]
    pub id: u8,
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub status: Outcome,
    /// Why it failed; null when it passed.
    pub failure_mode: Option<FailureMode>,
    /// What was expected and what was found; null when it passed.
    pub details: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What was seen on the way.
    pub boundary_evidence: BoundaryEvidence,
}

/// Returns the outcome that follows from the scenarios: four that are distinct, and all passed.
#[must_use]
pub fn outcome_of(scenarios: &[ScenarioResult]) -> Outcome {
    let complete = ids(scenarios) == Scenario::ALL.map(Scenario::id);
    let passed = scenarios.iter().all(|it| it.status == Outcome::Pass);
    if complete && passed {
        Outcome::Pass
    } else {
        Outcome::Fail
    }
}

fn ids(scenarios: &[ScenarioResult]) -> Vec<u8> {
    let mut ids: Vec<u8> = scenarios.iter().map(|it| it.id).collect();
    ids.sort_unstable();
    ids
}

impl CanaryRunResult {
    /// Names everything that does not follow; empty for what a run writes.
    #[must_use]
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !RUN_NUMBERS.contains(&self.run_number) {
            found.push(format!("run_number is {}, not 1 to 4", self.run_number));
        }
        if self.run_id.parse::<ulid::Ulid>().is_err() {
            found.push(format!("run_id `{}` is no ULID", self.run_id));
        }
        if self.timestamp.parse::<jiff::Timestamp>().is_err() {
            found.push(format!(
                "timestamp `{}` is no ISO 8601 time",
                self.timestamp
            ));
        }
        if ids(&self.scenarios) != Scenario::ALL.map(Scenario::id) {
            found.push(format!(
                "the scenarios are {:?}, not 1 to 4 once each",
                ids(&self.scenarios)
            ));
        }
        let follows = outcome_of(&self.scenarios);
        if self.outcome != follows {
            found.push(format!(
                "outcome is {:?}, but the scenarios say {follows:?}",
                self.outcome
            ));
        }
        found.extend(
            self.scenarios
                .iter()
                .flat_map(ScenarioResult::contradictions),
        );
        found
    }

    /// Returns the document as it is stored: indented JSON with a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("every field has a JSON form");
        format!("{text}\n")
    }
}

impl ScenarioResult {
    fn contradictions(&self) -> Vec<String> {
        let known = Scenario::ALL.into_iter().find(|it| it.id() == self.id);
        let named = known.is_none_or(|scenario| scenario.title() == self.name);
        let explained = match self.status {
            Outcome::Pass => self.failure_mode.is_none(),
            Outcome::Fail => self.failure_mode.is_some() && self.details.is_some(),
        };
        let mut found = Vec::new();
        if !named {
            found.push(format!("scenario {} is not named `{}`", self.id, self.name));
        }
        if !explained {
            found.push(format!(
                "scenario {} is {:?} with the failure mode {:?}",
                self.id, self.status, self.failure_mode
            ));
        }
        found
    }
}

/// Renders `docs/canary-result.schema.json`.
#[must_use]
pub fn schema_page() -> String {
    let schema = schemars::schema_for!(CanaryRunResult);
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn passed(scenario: Scenario) -> ScenarioResult {
        ScenarioResult {
            id: scenario.id(),
            name: scenario.title().to_owned(),
            status: Outcome::Pass,
            failure_mode: None,
            details: None,
            duration_ms: 1,
            boundary_evidence: BoundaryEvidence::default(),
        }
    }

    fn failed(scenario: Scenario) -> ScenarioResult {
        ScenarioResult {
            status: Outcome::Fail,
            failure_mode: Some(FailureMode::NotMaterialized),
            details: Some("nothing arrived".into()),
            ..passed(scenario)
        }
    }

    #[test]
    fn a_run_passes_only_with_four_distinct_scenarios_that_all_passed() {
        let all = Scenario::ALL.map(passed).to_vec();
        assert_eq!(outcome_of(&all), Outcome::Pass);
        assert_eq!(outcome_of(&[]), Outcome::Fail);
        assert_eq!(outcome_of(&all[1..]), Outcome::Fail);
        let twice = [&all[..3], &all[..1]].concat();
        assert_eq!(outcome_of(&twice), Outcome::Fail);
        for at in 0..4 {
            let mut one_failed = all.clone();
            one_failed[at] = failed(Scenario::ALL[at]);
            assert_eq!(outcome_of(&one_failed), Outcome::Fail, "{at}");
        }
    }

    #[test]
    fn the_failure_modes_are_the_words_of_the_reference() {
        let words: Vec<String> = FailureMode::ALL.iter().map(ToString::to_string).collect();
        for (mode, word) in FailureMode::ALL.iter().zip(&words) {
            assert_eq!(serde_json::to_value(mode).unwrap(), **word);
        }
        assert!(words.contains(&"sync.event_loop_unavailable".to_owned()));
        assert!(words.contains(&"http_413".to_owned()));
        assert!(serde_json::from_str::<FailureMode>("\"surprise\"").is_err());
    }

    #[test]
    fn the_schema_asks_for_what_the_document_names() {
        let schema: serde_json::Value = serde_json::from_str(&schema_page()).unwrap();
        let required = schema["required"].as_array().unwrap();
        for field in [
            "outcome",
            "run_id",
            "run_number",
            "cli_version",
            "events_package_version",
            "timestamp",
            "scenarios",
        ] {
            assert!(
                required.iter().any(|it| it == field),
                "{field}: {required:?}"
            );
        }
        assert_eq!(schema["properties"]["run_number"]["maximum"], 4);
        assert_eq!(schema["additionalProperties"], false);
    }
}
