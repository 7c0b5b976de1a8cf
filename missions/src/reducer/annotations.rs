//! Folds the annotations of one work package over what its transitions left.

use crate::snapshot::{Slot, WorkPackageState};
use crate::status_log::row::{Delta, TextField};
use serde_json::Value;
use std::collections::HashSet;

/// A state with the annotations so far.
pub(super) struct Annotated {
    state: WorkPackageState,
    /// The tracker references of the state, to find one without looking through all.
    known_refs: HashSet<String>,
}

impl Annotated {
    pub(super) fn new(state: WorkPackageState) -> Self {
        Self {
            state,
            known_refs: HashSet::new(),
        }
    }

    pub(super) fn into_state(self) -> WorkPackageState {
        self.state
    }

    /// Applies one change; a field that it does not have stays.
    pub(super) fn apply(&mut self, delta: &Delta) {
        let state = &mut self.state;
        if delta.release_runtime_claim {
            state.shell_pid = Slot::Cleared;
            for field in [TextField::Agent, TextField::ShellPidCreatedAt] {
                state.texts.insert(field, Slot::Cleared);
            }
        }
        if let Some(pid) = delta.shell_pid {
            state.shell_pid = Slot::Set(pid.into());
        }
        for (field, text) in &delta.texts {
            if !text.is_empty() {
                let value = Value::String(text.clone());
                state.texts.insert(*field, Slot::Set(value));
            }
        }
        if let Some(subtasks) = &delta.subtasks {
            let subtasks = subtasks.iter().map(|(id, lane)| (id.clone(), *lane));
            state.subtasks.get_or_insert_default().extend(subtasks);
        }
        if let Some(note) = &delta.note {
            state.notes.get_or_insert_default().push(note.clone());
        }
        if let Some(review) = &delta.review {
            state.review = if review.is_release() {
                Slot::Cleared
            } else {
                Slot::Set(review.clone())
            };
        }
        self.refer(delta);
    }

    fn refer(&mut self, delta: &Delta) {
        let added = if let Some(replaced) = &delta.tracker_refs_replace {
            self.known_refs.clear();
            self.state.tracker_refs = None;
            replaced
        } else if let Some(added) = &delta.tracker_refs {
            added
        } else {
            return;
        };
        let refs = self.state.tracker_refs.get_or_insert_default();
        for reference in added {
            if self.known_refs.insert(reference.clone()) {
                refs.push(reference.clone());
            }
        }
    }
}
