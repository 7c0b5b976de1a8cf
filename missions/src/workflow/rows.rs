//! Makes the rows that a step writes.

use super::Desk;
use crate::handle::NamedMission;
use crate::policy::Policy;
use crate::status_log::StatusLog;
use crate::status_log::row::{Annotation, Delta, ExecutionMode, Transition};
use crate::transition::Decision;
use jiff::{SignedDuration, Timestamp};
use kitty_runtime::time::{iso, parse_iso};
use std::borrow::Cow;

/// Makes the rows of one step: their times rise, also past the rows that are there already.
pub(super) struct RowMaker<'a> {
    desk: &'a Desk<'a>,
    mission: &'a NamedMission,
    next: Timestamp,
}

/// Who moves a work package, and with what.
pub(super) struct Mover<'a> {
    pub(super) actor: &'a str,
    pub(super) policy: Option<&'a Policy>,
}

impl<'a> RowMaker<'a> {
    /// Begins a step. A row is never older than the log: rows are ordered by their times, and a
    /// clock that went back would undo what this step does.
    pub(super) fn begin(
        desk: &'a Desk<'a>,
        mission: &'a NamedMission,
        log: &StatusLog<'_>,
    ) -> Self {
        let transitions = log.transitions.iter().map(|row| &*row.at);
        let annotations = log.annotations.iter().map(|row| &*row.at);
        let last = transitions.chain(annotations).max().and_then(parse_iso);
        let now = desk.time.now();
        let next = last.map_or(now, |last| now.max(after(last)));
        Self {
            desk,
            mission,
            next,
        }
    }

    /// Makes the row of a decision.
    pub(super) fn transition(
        &mut self,
        wp_id: &str,
        decision: Decision,
        mover: &Mover<'_>,
    ) -> Transition<'static> {
        let policy = mover.policy.map(Policy::recorded);
        Transition {
            event_id: self.id(),
            mission_slug: Cow::Owned(self.mission.slug.clone()),
            mission_id: self.mission.meta.mission_id.clone().map(Cow::Owned),
            wp_id: Cow::Owned(wp_id.to_owned()),
            from_lane: decision.from,
            to_lane: decision.to,
            at: self.time(),
            actor: mover.actor.to_owned().into(),
            force: decision.force,
            execution_mode: ExecutionMode::Worktree,
            reason: decision.reason.map(Cow::Owned),
            reason_source: None,
            review_ref: decision.review_ref.map(Cow::Owned),
            evidence: None,
            review_result: None,
            policy_metadata: policy.map(crate::status_log::row::Policy::new),
        }
    }

    /// Makes the row of something else that changed.
    pub(super) fn annotation(
        &mut self,
        wp_id: &str,
        actor: &str,
        delta: Delta,
    ) -> Annotation<'static> {
        Annotation {
            event_id: self.id(),
            wp_id: Cow::Owned(wp_id.to_owned()),
            at: self.time(),
            actor: actor.to_owned().into(),
            delta: Box::new(delta),
        }
    }

    fn id(&self) -> Cow<'static, str> {
        Cow::Owned(self.desk.ids.next().to_string())
    }

    fn time(&mut self) -> Cow<'static, str> {
        let at = self.next;
        self.next = after(at);
        Cow::Owned(iso(at))
    }
}

/// The next microsecond: the smallest step that the log can tell apart.
fn after(at: Timestamp) -> Timestamp {
    at.saturating_add(SignedDuration::from_micros(1))
        .unwrap_or(at)
}
