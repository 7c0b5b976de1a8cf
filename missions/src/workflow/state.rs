//! Where a mission stands: reads only.

use super::{Desk, Packages, WorkflowError};
use crate::handle::NamedMission;
use crate::lane::Lane;
use crate::reducer::reduce;
use crate::snapshot::Snapshot;
use crate::status_log::{self, StatusLog};
use std::collections::BTreeSet;
use std::panic::resume_unwind;

/// The whole state of a mission.
#[derive(Debug)]
pub struct MissionState {
    /// The mission.
    pub mission: NamedMission,
    /// How many work packages that have moved are in each lane, in display order.
    pub summary: [(Lane, usize); 9],
    /// Every work package, by id.
    pub packages: Vec<StatePackage>,
}

/// One work package of a mission's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePackage {
    /// Its id.
    pub wp_id: String,
    /// Its lane; `planned` before its first row.
    pub lane: Lane,
    /// What it depends on.
    pub dependencies: Vec<String>,
    /// Who moved it last.
    pub last_actor: Option<String>,
}

/// A work package that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyPackage {
    /// Its id.
    pub wp_id: String,
    /// Its lane: `planned`.
    pub lane: Lane,
}

/// Reads the state of a mission.
///
/// # Errors
/// [`WorkflowError`].
pub fn mission_state(desk: &Desk<'_>, typed: &str) -> Result<MissionState, WorkflowError> {
    let (mission, snapshot, files) = read(desk, typed)?;
    let moved = snapshot.work_packages.keys();
    let ids: BTreeSet<&String> = files.by_id.keys().chain(moved).collect();
    let packages = ids.into_iter().map(|wp_id| {
        let state = snapshot.work_packages.get(wp_id);
        let moved = state.filter(|state| state.last_event_id.is_some());
        StatePackage {
            wp_id: wp_id.clone(),
            lane: lane_of(&snapshot, wp_id),
            dependencies: files
                .by_id
                .get(wp_id)
                .map(|package| package.dependencies.clone())
                .unwrap_or_default(),
            last_actor: moved.map(|state| state.actor.clone()),
        }
    });
    Ok(MissionState {
        packages: packages.collect(),
        summary: snapshot.summary(),
        mission,
    })
}

/// Lists the work packages that are planned and wait for nothing.
///
/// # Errors
/// [`WorkflowError`].
pub fn list_ready(
    desk: &Desk<'_>,
    typed: &str,
) -> Result<(NamedMission, Vec<ReadyPackage>), WorkflowError> {
    let (mission, snapshot, files) = read(desk, typed)?;
    let ready = files.by_id.iter().filter_map(|(wp_id, package)| {
        let lane = lane_of(&snapshot, wp_id);
        let is_ready =
            lane == Lane::Planned && unsatisfied(&snapshot, &package.dependencies).is_empty();
        is_ready.then(|| ReadyPackage {
            wp_id: wp_id.clone(),
            lane,
        })
    });
    let ready = ready.collect();
    Ok((mission, ready))
}

/// Lists the dependencies that are not approved, done or canceled by a person.
pub(super) fn unsatisfied(snapshot: &Snapshot, dependencies: &[String]) -> Vec<String> {
    let is_open = |wp_id: &&String| {
        let state = snapshot.work_packages.get(*wp_id);
        !state.is_some_and(crate::snapshot::WorkPackageState::satisfies_dependents)
    };
    dependencies.iter().filter(is_open).cloned().collect()
}

/// A work package without a row counts as planned where it is only looked at.
fn lane_of(snapshot: &Snapshot, wp_id: &str) -> Lane {
    match snapshot.lane(wp_id) {
        Lane::Genesis => Lane::Planned,
        lane => lane,
    }
}

fn read(desk: &Desk<'_>, typed: &str) -> Result<(NamedMission, Snapshot, Packages), WorkflowError> {
    let mission = desk.mission(typed)?;
    let (packages, snapshot) = std::thread::scope(|scope| {
        // A thousand small files take as long as a long log; neither waits for the other.
        let packages = scope.spawn(|| Packages::read(&mission));
        let snapshot = read_log(&mission);
        let packages = packages.join().unwrap_or_else(|panic| resume_unwind(panic));
        (packages, snapshot)
    });
    Ok((mission, snapshot?, packages?))
}

fn read_log(mission: &NamedMission) -> Result<Snapshot, WorkflowError> {
    let text = status_log::read(&mission.directory)?;
    Ok(reduce(&StatusLog::parse(&text).strict()?))
}
