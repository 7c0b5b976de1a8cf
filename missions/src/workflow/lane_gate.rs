//! Whether there is anything to review: a commit on the lane beyond what it was made from.

use super::{Desk, Place, WorkflowError};

/// Refuses a review of nothing. A work package without a lane, or one that only plans, has no commit
/// of its own to look for.
pub(super) fn check(desk: &Desk<'_>, wp_id: &str, place: &Place) -> Result<(), WorkflowError> {
    let Some(lane) = &place.lane else {
        return Ok(());
    };
    let (Some(checkout), false) = (&desk.project.checkout, lane.branch == lane.base_ref) else {
        return Ok(());
    };
    let tips = (
        checkout.branch_tip(&lane.branch)?,
        checkout.branch_tip(&lane.base_ref)?,
    );
    let has_commit = match tips {
        (Some(tip), Some(base)) => checkout.has_commits_beyond(&tip, &base)?,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if has_commit {
        return Ok(());
    }
    Err(WorkflowError::NothingToReview {
        wp_id: wp_id.to_owned(),
        lane: lane.lane_id.clone(),
        branch: lane.branch.clone(),
        base: lane.base_ref.clone(),
    })
}
