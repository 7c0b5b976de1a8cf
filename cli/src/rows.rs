//! Stores the events of rows before a planning command writes them, and hands them over afterwards.
//!
//! Killed anywhere, a row is in the log and its event is on its way, or neither is: what stays held
//! is settled by the log, at the next delivery or by `sync reconcile`.

use crate::dossier_step;
use crate::failure::Failure;
use crate::final_sync::final_sync;
use crate::hosted::Hosted;
use crate::invocation::Invocation;
use crate::mission_step::{build_payload, emitter};
use crate::project::project_identity;
use actix::SystemRunner;
use kitty_actors::capture::CaptureError;
use kitty_actors::queue::messages::ReconcileHeld;
use kitty_config::EventSyncMode;
use kitty_missions::events::{self, EventProblem, MissionFacts};
use kitty_missions::identity::ProjectIdentity;
use kitty_missions::project::Project;
use kitty_missions::row_witness::{NewRow, NoWitness, NotWitnessed, RowWitness};
use kitty_missions::status_log::row::Row;
use kitty_runtime::envelope::{Emitter, EventDraft};
use kitty_runtime::id::EventIds;
use kitty_runtime::inbox::{Claim, Held};
use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How long the settling of what a failed command held may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// A command that writes rows.
pub struct Writing<'a> {
    /// What it was called with.
    pub invocation: &'a Invocation,
    /// The project.
    pub project: &'a Project,
    /// Makes the id of the event with which the checkout registers itself; `None` if it does not.
    pub registers: Option<&'a EventIds>,
}

/// Does `work`, which tells the witness of every row before it writes it; then prints, tells of the
/// artifacts of the mission that it names, and tries once to deliver.
///
/// With hosted sync off, or in the mode `opt_out`, nothing but the work and the printing is done.
///
/// # Errors
/// Those of the work; then nothing was printed.
pub fn write<T, E>(
    writing: &Writing<'_>,
    work: impl FnOnce(&dyn RowWitness) -> Result<T, E>,
    print: impl FnOnce(&T),
    directory: impl FnOnce(&T) -> PathBuf,
) -> Result<(), E> {
    let invocation = writing.invocation;
    let settings = invocation.settings();
    if !invocation.hosted_sync() || settings.event_sync_mode() == EventSyncMode::OptOut {
        print(&work(&NoWitness)?);
        return Ok(());
    }
    let runner = actix::System::new();
    let hosted = runner.block_on(async { Hosted::start(invocation, &settings) });
    let holder = Holder {
        writing,
        runner: &runner,
        hosted: &hosted,
        held: RefCell::default(),
    };
    let outcome = work(&holder);
    let held = holder.held.into_inner();
    runner.block_on(async {
        let done = match outcome {
            Ok(done) => done,
            Err(error) => {
                take_back(&hosted, held.as_ref()).await;
                hosted.shut_down().await;
                return Err(error);
            }
        };
        let known = held.as_ref().map(|held| held.identity.clone());
        let has_rows = held.is_some();
        if let Some(held) = held {
            publish(invocation, &hosted, held).await;
        }
        print(&done);
        let project = writing.project;
        let identity = known.or_else(|| project_identity(invocation, project).ok());
        if let Some(identity) = identity {
            let directory = directory(&done);
            let told = dossier_step::tell(invocation, &hosted, project, &identity, &directory);
            if told.await || has_rows {
                final_sync(invocation, &settings, &hosted, identity.project_uuid).await;
            }
        }
        hosted.shut_down().await;
        Ok(())
    })
}

/// What was stored so far.
#[derive(Debug)]
struct Stored {
    identity: ProjectIdentity,
    held: Vec<Held>,
}

async fn publish(invocation: &Invocation, hosted: &Hosted, stored: Stored) {
    let capture = hosted
        .system
        .capture(&hosted.queue(stored.identity.project_uuid));
    for held in stored.held {
        if let Err(error) = capture.settle(held, true).await {
            invocation.printer.note(format!(
                "The events are stored and will be delivered; they could not be handed over now: {error}"
            ));
        }
    }
}

/// Settles by the log what a command held that failed half-way: some of its rows may be committed.
async fn take_back(hosted: &Hosted, stored: Option<&Stored>) {
    if let Some(stored) = stored {
        let queue = hosted.queue(stored.identity.project_uuid);
        // What cannot be settled now is settled by the next delivery.
        let _ = queue.ask(ReconcileHeld, SETTLE_LIMIT).await;
    }
}

/// Holds the events of rows that are about to be written.
struct Holder<'a> {
    writing: &'a Writing<'a>,
    runner: &'a SystemRunner,
    hosted: &'a Hosted,
    held: RefCell<Option<Stored>>,
}

impl fmt::Debug for Holder<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Holder")
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl RowWitness for Holder<'_> {
    fn before(&self, rows: &[NewRow<'_>], claim: Claim) -> Result<(), NotWitnessed> {
        let refused = |failure: Failure| NotWitnessed(failure.message);
        let identity = match &*self.held.borrow() {
            Some(stored) => stored.identity.clone(),
            None => {
                project_identity(self.writing.invocation, self.writing.project).map_err(refused)?
            }
        };
        let held = self
            .runner
            .block_on(self.hold(&identity, rows, claim))
            .map_err(|error| {
                NotWitnessed(format!(
                    "The mission's events could not be stored: {error}. Nothing was changed by this step."
                ))
            })?;
        let mut stored = self.held.borrow_mut();
        let stored = stored.get_or_insert(Stored {
            identity,
            held: Vec::new(),
        });
        stored.held.extend(held);
        Ok(())
    }
}

impl Holder<'_> {
    async fn hold(
        &self,
        identity: &ProjectIdentity,
        rows: &[NewRow<'_>],
        claim: Claim,
    ) -> Result<Option<Held>, HoldError> {
        let queue = self.hosted.queue(identity.project_uuid);
        let capture = self.hosted.system.capture(&queue);
        let attribution = capture.attribution().await.map_err(CaptureError::from)?;
        let emitter = emitter(self.writing.project, identity, attribution.team_id);
        let mut drafts = Vec::new();
        drafts.extend(self.writing.registers.map(|ids| self.build(&emitter, ids)));
        for row in rows {
            match row {
                NewRow::Lifecycle(row) => drafts.push(events::of_lifecycle(row)?),
                NewRow::Transition(row) => {
                    let row = Row::Transition((*row).clone());
                    drafts.extend(events::of_row(&row, &MissionFacts::default())?);
                }
            }
        }
        Ok(capture
            .hold(&drafts, &emitter, attribution.scope, claim)
            .await?)
    }

    /// The event with which a checkout registers itself.
    fn build(&self, emitter: &Emitter, ids: &EventIds) -> EventDraft {
        EventDraft {
            event_id: ids.next(),
            event_type: "BuildRegistered",
            aggregate_type: "Build",
            aggregate_id: emitter.build_id.clone(),
            payload: build_payload(emitter),
            occurred_at: self.writing.invocation.time.now(),
            caused_by: None,
        }
    }
}

/// Why events could not be held.
#[derive(Debug, thiserror::Error)]
enum HoldError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Row(#[from] EventProblem),
}
