//! Windows: loaded, gated and packed, one of them while the server works on another.
//!
//! Preparing changes nothing: it reads the journal, asks the gate and compresses. So it may happen
//! early, and what was prepared may be thrown away.

use super::core::{DrainPolicy, Item, first_batch};
use super::drain::{DrainError, DrainPorts, LOCAL_LIMIT};
use super::wire::{Admission, GatedBatch};
use crate::gate::gated::Gated;
use crate::gate::messages::{CheckWindow, GatedWindow};
use crate::queue::messages::NextBatch;
use crate::websocket::frame;
use kitty_runtime::journal::Cursor;
use kitty_runtime::owner::{BatchLimits, Selection};
use kitty_runtime::target::DeliveryTarget;
use std::ops::Range;
use std::sync::Arc;

/// Consecutive records of the journal, and what of them may be sent.
#[derive(Debug)]
pub(super) struct Window {
    /// The records.
    pub(super) selection: Arc<Selection>,
    /// Which part of the journal they are.
    pub(super) stretch: Range<Cursor>,
    /// What the gate let pass; nothing when nothing is selected.
    pub(super) gated: GatedWindow,
    /// The first batch and the records in it, ready to be sent.
    first: Option<(Vec<usize>, GatedBatch)>,
}

/// Prepares the windows of one drain.
#[derive(Debug)]
pub(super) struct Preparation<'a> {
    pub(super) ports: &'a DrainPorts,
    pub(super) policy: DrainPolicy,
    pub(super) target: DeliveryTarget,
    pub(super) admission: Admission,
}

impl Preparation<'_> {
    /// Prepares the window that begins at a cursor; `None` at the end of the journal.
    pub(super) async fn window(&self, from: Cursor) -> Result<Option<Window>, DrainError> {
        let ask = NextBatch {
            target: self.target.clone(),
            from,
            limits: self.limits(),
        };
        let Some(selection) = self.ports.queue.ask(ask, LOCAL_LIMIT).await?? else {
            return Ok(None);
        };
        let check = CheckWindow {
            selection: selection.clone(),
            project: self.ports.project,
        };
        let gated = self.ports.gate.ask(check, LOCAL_LIMIT).await?;
        let mut window = Window {
            stretch: from..selection.next,
            selection,
            gated,
            first: None,
        };
        let items = self.items(&window);
        let refused = window.gated.refused().iter().map(|(index, _)| *index);
        let first = first_batch(&self.policy, &items, refused);
        if !first.is_empty() {
            let batch = self.pack(&window, &first);
            window.first = Some((first, batch));
        }
        Ok(Some(window))
    }

    /// Returns the selected records as the rules of delivery see them.
    pub(super) fn items(&self, window: &Window) -> Vec<Item> {
        let selected = window.selection.selected.iter();
        selected
            .map(|selected| {
                let (id, event) = window.selection.record(selected);
                Item {
                    sequence: selected.sequence,
                    id: id.to_owned(),
                    bytes: self.admission.size(id, event),
                }
            })
            .collect()
    }

    /// Returns some records of a window as a batch; the first one is ready.
    pub(super) fn batch(&self, window: &mut Window, indices: &[usize]) -> GatedBatch {
        match &window.first {
            Some((first, batch)) if first == indices => batch.clone(),
            _ => self.pack(window, indices),
        }
    }

    /// Returns a record that the gate let pass as a frame of the WebSocket.
    pub(super) fn frame(&self, window: &Window, index: usize) -> Option<Gated<String>> {
        let event = window.gated.event(index)?;
        Some(frame::event(self.admission.splice(event)))
    }

    fn pack(&self, window: &Window, indices: &[usize]) -> GatedBatch {
        let events = indices
            .iter()
            .filter_map(|index| window.gated.event(*index));
        GatedBatch::build(&self.admission, events)
    }

    /// Returns limits by which a window is one batch: every event may take its share of what
    /// delivery adds, unless that is most of the batch.
    fn limits(&self) -> BatchLimits {
        let policy = &self.policy;
        let added = policy.batch_events * self.admission.overhead();
        BatchLimits {
            records: policy.batch_events,
            bytes: (policy.batch_bytes.saturating_sub(added)).max(policy.batch_bytes / 2),
        }
    }
}
