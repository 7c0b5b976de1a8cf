//! Moving a work package as an agent or a person does it: forward through every lane on the way, or
//! back with a reviewer's feedback.
//!
//! Back to `planned` makes three commits: the feedback is kept first, then the work package moves,
//! then what its runtime recorded is released. Killed between them the feedback, or the move, stands;
//! a second call keeps a second feedback.
//!
//! Source: reference orchestrator-missions, section 4.7.

mod guards;
mod issues;
mod readiness;
mod refusal;
mod request;

pub use refusal::MoveRefusal;
pub use request::{Feedback, MoveRequest, RuntimeFacts, SelfReview};

use super::review_cycle::ReviewCycle;
use super::rows::{Mover, RowMaker};
use super::workspaces::make_place;
use super::{Desk, Part, Step, WorkflowError, packages};
use crate::git::Checkout;
use crate::handle::NamedMission;
use crate::lane::Lane;
use crate::reducer::reduce;
use crate::snapshot::{Snapshot, WorkPackageState};
use crate::status_log::evidence::{APPROVED, Evidence, Review, ReviewResult};
use crate::status_log::row::{Delta, ReviewOverride, Row, TextField};
use crate::status_writer::StatusWriter;
use crate::transition::{Decision, Request, decide, rewind_reason};
use crate::work_package::Frontmatter;
use kitty_runtime::time::iso;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The way of a work package; the other lanes are beside it.
const WAY: [Lane; 7] = [
    Lane::Planned,
    Lane::Claimed,
    Lane::InProgress,
    Lane::ForReview,
    Lane::InReview,
    Lane::Approved,
    Lane::Done,
];
/// Who moves a work package when no agent is named.
const USER: &str = "user";

/// A move that happens once the step is written.
#[derive(Debug)]
pub struct HandedOver {
    /// The mission.
    pub mission: NamedMission,
    /// The file of the work package.
    pub prompt: PathBuf,
    /// The lane it leaves.
    pub from: Lane,
    /// The lane it enters.
    pub to: Lane,
    /// The id of the last transition.
    pub event_id: String,
    /// The feedback that is kept.
    pub review: Option<ReviewCycle>,
    /// What a move to `planned` resets.
    pub reset: Option<SubtaskReset>,
    /// What is to be written.
    pub step: Step,
    /// The locked status.
    pub writer: StatusWriter,
}

/// The subtasks that a move to `planned` opens again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubtaskReset {
    /// All of them.
    pub ids: Vec<String>,
    /// Those that were done.
    pub completed: Vec<String>,
    /// Those that were not.
    pub open: Vec<String>,
}

/// Decides a move of an agent or a person.
///
/// # Errors
/// [`WorkflowError`]; [`MoveRefusal`] in the order of reference 4.7.
pub fn move_task(
    desk: &Desk<'_>,
    mission: NamedMission,
    (wp_id, to): (&str, Lane),
    asked: &MoveRequest<'_>,
) -> Result<HandedOver, WorkflowError> {
    let prompt = desk.package(&mission, &mission.slug, wp_id)?;
    let writer = desk.open(&mission)?;
    let log = writer.log();
    let snapshot = reduce(&log);
    let front = packages::frontmatter(&prompt)?;
    let moving = Moving {
        desk,
        mission: &mission,
        wp_id,
        from: snapshot.lane(wp_id),
        to,
        asked,
        front: &front,
        state: snapshot.work_packages.get(wp_id),
    };
    moving.guard()?;
    let review = match asked.feedback {
        Some(_) if moving.is_backward() => Some(moving.review_cycle(&prompt)?),
        _ => None,
    };
    let reset = (to == Lane::Planned).then(|| moving.reset(&snapshot));
    let mut maker = RowMaker::begin(desk, &mission, &log);
    let mut parts = Vec::new();
    if let (Some(review), Some(feedback)) = (&review, &asked.feedback) {
        parts.push(moving.keep(review, feedback));
    }
    let (rows, event_id) = moving.rows(&mut maker, review.as_ref())?;
    let batch = if rows.len() > 1 { " batch" } else { "" };
    parts.push(Part {
        rows,
        changes: Vec::new(),
        message: format!("chore(spec-kitty): status transition{batch} {wp_id}"),
    });
    let delta = moving.delta(reset.as_ref());
    if delta != Delta::default() {
        let row = maker.annotation(wp_id, moving.actor(), delta);
        let message = format!("chore(spec-kitty): inner-state annotation {wp_id}");
        parts.push(Part::of_row(Row::Annotation(row), message));
    }
    let from = moving.from;
    let step = Step::of_parts(parts).expect("a move has at least its transition");
    drop(log);
    Ok(HandedOver {
        mission,
        prompt,
        from,
        to,
        event_id,
        review,
        reset,
        step,
        writer,
    })
}

/// Refuses to commit to a branch that the project protects: those that its configuration lists.
///
/// # Errors
/// [`MoveRefusal::ProtectedBranch`]; a configuration that cannot be read.
pub fn guard_branch(desk: &Desk<'_>, command: &'static str) -> Result<(), WorkflowError> {
    let protected = desk.project.config()?.protected_branches;
    if protected.is_empty() {
        return Ok(());
    }
    let Some(primary) = Checkout::discover(desk.git, &desk.project.root)? else {
        return Ok(());
    };
    let head = primary.head()?;
    match head.branch() {
        Some(branch) if protected.iter().any(|listed| listed == branch) => {
            let branch = branch.to_owned();
            Err(MoveRefusal::ProtectedBranch { command, branch }.into())
        }
        _ => Ok(()),
    }
}

/// A move that is being decided.
struct Moving<'a> {
    desk: &'a Desk<'a>,
    mission: &'a NamedMission,
    wp_id: &'a str,
    from: Lane,
    to: Lane,
    asked: &'a MoveRequest<'a>,
    front: &'a Frontmatter,
    state: Option<&'a WorkPackageState>,
}

impl Moving<'_> {
    fn actor(&self) -> &str {
        says(self.asked.agent).unwrap_or(USER)
    }

    fn reviewer(&self) -> &str {
        says(self.asked.reviewer).unwrap_or_else(|| self.actor())
    }

    fn is_backward(&self) -> bool {
        let place = |lane| WAY.iter().position(|known| *known == lane);
        matches!((place(self.from), place(self.to)), (Some(from), Some(to)) if to < from)
    }

    fn enters(&self, lanes: &[Lane]) -> bool {
        lanes.contains(&self.to)
    }

    fn review_cycle(&self, prompt: &std::path::Path) -> Result<ReviewCycle, WorkflowError> {
        ReviewCycle::next(self.mission, prompt).map_err(|source| WorkflowError::Unwritable {
            path: prompt.with_extension(""),
            source,
        })
    }

    fn keep(&self, review: &ReviewCycle, feedback: &Feedback<'_>) -> Part {
        let at = iso(self.desk.time.now());
        let about = (self.mission, self.wp_id);
        let file = review.file(about, self.reviewer(), &at, feedback.text);
        Part {
            rows: Vec::new(),
            changes: vec![file],
            message: format!(
                "chore: Record review-cycle-{} (rejected) for {} on {}",
                review.number, self.wp_id, self.mission.slug
            ),
        }
    }

    /// The lanes that it enters: forward every one on the way, otherwise the one.
    fn hops(&self) -> Vec<Lane> {
        let place = |lane| WAY.iter().position(|known| *known == lane);
        match (place(self.from), place(self.to)) {
            (Some(from), Some(to)) if from < to && !self.asked.force => WAY[from + 1..=to].to_vec(),
            _ => vec![self.to],
        }
    }

    fn rows(
        &self,
        maker: &mut RowMaker<'_>,
        review: Option<&ReviewCycle>,
    ) -> Result<(Vec<Row<'static>>, String), WorkflowError> {
        let mover = Mover {
            actor: self.actor(),
            policy: None,
        };
        let result = self.review_result(review);
        let mut rows = Vec::new();
        let mut event_id = String::new();
        let mut from = self.from;
        for to in self.hops() {
            let approval = matches!(to, Lane::Approved | Lane::Done).then(|| self.approval());
            let leaves_review = from == Lane::InReview || (review.is_some() && self.is_backward());
            let result = result.as_ref().filter(|_| leaves_review);
            let decision = self.decide((from, to), approval.as_ref(), result, review)?;
            if to == Lane::Claimed {
                make_place(self.desk, self.mission, self.wp_id)?;
            }
            let mut row = maker.transition(self.wp_id, decision, &mover);
            row.evidence = approval.map(Box::new);
            row.review_result = result.cloned().map(Box::new);
            if to == Lane::Canceled {
                let source = if says(self.asked.note).is_some() {
                    "operator"
                } else {
                    "synthetic"
                };
                row.reason_source = Some(Cow::Borrowed(source));
            }
            event_id = row.event_id.clone().into_owned();
            rows.push(Row::Transition(row));
            from = to;
        }
        Ok((rows, event_id))
    }

    /// Decides one hop. A move back that the matrix does not know is forced, with the reason of a
    /// rewind, as if it had been called so.
    fn decide(
        &self,
        (from, to): (Lane, Lane),
        evidence: Option<&Evidence>,
        review_result: Option<&ReviewResult>,
        review: Option<&ReviewCycle>,
    ) -> Result<Decision, WorkflowError> {
        let note = self.note();
        let stated = note.clone().unwrap_or_else(|| {
            if self.asked.force {
                format!("Force move to {to}")
            } else {
                format!("move-task: {from} -> {to}")
            }
        });
        let request = Request {
            actor: self.actor(),
            force: self.asked.force,
            reason: Some(&stated),
            review_ref: review
                .map(|review| review.reference.as_str())
                .or(review_result.map(|result| result.reference.as_str())),
            evidence,
            review_result,
            has_workspace: true,
            subtasks_complete: true,
            implementation_evidence_present: true,
        };
        if self.asked.force || !self.is_backward() {
            return Ok(decide(from, to, &request)?);
        }
        let rewind = rewind_reason(from, to, request.review_ref, note.as_deref());
        let forced = Request {
            force: true,
            reason: Some(&rewind),
            ..request
        };
        let decided = match decide(from, to, &request) {
            // Without a review its outcome cannot be made up.
            Err(refusal) if self.from == Lane::InReview && review.is_none() => Err(refusal),
            Err(_) => decide(from, to, &forced),
            allowed => allowed,
        };
        Ok(Decision {
            reason: Some(rewind.clone()),
            ..decided?
        })
    }

    fn note(&self) -> Option<String> {
        let note = says(self.asked.note).map(str::to_owned);
        let is_done = self.to == Lane::Done;
        let Some(why) = says(self.asked.done_override_reason).filter(|_| is_done) else {
            return note;
        };
        let why = format!("Done override: {why}");
        Some(note.map_or(why.clone(), |note| format!("{note} | {why}")))
    }

    /// Where the approval is written: as given, or the note, or a name of its own.
    fn approval_reference(&self) -> String {
        let given = says(self.asked.approval_ref).or(says(self.asked.note));
        given.map_or_else(
            || {
                let day = self.desk.time.now().strftime("%Y%m%d");
                format!("auto-approval:{}:{day}", self.wp_id)
            },
            str::to_owned,
        )
    }

    fn approval(&self) -> Evidence {
        Evidence {
            repos: Vec::new(),
            review: Review {
                reference: self.approval_reference(),
                reviewer: self.reviewer().to_owned(),
                verdict: APPROVED.to_owned(),
            },
            verification: Vec::new(),
        }
    }

    /// What the reviewer said: changes where feedback is kept, otherwise approval where that is asked.
    fn review_result(&self, review: Option<&ReviewCycle>) -> Option<ReviewResult> {
        let reviewer = self.reviewer().to_owned();
        if let Some(review) = review {
            let path = self.mission.directory.join(&review.path);
            return Some(ReviewResult {
                feedback_path: Some(path.display().to_string()),
                reference: review.reference.clone(),
                reviewer,
                verdict: "changes_requested".to_owned(),
            });
        }
        self.enters(&[Lane::Approved, Lane::Done])
            .then(|| ReviewResult {
                feedback_path: None,
                reference: self.approval_reference(),
                reviewer,
                verdict: APPROVED.to_owned(),
            })
    }

    fn reset(&self, snapshot: &Snapshot) -> SubtaskReset {
        let state = snapshot.work_packages.get(self.wp_id);
        let noted = state.and_then(|state| state.subtasks.as_ref());
        let mut ids = self.front.subtasks.clone();
        let others = noted.into_iter().flat_map(BTreeMap::keys);
        ids.extend(
            others
                .filter(|id| !self.front.subtasks.contains(id))
                .cloned(),
        );
        let is_done = |id: &&String| noted.and_then(|noted| noted.get(*id)) == Some(&Lane::Done);
        let (completed, open) = ids.iter().partition::<Vec<&String>, _>(is_done);
        SubtaskReset {
            completed: completed.into_iter().cloned().collect(),
            open: open.into_iter().cloned().collect(),
            ids,
        }
    }

    fn delta(&self, reset: Option<&SubtaskReset>) -> Delta {
        if let Some(reset) = reset {
            let subtasks = reset.ids.iter().map(|id| (id.clone(), Lane::Planned));
            return Delta {
                subtasks: (!reset.ids.is_empty()).then(|| subtasks.collect()),
                review: Some(ReviewOverride::default()),
                release_runtime_claim: true,
                ..Delta::default()
            };
        }
        let facts = &self.asked.runtime;
        let texts = [
            (TextField::Agent, self.asked.agent),
            (TextField::Assignee, facts.assignee),
            (TextField::AgentProfile, facts.profile),
            (TextField::Model, facts.model),
        ];
        let given = texts
            .into_iter()
            .filter_map(|(field, text)| Some((field, says(text)?.to_owned())));
        Delta {
            texts: given.collect(),
            note: says(self.asked.note).map(str::to_owned),
            review: self.overrides_rejection().then(|| ReviewOverride {
                actor: self.reviewer().to_owned(),
                at: iso(self.desk.time.now()),
                reason: says(self.asked.note).unwrap_or_default().to_owned(),
                wp_id: self.wp_id.to_owned(),
            }),
            shell_pid: facts.shell_pid,
            tracker_refs: (!facts.tracker_refs.is_empty()).then(|| facts.tracker_refs.clone()),
            ..Delta::default()
        }
    }
}

/// A text that says something, without the space around it.
fn says(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}
