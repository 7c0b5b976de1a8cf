//! GateActor: nothing is stored for sending and nothing is sent that it did not let pass.

pub mod core;
pub mod gated;
pub mod messages;

use crate::supervise::ExitGuard;
use actix::{Actor, Context, Handler, MessageResult};
use bytes::Bytes;
use core::{GateCore, Input, Verdict};
use gated::Gated;
use kitty_contract::Violation;
use messages::{CheckOutbound, CheckWindow, GatedWindow};

/// Holds the compiled contract.
#[derive(Debug)]
pub struct GateActor {
    core: GateCore,
    _guard: ExitGuard,
}

impl GateActor {
    /// Creates the actor over the vendored contract.
    #[must_use]
    pub fn new(guard: ExitGuard) -> Self {
        Self {
            core: GateCore::default(),
            _guard: guard,
        }
    }
}

impl Actor for GateActor {
    type Context = Context<Self>;
}

impl Handler<CheckOutbound> for GateActor {
    type Result = Result<Gated<Bytes>, Violation>;

    fn handle(&mut self, check: CheckOutbound, _: &mut Self::Context) -> Self::Result {
        match self.core.step(&Input::Outbound(check.context, &check.json)) {
            Verdict::Violation(violation) => {
                tracing::warn!(%violation, "an outbound value was refused");
                Err(violation)
            }
            // Only egress knows of projects.
            Verdict::Pass | Verdict::ForeignProject => Ok(Gated::new(check.json)),
        }
    }
}

impl Handler<CheckWindow> for GateActor {
    type Result = MessageResult<CheckWindow>;

    fn handle(&mut self, check: CheckWindow, _: &mut Self::Context) -> Self::Result {
        let mut refused = Vec::new();
        for (index, selected) in check.selection.selected.iter().enumerate() {
            let (id, json) = check.selection.record(selected);
            let verdict = self.core.step(&Input::Egress(&check.project, json));
            if let Some(detail) = verdict.detail() {
                tracing::warn!(
                    event_id = id,
                    reason = detail.message,
                    "an event is quarantined"
                );
                refused.push((index, detail));
            }
        }
        MessageResult(GatedWindow::new(check.selection, refused))
    }
}
