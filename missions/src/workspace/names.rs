//! The names of branches and worktrees, and which names are accepted.

use crate::git::is_branch_name;
use std::path::{Path, PathBuf};

/// The lane of planning work packages: made in the primary checkout, on the target branch.
pub const PLANNING_LANE: &str = "lane-planning";
/// The directory of the worktrees in the project's root.
const FOLDER: &str = ".worktrees";
/// How the name of every branch of a mission begins.
const PREFIX: &str = "kitty/mission-";
/// The longest slug or lane; together they must fit a file name.
const LONGEST: usize = 120;

/// A name of `lanes.json` or `meta.json` that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be used as the {what}: {rule}", value.escape_debug())]
pub struct InvalidName {
    /// What it was to name: "mission slug", "lane", ….
    pub what: &'static str,
    /// What was given.
    pub value: String,
    /// What is accepted.
    pub rule: &'static str,
}

/// Returns the branch of a lane.
#[must_use]
pub fn lane_branch(mission_branch: &str, lane_id: &str) -> String {
    format!("{mission_branch}-{lane_id}")
}

/// Returns the name of the worktree of a lane; with a work package's id in place of the lane, that
/// of a mission without lanes.
#[must_use]
pub fn lane_directory(mission_slug: &str, lane_id: &str) -> String {
    format!("{mission_slug}-{lane_id}")
}

/// Returns the place of the worktree of a lane.
#[must_use]
pub fn lane_path(project_root: &Path, mission_slug: &str, lane_id: &str) -> PathBuf {
    folder(project_root).join(lane_directory(mission_slug, lane_id))
}

/// Returns the directory of the worktrees.
pub(super) fn folder(project_root: &Path) -> PathBuf {
    project_root.join(FOLDER)
}

/// Checks all names of a mission before one of them becomes a path or a branch.
///
/// A branch of a mission begins like one, so that no `lanes.json` can have another branch moved or
/// deleted.
pub(crate) fn check_names<'a>(
    mission_slug: &str,
    mission_branch: &str,
    target_branch: &str,
    lanes: impl Iterator<Item = &'a String>,
) -> Result<(), InvalidName> {
    check(
        "mission slug",
        mission_slug,
        is_plain,
        "letters, digits, `-`, `_` and `.` are accepted, beginning with a letter or digit",
    )?;
    check(
        "mission branch",
        mission_branch,
        |name| {
            is_branch_name(name)
                && name.strip_prefix(PREFIX).is_some_and(is_plain)
                && name != target_branch
        },
        "it must begin with `kitty/mission-` and must not be the target branch",
    )?;
    check(
        "target branch",
        target_branch,
        is_branch_name,
        "it is no branch name",
    )?;
    for lane in lanes {
        check(
            "lane",
            lane,
            |lane| is_plain(lane) && is_branch_name(&lane_branch(mission_branch, lane)),
            "letters, digits, `-`, `_` and `.` are accepted, beginning with a letter or digit",
        )?;
    }
    Ok(())
}

/// Checks that a recorded commit is a full object id, which git cannot take for anything else.
pub(crate) fn check_commit(commit: &str) -> Result<(), InvalidName> {
    check(
        "planning commit",
        commit,
        |id| matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "it must be a full commit id",
    )
}

fn check(
    what: &'static str,
    value: &str,
    accepts: impl Fn(&str) -> bool,
    rule: &'static str,
) -> Result<(), InvalidName> {
    if accepts(value) {
        return Ok(());
    }
    Err(InvalidName {
        what,
        value: value.chars().take(LONGEST).collect(),
        rule,
    })
}

fn is_plain(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.'))
        && !name.ends_with('.')
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_or_look_like_options_are_refused() {
        let mission = "kitty/mission-demo-01M7XCRB";
        let checked = |slug: &str, branch: &str, target: &str, lane: &str| {
            check_names(slug, branch, target, std::iter::once(&lane.to_owned()))
                .map_err(|error| error.what)
        };
        assert_eq!(checked("demo-01M7XCRB", mission, "work", "lane-a"), Ok(()));
        assert_eq!(
            checked("064-legacy", "kitty/mission-064-legacy", "a/b", "WP01"),
            Ok(())
        );
        for slug in [
            "", "..", "../x", "/etc", "a/b", "-x", ".git", "a\0b", "a b", "é", "a..",
        ] {
            assert_eq!(
                checked(slug, mission, "work", "lane-a"),
                Err("mission slug")
            );
            assert_eq!(checked("demo", mission, "work", slug), Err("lane"));
        }
        for branch in [
            "main",
            "--upload-pack=x",
            "kitty/mission-",
            "kitty/mission-../x",
        ] {
            assert_eq!(
                checked("demo", branch, "work", "lane-a"),
                Err("mission branch")
            );
        }
        assert_eq!(
            checked("demo", mission, mission, "lane-a"),
            Err("mission branch")
        );
        for target in ["", "-x", "--upload-pack=touch x", "a..b", "x\ny", "HEAD^"] {
            assert_eq!(
                checked("demo", mission, target, "lane-a"),
                Err("target branch")
            );
        }
        assert!(checked(&"x".repeat(121), mission, "work", "lane-a").is_err());
    }

    #[test]
    fn only_full_object_ids_are_commits() {
        assert!(check_commit(&"a".repeat(40)).is_ok() && check_commit(&"0".repeat(64)).is_ok());
        for text in ["", "HEAD", "abc", "--all", &"g".repeat(40)] {
            assert!(check_commit(text).is_err(), "{text}");
        }
    }
}
