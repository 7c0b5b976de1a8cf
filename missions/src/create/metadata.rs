//! `meta.json` of a new mission, byte for byte as the Python CLI writes it.

use super::request::Topology;
use kitty_runtime::python_json;
use serde::Serialize;

/// `meta.json`, keys in sorted order. What is not set is left out, as today.
#[derive(Debug, Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) created_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) documentation_state: Option<DocumentationState>,
    pub(super) flattened: bool,
    pub(super) friendly_name: &'a str,
    pub(super) mission_id: &'a str,
    /// Null until the mission is merged.
    pub(super) mission_number: (),
    pub(super) mission_slug: &'a str,
    pub(super) mission_type: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) pr_bound: bool,
    pub(super) purpose_context: &'a str,
    pub(super) purpose_tldr: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) retain_branches: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) retain_worktrees: bool,
    pub(super) slug: &'a str,
    pub(super) target_branch: &'a str,
    pub(super) topology: Topology,
}

const fn is_false(value: &bool) -> bool {
    !*value
}

/// What a documentation mission starts with.
#[derive(Debug, Serialize)]
pub(super) struct DocumentationState {
    coverage_percentage: f64,
    divio_types_selected: [&'static str; 0],
    generators_configured: [&'static str; 0],
    iteration_mode: &'static str,
    last_audit_date: (),
    target_audience: &'static str,
}

impl DocumentationState {
    /// Returns the state of a mission type, if it has one.
    pub(super) fn of(mission_type: &str) -> Option<Self> {
        (mission_type == "documentation").then_some(Self {
            coverage_percentage: 0.0,
            divio_types_selected: [],
            generators_configured: [],
            iteration_mode: "initial",
            last_audit_date: (),
            target_audience: "developers",
        })
    }
}

impl Metadata<'_> {
    /// Renders the file: two spaces, characters kept, a final newline.
    pub(super) fn render(&self) -> String {
        python_json::indented_unescaped(self) + "\n"
    }
}
