//! Moving a work package to any lane that the matrix, or force, allows.

use super::rows::{Mover, RowMaker};
use super::workspaces::{Place, make_place, place_of};
use super::{Desk, Step, WorkflowError, lane_gate, packages};
use crate::handle::NamedMission;
use crate::lane::Lane;
use crate::policy::Policy;
use crate::reducer::reduce;
use crate::status_log::evidence::{Evidence, ReviewResult};
use crate::status_log::row::Row;
use crate::status_writer::StatusWriter;
use crate::transition::{Request, decide};
use std::borrow::Cow;
use std::path::PathBuf;

/// What a caller asks for.
#[derive(Debug, Clone, Copy)]
pub struct TransitionRequest<'a> {
    /// The lane to move to.
    pub to: Lane,
    /// Who asks.
    pub actor: &'a str,
    /// Why.
    pub note: Option<&'a str>,
    /// Whether edges and guards are overridden.
    pub force: bool,
    /// The review that it refers to.
    pub review_ref: Option<&'a str>,
    /// What the reviewer said.
    pub review_result: Option<&'a ReviewResult>,
    /// What approves it.
    pub evidence: Option<&'a Evidence>,
    /// The caller's word that every subtask is done.
    pub subtasks_complete: bool,
    /// What the caller's policy says.
    pub policy: Option<&'a Policy>,
}

/// A move that happens once the step is written.
#[derive(Debug)]
pub struct Moved {
    /// The mission.
    pub mission: NamedMission,
    /// The file of the work package.
    pub prompt: PathBuf,
    /// The lane it leaves.
    pub from: Lane,
    /// The lane it enters.
    pub to: Lane,
    /// What is to be written.
    pub step: Step,
    /// The locked status.
    pub writer: StatusWriter,
}

/// Decides a move.
///
/// Unforced into `for_review` a commit on the lane is needed, and every subtask done, by the status
/// or by the caller's word. Into `claimed` the workspace is made.
///
/// # Errors
/// [`WorkflowError`].
pub fn transition(
    desk: &Desk<'_>,
    (typed, wp_id): (&str, &str),
    asked: &TransitionRequest<'_>,
) -> Result<Moved, WorkflowError> {
    let mission = desk.mission(typed)?;
    let prompt = desk.package(&mission, typed, wp_id)?;
    let writer = desk.open(&mission)?;
    let log = writer.log();
    let snapshot = reduce(&log);
    let from = snapshot.lane(wp_id);
    if asked.to == Lane::ForReview && !asked.force {
        let place: Place = place_of(desk, &mission, wp_id)?;
        lane_gate::check(desk, wp_id, &place)?;
    }
    let needs_subtasks = (from, asked.to) == (Lane::InProgress, Lane::ForReview);
    let subtasks_complete = asked.subtasks_complete || !needs_subtasks || {
        let roster = packages::frontmatter(&prompt)?.subtasks;
        let state = snapshot.work_packages.get(wp_id);
        state.is_some_and(|state| state.open_subtasks(&roster).is_empty()) || roster.is_empty()
    };
    let request = Request {
        actor: asked.actor,
        force: asked.force,
        reason: asked.note,
        review_ref: asked.review_ref,
        evidence: asked.evidence,
        review_result: asked.review_result,
        has_workspace: true,
        subtasks_complete,
        // The commit on the lane, which was looked for above, is the evidence.
        implementation_evidence_present: true,
    };
    let decision = decide(from, asked.to, &request)?;
    if asked.to == Lane::Claimed {
        make_place(desk, &mission, wp_id)?;
    }
    let mover = Mover {
        actor: asked.actor,
        policy: asked.policy,
    };
    let mut row = RowMaker::begin(desk, &mission, &log).transition(wp_id, decision, &mover);
    row.evidence = asked.evidence.cloned().map(Box::new);
    row.review_result = asked.review_result.cloned().map(Box::new);
    if asked.to == Lane::Canceled {
        let words = asked.note.is_some_and(|note| !note.trim().is_empty());
        row.reason_source = Some(Cow::Borrowed(if words { "operator" } else { "synthetic" }));
    }
    let message = format!("chore(spec-kitty): status transition {wp_id}");
    let step = Step::of_rows(vec![Row::Transition(row)], message);
    drop(log);
    Ok(Moved {
        mission,
        prompt,
        from,
        to: asked.to,
        step,
        writer,
    })
}
