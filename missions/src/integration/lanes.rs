//! The lanes into the mission branch.

use super::tree::Tree;
use super::{Ground, IntegrationError, status};
use crate::git::{Checkout, Merged};
use crate::workspace::lane_branch;

/// Merges every lane into the mission branch and returns the mission branch's tip.
///
/// The branches that changed the status of a mission, which is not taken over, are added to
/// `meddling`.
pub(super) fn merge(
    ground: &Ground,
    tree: &mut Tree<'_>,
    meddling: &mut Vec<String>,
) -> Result<String, IntegrationError> {
    let mission = &ground.request.mission_branch;
    let mut tip = match ground.checkout.branch_tip(mission)? {
        Some(tip) => tip,
        None if ground.request.lanes.is_empty() => return ground.target_tip(),
        None => {
            let start = ground.target_tip()?;
            ground.checkout.create_branch(mission, &start)?;
            start
        }
    };
    for lane in &ground.request.lanes {
        tip = merge_lane(ground, tree, &lane_branch(mission, lane), tip, meddling)?;
    }
    if let Some(restored) = status::put_back(ground, tree, mission, &tip)? {
        ground.advance(mission, &tip, &restored)?;
        meddling.push(mission.clone());
        tip = restored;
    }
    Ok(tip)
}

fn merge_lane(
    ground: &Ground,
    tree: &mut Tree<'_>,
    branch: &str,
    mission_tip: String,
    meddling: &mut Vec<String>,
) -> Result<String, IntegrationError> {
    let checkout = &ground.checkout;
    let mission = ground.request.mission_branch.as_str();
    let Some(branch_tip) = checkout.branch_tip(branch)? else {
        return Err(IntegrationError::NoLane(branch.to_owned()));
    };
    if checkout.is_ancestor(&branch_tip, &mission_tip)? {
        return Ok(mission_tip);
    }
    let mut lane_tip = branch_tip.clone();
    if let Some(restored) = status::put_back(ground, tree, branch, &branch_tip)? {
        meddling.push(branch.to_owned());
        lane_tip = restored;
    }
    if is_stale(checkout, &lane_tip, &mission_tip)? {
        let message = format!("Merge branch '{mission}' into {branch}");
        let caught_up = tree.at(&lane_tip)?.merge(&mission_tip, &message)?;
        let caught_up = merged(caught_up, mission, branch)?;
        ground.advance(branch, &branch_tip, &caught_up)?;
        lane_tip = caught_up;
    }
    let new_tip = if checkout.is_ancestor(&mission_tip, &lane_tip)? {
        lane_tip
    } else {
        let message = format!("Merge {branch} into {mission}");
        let outcome = tree.at(&mission_tip)?.merge(&lane_tip, &message)?;
        merged(outcome, branch, mission)?
    };
    ground.advance(mission, &mission_tip, &new_tip)?;
    Ok(new_tip)
}

/// A lane is stale when the mission branch changed files that the lane changed as well.
fn is_stale(
    checkout: &Checkout,
    lane_tip: &str,
    mission_tip: &str,
) -> Result<bool, IntegrationError> {
    let Some(base) = checkout.merge_base(lane_tip, mission_tip)? else {
        return Ok(false);
    };
    if base == mission_tip {
        return Ok(false);
    }
    let mission = checkout.changed_files(&base, mission_tip)?;
    let lane = checkout.changed_files(&base, lane_tip)?;
    Ok(!mission.is_disjoint(&lane))
}

pub(super) fn merged(outcome: Merged, from: &str, into: &str) -> Result<String, IntegrationError> {
    match outcome {
        Merged::At(commit) => Ok(commit),
        Merged::Conflict(paths) => Err(IntegrationError::Conflict {
            from: from.to_owned(),
            into: into.to_owned(),
            paths,
        }),
    }
}
