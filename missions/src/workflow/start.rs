//! Starting work: claiming an implementation or a review.

use super::rows::{Mover, RowMaker};
use super::state::unsatisfied;
use super::workspaces::{Place, make_place};
use super::{Desk, Step, WorkflowError, packages};
use crate::handle::NamedMission;
use crate::lane::Lane;
use crate::policy::Policy;
use crate::reducer::reduce;
use crate::status_log::StatusLog;
use crate::status_log::row::{Row, Transition};
use crate::status_writer::StatusWriter;
use crate::transition::{Request, decide};
use std::path::PathBuf;

const IMPLEMENTATION: &str = "implementation";
const REVIEW: &str = "review";
/// Actors that stand for nobody in particular: anybody may take over from them.
const NOBODY: [&str; 2] = ["implement-command", "unknown"];

/// Work that may begin once the step is written.
#[derive(Debug)]
pub struct Started {
    /// The mission.
    pub mission: NamedMission,
    /// The lane it was in.
    pub from: Lane,
    /// The file of the work package: what the agent is told.
    pub prompt: PathBuf,
    /// Where it is worked on; `None` for a review, which happens where the reviewer likes.
    pub place: Option<Place>,
    /// What is to be written; `None` when the actor has it already.
    pub step: Option<Step>,
    /// The locked status.
    pub writer: StatusWriter,
}

/// Claims a work package and starts it; again and again with the same result.
///
/// From `planned` it moves to `claimed` and on to `in_progress`, from `claimed` by the same actor to
/// `in_progress`. The workspace is made, or completed, in any case. After a rejection the work package
/// still belongs to whoever implemented it.
///
/// # Errors
/// [`WorkflowError`].
pub fn start_implementation(
    desk: &Desk<'_>,
    (typed, wp_id): (&str, &str),
    actor: &str,
    policy: &Policy,
) -> Result<Started, WorkflowError> {
    let mission = desk.mission(typed)?;
    let prompt = desk.package(&mission, typed, wp_id)?;
    let writer = desk.open(&mission)?;
    let log = writer.log();
    let snapshot = reduce(&log);
    let from = snapshot.lane(wp_id);
    let lanes: &[Lane] = match from {
        Lane::Planned | Lane::Claimed => {
            let needed = packages::frontmatter(&prompt)?.dependencies;
            let unsatisfied = unsatisfied(&snapshot, &needed);
            if !unsatisfied.is_empty() {
                return Err(WorkflowError::Dependencies {
                    wp_id: wp_id.to_owned(),
                    unsatisfied,
                });
            }
            if from == Lane::Planned {
                &[Lane::Planned, Lane::Claimed, Lane::InProgress]
            } else {
                &[Lane::Claimed, Lane::InProgress]
            }
        }
        Lane::InProgress => &[],
        Lane::Genesis => {
            return Err(WorkflowError::NotFinalized {
                wp_id: wp_id.to_owned(),
            });
        }
        lane => {
            return Err(WorkflowError::WrongLane {
                wp_id: wp_id.to_owned(),
                lane,
                what: IMPLEMENTATION,
            });
        }
    };
    if from != Lane::Planned {
        refuse_conflict(&holders(&log, wp_id), wp_id, actor)?;
    }
    let place = make_place(desk, &mission, wp_id)?;
    let mover = Mover {
        actor,
        policy: Some(policy),
    };
    let mut maker = RowMaker::begin(desk, &mission, &log);
    let mut rows = Vec::new();
    for edge in lanes.windows(2) {
        let request = Request {
            actor,
            has_workspace: true,
            ..Request::default()
        };
        let decision = decide(edge[0], edge[1], &request)?;
        rows.push(Row::Transition(maker.transition(wp_id, decision, &mover)));
    }
    let kind = if rows.len() > 1 { " batch" } else { "" };
    let message = format!("chore(spec-kitty): status transition{kind} {wp_id}");
    drop(log);
    Ok(Started {
        step: (!rows.is_empty()).then(|| Step::of_rows(rows, message)),
        mission,
        from,
        prompt,
        place: Some(place),
        writer,
    })
}

/// Claims the review of a work package; a review that has begun is left to its reviewer.
///
/// # Errors
/// [`WorkflowError`].
pub fn start_review(
    desk: &Desk<'_>,
    (typed, wp_id): (&str, &str),
    actor: &str,
    review_ref: Option<&str>,
    policy: &Policy,
) -> Result<Started, WorkflowError> {
    let mission = desk.mission(typed)?;
    let prompt = desk.package(&mission, typed, wp_id)?;
    let writer = desk.open(&mission)?;
    let log = writer.log();
    let from = reduce(&log).lane(wp_id);
    let step = match from {
        Lane::InReview => None,
        Lane::ForReview => {
            let request = Request {
                actor,
                reason: Some("Started review via action command"),
                review_ref,
                ..Request::default()
            };
            let decision = decide(from, Lane::InReview, &request)?;
            let mover = Mover {
                actor,
                policy: Some(policy),
            };
            let row = RowMaker::begin(desk, &mission, &log).transition(wp_id, decision, &mover);
            let message = format!("chore(spec-kitty): status transition {wp_id}");
            Some(Step::of_rows(vec![Row::Transition(row)], message))
        }
        lane => {
            return Err(WorkflowError::WrongLane {
                wp_id: wp_id.to_owned(),
                lane: if lane == Lane::Genesis {
                    Lane::Planned
                } else {
                    lane
                },
                what: REVIEW,
            });
        }
    };
    drop(log);
    Ok(Started {
        mission,
        from,
        prompt,
        place: None,
        step,
        writer,
    })
}

/// Who may go on with an implementation: who moved it last, and who implemented it before a reviewer
/// sent it back.
fn holders(log: &StatusLog<'_>, wp_id: &str) -> Vec<String> {
    let mut rows: Vec<&Transition<'_>> = log
        .transitions
        .iter()
        .filter(|row| row.wp_id == wp_id)
        .collect();
    rows.sort_by_key(|row| (&row.at, &row.event_id));
    let is_rejection = |row: &Transition<'_>| {
        matches!(
            row.from_lane,
            Lane::ForReview | Lane::InReview | Lane::Approved
        )
    };
    let last = rows.last().copied();
    let mut holders: Vec<String> = last.map(name).into_iter().collect();
    if last.is_some_and(is_rejection) {
        let is_implementing =
            |row: &&&Transition<'_>| row.to_lane == Lane::InProgress && !is_rejection(row);
        let implementer = rows.iter().rev().find(is_implementing);
        // Named first: it is the one that others are told of.
        holders.splice(0..0, implementer.map(|row| name(row)));
    }
    holders
}

fn name(row: &Transition<'_>) -> String {
    row.actor.identity().trim().to_owned()
}

fn refuse_conflict(holders: &[String], wp_id: &str, actor: &str) -> Result<(), WorkflowError> {
    let requesting = actor.trim();
    let is_free = |holder: &String| {
        holder.is_empty() || holder == requesting || NOBODY.contains(&holder.as_str())
    };
    match holders.first() {
        Some(holder) if !requesting.is_empty() && !holders.iter().any(is_free) => {
            Err(WorkflowError::Claimed {
                wp_id: wp_id.to_owned(),
                what: IMPLEMENTATION,
                holder: holder.clone(),
                requesting: requesting.to_owned(),
            })
        }
        _ => Ok(()),
    }
}
