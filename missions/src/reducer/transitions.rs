//! Folds the transitions of each work package.

use crate::lane::Lane;
use crate::snapshot::{Cancellation, Slot, WorkPackageState};
use crate::status_log::evidence::ReviewResult;
use crate::status_log::row::{TextField, Transition};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// What a policy says about the claim of a work package.
#[derive(Default, Deserialize)]
struct Claim {
    shell_pid: Option<Value>,
    shell_pid_created_at: Option<Value>,
    agent: Option<Value>,
}

/// How far one work package got.
pub(super) struct Moved<'r> {
    last: &'r Transition<'r>,
    force_count: u64,
    claim: Claim,
    review_result: Slot<&'r ReviewResult>,
}

/// Folds transitions that are sorted and have no id twice.
pub(super) fn fold<'r>(rows: &[&'r Transition<'r>]) -> HashMap<&'r str, Moved<'r>> {
    let mut packages: HashMap<&str, Moved<'r>> = HashMap::new();
    for row in rows {
        match packages.get_mut(&*row.wp_id) {
            None => {
                let moved = packages.entry(&row.wp_id).or_insert(Moved {
                    last: row,
                    force_count: 0,
                    claim: Claim::default(),
                    review_result: Slot::Absent,
                });
                moved.apply(row);
            }
            Some(moved) if moved.outweighs(row) => {}
            Some(moved) => moved.apply(row),
        }
    }
    packages
}

/// Tells whether a reviewer sent the work back.
fn is_rollback(row: &Transition<'_>) -> bool {
    row.to_lane == Lane::InProgress
        && match row.from_lane {
            Lane::InReview => true,
            Lane::ForReview => row.review_ref.is_some(),
            _ => false,
        }
}

impl<'r> Moved<'r> {
    /// Tells whether the last row, a rollback, stands against a later one of the same time.
    fn outweighs(&self, row: &Transition<'_>) -> bool {
        self.last.at == row.at && is_rollback(self.last) && !is_rollback(row)
    }

    fn apply(&mut self, row: &'r Transition<'r>) {
        self.last = row;
        self.force_count += u64::from(row.force);
        if (row.from_lane, row.to_lane) == (Lane::Planned, Lane::Claimed) {
            self.claim(row);
        }
        match &row.review_result {
            Some(result) => self.review_result = Slot::Set(result),
            None if row.from_lane == Lane::InReview => self.review_result = Slot::Cleared,
            None => {}
        }
    }

    /// Takes over what the policy says about who claimed it; what it does not say stays.
    fn claim(&mut self, row: &Transition<'_>) {
        let policy = row.policy_metadata.as_ref();
        let claim = policy.and_then(|policy| serde_json::from_str(policy.text()).ok());
        let claim: Claim = claim.unwrap_or_default();
        let replace = |slot: &mut Option<Value>, value: Option<Value>| {
            if value.is_some() {
                *slot = value;
            }
        };
        replace(&mut self.claim.shell_pid, claim.shell_pid);
        replace(
            &mut self.claim.shell_pid_created_at,
            claim.shell_pid_created_at,
        );
        replace(&mut self.claim.agent, claim.agent.filter(says_something));
    }

    pub(super) fn into_state(self) -> WorkPackageState {
        let mut state = WorkPackageState::unmoved(self.last.actor.identity());
        state.lane = self.last.to_lane;
        state.last_transition_at = Some(self.last.at.clone().into_owned());
        state.last_event_id = Some(self.last.event_id.clone().into_owned());
        state.force_count = self.force_count;
        if let Some(pid) = self.claim.shell_pid {
            state.shell_pid = Slot::Set(pid);
        }
        for (field, value) in [
            (TextField::Agent, self.claim.agent),
            (
                TextField::ShellPidCreatedAt,
                self.claim.shell_pid_created_at,
            ),
        ] {
            if let Some(value) = value {
                state.texts.insert(field, Slot::Set(value));
            }
        }
        state.review_result = match self.review_result {
            Slot::Absent => Slot::Absent,
            Slot::Cleared => Slot::Cleared,
            Slot::Set(result) => Slot::Set(result.clone()),
        };
        state.cancellation = (self.last.to_lane == Lane::Canceled).then(|| cancellation(self.last));
        state
    }
}

/// Tells a value from an empty one: what counts as true in Python.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(keys) => !keys.is_empty(),
    }
}

fn cancellation(row: &Transition<'_>) -> Cancellation {
    let reason = row.reason.as_deref();
    let is_made_up = reason.is_none_or(|reason| {
        reason.trim().is_empty()
            || reason.starts_with("Force move to ")
            || reason.starts_with("move-task: ")
    });
    let guessed = if is_made_up { "synthetic" } else { "operator" };
    Cancellation {
        reason: reason.map(str::to_owned),
        source: row.reason_source.as_deref().unwrap_or(guessed).to_owned(),
    }
}
