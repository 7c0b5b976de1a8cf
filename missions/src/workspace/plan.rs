//! From the facts to the steps: pure.

use super::facts::{Directory, Facts, Wanted};
use super::{LaneRequest, Workspace, WorkspaceError};

/// One git command that is still missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the mission branch.
    CreateMissionBranch {
        /// Its name.
        branch: String,
        /// Where it starts.
        commit: String,
    },
    /// Remove a worktree whose making was interrupted; nobody has worked in it.
    RemoveHalfMade,
    /// Let git forget a worktree whose directory is gone.
    ForgetMissing,
    /// Make the worktree.
    AddWorktree {
        /// Where the lane's branch is made; `None` when it exists and is attached again.
        new_branch_at: Option<String>,
    },
    /// Give up a merge of ours that was interrupted.
    AbortMerge,
    /// Merge what the lane must contain.
    Merge {
        /// What is merged.
        wanted: Wanted,
        /// The message of the merge commit.
        message: String,
    },
}

/// Says what is to be done so that the lane has its workspace.
///
/// # Errors
/// Those of [`WorkspaceError`] that need a person: another thing in the place, other branches
/// checked out, uncommitted changes, no target branch.
pub fn plan(
    request: &LaneRequest,
    workspace: &Workspace,
    facts: &Facts,
) -> Result<Vec<Step>, WorkspaceError> {
    let mut steps = Vec::new();
    let base = base(request, facts, &mut steps)?;
    match &facts.directory {
        Directory::Foreign => {
            return Err(WorkspaceError::NotOurs {
                path: workspace.path.clone(),
            });
        }
        Directory::Worktree {
            branch,
            changes,
            unfinished_merge,
        } => {
            if branch.as_deref() != Some(workspace.branch.as_str()) {
                return Err(WorkspaceError::OtherBranch {
                    path: workspace.path.clone(),
                    expected: workspace.branch.clone(),
                    found: branch.clone(),
                });
            }
            let is_ours = unfinished_merge.as_ref().is_some_and(|begun| {
                facts
                    .wanted
                    .iter()
                    .any(|wanted| *begun == message(workspace, wanted))
            });
            if is_ours {
                steps.push(Step::AbortMerge);
            } else if !changes.is_empty() || unfinished_merge.is_some() {
                return Err(WorkspaceError::Dirty {
                    lane: workspace.lane_id.clone(),
                    path: workspace.path.clone(),
                    paths: changes.clone(),
                });
            }
        }
        absent => {
            if let Some(path) = &facts.elsewhere {
                return Err(WorkspaceError::Elsewhere {
                    branch: workspace.branch.clone(),
                    path: path.clone(),
                });
            }
            match absent {
                Directory::HalfMade => steps.push(Step::RemoveHalfMade),
                Directory::Absent {
                    is_registered: true,
                } => steps.push(Step::ForgetMissing),
                _ => {}
            }
            steps.push(Step::AddWorktree {
                new_branch_at: facts.lane_tip.is_none().then_some(base),
            });
        }
    }
    let missing = facts
        .wanted
        .iter()
        .filter(|wanted| wanted.exists && !wanted.is_contained);
    steps.extend(missing.map(|wanted| Step::Merge {
        message: message(workspace, wanted),
        wanted: wanted.clone(),
    }));
    Ok(steps)
}

/// Returns where a new lane starts: at the mission branch, which is made from the target branch.
fn base(
    request: &LaneRequest,
    facts: &Facts,
    steps: &mut Vec<Step>,
) -> Result<String, WorkspaceError> {
    if let Some(commit) = &facts.mission_tip {
        return Ok(commit.clone());
    }
    let Some(commit) = &facts.target_tip else {
        return Err(WorkspaceError::NoTarget(request.target_branch.clone()));
    };
    steps.push(Step::CreateMissionBranch {
        branch: request.mission_branch.clone(),
        commit: commit.clone(),
    });
    Ok(commit.clone())
}

/// The message of a merge commit (reference orchestrator-missions, 1.5).
fn message(workspace: &Workspace, wanted: &Wanted) -> String {
    let lane = &workspace.lane_id;
    match &wanted.lane {
        Some(dependency) => format!("Merge dependency lane {dependency} into {lane}"),
        None => format!("Merge recorded planning-artifact commit into {lane} (FR-009)"),
    }
}

#[cfg(test)]
mod tests;
