//! Which code and which data an orchestrator gets for what went wrong.
//!
//! Source: reference orchestrator-missions, section 1.4.

use super::data::identity;
use super::envelope::Refusal;
use crate::mission_step::StepError;
use kitty_missions::handle::HandleProblem;
use kitty_missions::status_writer::StatusError;
use kitty_missions::workflow::{Desk, WorkflowError};
use kitty_missions::workspace::WorkspaceError;
use serde_json::Value;

/// What a call is about, for the data of its refusal.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    mission: &'a str,
    wp_id: Option<&'a str>,
    target: Option<&'a str>,
}

impl<'a> Told<'a> {
    /// A call about a work package.
    #[must_use]
    pub const fn about(mission: &'a str, wp_id: &'a str) -> Self {
        Self {
            mission,
            wp_id: Some(wp_id),
            target: None,
        }
    }

    /// A call about a mission.
    #[must_use]
    pub const fn about_mission(mission: &'a str) -> Self {
        Self {
            mission,
            wp_id: None,
            target: None,
        }
    }

    /// The same, for a merge into a branch.
    #[must_use]
    pub const fn merging_into(mut self, target: Option<&'a str>) -> Self {
        self.target = target;
        self
    }
}

/// Refuses a call with the data that belongs to its code.
#[must_use]
pub fn of_call(error: &WorkflowError, desk: &Desk<'_>, told: &Told<'_>) -> Refusal {
    let mut refusal = Refusal::new(code(error), message(error));
    if !has_data(error) {
        return refusal;
    }
    let mission = desk.mission(told.mission).ok();
    for (key, value) in mission.iter().flat_map(identity) {
        refusal = refusal.with(key, value);
    }
    if code(error) == "PREFLIGHT_FAILED" {
        let of_mission = mission.and_then(|mission| mission.meta.target_branch);
        let target = told.target.map(str::to_owned).or(of_mission);
        return refusal
            .with("target_branch", target)
            .with("errors", vec![error.to_string()]);
    }
    let about_package = !matches!(error, WorkflowError::Claimed { .. });
    if let Some(wp_id) = told.wp_id.filter(|_| about_package) {
        refusal = refusal.with("wp_id", wp_id);
    }
    for (key, value) in values(error) {
        refusal = refusal.with(key, value);
    }
    refusal
}

/// Gives a refusal the code that `append-history` has for what could not be written.
#[must_use]
pub fn of_history(mut refusal: Refusal) -> Refusal {
    if refusal.code == "SAFE_COMMIT_GENERIC" {
        refusal.code = "HISTORY_COMMIT_FAILED";
    }
    refusal
}

/// Refuses with the message alone.
#[must_use]
pub fn of(error: &WorkflowError, next: Option<&str>) -> Refusal {
    let mut message = error.to_string();
    if let Some(next) = next {
        message = format!("{message}. {next}");
    }
    Refusal::new(code(error), message)
}

/// Refuses because a step could not be written.
#[must_use]
pub fn of_step(error: &StepError, verb: &str) -> Refusal {
    let code = match error {
        StepError::Status(StatusError::OtherBranch { .. }) => "SAFE_COMMIT_HEAD_MISMATCH",
        _ if verb == "append-history" => "HISTORY_COMMIT_FAILED",
        _ => "SAFE_COMMIT_GENERIC",
    };
    Refusal::new(code, error.to_string())
}

/// Of a failed merge the reasons are in `errors`.
fn message(error: &WorkflowError) -> String {
    match code(error) {
        "PREFLIGHT_FAILED" => "Merge failed".to_owned(),
        _ => error.to_string(),
    }
}

const fn code(error: &WorkflowError) -> &'static str {
    match error {
        WorkflowError::Handle(HandleProblem::NotFound { .. })
        | WorkflowError::WhichMission { .. } => "MISSION_NOT_FOUND",
        WorkflowError::Handle(_)
        | WorkflowError::Topology { .. }
        | WorkflowError::NotReady { .. } => "MISSION_NOT_READY",
        WorkflowError::NoSuchPackage { .. } => "WP_NOT_FOUND",
        WorkflowError::NoLanes { .. } | WorkflowError::Integration(_) => "PREFLIGHT_FAILED",
        WorkflowError::Dependencies { .. } => "DEPENDENCIES_NOT_SATISFIED",
        WorkflowError::Claimed { .. } => "WP_ALREADY_CLAIMED",
        WorkflowError::Workspace(WorkspaceError::Ancestry { .. }) => "ANCESTRY_NOT_ESTABLISHED",
        WorkflowError::Workspace(_) | WorkflowError::Lanes(_) => "LANE_ALLOCATION_FAILED",
        WorkflowError::Log(_)
        | WorkflowError::Package(_)
        | WorkflowError::Config(_)
        | WorkflowError::Unreadable { .. } => "STATUS_READ_PATH_NOT_FOUND",
        WorkflowError::EvidenceRequired { .. } => "WORKFLOW_EVIDENCE_REQUIRED",
        WorkflowError::Status(StatusError::Log(_)) => "STATUS_READ_PATH_NOT_FOUND",
        WorkflowError::Status(_) | WorkflowError::Unwritable { .. } | WorkflowError::Git(_) => {
            "SAFE_COMMIT_GENERIC"
        }
        WorkflowError::NotFinalized { .. }
        | WorkflowError::WrongLane { .. }
        | WorkflowError::UnknownLane { .. }
        | WorkflowError::Transition(_)
        | WorkflowError::Move(_)
        | WorkflowError::NothingToReview { .. } => "TRANSITION_REJECTED",
    }
}

/// Tells whether the data of this refusal names the mission and more.
const fn has_data(error: &WorkflowError) -> bool {
    matches!(
        error,
        WorkflowError::Dependencies { .. }
            | WorkflowError::Claimed { .. }
            | WorkflowError::Workspace(_)
            | WorkflowError::NothingToReview { .. }
            | WorkflowError::NotReady { .. }
            | WorkflowError::EvidenceRequired { .. }
            | WorkflowError::NoLanes { .. }
            | WorkflowError::Integration(_)
    )
}

fn values(error: &WorkflowError) -> Vec<(&'static str, Value)> {
    match error {
        WorkflowError::Dependencies { unsatisfied, .. } => {
            vec![("unsatisfied_dependencies", unsatisfied.clone().into())]
        }
        WorkflowError::Claimed {
            holder, requesting, ..
        } => vec![
            ("claimed_by", holder.clone().into()),
            ("requesting_actor", requesting.clone().into()),
        ],
        WorkflowError::Workspace(WorkspaceError::Ancestry { missing }) => {
            vec![("missing_refs", missing.clone().into())]
        }
        WorkflowError::Workspace(problem) => vec![("reason", problem.to_string().into())],
        WorkflowError::NothingToReview { lane, .. } => vec![("lane_id", lane.clone().into())],
        WorkflowError::NotReady { incomplete } => {
            vec![("incomplete_wps", incomplete.clone().into())]
        }
        WorkflowError::EvidenceRequired { path, .. } => {
            vec![("required_evidence_path", path.display().to_string().into())]
        }
        _ => Vec::new(),
    }
}
