//! The gate's decision about events: the contract, and that an event belongs to the project.

use kitty_contract::{Context, Gate, Violation};
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::outcome::OutcomeDetail;
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// What is checked.
#[derive(Debug)]
pub enum Input<'a> {
    /// One value in a context.
    Outbound(Context, &'a [u8]),
    /// One stored event on its way out of a project's journal.
    Egress(&'a ProjectUuid, &'a [u8]),
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Pass,
    /// The contract forbids it.
    Violation(Violation),
    /// It belongs to another project, or says so nowhere.
    ForeignProject,
}

/// The compiled contract.
#[derive(Debug, Clone)]
pub struct GateCore {
    gate: Gate,
}

impl Default for GateCore {
    fn default() -> Self {
        Self {
            gate: Gate::vendored().clone(),
        }
    }
}

impl GateCore {
    /// Uses another contract than the vendored one.
    #[must_use]
    pub const fn with(gate: Gate) -> Self {
        Self { gate }
    }

    /// Decides; the same input always gets the same verdict.
    #[must_use]
    pub fn step(&self, input: &Input<'_>) -> Verdict {
        let checked = match input {
            Input::Outbound(Context::Envelope, json) | Input::Egress(_, json) => {
                self.gate.check_event(json)
            }
            Input::Outbound(context, json) => self.gate.check_bytes(*context, json),
        };
        match (checked, input) {
            (Err(violation), _) => Verdict::Violation(violation),
            (Ok(()), Input::Egress(project, json)) if !names_project(json, project) => {
                Verdict::ForeignProject
            }
            (Ok(()), _) => Verdict::Pass,
        }
    }
}

/// What stands before the project in the stored bytes; the wire form has no spaces around the colon.
const PROJECT_KEY: &[u8] = b"\"project_uuid\":\"";

/// Finds [`PROJECT_KEY`]; preparing the search costs more than searching one event.
static PROJECT_KEYS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PROJECT_KEY));

/// Tells whether the stored bytes name the project.
fn names_project(json: &[u8], project: &ProjectUuid) -> bool {
    let value = format!("{project}\"");
    PROJECT_KEYS
        .find_iter(json)
        .any(|at| json[at + PROJECT_KEY.len()..].starts_with(value.as_bytes()))
}

impl Verdict {
    /// Returns why an event is quarantined.
    #[must_use]
    pub fn detail(&self) -> Option<OutcomeDetail> {
        let (category, message) = match self {
            Self::Pass => return None,
            Self::Violation(violation) => (violation.rule.name(), violation.to_string()),
            Self::ForeignProject => (
                "foreign_project",
                "the event does not name the project that stores it".to_owned(),
            ),
        };
        Some(OutcomeDetail {
            http_status: None,
            category: Some(category.to_owned()),
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"aggregate_id":"WP01","aggregate_type":"WorkPackage","build_id":"c4ad781d-049b-4533-a459-64c1ad68b1ce","causation_id":null,"correlation_id":"01M7XAS67MT30DH0DY9EW5WFQY","drain_blocked_reason":null,"event_id":"01M7XAS67MT30DH0DY9EW5WFQY","event_type":"HistoryAdded","git_branch":null,"head_commit_sha":null,"lamport_clock":27,"node_id":"b805cd5cee74","payload":{"author":"claude","entry_content":"hello","entry_type":"note","wp_id":"WP01"},"project_slug":"demo","project_uuid":"ae17d5b9-a76d-4567-8acb-c0bf7b9410b4","repo_slug":null,"schema_version":"3.0.0","team_slug":null,"timestamp":"2026-11-20T20:00:00+00:00"}"#;

    fn project(text: &str) -> ProjectUuid {
        text.parse().unwrap()
    }

    #[test]
    fn an_event_of_the_project_passes_and_one_of_another_does_not() {
        let core = GateCore::default();
        let ours = project("ae17d5b9-a76d-4567-8acb-c0bf7b9410b4");
        let other = project("11111111-2222-4333-8444-555555555555");
        assert_eq!(
            core.step(&Input::Egress(&ours, EVENT.as_bytes())),
            Verdict::Pass
        );
        assert_eq!(
            core.step(&Input::Egress(&other, EVENT.as_bytes())),
            Verdict::ForeignProject
        );
        assert_eq!(
            core.step(&Input::Outbound(Context::Envelope, EVENT.as_bytes())),
            Verdict::Pass
        );
    }

    #[test]
    fn a_poisoned_event_is_refused_with_field_and_rule() {
        let core = GateCore::default();
        let ours = project("ae17d5b9-a76d-4567-8acb-c0bf7b9410b4");
        let poisoned = EVENT.replace("c4ad781d-049b-4533-a459-64c1ad68b1ce", "");
        let verdict = core.step(&Input::Egress(&ours, poisoned.as_bytes()));
        let detail = verdict.detail().unwrap();
        assert!(detail.message.contains("build_id"), "{detail:?}");
        for garbage in ["", "{", "[]", "null", "\u{0}"] {
            assert!(
                core.step(&Input::Egress(&ours, garbage.as_bytes()))
                    .detail()
                    .is_some()
            );
        }
    }
}
