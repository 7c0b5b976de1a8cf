//! The status of missions, which is written on the target branch and nowhere else.
//!
//! Whoever works in a lane can commit there what they like. A status log that was changed in a lane
//! would meet that of the target in a merge: a squash takes the lane's side, and a line that the lane
//! removed stays removed. Both lose rows, and a row that the lane added could approve its own work.
//! So what a branch changed of any mission's status is put back before the branch is merged.

use super::tree::Tree;
use super::{Ground, IntegrationError};
use crate::git::Merged;
use crate::project::SPECS;
use crate::{snapshot, status_log};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Returns a commit that follows `tip` and leaves the status of every mission as the target branch
/// had it when the branch left it; `None` when `tip` itself is such a commit.
pub(super) fn put_back(
    ground: &Ground,
    tree: &mut Tree<'_>,
    branch: &str,
    tip: &str,
) -> Result<Option<String>, IntegrationError> {
    let Some((base, changed)) = changed(ground, tip)? else {
        return Ok(None);
    };
    let message = format!(
        "Leave the status of missions to {}\n\n{branch} changed it; what it wrote is in the commits before.",
        ground.request.target_branch
    );
    let outcome = tree.at(tip)?.restore(&base, &changed, &message)?;
    match outcome {
        Merged::At(commit) => Ok(Some(commit)),
        Merged::Conflict(paths) => Err(IntegrationError::Conflict {
            from: ground.request.target_branch.clone(),
            into: branch.to_owned(),
            paths,
        }),
    }
}

/// Tells whether a branch changed the status of a mission, and the target branch does not have the
/// commits that did.
pub(super) fn is_changed(ground: &Ground, tip: &str) -> Result<bool, IntegrationError> {
    Ok(changed(ground, tip)?.is_some())
}

/// Returns where a branch left the target branch, and which status files it changed since.
fn changed(
    ground: &Ground,
    tip: &str,
) -> Result<Option<(String, BTreeSet<PathBuf>)>, IntegrationError> {
    let checkout = &ground.checkout;
    let Some(base) = checkout.merge_base(tip, &ground.target_tip()?)? else {
        return Ok(None);
    };
    let mut changed = checkout.changed_files(&base, tip)?;
    let project = ground.project_root.strip_prefix(checkout.root());
    let project = project.unwrap_or(Path::new(""));
    changed.retain(|path| path.strip_prefix(project).is_ok_and(is_status));
    Ok((!changed.is_empty()).then_some((base, changed)))
}

/// Tells whether a path of a project is `kitty-specs/<mission>/` with one of the two status files.
fn is_status(path: &Path) -> bool {
    let mut parts = path.iter();
    let (specs, _mission, name) = (parts.next(), parts.next(), parts.next());
    let is_file = |name| name == status_log::FILE_NAME || name == snapshot::FILE_NAME;
    specs.is_some_and(|specs| specs == SPECS) && name.is_some_and(is_file) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_status_files_of_a_mission_count() {
        for path in [
            "kitty-specs/demo-01AAAAAA/status.events.jsonl",
            "kitty-specs/099-legacy/status.json",
        ] {
            assert!(is_status(Path::new(path)), "{path}");
        }
        for path in [
            "kitty-specs/status.json",
            "kitty-specs/demo/research/status.json",
            "kitty-specs/demo/spec.md",
            "src/demo/status.json",
        ] {
            assert!(!is_status(Path::new(path)), "{path}");
        }
    }
}
