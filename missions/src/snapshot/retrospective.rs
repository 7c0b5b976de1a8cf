//! The summary of a mission's retrospective in `status.json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the retrospective rows of a log reduce to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retrospective {
    /// `pending`, `completed`, `skipped` or `failed`.
    pub status: &'static str,
    /// Who leads it, by the last request.
    pub mode: Option<Mode>,
    /// Where it is written, by the last row that ends it.
    pub record_path: Option<String>,
    /// How many proposals were made.
    pub proposals_total: usize,
    /// How many were taken up.
    pub proposals_applied: usize,
    /// How many were turned down.
    pub proposals_rejected: usize,
    /// How many wait.
    pub proposals_pending: usize,
}

/// Who leads a retrospective, and what decided that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    value: ModeValue,
    source_signal: Signal,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeValue {
    Autonomous,
    HumanInCommand,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signal {
    kind: SignalKind,
    evidence: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SignalKind {
    CharterOverride,
    ExplicitFlag,
    Environment,
    ParentProcess,
}

impl Retrospective {
    /// Folds the retrospective rows of a log, in any order; `None` without rows. A repeated row
    /// counts once.
    pub(crate) fn reduce(rows: &[Value]) -> Option<Self> {
        let mut rows: Vec<&Value> = rows.iter().collect();
        rows.sort_by_cached_key(|row| (text(row, "at"), text(row, "event_id")));
        rows.dedup_by(|one, other| one == other);
        if rows.is_empty() {
            return None;
        }
        let last = |names: &[&str]| {
            let mut backwards = rows.iter().rev();
            backwards.find(|row| names.contains(&name(row)))
        };
        let count = |wanted: &str| rows.iter().filter(|row| name(row) == wanted).count();
        let end = last(&["completed", "skipped", "failed"]);
        let total = count("proposal.generated");
        let applied = count("proposal.applied");
        let rejected = count("proposal.rejected");
        Some(Self {
            status: match end.map(|row| name(row)) {
                Some("completed") => "completed",
                Some("skipped") => "skipped",
                Some(_) => "failed",
                None => "pending",
            },
            mode: last(&["requested"])
                .and_then(|row| Mode::deserialize(&row["payload"]["mode"]).ok()),
            record_path: end
                .and_then(|row| row["payload"]["record_path"].as_str())
                .map(str::to_owned),
            proposals_total: total,
            proposals_applied: applied,
            proposals_rejected: rejected,
            proposals_pending: total.saturating_sub(applied + rejected),
        })
    }
}

/// Returns what happened, without the common prefix.
fn name(row: &Value) -> &str {
    let name = row["event_name"].as_str().unwrap_or_default();
    name.strip_prefix("retrospective.").unwrap_or_default()
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}
