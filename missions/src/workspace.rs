//! Lane workspaces: the branch and the worktree in which the work packages of a lane are made.
//!
//! [`resolve`] says where a workspace would be and touches nothing. [`allocate`] makes it so: it
//! reads the facts, lets the pure [`plan`] say what is missing, and does that. Every step is one git
//! command that either happened or did not, and the plan is made from git's state alone, so a
//! process that dies anywhere is completed by the next call. The caller holds the mission's status
//! lock; other missions may allocate in the same repository at the same time.
//!
//! Names come from files of the repository, which anybody may have written: they are checked before
//! they become a path or a branch, `.worktrees` must be a directory of the project and no link, and
//! a directory that is not this lane's worktree is never changed. What may run is what the user
//! configured: hooks and filters of the user's own clone, as with every git command. Nothing that a
//! commit brings can configure git.

mod error;
mod facts;
mod names;
mod plan;

pub use error::WorkspaceError;
pub use facts::{Directory, Facts, Wanted};
pub use names::{InvalidName, PLANNING_LANE, lane_branch, lane_directory, lane_path};
pub use plan::{Step, plan};

pub(crate) use error::listed;
pub(crate) use facts::worktree_at;
pub(crate) use names::{check_commit, check_names};

use crate::git::{At, Checkout, Merged};
use crate::project::Project;
use std::path::PathBuf;

/// What is to be allocated, as `lanes.json` and the mission say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRequest {
    /// The full mission slug, for example `demo-feature-01M7XCRB`.
    pub mission_slug: String,
    /// `kitty/mission-<slug>`.
    pub mission_branch: String,
    /// The branch that the mission is merged into.
    pub target_branch: String,
    /// The commit of the planning files, if one was recorded.
    pub planning_commit: Option<String>,
    /// For example `lane-a`.
    pub lane_id: String,
    /// The lanes that this one builds on, in any order.
    pub depends_on: Vec<LaneDependency>,
}

/// A lane that another lane builds on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneDependency {
    /// Its parallel group; earlier groups are merged first.
    pub parallel_group: u64,
    /// For example `lane-b`.
    pub lane_id: String,
}

/// Where the work packages of a lane are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The top of the worktree, absolute.
    pub path: PathBuf,
    /// The lane.
    pub lane_id: String,
    /// The branch that is, or will be, checked out there.
    pub branch: String,
    /// The branch that the lane's commits are compared with: the target branch.
    pub base_ref: String,
}

/// A workspace that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocated {
    /// Where it is.
    pub workspace: Workspace,
    /// The commit that the lane is at.
    pub head: String,
    /// What was done; empty when all was there already.
    pub steps: Vec<Step>,
    /// Lanes this one builds on whose branch does not exist (any more): their commits are not
    /// merged, because nobody started them or they are in the target already.
    pub absent_dependencies: Vec<String>,
}

/// Says where the workspace of a lane is, or would be; reads and writes nothing.
///
/// Planning work packages are made in the primary checkout itself, on the target branch.
///
/// # Errors
/// [`WorkspaceError::Name`].
pub fn resolve(project: &Project, request: &LaneRequest) -> Result<Workspace, WorkspaceError> {
    check_names(
        &request.mission_slug,
        &request.mission_branch,
        &request.target_branch,
        std::iter::once(&request.lane_id)
            .chain(request.depends_on.iter().map(|lane| &lane.lane_id)),
    )?;
    let is_planning = request.lane_id == PLANNING_LANE;
    Ok(Workspace {
        path: if is_planning {
            project.root.clone()
        } else {
            lane_path(&project.root, &request.mission_slug, &request.lane_id)
        },
        lane_id: request.lane_id.clone(),
        branch: if is_planning {
            request.target_branch.clone()
        } else {
            lane_branch(&request.mission_branch, &request.lane_id)
        },
        base_ref: request.target_branch.clone(),
    })
}

/// Makes, or completes, the workspace of a lane; again and again with the same result.
///
/// The mission branch is made from the target branch, the lane branch from the mission branch, the
/// worktree from the lane branch; then the recorded planning commit and the tips of the lanes it
/// builds on are merged, all or nothing. The planning lane has no worktree: nothing is done for it.
///
/// # Errors
/// [`WorkspaceError`]; nothing of the user's is lost, and the next call goes on where this ended.
pub fn allocate(project: &Project, request: &LaneRequest) -> Result<Allocated, WorkspaceError> {
    let workspace = resolve(project, request)?;
    let checkout = project
        .checkout
        .as_ref()
        .ok_or(WorkspaceError::NoRepository)?;
    if workspace.lane_id == PLANNING_LANE {
        let head = checkout.branch_tip(&workspace.branch)?;
        return Ok(Allocated {
            head: head.ok_or_else(|| WorkspaceError::NoTarget(workspace.branch.clone()))?,
            workspace,
            steps: Vec::new(),
            absent_dependencies: Vec::new(),
        });
    }
    let facts = facts::gather(project, checkout, request, &workspace)?;
    let steps = plan(request, &workspace, &facts)?;
    refuse_unrelated(checkout, &facts, &steps)?;
    let head = execute(checkout, &workspace, &steps, &facts)?;
    assert_ancestry(checkout, &facts, &head)?;
    Ok(Allocated {
        workspace,
        head,
        steps,
        absent_dependencies: facts.absent_dependencies,
    })
}

/// Refuses a lane that was reset to a history of its own: git cannot merge anything into it.
fn refuse_unrelated(
    checkout: &Checkout,
    facts: &Facts,
    steps: &[Step],
) -> Result<(), WorkspaceError> {
    let Some(tip) = &facts.lane_tip else {
        return Ok(());
    };
    let mut missing = Vec::new();
    for step in steps {
        if let Step::Merge { wanted, .. } = step
            && checkout.merge_base(tip, &wanted.commit)?.is_none()
        {
            missing.push(wanted.described.clone());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(WorkspaceError::Ancestry { missing })
}

fn execute(
    checkout: &Checkout,
    workspace: &Workspace,
    steps: &[Step],
    facts: &Facts,
) -> Result<String, WorkspaceError> {
    let mut lane = None;
    // Where the lane goes back to when a merge conflicts.
    let mut former = facts.lane_tip.clone();
    for step in steps {
        match step {
            Step::CreateMissionBranch { branch, commit } => {
                let made = checkout.create_branch(branch, commit);
                // Another process may have made it in this moment; then it is there.
                if made.is_err() && checkout.branch_tip(branch)?.is_none() {
                    made?;
                }
            }
            Step::RemoveHalfMade => {
                // Git knows how to remove a worktree with its `.git` or one that is gone, and not
                // an empty directory; nothing but an empty directory is removed here.
                let _ = std::fs::remove_dir(&workspace.path);
                checkout.remove_worktree(&workspace.path, true)?;
            }
            Step::ForgetMissing => checkout.remove_worktree(&workspace.path, false)?,
            Step::AddWorktree { new_branch_at } => {
                let name = workspace.branch.as_str();
                let at = match new_branch_at {
                    Some(commit) => At::NewBranch { name, commit },
                    None => At::Branch(name),
                };
                checkout.add_worktree(&workspace.path, at)?;
            }
            Step::AbortMerge => opened(checkout, workspace, &mut lane)?.abort_merge()?,
            Step::Merge { wanted, message } => {
                let lane = opened(checkout, workspace, &mut lane)?;
                let before = match &former {
                    Some(commit) => commit.clone(),
                    None => head_of(lane, workspace)?,
                };
                if let Merged::Conflict(paths) = lane.merge(&wanted.commit, message)? {
                    lane.reset_keep(&before)?;
                    return Err(WorkspaceError::Conflict {
                        lane: workspace.lane_id.clone(),
                        source_name: wanted.name.clone(),
                        paths,
                    });
                }
                former = Some(before);
            }
        }
    }
    let lane = opened(checkout, workspace, &mut lane)?;
    head_of(lane, workspace)
}

fn opened<'a>(
    checkout: &Checkout,
    workspace: &Workspace,
    lane: &'a mut Option<Checkout>,
) -> Result<&'a Checkout, WorkspaceError> {
    let found = match lane.take() {
        Some(found) => found,
        None => Checkout::open(checkout.program(), &workspace.path)?.ok_or_else(|| {
            WorkspaceError::NotOurs {
                path: workspace.path.clone(),
            }
        })?,
    };
    Ok(lane.insert(found))
}

fn head_of(lane: &Checkout, workspace: &Workspace) -> Result<String, WorkspaceError> {
    let head = lane.head()?;
    if head.branch() == Some(workspace.branch.as_str())
        && let Some(commit) = head.commit()
    {
        return Ok(commit.to_owned());
    }
    Err(WorkspaceError::OtherBranch {
        path: workspace.path.clone(),
        expected: workspace.branch.clone(),
        found: head.branch().map(str::to_owned),
    })
}

/// Checks what the merges were for.
fn assert_ancestry(checkout: &Checkout, facts: &Facts, head: &str) -> Result<(), WorkspaceError> {
    let mut missing = Vec::new();
    for wanted in &facts.wanted {
        if !wanted.exists || !checkout.is_ancestor(&wanted.commit, head)? {
            missing.push(wanted.described.clone());
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(WorkspaceError::Ancestry { missing })
    }
}
