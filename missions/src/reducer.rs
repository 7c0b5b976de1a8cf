//! Folds a status log into the state of every work package.
//!
//! The order of lines does not matter: worktrees append on their own and git merges the lines in any
//! order. Rows are deduplicated by id (the first wins), sorted by time and id, and folded per work
//! package; of two rows with the same time a reviewer's rollback beats a forward move. Annotations
//! fold afterwards, in the same order, so that no transition hides one.
//!
//! Linear in the rows of a log that is already in time order; sorting adds what is needed otherwise.
//!
//! Source: reference orchestrator-missions, section 4.5.

mod annotations;
mod transitions;

use crate::snapshot::retrospective::Retrospective;
use crate::snapshot::{Snapshot, WorkPackageState};
use crate::status_log::StatusLog;
use crate::status_log::row::Transition;
use annotations::Annotated;
use std::collections::{BTreeMap, HashSet};
use transitions::Moved;

/// Reduces a log.
#[must_use]
pub fn reduce(log: &StatusLog<'_>) -> Snapshot {
    let transitions = in_order(&log.transitions, |row| (&*row.at, &*row.event_id));
    let annotations = in_order(&log.annotations, |row| (&*row.at, &*row.event_id));
    let mut packages: BTreeMap<&str, Annotated> = transitions::fold(&transitions)
        .into_iter()
        .map(|(wp_id, moved)| (wp_id, Annotated::new(Moved::into_state(moved))))
        .collect();
    for row in annotations {
        packages
            .entry(&row.wp_id)
            .or_insert_with(|| Annotated::new(WorkPackageState::unmoved(row.actor.identity())))
            .apply(&row.delta);
    }
    let last = transitions.last();
    let packages = packages.into_iter();
    Snapshot {
        mission_slug: slug(&transitions),
        event_count: transitions.len(),
        last_event_id: last.map(|row| row.event_id.clone().into_owned()),
        materialized_at: last.map_or_else(String::new, |row| row.at.clone().into_owned()),
        work_packages: packages
            .map(|(wp_id, annotated)| (wp_id.to_owned(), annotated.into_state()))
            .collect(),
        retrospective: Retrospective::reduce(&log.retrospective),
    }
}

/// Returns each row once, in the order of time and id.
fn in_order<T>(rows: &[T], key: impl Fn(&T) -> (&str, &str)) -> Vec<&T> {
    // One writer's ids rise: then none is there twice, and looking for one costs the most of all.
    let mut rows: Vec<&T> = if rows.is_sorted_by(|one, other| key(one).1 < key(other).1) {
        rows.iter().collect()
    } else {
        let mut seen = HashSet::with_capacity(rows.len());
        rows.iter().filter(|row| seen.insert(key(row).1)).collect()
    };
    rows.sort_by(|one, other| key(one).cmp(&key(other)));
    rows
}

/// Returns the slug of the first row, unless it could lead out of the missions' directory.
fn slug(rows: &[&Transition<'_>]) -> String {
    let slug = rows.first().map_or("", |row| &row.mission_slug);
    let is_segment = slug.starts_with(|first: char| first.is_ascii_alphanumeric())
        && slug
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !slug.contains("..");
    if is_segment {
        slug.to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests;
