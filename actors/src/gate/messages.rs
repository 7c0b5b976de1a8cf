//! The protocol of the gate.

use super::gated::Gated;
use actix::Message;
use bytes::Bytes;
use kitty_contract::{Context, Violation};
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::outcome::OutcomeDetail;
use kitty_runtime::owner::Selection;
use std::sync::Arc;

/// Checks one value before it is stored or sent.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Gated<Bytes>, Violation>")]
pub struct CheckOutbound {
    /// The section of the contract.
    pub context: Context,
    /// The value as JSON; in the envelope context its payload is checked as well.
    pub json: Bytes,
}

/// Checks the events of a window before they are sent.
#[derive(Debug, Clone, Message)]
#[rtype(result = "GatedWindow")]
pub struct CheckWindow {
    /// The window.
    pub selection: Arc<Selection>,
    /// The project that the events must belong to.
    pub project: ProjectUuid,
}

/// A window of which every remaining event was let pass.
#[derive(Debug, Clone)]
pub struct GatedWindow {
    selection: Arc<Selection>,
    refused: Vec<(usize, OutcomeDetail)>,
}

impl GatedWindow {
    pub(super) const fn new(
        selection: Arc<Selection>,
        refused: Vec<(usize, OutcomeDetail)>,
    ) -> Self {
        Self { selection, refused }
    }

    /// Returns why events were refused, by their index among the selected ones.
    #[must_use]
    pub fn refused(&self) -> &[(usize, OutcomeDetail)] {
        &self.refused
    }

    /// Returns id and bytes of a selected event, unless the gate refused it.
    #[must_use]
    pub fn event(&self, index: usize) -> Option<Gated<(&str, &[u8])>> {
        if self.refused.iter().any(|(refused, _)| *refused == index) {
            return None;
        }
        let selected = self.selection.selected.get(index)?;
        Some(Gated::new(self.selection.record(selected)))
    }
}

/// An outbound value was refused.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ContractViolated {
    /// The event, if the value was one.
    pub event_id: Option<String>,
    /// What is wrong with it.
    pub violation: Violation,
}
