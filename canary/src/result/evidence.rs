//! What a scenario saw on the way (reference A4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `sync status --check` and the server said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundaryEvidence {
    /// How the last `sync status --check` ended.
    pub sync_status_check_exit_code: Option<i32>,
    /// Its standard output.
    pub sync_status_check_stdout: String,
    /// Its standard error.
    pub sync_status_check_stderr: String,
    /// Where the queue in use lies.
    pub active_queue_db_path: String,
    /// The events in it.
    pub active_event_count: u64,
    /// The bodies in it.
    pub active_body_upload_count: u64,
    /// Where a queue of an earlier release lies; empty when there is none.
    pub legacy_queue_db_path: String,
    /// The events in it.
    pub legacy_event_count: u64,
    /// The bodies in it.
    pub legacy_body_upload_count: u64,
    /// The recorded daemon.
    pub daemon_owner: DaemonOwner,
    /// The mission of the scenario.
    pub mission_slug: Option<String>,
    /// The project of the scenario.
    pub project_slug: Option<String>,
    /// What the server holds for the scenario's project.
    pub saas_counts: SaasCounts,
    /// What the server said about itself before.
    pub readiness_before: Value,
    /// What the server said about itself afterwards.
    pub readiness_after: Value,
}

impl BoundaryEvidence {
    /// Takes over what the server's last readiness says of what it refused.
    pub(crate) fn count_refused(&mut self) {
        let drain = &self.readiness_after["dependencies"]["drain_queue"];
        let counts = &mut self.saas_counts;
        counts.batch_intake_terminal_failed = drain["terminal_failed_count"].as_u64();
        counts.batch_intake_business_rule_rejected = drain["business_rule_rejected_count"].as_u64();
    }
}

/// The daemon that the record names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DaemonOwner {
    /// Its process.
    pub pid: Option<u32>,
    /// Its release.
    pub version: String,
    /// Its program.
    pub executable_path: String,
    /// The checkout it runs from.
    pub source: String,
    /// The server it delivers to.
    pub server_url: String,
    /// The queue it delivers from.
    pub queue_db_path: String,
    /// Whether the scenario put it there.
    pub injected_mismatch: bool,
    /// The fields that the program named, over all that were put in place.
    pub mismatch_fields: Vec<String>,
}

/// What the server holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaasCounts {
    /// Batches that the server took in; null when it does not tell.
    pub batch_intake_total: Option<u64>,
    /// Events that failed for good by a fault of the infrastructure; null when it does not tell.
    pub batch_intake_terminal_failed: Option<u64>,
    /// Events that a rule of the business refused; null when it does not tell.
    pub batch_intake_business_rule_rejected: Option<u64>,
    /// Events.
    pub sync_event_count: u64,
    /// Missions.
    pub mission_count: u64,
    /// Work packages.
    pub work_package_count: u64,
    /// Moves of work packages.
    pub status_transition_count: u64,
    /// Those of them that were forced.
    pub force_required_transition_count: u64,
}
