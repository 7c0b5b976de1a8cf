//! Where a work package is worked on.

use super::{Desk, WorkflowError};
use crate::handle::NamedMission;
use crate::lanes_manifest::{ExecutionLane, LanesManifest};
use crate::workspace::{self, LaneDependency, LaneRequest, Workspace};
use std::path::PathBuf;

/// The place where a work package is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory; absolute, and perhaps not there yet.
    pub path: PathBuf,
    /// Its lane; `None` for work packages that have none, for which nothing is made.
    pub lane: Option<Workspace>,
}

/// Says where a work package is, or would be, worked on; reads only.
///
/// # Errors
/// [`WorkflowError::Lanes`], [`WorkflowError::Workspace`].
pub fn place_of(
    desk: &Desk<'_>,
    mission: &NamedMission,
    wp_id: &str,
) -> Result<Place, WorkflowError> {
    match request(mission, wp_id)? {
        None => Ok(without_lane(desk, mission, wp_id)),
        Some(request) => Ok(in_lane(workspace::resolve(desk.project, &request)?)),
    }
}

/// Makes, or completes, the place where a work package is worked on.
pub(super) fn make_place(
    desk: &Desk<'_>,
    mission: &NamedMission,
    wp_id: &str,
) -> Result<Place, WorkflowError> {
    match request(mission, wp_id)? {
        None => Ok(without_lane(desk, mission, wp_id)),
        Some(request) => {
            let allocated = workspace::allocate(desk.project, &request)?;
            Ok(in_lane(allocated.workspace))
        }
    }
}

fn in_lane(workspace: Workspace) -> Place {
    Place {
        path: workspace.path.clone(),
        lane: Some(workspace),
    }
}

/// The directory that missions from before lanes named; nobody makes it.
fn without_lane(desk: &Desk<'_>, mission: &NamedMission, wp_id: &str) -> Place {
    let name = format!("{}-{wp_id}", mission.slug);
    Place {
        path: desk.project.root.join(".worktrees").join(name),
        lane: None,
    }
}

fn request(mission: &NamedMission, wp_id: &str) -> Result<Option<LaneRequest>, WorkflowError> {
    let Some(manifest) = LanesManifest::read(&mission.directory)? else {
        return Ok(None);
    };
    let lane = manifest.lane_of(wp_id);
    Ok(lane.map(|lane| lane_request(mission, &manifest, lane)))
}

/// Describes a lane for the allocation of its workspace.
#[must_use]
pub(super) fn lane_request(
    mission: &NamedMission,
    manifest: &LanesManifest,
    lane: &ExecutionLane,
) -> LaneRequest {
    let needed = lane.depends_on_lanes.iter();
    LaneRequest {
        mission_slug: mission.slug.clone(),
        mission_branch: manifest.mission_branch.clone(),
        target_branch: manifest.target_branch.clone(),
        planning_commit: manifest.planning_commit_sha.clone(),
        lane_id: lane.lane_id.clone(),
        depends_on: needed
            .map(|lane_id| LaneDependency {
                parallel_group: manifest
                    .lane(lane_id)
                    .map_or(0, |lane| u64::from(lane.parallel_group)),
                lane_id: lane_id.clone(),
            })
            .collect(),
    }
}
