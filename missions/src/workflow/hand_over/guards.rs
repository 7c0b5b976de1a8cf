//! What a move of an agent or a person is refused for, in the order of reference 4.7.

use super::{MoveRefusal, Moving, SelfReview, issues, says};
use crate::lane::Lane;
use crate::status_log::evidence::APPROVED;
use crate::status_log::row::TextField;
use crate::work_package::WorkKind;
use crate::workflow::workspaces::place_of;
use crate::workflow::{WorkflowError, lane_gate};

/// How it was called.
const COMMAND: &str = "spec-kitty agent tasks move-task";

impl Moving<'_> {
    /// Refuses in the order of the reference; edges and their guards come after.
    pub(super) fn guard(&self) -> Result<(), WorkflowError> {
        let Self { wp_id, asked, .. } = *self;
        self.guard_self_review()?;
        super::guard_branch(self.desk, COMMAND)?;
        let assigned = self.state.and_then(|state| state.text(TextField::Agent));
        if let (Some(assigned), Some(agent), false) =
            (says(assigned), says(asked.agent), asked.force)
            && assigned != agent
        {
            return Err(MoveRefusal::AgentMismatch {
                wp_id: wp_id.to_owned(),
                assigned: assigned.to_owned(),
                agent: agent.to_owned(),
            }
            .into());
        }
        if self.is_rejected() && asked.overrules_rejection && says(asked.note).is_none() {
            return Err(MoveRefusal::OverrideNeedsNote.into());
        }
        if self.to == Lane::Planned {
            let Some(feedback) = asked.feedback else {
                let wp_id = wp_id.to_owned();
                return Err(MoveRefusal::FeedbackNeeded { wp_id }.into());
            };
            if feedback.text.trim().is_empty() {
                let file = feedback.source.to_owned();
                return Err(MoveRefusal::FeedbackEmpty { file }.into());
            }
        }
        let is_gated = self.enters(&[Lane::ForReview, Lane::Approved, Lane::Done]);
        if is_gated && !asked.force {
            self.guard_subtasks()?;
        }
        if is_gated && !asked.force {
            self.guard_readiness()?;
        }
        if self.to == Lane::ForReview && !asked.force {
            let place = place_of(self.desk, self.mission, wp_id)?;
            lane_gate::check(self.desk, wp_id, &place)?;
        }
        if self.to == Lane::Done {
            self.guard_merged()?;
        }
        if self.enters(&[Lane::Approved, Lane::Done]) {
            self.guard_issues()?;
        }
        Ok(())
    }

    /// Whether an approval would follow a rejection.
    fn is_rejected(&self) -> bool {
        let result = self.state.and_then(|state| state.review_result.get());
        self.enters(&[Lane::Approved, Lane::Done])
            && result.is_some_and(|result| result.verdict != APPROVED)
    }

    /// Whether a rejection is overruled on purpose, which is noted beside the approval.
    pub(super) fn overrides_rejection(&self) -> bool {
        self.is_rejected() && self.asked.overrules_rejection
    }

    /// Refuses an approval while an issue that the mission speaks of has no verdict, force or not.
    fn guard_issues(&self) -> Result<(), WorkflowError> {
        let directory = &self.mission.directory;
        let blocker =
            issues::blocker(directory, self.to).map_err(|source| WorkflowError::Unreadable {
                path: directory.clone(),
                source,
            })?;
        match blocker {
            Some(blocker) => Err(MoveRefusal::IssueMatrix(blocker).into()),
            None => Ok(()),
        }
    }

    fn guard_self_review(&self) -> Result<(), MoveRefusal> {
        let SelfReview {
            is_fallback,
            intended_reviewer,
            failure_reason,
        } = self.asked.self_review;
        if !is_fallback {
            let is_named = intended_reviewer.is_some() || failure_reason.is_some();
            return if is_named {
                Err(MoveRefusal::SelfReview(
                    "--intended-reviewer/--reviewer-failure-reason require --self-review-fallback.",
                ))
            } else {
                Ok(())
            };
        }
        let missing = if !self.enters(&[Lane::Approved, Lane::Done]) {
            "--self-review-fallback is only valid when approving or marking done."
        } else if !self.asked.force {
            "--self-review-fallback requires --force so force_count records the independence override."
        } else if says(intended_reviewer).is_none() {
            "--self-review-fallback requires --intended-reviewer <agent>."
        } else if says(failure_reason).is_none() {
            "--self-review-fallback requires --reviewer-failure-reason <reason>."
        } else {
            return Ok(());
        };
        Err(MoveRefusal::SelfReview(missing))
    }

    fn guard_subtasks(&self) -> Result<(), MoveRefusal> {
        let roster = &self.front.subtasks;
        let open: Vec<String> = match self.state {
            Some(state) => state
                .open_subtasks(roster)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            None => roster.clone(),
        };
        if open.is_empty() {
            return Ok(());
        }
        Err(MoveRefusal::OpenSubtasks {
            wp_id: self.wp_id.to_owned(),
            to: self.to,
            open,
        })
    }

    /// Refuses `done` for code that is not in the target branch, force or not.
    fn guard_merged(&self) -> Result<(), WorkflowError> {
        let changes_code = self.front.kind != Some(WorkKind::PlanningArtifact);
        if !changes_code || says(self.asked.done_override_reason).is_some() {
            return Ok(());
        }
        let place = place_of(self.desk, self.mission, self.wp_id)?;
        let (Some(lane), Some(checkout), Some(target)) = (
            place.lane,
            &self.desk.project.checkout,
            self.mission.meta.target_branch.as_deref(),
        ) else {
            return Ok(());
        };
        let tips = (
            checkout.branch_tip(&lane.branch)?,
            checkout.branch_tip(target)?,
        );
        let why = match tips {
            (Some(tip), Some(into)) if checkout.is_ancestor(&tip, &into)? => return Ok(()),
            (Some(_), _) => format!("{} is not merged into {target}.", lane.branch),
            (None, _) => format!("there is no branch {}.", lane.branch),
        };
        Err(MoveRefusal::NotMerged {
            wp_id: self.wp_id.to_owned(),
            why,
        }
        .into())
    }
}
