//! The answers of `finalize-tasks --json`: keys and order are those of 3.2.7 (transcript row 4).

use crate::lanes_manifest::{CollapseReport, LanesManifest};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What was found and done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FinalizeAnswer {
    /// Always `success`.
    pub result: &'static str,
    /// How many work packages there are.
    pub wp_count: usize,
    /// How many files were changed.
    pub updated_wp_count: usize,
    /// Those work packages.
    pub modified_wps: Vec<String>,
    /// The others.
    pub unchanged_wps: Vec<String>,
    /// Always empty: dependencies in a frontmatter are never replaced.
    pub preserved_wps: [String; 0],
    /// Where the files are.
    pub tasks_dir: String,
    /// Whether `Add tasks` was committed now.
    pub commit_created: bool,
    /// That commit.
    pub commit_hash: Option<String>,
    /// The same with its branch.
    pub commit_hashes: Vec<BranchCommit>,
    /// What was committed with it, relative to the checkout.
    pub files_committed: Vec<String>,
    /// What each work package waits for.
    pub dependencies_parsed: BTreeMap<String, Vec<String>>,
    /// The requirements of each.
    pub requirement_refs_parsed: BTreeMap<String, Vec<String>>,
    /// What became of their status.
    pub bootstrap: Bootstrap,
    /// The lanes.
    pub lanes: LanesSummary,
    /// What is odd about what they own.
    pub ownership_warnings: Vec<String>,
    /// What is odd about the specification.
    pub requirement_extraction_warnings: Vec<String>,
    /// Not looked for by this release.
    pub post_integration_acceptance_warnings: [String; 0],
    /// What became of `--target-branch`.
    pub target_branch_override: TargetOverride,
    /// The commit that every lane begins with.
    pub planning_commit: PlanningCommit,
    /// The release.
    pub spec_kitty_version: String,
}

/// What would be done; nothing was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationAnswer {
    /// Always `validation_passed`.
    pub result: &'static str,
    /// The mission.
    pub mission_slug: String,
    /// How many work packages there are.
    pub wp_count: usize,
    /// Always true.
    pub validate_only: bool,
    /// Which files would be changed, and how.
    pub would_modify: Vec<WouldModify>,
    /// Always empty.
    pub would_preserve: [String; 0],
    /// The others.
    pub unchanged: Vec<String>,
    /// How many would be changed.
    pub updated_wp_count: usize,
    /// What is odd about what they own.
    pub ownership_warnings: Vec<String>,
    /// What is odd about the specification.
    pub requirement_extraction_warnings: Vec<String>,
    /// Not looked for by this release.
    pub post_integration_acceptance_warnings: [String; 0],
    /// Status and lanes as they would be.
    pub validation: Previews,
    /// In words.
    pub message: &'static str,
    /// The release.
    pub spec_kitty_version: String,
}

/// A commit on a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BranchCommit {
    /// The branch.
    pub branch: String,
    /// The commit.
    pub hash: String,
}

/// How many work packages got their first status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bootstrap {
    /// All of them.
    pub total_wps: usize,
    /// Those that got it now.
    pub newly_seeded: usize,
    /// Those that had one.
    pub already_initialized: usize,
}

/// The lanes in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LanesSummary {
    /// Always true.
    pub computed: bool,
    /// How many.
    pub count: usize,
    /// Their ids.
    pub lane_ids: Vec<String>,
    /// The work packages that only plan.
    pub planning_artifact_wps: Vec<String>,
    /// Why work packages share a lane.
    pub collapse_report: CollapseReport,
}

impl LanesSummary {
    pub(super) fn of(lanes: &LanesManifest) -> Self {
        let nothing = || CollapseReport {
            events: Vec::new(),
            total_merges: 0,
            independent_wps_collapsed: 0,
            by_rule: Map::new(),
        };
        Self {
            computed: true,
            count: lanes.lanes.len(),
            lane_ids: lanes
                .lanes
                .iter()
                .map(|lane| lane.lane_id.clone())
                .collect(),
            planning_artifact_wps: lanes.planning_artifact_wps.clone(),
            collapse_report: lanes.collapse_report.clone().unwrap_or_else(nothing),
        }
    }
}

/// What became of `--target-branch`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TargetOverride {
    /// What was asked for.
    pub requested: Option<String>,
    /// Whether `meta.json` was changed.
    pub persisted: bool,
    /// Whether that is committed.
    pub committed: bool,
    /// What it said before.
    pub previous_value: Option<String>,
    /// Always null: a failure fails the command.
    pub persist_error: (),
}

/// Which commit of the plan the lanes begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanningCommit {
    /// The commit.
    pub sha: Option<String>,
    /// `captured`, `preserved` or `refreshed`.
    pub action: &'static str,
    /// What was recorded before, once execution has begun.
    pub previous_sha: Option<String>,
    /// The tip of the target branch, once execution has begun.
    pub branch_tip: Option<String>,
}

/// A file that would be changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WouldModify {
    /// The work package.
    pub wp_id: String,
    /// The fields with their new values.
    pub changes: Map<String, Value>,
}

/// Status and lanes as they would be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Previews {
    /// The status.
    pub bootstrap_preview: Bootstrap,
    /// The lanes.
    pub lanes_preview: LanesSummary,
}
