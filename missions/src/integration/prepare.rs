//! Everything that can be told before the first merge.

use super::journal::Journal;
use super::{Ground, IntegrationError, IntegrationRequest, Prepared};
use crate::git::Checkout;
use crate::project::Project;
use crate::workspace::{PLANNING_LANE, check_names, lane_branch};

/// Checks that a mission can be integrated; changes nothing.
///
/// Git must be usable, the worktrees listable, the target branch must exist here or on `origin`, and
/// every lane must have its branch — unless an earlier run integrated the mission and died while it
/// cleaned up.
///
/// # Errors
/// [`IntegrationError`], with the messages of the reference for a missing target or lane.
pub fn prepare(
    project: &Project,
    request: &IntegrationRequest,
) -> Result<Prepared, IntegrationError> {
    check_names(
        &request.mission_slug,
        &request.mission_branch,
        &request.target_branch,
        request.lanes.iter().chain(&request.abandoned),
    )?;
    let checkout = open(project)?;
    let mut request = request.clone();
    request.lanes.retain(|lane| lane != PLANNING_LANE);
    request.abandoned.retain(|lane| lane != PLANNING_LANE);
    let journal = Journal::of(&checkout, &request.mission_slug);
    let ground = Ground {
        checkout,
        project_root: project.root.clone(),
        request,
    };
    let target = ground.target_tip()?;
    let worktrees = ground.checkout.worktrees()?;
    let tree_is_left = journal.tree().symlink_metadata().is_ok()
        || worktrees.iter().any(|known| known.path == journal.tree());
    let recorded = journal.read()?;
    let done = match recorded {
        Some(recorded) if ground.is_done(&recorded, &target)? => Some(recorded),
        _ => None,
    };
    if done.is_none() {
        for lane in &ground.request.lanes {
            let branch = lane_branch(&ground.request.mission_branch, lane);
            if ground.checkout.branch_tip(&branch)?.is_none() {
                return Err(IntegrationError::NoLane(branch));
            }
        }
    }
    Ok(Prepared {
        ground,
        done,
        journal,
        tree_is_left,
    })
}

/// Opens the primary checkout: the one that the command was started in may be a lane's worktree,
/// which the clean-up removes.
fn open(project: &Project) -> Result<Checkout, IntegrationError> {
    let given = project
        .checkout
        .as_ref()
        .ok_or(IntegrationError::NoRepository)?;
    let found = Checkout::discover(given.program(), &project.root)?;
    match found {
        Some(found) if found.common_dir() == given.common_dir() => Ok(found),
        _ => {
            Ok(Checkout::open(given.program(), given.root())?
                .ok_or(IntegrationError::NoRepository)?)
        }
    }
}

impl Ground {
    /// The tip of the target branch, here or on `origin`.
    pub(super) fn target_tip(&self) -> Result<String, IntegrationError> {
        let target = &self.request.target_branch;
        if let Some(tip) = self.checkout.branch_tip(target)? {
            return Ok(tip);
        }
        let remote = format!("refs/remotes/origin/{target}");
        let tip = self.checkout.reference(&remote)?;
        tip.ok_or_else(|| IntegrationError::NoTarget(target.clone()))
    }

    /// Tells whether an earlier run brought the mission as it is now into the target.
    fn is_done(
        &self,
        recorded: &super::Integration,
        target: &str,
    ) -> Result<bool, IntegrationError> {
        let request = &self.request;
        let same = recorded.mission_branch == request.mission_branch
            && recorded.target_branch == request.target_branch;
        if !same || !self.checkout.holds_commit(&recorded.result)? {
            return Ok(false);
        }
        if !self.checkout.is_ancestor(&recorded.result, target)? {
            return Ok(false);
        }
        let mission = self.checkout.branch_tip(&request.mission_branch)?;
        if mission.is_some_and(|tip| tip != recorded.mission_tip) {
            return Ok(false);
        }
        for lane in &request.lanes {
            let branch = lane_branch(&request.mission_branch, lane);
            let Some(tip) = self.checkout.branch_tip(&branch)? else {
                continue;
            };
            if !self.checkout.is_ancestor(&tip, &recorded.mission_tip)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
