//! What is wrong with the status files of a mission; reads only.

use super::{Desk, Packages};
use crate::files::{Links, read_text};
use crate::handle::NamedMission;
use crate::lane::Lane;
use crate::lanes_manifest::LanesManifest;
use crate::reducer::reduce;
use crate::snapshot::{self, Snapshot};
use crate::status_log::row::Transition;
use crate::status_log::{self, StatusLog};
use crate::transition::targets;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// The most that is read of `status.json`.
const LIMIT: u64 = 64 << 20;

/// What was found, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What must be put right.
    pub errors: Vec<String>,
    /// What may be right.
    pub warnings: Vec<String>,
}

/// Checks the log, and that `status.json` is what the log says.
#[must_use]
pub fn validate(mission: &NamedMission) -> Inspection {
    let mut found = Inspection::default();
    let text = match status_log::read(&mission.directory) {
        Ok(text) => text,
        Err(problem) => {
            found.errors.push(problem.to_string());
            return found;
        }
    };
    let log = StatusLog::parse(&text);
    found
        .errors
        .extend(log.problems.iter().map(ToString::to_string));
    check_moves(&log, &mut found);
    let snapshot = reduce(&log);
    check_materialized(mission, &snapshot, &mut found);
    found
}

/// Checks everything that [`validate`] does, and the other files of the mission.
#[must_use]
pub fn diagnose(desk: &Desk<'_>, mission: &NamedMission) -> Inspection {
    let mut found = validate(mission);
    match Packages::read(mission) {
        Ok(packages) => {
            let text = status_log::read(&mission.directory).unwrap_or_default();
            check_packages(&packages, &reduce(&StatusLog::parse(&text)), &mut found);
        }
        Err(error) => found.errors.push(error.to_string()),
    }
    match LanesManifest::read(&mission.directory) {
        Ok(Some(_)) => {}
        Ok(None) => found.warnings.push(
            "there is no lanes.json: run `spec-kitty agent mission finalize-tasks`".to_owned(),
        ),
        Err(problem) => found.errors.push(problem.to_string()),
    }
    check_commits(desk, mission, &mut found);
    found
}

/// Every unforced move must follow the matrix and begin where the one before it ended.
fn check_moves(log: &StatusLog<'_>, found: &mut Inspection) {
    let mut rows: Vec<&Transition<'_>> = log.transitions.iter().collect();
    rows.sort_by_key(|row| (&row.at, &row.event_id));
    let mut seen = HashSet::new();
    let mut lanes: BTreeMap<&str, Lane> = BTreeMap::new();
    for row in rows {
        let id = &row.event_id;
        if !seen.insert(id) {
            found.warnings.push(format!(
                "row {id} is there more than once; the first counts"
            ));
            continue;
        }
        let (from, to) = (row.from_lane, row.to_lane);
        if !row.force && !targets(from).contains(&to) {
            found.errors.push(format!(
                "row {id}: {}: {from} -> {to} is no move",
                row.wp_id
            ));
        }
        let before = lanes.insert(&row.wp_id, to).unwrap_or(Lane::Genesis);
        if before != from {
            found.warnings.push(format!(
                "row {id}: {} leaves {from} although it was in {before}",
                row.wp_id
            ));
        }
    }
}

fn check_materialized(mission: &NamedMission, snapshot: &Snapshot, found: &mut Inspection) {
    let meta = &mission.meta;
    let kind = meta.mission_type.as_deref().unwrap_or_default();
    let expected = snapshot.to_status_json(meta.mission_number, kind);
    let path = mission.directory.join(snapshot::FILE_NAME);
    let advice = "run `spec-kitty agent status materialize`";
    match read_text(&path, LIMIT, Links::Refuse) {
        Ok(Some(text)) if text == expected => {}
        Ok(Some(_)) => found.errors.push(format!(
            "{} is not what {} says: {advice}",
            snapshot::FILE_NAME,
            status_log::FILE_NAME
        )),
        Ok(None) if snapshot.event_count == 0 => {}
        Ok(None) => found
            .errors
            .push(format!("{} is missing: {advice}", snapshot::FILE_NAME)),
        Err(problem) => {
            let name = snapshot::FILE_NAME;
            found
                .errors
                .push(format!("{name} cannot be read: {problem}"));
        }
    }
}

fn check_packages(packages: &Packages, snapshot: &Snapshot, found: &mut Inspection) {
    for wp_id in packages.by_id.keys() {
        if snapshot.lane(wp_id) == Lane::Genesis {
            found.errors.push(format!(
                "{wp_id} has no status: run `spec-kitty agent mission finalize-tasks`"
            ));
        }
    }
    for wp_id in snapshot.work_packages.keys() {
        if !packages.by_id.contains_key(wp_id) {
            found
                .warnings
                .push(format!("{wp_id} has a status and no file in tasks/"));
        }
    }
}

/// The status counts for others only when it is committed.
fn check_commits(desk: &Desk<'_>, mission: &NamedMission, found: &mut Inspection) {
    let Some(checkout) = &desk.project.checkout else {
        found
            .errors
            .push("the project is not in a git repository: run `git init`".to_owned());
        return;
    };
    let Ok(Some(primary)) = crate::git::Checkout::discover(desk.git, &desk.project.root) else {
        return;
    };
    let changes = match primary.changes() {
        Ok(changes) => changes,
        Err(error) => {
            found.errors.push(error.to_string());
            return;
        }
    };
    let directory = mission.directory.strip_prefix(primary.root());
    let Ok(directory) = directory.map(Path::to_owned) else {
        return;
    };
    for name in [
        status_log::FILE_NAME,
        snapshot::FILE_NAME,
        crate::meta::FILE_NAME,
    ] {
        if changes
            .iter()
            .any(|change| change.path == directory.join(name))
        {
            found.warnings.push(format!(
                "{name} has changes that are not committed; the next step of the mission commits \
                 the status"
            ));
        }
    }
    let target = mission.meta.target_branch.as_deref().unwrap_or_default();
    if !target.is_empty() && !matches!(checkout.branch_tip(target), Ok(Some(_))) {
        found.errors.push(format!(
            "the mission's branch '{target}' does not exist: create it, or correct meta.json"
        ));
    }
}
