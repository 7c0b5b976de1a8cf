//! Merging a mission: its lanes into its target branch, its approved work packages done, its number
//! given.
//!
//! Three parts, so that the events of the rows are stored before the rows are written:
//! [`prepare_merge`] looks, [`MergeReady::integrate`] merges and says what is to be written, and
//! [`Integrated::finish`] pushes and cleans up. Killed anywhere, the next merge goes on.
//!
//! Source: reference orchestrator-missions, section 5.

use super::rows::{Mover, RowMaker};
use super::{Desk, Packages, Step, WorkflowError};
use crate::handle::NamedMission;
use crate::integration::{
    self, CleanUp, IntegrationError, IntegrationRequest, Prepared, Retain, Strategy,
};
use crate::lane::Lane;
use crate::lanes_manifest::LanesManifest;
use crate::meta::{self, MissionMeta};
use crate::reducer::reduce;
use crate::snapshot::Snapshot;
use crate::status_log::evidence::{Evidence, Review};
use crate::status_log::row::{Policy, Row};
use crate::status_writer::{FileChange, StatusWriter};
use crate::transition::{Request, decide};
use serde_json::{Map, Value, json};

/// A mission that may be merged.
#[derive(Debug)]
pub struct MergeReady {
    /// The mission.
    pub mission: NamedMission,
    /// The branch it goes to.
    pub target: String,
    /// The locked status.
    pub writer: StatusWriter,
    prepared: Prepared,
    snapshot: Snapshot,
    packages: Packages,
}

/// A mission whose commits are in the target branch.
#[derive(Debug)]
pub struct Integrated {
    /// The mission.
    pub mission: NamedMission,
    /// The branch it is in.
    pub target: String,
    /// What is to be written; `None` when an earlier merge wrote it.
    pub step: Option<Step>,
    /// The number of the mission.
    pub number: u64,
    /// Every work package that is done now, in order.
    pub merged: Vec<String>,
    retain: Retain,
    integrated: integration::Integrated,
}

/// Checks that a mission can be merged; changes nothing.
///
/// # Errors
/// [`WorkflowError::NotReady`] when a work package is neither approved nor done nor canceled,
/// [`WorkflowError::Integration`], and those of reading.
pub fn prepare_merge(
    desk: &Desk<'_>,
    typed: &str,
    target: Option<&str>,
    strategy: Strategy,
) -> Result<MergeReady, WorkflowError> {
    let mission = desk.mission(typed)?;
    let writer = desk.open(&mission)?;
    let snapshot = reduce(&writer.log());
    let packages = Packages::read(&mission)?;
    let manifest =
        LanesManifest::read(&mission.directory)?.ok_or_else(|| WorkflowError::NoLanes {
            slug: mission.slug.clone(),
        })?;
    let target = target.map_or_else(|| target_of(&mission, &manifest), str::to_owned);
    let request = request(&mission, &manifest, &snapshot, &target, strategy);
    // A missing target is told before unfinished work: it is the simpler mistake.
    let prepared = match integration::prepare(desk.project, &request) {
        Err(error @ IntegrationError::NoTarget(_)) => return Err(error.into()),
        other => {
            refuse_unfinished(&snapshot, &packages)?;
            other?
        }
    };
    Ok(MergeReady {
        mission,
        target,
        writer,
        prepared,
        snapshot,
        packages,
    })
}

fn refuse_unfinished(snapshot: &Snapshot, packages: &Packages) -> Result<(), WorkflowError> {
    let mut incomplete = super::acceptance::incomplete(snapshot, packages);
    incomplete.retain(|wp_id| snapshot.lane(wp_id) != Lane::Canceled);
    if incomplete.is_empty() {
        return Ok(());
    }
    Err(WorkflowError::NotReady { incomplete })
}

fn target_of(mission: &NamedMission, manifest: &LanesManifest) -> String {
    let named = mission.meta.merge_target_branch.clone();
    named
        .or_else(|| mission.meta.target_branch.clone())
        .filter(|branch| !branch.is_empty())
        .unwrap_or_else(|| manifest.target_branch.clone())
}

fn request(
    mission: &NamedMission,
    manifest: &LanesManifest,
    snapshot: &Snapshot,
    target: &str,
    strategy: Strategy,
) -> IntegrationRequest {
    let is_abandoned = |ids: &[String]| {
        !ids.is_empty()
            && ids
                .iter()
                .all(|wp_id| snapshot.lane(wp_id) == Lane::Canceled)
    };
    let (abandoned, lanes): (Vec<_>, Vec<_>) = manifest
        .lanes
        .iter()
        .partition(|lane| is_abandoned(&lane.wp_ids));
    let names = |lanes: Vec<&crate::lanes_manifest::ExecutionLane>| {
        lanes.into_iter().map(|lane| lane.lane_id.clone()).collect()
    };
    IntegrationRequest {
        mission_slug: mission.slug.clone(),
        mission_branch: manifest.mission_branch.clone(),
        target_branch: target.to_owned(),
        strategy,
        lanes: names(lanes),
        abandoned: names(abandoned),
    }
}

impl MergeReady {
    /// Lists the work packages that the merge completes, and those that are done already.
    #[must_use]
    pub fn packages(&self) -> Vec<String> {
        merged(&self.packages, &self.snapshot)
    }

    /// Tells whether an earlier merge brought the commits to the target branch already.
    #[must_use]
    pub const fn is_integrated(&self) -> bool {
        self.prepared.is_integrated()
    }

    /// Merges, and says what is to be written; the writer is returned for that.
    ///
    /// # Errors
    /// [`WorkflowError`]; a branch is either moved or not, and the next merge goes on.
    pub fn integrate(self, desk: &Desk<'_>) -> Result<(Integrated, StatusWriter), WorkflowError> {
        let Self {
            mission,
            target,
            writer,
            prepared,
            snapshot,
            packages,
        } = self;
        let integrated = prepared.integrate()?;
        let number = match mission.meta.mission_number {
            Some(number) => number,
            None => next_number(desk)?,
        };
        let rows = done_rows(desk, &mission, &writer, &snapshot, &packages, &target)?;
        let step = step(&mission, rows, number)?;
        let merged = merged(&packages, &snapshot);
        let retain = Retain {
            worktrees: mission.meta.retain_worktrees,
            branches: mission.meta.retain_branches,
        };
        Ok((
            Integrated {
                mission,
                target,
                step,
                number,
                merged,
                retain,
                integrated,
            },
            writer,
        ))
    }
}

impl Integrated {
    /// Says what the clean-up leaves, whatever `meta.json` says; `None` leaves that as it is.
    #[must_use]
    pub const fn retaining(mut self, worktrees: Option<bool>, branches: Option<bool>) -> Self {
        if let Some(worktrees) = worktrees {
            self.retain.worktrees = worktrees;
        }
        if let Some(branches) = branches {
            self.retain.branches = branches;
        }
        self
    }

    /// Lists the branches that changed the status of a mission, which was not taken over.
    #[must_use]
    pub fn meddling(&self) -> &[String] {
        self.integrated.meddling()
    }

    /// Pushes, if that is asked for, and removes the lanes' worktrees and branches.
    ///
    /// # Errors
    /// [`WorkflowError::Integration`]: the mission is merged, and the next merge goes on.
    pub fn finish(&self, push: bool) -> Result<CleanUp, WorkflowError> {
        if push {
            self.integrated.push()?;
        }
        Ok(self.integrated.clean_up(self.retain)?)
    }
}

fn merged(packages: &Packages, snapshot: &Snapshot) -> Vec<String> {
    let is_merged = |wp_id: &&String| matches!(snapshot.lane(wp_id), Lane::Approved | Lane::Done);
    packages.by_id.keys().filter(is_merged).cloned().collect()
}

/// One more than the highest number of any mission.
fn next_number(desk: &Desk<'_>) -> Result<u64, WorkflowError> {
    let unlistable = |source| {
        WorkflowError::Handle(crate::handle::HandleProblem::Unlistable {
            path: desk.project.specs(),
            source,
        })
    };
    let mut highest = 0;
    for entry in std::fs::read_dir(desk.project.specs()).map_err(unlistable)? {
        let entry = entry.map_err(unlistable)?;
        // A mission that cannot be read has no number that counts.
        if let Ok(meta) = MissionMeta::read(&entry.path()) {
            highest = highest.max(meta.mission_number.unwrap_or_default());
        }
    }
    Ok(highest + 1)
}

/// The rows that complete the approved work packages.
fn done_rows(
    desk: &Desk<'_>,
    mission: &NamedMission,
    writer: &StatusWriter,
    snapshot: &Snapshot,
    packages: &Packages,
    target: &str,
) -> Result<Vec<Row<'static>>, WorkflowError> {
    let log = writer.log();
    let mut maker = RowMaker::begin(desk, mission, &log);
    let mover = Mover {
        actor: "merge",
        policy: None,
    };
    let mut policy = Map::new();
    policy.insert("merge_phase".to_owned(), json!("lane_integrated"));
    policy.insert("target_branch".to_owned(), json!(target));
    let approved = packages
        .by_id
        .keys()
        .filter(|wp_id| snapshot.lane(wp_id) == Lane::Approved);
    let mut rows = Vec::new();
    for wp_id in approved {
        let evidence = lane_approval(snapshot, wp_id);
        let reason = format!("Merged {wp_id} into {target}");
        let request = Request {
            actor: mover.actor,
            reason: Some(&reason),
            evidence: Some(&evidence),
            ..Request::default()
        };
        let decision = decide(Lane::Approved, Lane::Done, &request)?;
        let mut row = maker.transition(wp_id, decision, &mover);
        row.evidence = Some(Box::new(evidence));
        row.policy_metadata = Some(Policy::new(&policy));
        rows.push(Row::Transition(row));
    }
    Ok(rows)
}

/// Who approved it, as its last review says.
fn lane_approval(snapshot: &Snapshot, wp_id: &str) -> Evidence {
    let state = snapshot.work_packages.get(wp_id);
    let reviewer = state
        .and_then(|state| state.review_result.get())
        .map(|result| result.reviewer.clone());
    Evidence {
        repos: Vec::new(),
        review: Review {
            reference: format!("lane-approved:{wp_id}"),
            reviewer: reviewer.unwrap_or_else(|| "unknown".to_owned()),
            verdict: "approved".to_owned(),
        },
        verification: Vec::new(),
    }
}

/// The rows, and the number in `meta.json`; `None` when all of that is there already.
fn step(
    mission: &NamedMission,
    rows: Vec<Row<'static>>,
    number: u64,
) -> Result<Option<Step>, WorkflowError> {
    let is_numbered = mission.meta.mission_number.is_some();
    if rows.is_empty() && is_numbered {
        return Ok(None);
    }
    let mut changes = Vec::new();
    if !is_numbered {
        let text = meta::edited(&mission.directory, |keys| {
            keys.insert("mission_number".to_owned(), Value::from(number));
        });
        changes.push(FileChange {
            path: meta::FILE_NAME.into(),
            text: text.map_err(|problem| super::acceptance::unusable(mission, problem))?,
        });
    }
    let message = format!("chore({}): assign mission_number={number}", mission.slug);
    Ok(Some(Step {
        changes,
        closes_as: Some(number),
        ..Step::of_rows(rows, message)
    }))
}
