//! The answer of `agent mission create --json`: every key of today's, in today's order.

use super::request::Topology;
use serde::Serialize;
use std::path::Path;

/// One JSON object; serialise it with `kitty_runtime::python_json::line`.
///
/// The keys and their order are those of 3.2.7 (transcript row 2); the sentences are ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MissionAnswer {
    pub(super) result: &'static str,
    pub(super) mission_slug: String,
    pub(super) mission_number: (),
    pub(super) mission_id: String,
    pub(super) mission_type: &'static str,
    pub(super) slug: String,
    pub(super) friendly_name: String,
    pub(super) purpose_tldr: String,
    pub(super) purpose_context: String,
    /// The name is today's; agents read it.
    #[serde(rename = "feature_dir")]
    pub(super) mission_dir: String,
    pub(super) spec_file: String,
    pub(super) meta_file: String,
    pub(super) created_at: String,
    pub(super) created_files: [String; 3],
    pub(super) uncommitted_artifacts: [UncommittedArtifact; 1],
    pub(super) write_mode: &'static str,
    pub(super) scaffold_only: bool,
    pub(super) requires_agent_authoring: bool,
    pub(super) plan_guard: &'static str,
    pub(super) next_step: &'static str,
    pub(super) origin_binding: OriginBinding,
    pub(super) coordination_branch: (),
    pub(super) coordination_branch_created: bool,
    pub(super) topology: Topology,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owned_checkout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) canonical_repo_root: Option<String>,
    pub(super) current_branch: String,
    #[serde(rename = "CURRENT_BRANCH")]
    pub(super) current_branch_upper: String,
    pub(super) target_branch: String,
    pub(super) base_branch: String,
    #[serde(rename = "TARGET_BRANCH")]
    pub(super) target_branch_upper: String,
    #[serde(rename = "BASE_BRANCH")]
    pub(super) base_branch_upper: String,
    pub(super) planning_base_branch: String,
    #[serde(rename = "PLANNING_BASE_BRANCH")]
    pub(super) planning_base_branch_upper: String,
    pub(super) merge_target_branch: String,
    #[serde(rename = "MERGE_TARGET_BRANCH")]
    pub(super) merge_target_branch_upper: String,
    #[serde(rename = "EXPECTED_TARGET_BRANCH")]
    pub(super) expected_target_branch: String,
    #[serde(rename = "EXPECTED_BASE_BRANCH")]
    pub(super) expected_base_branch: String,
    pub(super) branch_matches_target: bool,
    #[serde(rename = "BRANCH_MATCHES_TARGET")]
    pub(super) branch_matches_target_upper: bool,
    pub(super) branch_strategy_summary: String,
    pub(super) runtime_vars: RuntimeVariables,
    #[serde(rename = "NOW_UTC_ISO")]
    pub(super) now_utc_iso: String,
    pub(super) branch_context: BranchContext,
    pub(super) spec_kitty_version: String,
}

/// A file that was made but not committed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct UncommittedArtifact {
    path: String,
    reason: &'static str,
    responsible_command: &'static str,
}

/// Binding to an issue of a tracker; never attempted here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct OriginBinding {
    attempted: bool,
    succeeded: bool,
    error: (),
}

/// The branch block again, for templates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RuntimeVariables {
    now_utc_iso: String,
    current_branch: String,
    target_branch: String,
    base_branch: String,
    planning_base_branch: String,
    merge_target_branch: String,
    branch_matches_target: bool,
    branch_strategy_summary: String,
}

/// The branch block once more, for agents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BranchContext {
    current_branch: String,
    target_branch: String,
    base_branch: String,
    planning_base_branch: String,
    merge_target_branch: String,
    expected_checkout_branch: String,
    matches_target: bool,
    branch_strategy_summary: String,
}

/// What the answer is made of.
pub(super) struct Parts<'a> {
    pub(super) mission_slug: &'a str,
    pub(super) mission_id: &'a str,
    pub(super) mission_type: &'static str,
    pub(super) friendly_name: &'a str,
    pub(super) purpose_tldr: &'a str,
    pub(super) purpose_context: &'a str,
    pub(super) created_at: &'a str,
    /// UTC to the second, ending in `Z`.
    pub(super) now: &'a str,
    pub(super) directory: &'a Path,
    pub(super) branch: &'a str,
    pub(super) topology: Topology,
    /// The owned checkout and the primary one, where `--owned-checkout` was given.
    pub(super) owned: Option<(&'a Path, &'a Path)>,
    pub(super) version: &'a str,
}

impl MissionAnswer {
    pub(super) fn new(parts: &Parts<'_>) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let spec_file = text(&parts.directory.join("spec.md"));
        let meta_file = text(&parts.directory.join("meta.json"));
        let readme = text(&parts.directory.join("tasks").join("README.md"));
        let branch = || parts.branch.to_owned();
        let summary = format!(
            "The mission is planned on {0}, its base branch is {0}, and finished work is merged into {0}.",
            parts.branch
        );
        Self {
            result: "success",
            mission_slug: parts.mission_slug.to_owned(),
            mission_number: (),
            mission_id: parts.mission_id.to_owned(),
            mission_type: parts.mission_type,
            slug: parts.mission_slug.to_owned(),
            friendly_name: parts.friendly_name.to_owned(),
            purpose_tldr: parts.purpose_tldr.to_owned(),
            purpose_context: parts.purpose_context.to_owned(),
            mission_dir: text(parts.directory),
            created_files: [spec_file.clone(), meta_file.clone(), readme],
            uncommitted_artifacts: [UncommittedArtifact {
                path: spec_file.clone(),
                reason: "A template: it is committed when it has been written.",
                responsible_command: "/spec-kitty.specify",
            }],
            spec_file,
            meta_file,
            created_at: parts.created_at.to_owned(),
            write_mode: "update_existing_files",
            scaffold_only: true,
            requires_agent_authoring: true,
            plan_guard: "SPEC_NOT_SUBSTANTIVE_OR_UNCOMMITTED",
            next_step: "Write spec_file and commit it, for example with `/spec-kitty.specify <intent>`; planning starts after that.",
            origin_binding: OriginBinding {
                attempted: false,
                succeeded: false,
                error: (),
            },
            coordination_branch: (),
            coordination_branch_created: false,
            topology: parts.topology,
            owned_checkout: parts.owned.map(|(owned, _)| text(owned)),
            canonical_repo_root: parts.owned.map(|(_, primary)| text(primary)),
            current_branch: branch(),
            current_branch_upper: branch(),
            target_branch: branch(),
            base_branch: branch(),
            target_branch_upper: branch(),
            base_branch_upper: branch(),
            planning_base_branch: branch(),
            planning_base_branch_upper: branch(),
            merge_target_branch: branch(),
            merge_target_branch_upper: branch(),
            expected_target_branch: branch(),
            expected_base_branch: branch(),
            branch_matches_target: true,
            branch_matches_target_upper: true,
            branch_strategy_summary: summary.clone(),
            runtime_vars: RuntimeVariables {
                now_utc_iso: parts.now.to_owned(),
                current_branch: branch(),
                target_branch: branch(),
                base_branch: branch(),
                planning_base_branch: branch(),
                merge_target_branch: branch(),
                branch_matches_target: true,
                branch_strategy_summary: summary.clone(),
            },
            now_utc_iso: parts.now.to_owned(),
            branch_context: BranchContext {
                current_branch: branch(),
                target_branch: branch(),
                base_branch: branch(),
                planning_base_branch: branch(),
                merge_target_branch: branch(),
                expected_checkout_branch: branch(),
                matches_target: true,
                branch_strategy_summary: summary,
            },
            spec_kitty_version: parts.version.to_owned(),
        }
    }
}
