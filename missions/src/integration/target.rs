//! The mission branch into the target branch.

use super::journal::{Integration, Journal};
use super::lanes::merged;
use super::tree::Tree;
use super::{Ground, IntegrationError, Strategy};

/// Makes the commit that holds the mission, records it, and moves the target branch to it.
pub(super) fn merge(
    ground: &Ground,
    tree: &mut Tree<'_>,
    journal: &Journal,
    mission_tip: String,
) -> Result<Integration, IntegrationError> {
    let target = &ground.request.target_branch;
    let before = ground.target_tip()?;
    if ground.checkout.branch_tip(target)?.is_none() {
        ground.checkout.create_branch(target, &before)?;
    }
    let planned =
        |result| Integration::new(&ground.request, mission_tip.clone(), before.clone(), result);
    // A run that died before it moved the target leaves the commit, ready to be used.
    let ready = match journal.read()? {
        Some(ready)
            if ready == planned(ready.result.clone())
                && ground.checkout.holds_commit(&ready.result)? =>
        {
            Some(ready)
        }
        _ => None,
    };
    let integration = match ready {
        Some(ready) => ready,
        None => planned(make(ground, tree, &mission_tip, &before)?),
    };
    journal.write(&integration)?;
    ground.advance(target, &before, &integration.result)?;
    Ok(integration)
}

fn make(
    ground: &Ground,
    tree: &mut Tree<'_>,
    mission_tip: &str,
    before: &str,
) -> Result<String, IntegrationError> {
    let request = &ground.request;
    let (mission, target) = (&request.mission_branch, &request.target_branch);
    if ground.checkout.is_ancestor(mission_tip, before)? {
        return Ok(before.to_owned());
    }
    let follows = ground.checkout.is_ancestor(before, mission_tip)?;
    match request.strategy {
        Strategy::Merge | Strategy::Rebase if follows => Ok(mission_tip.to_owned()),
        Strategy::Merge => {
            let message = format!("Merge {mission} into {target}");
            let outcome = tree.at(before)?.merge(mission_tip, &message)?;
            merged(outcome, mission, target)
        }
        Strategy::Squash => {
            let message = format!("feat({mission}): squash merge of mission");
            match tree.at(before)?.squash(mission_tip, &message)? {
                Some(outcome) => merged(outcome, mission, target),
                None => Err(IntegrationError::NothingToSquash {
                    from: mission.clone(),
                    into: target.clone(),
                }),
            }
        }
        Strategy::Rebase => {
            let outcome = tree.at(mission_tip)?.rebase(before)?;
            merged(outcome, mission, target)
        }
    }
}
