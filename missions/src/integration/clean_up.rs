//! What goes when a mission is in the target, and what stays.

use super::journal::{Integration, Journal};
use super::{Ground, IntegrationError, status};
use crate::files::is_plain_directory;
use crate::git::Worktree;
use crate::workspace::{lane_branch, lane_path, worktree_at};
use std::path::{Path, PathBuf};

/// What the mission keeps (`retain_worktrees`, `retain_branches` of `meta.json`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retain {
    /// The worktrees of the lanes; their branches stay with them.
    pub worktrees: bool,
    /// The branches of the lanes and the mission branch.
    pub branches: bool,
}

/// What a clean-up did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CleanUp {
    /// The worktrees that are gone.
    pub removed_worktrees: Vec<PathBuf>,
    /// The branches that are gone.
    pub deleted_branches: Vec<String>,
    /// What stays although it was not to be retained.
    pub kept: Vec<Kept>,
}

/// Something that a clean-up did not remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The worktree's path or the branch's name.
    pub name: String,
    /// Why, as half a sentence: "it has uncommitted changes".
    pub reason: &'static str,
}

pub(super) fn clean_up(
    ground: &Ground,
    journal: &Journal,
    integration: &Integration,
    retain: Retain,
) -> Result<CleanUp, IntegrationError> {
    let mut done = CleanUp::default();
    let request = &ground.request;
    let lanes = || request.lanes.iter().chain(&request.abandoned);
    let branch_of = |lane: &String| lane_branch(&request.mission_branch, lane);
    if !retain.worktrees {
        for lane in lanes() {
            remove_worktree(ground, integration, lane, &branch_of(lane), &mut done)?;
        }
    }
    if !retain.branches {
        let worktrees = ground.checkout.worktrees()?;
        let mission = request.mission_branch.clone();
        for branch in lanes().map(branch_of).chain([mission]) {
            delete_branch(ground, integration, &branch, &worktrees, &mut done)?;
        }
    }
    // As long as the mission branch exists, the journal says that it is in the target.
    let mission = ground.checkout.branch_tip(&request.mission_branch)?;
    if mission.is_none() {
        journal.remove()?;
    }
    Ok(done)
}

fn remove_worktree(
    ground: &Ground,
    integration: &Integration,
    lane: &str,
    branch: &str,
    done: &mut CleanUp,
) -> Result<(), IntegrationError> {
    let path = lane_path(&ground.project_root, &ground.request.mission_slug, lane);
    let outside = path.parent().is_none_or(|folder| !is_plain(folder));
    if outside || !path.exists() {
        return forget(ground, &path, outside);
    }
    let Some(worktree) = worktree_at(&ground.checkout, &path)? else {
        done.keep(&path, "it is not a worktree of this repository");
        return Ok(());
    };
    let head = worktree.head()?;
    let tip = head.commit();
    let reason = if head.branch() != Some(branch) {
        Some("another branch is checked out there")
    } else if !worktree.changes()?.is_empty() || worktree.unfinished_merge().is_some() {
        Some("it has uncommitted changes")
    } else if worktree.git_dir().join("modules").exists() {
        Some("it holds the repositories of submodules")
    } else if !is_contained(ground, integration, tip.unwrap_or_default())? {
        Some("it has commits that are not in the target branch")
    } else {
        None
    };
    if let Some(reason) = reason {
        done.keep(&path, reason);
        return Ok(());
    }
    ground.checkout.remove_worktree(&path, false)?;
    done.removed_worktrees.push(path);
    Ok(())
}

/// Has git forget a worktree whose directory is gone: its branch would count as checked out.
fn forget(ground: &Ground, path: &Path, outside: bool) -> Result<(), IntegrationError> {
    let known = ground.checkout.worktrees()?;
    let gone = known
        .iter()
        .any(|known| known.path == path && known.is_missing && known.locked.is_none());
    if gone && !outside {
        ground.checkout.remove_worktree(path, false)?;
    }
    Ok(())
}

fn delete_branch(
    ground: &Ground,
    integration: &Integration,
    branch: &str,
    worktrees: &[Worktree],
    done: &mut CleanUp,
) -> Result<(), IntegrationError> {
    let Some(tip) = ground.checkout.branch_tip(branch)? else {
        return Ok(());
    };
    let is_checked_out = worktrees
        .iter()
        .any(|known| known.branch.as_deref() == Some(branch));
    if !is_contained(ground, integration, &tip)? {
        done.keep(branch, "it has commits that are not in the target branch");
    } else if status::is_changed(ground, &tip)? {
        done.keep(
            branch,
            "it changed the status of a mission, which was not taken over",
        );
    } else if is_checked_out {
        done.keep(branch, "a worktree has it checked out");
    } else {
        ground.checkout.delete_branch(branch, &tip)?;
        done.deleted_branches.push(branch.to_owned());
    }
    Ok(())
}

/// Tells whether the target branch holds a commit: itself, or what was made of it by the recorded
/// squash or rebase.
fn is_contained(
    ground: &Ground,
    integration: &Integration,
    commit: &str,
) -> Result<bool, IntegrationError> {
    let checkout = &ground.checkout;
    let target = ground.target_tip()?;
    if commit.is_empty() || !checkout.is_ancestor(&integration.result, &target)? {
        return Ok(false);
    }
    let recorded = &integration.mission_tip;
    Ok(checkout.is_ancestor(commit, &target)?
        || (checkout.holds_commit(recorded)? && checkout.is_ancestor(commit, recorded)?))
}

fn is_plain(folder: &Path) -> bool {
    is_plain_directory(folder).unwrap_or(false)
}

impl CleanUp {
    fn keep(&mut self, name: impl AsRef<Path>, reason: &'static str) {
        self.kept.push(Kept {
            name: name.as_ref().display().to_string(),
            reason,
        });
    }
}
