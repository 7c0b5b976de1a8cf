//! `lanes.json`: which work packages share a worktree and a branch, and which lane waits for which.
//!
//! Source: reference orchestrator-missions, section 4.2.

pub mod compute;
pub(crate) mod overlap;

use crate::files::{Links, ReadProblem, read_text};
use kitty_runtime::python_json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// The most that is read of a file.
const LIMIT: u64 = 16 << 20;
/// The name of the file in a mission's directory.
pub const FILE_NAME: &str = "lanes.json";
/// The lane of work packages that only plan: the primary checkout, never a worktree.
pub const PLANNING_LANE: &str = "lane-planning";

/// The lanes of a mission. Fields are declared in the order of the printed keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanesManifest {
    /// The version of the format: 1.
    pub version: u32,
    /// The mission's directory name.
    pub mission_slug: String,
    /// The mission's ULID; null in missions from before it existed.
    pub mission_id: Option<String>,
    /// The branch that the lanes are merged into.
    pub mission_branch: String,
    /// The branch that the mission is merged into.
    pub target_branch: String,
    /// The lanes, by parallel group and id.
    pub lanes: Vec<ExecutionLane>,
    /// When they were computed.
    pub computed_at: String,
    /// From what.
    pub computed_from: String,
    /// The work packages of the planning lane.
    #[serde(default)]
    pub planning_artifact_wps: Vec<String>,
    /// The commit of the plan, which every lane begins with.
    #[serde(default)]
    pub planning_commit_sha: Option<String>,
    /// Why work packages share a lane; left out when none do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse_report: Option<CollapseReport>,
    /// Keys of a newer release, kept as they are.
    #[serde(skip)]
    foreign: Map<String, Value>,
}

/// Work packages that share a worktree and a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionLane {
    /// `lane-a`, `lane-b`, ... or `lane-planning`.
    pub lane_id: String,
    /// Its work packages, in the order in which they are worked on.
    pub wp_ids: Vec<String>,
    /// The globs of the files that they own.
    #[serde(default)]
    pub write_scope: Vec<String>,
    /// The surfaces that their texts name.
    #[serde(default)]
    pub predicted_surfaces: Vec<String>,
    /// The lanes that must come first.
    #[serde(default)]
    pub depends_on_lanes: Vec<String>,
    /// Lanes of one group can run at the same time.
    #[serde(default)]
    pub parallel_group: u32,
}

/// Why work packages share a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollapseReport {
    /// Each merging of two groups.
    pub events: Vec<CollapseEvent>,
    /// How many there are.
    #[serde(default)]
    pub total_merges: usize,
    /// How many joined work packages that do not need each other.
    #[serde(default)]
    pub independent_wps_collapsed: usize,
    /// How many each rule caused, in the order of its first case.
    #[serde(default)]
    pub by_rule: Map<String, Value>,
}

/// Two work packages were put into one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollapseEvent {
    /// One work package.
    pub wp_a: String,
    /// The other.
    pub wp_b: String,
    /// `write_scope_overlap` or `surface_heuristic`.
    pub rule: String,
    /// In words.
    pub evidence: String,
}

/// The file cannot be used; lanes are never guessed instead.
#[derive(Debug, thiserror::Error)]
pub enum LanesProblem {
    /// The file cannot be read.
    #[error("{FILE_NAME} cannot be read: {0}")]
    Unreadable(ReadProblem),
    /// The file does not have the documented form.
    #[error(
        "{FILE_NAME} is corrupt or malformed: {0}: restore it from git, or run `spec-kitty agent \
         mission finalize-tasks`"
    )]
    Malformed(serde_json::Error),
}

impl LanesManifest {
    /// Reads the file of a mission's directory; `None` when there is none.
    ///
    /// # Errors
    /// [`LanesProblem`].
    pub fn read(directory: &Path) -> Result<Option<Self>, LanesProblem> {
        read_text(&directory.join(FILE_NAME), LIMIT, Links::Refuse)
            .map_err(LanesProblem::Unreadable)?
            .map(|text| Self::parse(&text))
            .transpose()
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`LanesProblem::Malformed`].
    pub fn parse(text: &str) -> Result<Self, LanesProblem> {
        let mut manifest: Self = serde_json::from_str(text).map_err(LanesProblem::Malformed)?;
        let mut foreign: Map<String, Value> =
            serde_json::from_str(text).map_err(LanesProblem::Malformed)?;
        let known = serde_json::to_value(&manifest).map_err(LanesProblem::Malformed)?;
        foreign.retain(|key, _| known.get(key).is_none());
        manifest.foreign = foreign;
        Ok(manifest)
    }

    /// Renders the file: two spaces, ASCII, a final newline. Keys of a newer release come last.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = python_json::indented(self);
        if !self.foreign.is_empty() {
            let foreign = python_json::indented(&self.foreign);
            text.truncate(text.len() - "\n}".len());
            text.push(',');
            text.push_str(foreign.strip_prefix('{').unwrap_or_default());
        }
        text + "\n"
    }

    /// Returns the lane of a work package.
    #[must_use]
    pub fn lane_of(&self, wp_id: &str) -> Option<&ExecutionLane> {
        let holds = |lane: &&ExecutionLane| lane.wp_ids.iter().any(|id| id == wp_id);
        self.lanes.iter().find(holds)
    }

    /// Returns a lane by its id.
    #[must_use]
    pub fn lane(&self, lane_id: &str) -> Option<&ExecutionLane> {
        self.lanes.iter().find(|lane| lane.lane_id == lane_id)
    }

    /// Maps every work package to its lane, for whoever asks about all of them.
    #[must_use]
    pub fn by_work_package(&self) -> BTreeMap<&str, &ExecutionLane> {
        let lanes = self.lanes.iter().rev();
        lanes
            .flat_map(|lane| lane.wp_ids.iter().map(move |id| (id.as_str(), lane)))
            .collect()
    }

    /// Returns the branch of a lane; the planning lane works on the target branch.
    #[must_use]
    pub fn branch_of(&self, lane: &ExecutionLane) -> String {
        if lane.is_planning() {
            return self.target_branch.clone();
        }
        format!("{}-{}", self.mission_branch, lane.lane_id)
    }
}

impl ExecutionLane {
    /// Tells whether it is the lane of work packages that only plan.
    #[must_use]
    pub fn is_planning(&self) -> bool {
        self.lane_id == PLANNING_LANE
    }
}

#[cfg(test)]
mod tests;
