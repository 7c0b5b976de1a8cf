//! Why the work packages cannot be finalized.

use super::requirements::Mismatch;
use crate::dependency_graph::GraphProblem;
use crate::lanes_manifest::LanesProblem;
use crate::lanes_manifest::compute::ComputeProblem;
use crate::plan::PlanError;
use crate::status_log::LogProblem;
use crate::work_package::WorkPackageProblem;
use std::path::PathBuf;

/// The work packages cannot be finalized; unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FinalizeError {
    /// The mission, a file, the disk or git; see [`PlanError`].
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no work package file.
    #[error("no work package found: write {}/WP01-<name>.md and so on first", tasks.display())]
    NoWorkPackages {
        /// Where they must be.
        tasks: PathBuf,
    },
    /// A work package file cannot be used.
    #[error(transparent)]
    WorkPackage(#[from] WorkPackageProblem),
    /// Two files are about one work package.
    #[error("{one} and {other} are both {wp_id}: keep one of them")]
    Twice {
        /// The work package.
        wp_id: String,
        /// The first file's name.
        one: String,
        /// The other's.
        other: String,
    },
    /// `wps.yaml` is no list of work packages.
    #[error("{} cannot be used: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// `wps.yaml` and the files are about different work packages.
    #[error(
        "wps.yaml and the work package files do not match{}{}: list each file in wps.yaml",
        listed("no entry for", missing),
        listed("no file for", extra)
    )]
    ManifestCoverage {
        /// Work packages without an entry.
        missing: Vec<String>,
        /// Entries without a file.
        extra: Vec<String>,
    },
    /// `tasks.md` and the files are about different work packages.
    #[error(
        "tasks.md and the work package files do not match{}{}: use headings like `## WP01 Name`",
        listed("no section for", missing),
        listed("no file for", extra)
    )]
    Coverage {
        /// Work packages without a section.
        missing: Vec<String>,
        /// Sections without a file.
        extra: Vec<String>,
    },
    /// Requirements and work packages do not fit.
    #[error("requirements and work packages do not match{}", described(.0))]
    Requirements(Mismatch),
    /// An unknown dependency, or work packages that wait for each other.
    #[error(transparent)]
    Dependencies(#[from] GraphProblem),
    /// A work package waits for one that will never be done.
    #[error("{wp_id} depends on {canceled}, which is canceled: remove or replace the dependency")]
    CanceledDependency {
        /// The work package.
        wp_id: String,
        /// What it waits for.
        canceled: String,
    },
    /// A work package changes code and owns no file.
    #[error("{}: code_change with `owned_files: []` owns nothing to change: name its files, or make it a planning_artifact", wp_ids.join(", "))]
    OwnsNothing {
        /// The work packages.
        wp_ids: Vec<String>,
    },
    /// What the work packages own cannot be.
    #[error("ownership does not hold: {}", .0.join("; "))]
    Ownership(Vec<String>),
    /// The lanes cannot be computed.
    #[error(transparent)]
    Lanes(#[from] ComputeProblem),
    /// `lanes.json` cannot be read, and execution has begun.
    #[error(transparent)]
    Manifested(#[from] LanesProblem),
    /// The status log cannot be read; nothing is appended to it then.
    #[error(transparent)]
    Log(#[from] LogProblem),
    /// Execution has begun and nobody knows from which plan.
    #[error(
        "execution of {slug} has begun, but it has no lanes.json that names the planning commit: restore the file from git"
    )]
    NoPlanningCommit {
        /// The mission.
        slug: String,
    },
    /// The recorded planning commit is not part of the target branch any more.
    #[error(
        "the recorded planning commit {recorded} is not an ancestor of {branch}: its history was rewritten, so it cannot be moved on"
    )]
    Rewritten {
        /// What is recorded.
        recorded: String,
        /// The target branch.
        branch: String,
    },
}

impl FinalizeError {
    /// Returns a stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Plan(error) => error.code(),
            Self::NoWorkPackages { .. } => "NO_WORK_PACKAGES",
            Self::WorkPackage(_) | Self::Twice { .. } => "WORK_PACKAGE_UNUSABLE",
            Self::Manifest { .. } => "WPS_YAML_UNUSABLE",
            Self::ManifestCoverage { .. } => "WPS_YAML_INCOMPLETE",
            Self::Coverage { .. } => "TASKS_MD_INCOMPLETE",
            Self::Requirements(_) => "REQUIREMENT_MAPPING_FAILED",
            Self::Dependencies(GraphProblem::Cycle(_)) => "DEPENDENCY_CYCLE",
            Self::Dependencies(GraphProblem::Unknown { .. }) => "UNKNOWN_DEPENDENCY",
            Self::CanceledDependency { .. } => "CANCELED_WP_DEPENDENCY",
            Self::OwnsNothing { .. } => "OWNERSHIP_CONTRADICTION_CODE_CHANGE_EMPTY_OWNED_FILES",
            Self::Ownership(_) => "OWNERSHIP_INVALID",
            Self::Lanes(_) => "LANE_COMPUTATION_ABORTED",
            Self::Manifested(_) => "LANES_UNUSABLE",
            Self::Log(_) => "STATUS_LOG_UNUSABLE",
            Self::NoPlanningCommit { .. } => "NO_PLANNING_COMMIT",
            Self::Rewritten { .. } => "PLANNING_HISTORY_REWRITTEN",
        }
    }
}

fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(", {what} {}", names.join(", "))
}

fn described(mismatch: &Mismatch) -> String {
    let unknown = mismatch.unknown.iter();
    let unknown: Vec<String> = unknown
        .map(|(wp_id, ids)| format!("{wp_id} {}", ids.join(" ")))
        .collect();
    [
        listed("no requirement_refs in", &mismatch.without_requirements),
        listed("not in spec.md:", &unknown),
        listed("no work package for", &mismatch.unmet),
        listed(
            "written as prose in spec.md (begin a row or list item with the id):",
            &mismatch.in_prose,
        ),
    ]
    .concat()
}
