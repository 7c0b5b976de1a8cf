//! QueueActor: the outbox and ledger of one project (or of the machine).
//!
//! It runs on a thread of its own, because everything it does waits for the disk. It is `InboxOnly`
//! until work begins: appends need neither lease nor sled. While work is going on it is the `Owner`.

pub mod core;
pub mod messages;

use crate::supervise::ExitGuard;
use actix::{Actor, Handler, SyncContext};
use core::{Effect, Input, QueueCore};
use kitty_runtime::consent::Consent;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::inbox::{AppendError, Held, Inbox, Reconciled};
use kitty_runtime::lease::{OwnerLease, recorded_owner};
use kitty_runtime::owner::{
    BodySelection, Ingested, OwnerPorts, Retired, Scope, ScopeOwner, SledFactory, now_ms,
};
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use kitty_runtime::snapshot::{self, Found, ScopeSummary};
use kitty_runtime::status_file::StatusFile;
use messages::{
    AppendEvents, BeginWork, CompleteCommand, Explain, FinishWork, GetBacklog, GetConsent,
    GetTarget, HoldEvents, Ingest, NextBatch, NextBodies, NoteBodies, OpenCommands, QueueError,
    ReconcileHeld, RecordAttempt, RecordBodies, RecordOutcome, RoomForBodies, SettleHeld,
    WorkBegun,
};
use std::sync::Arc;
use std::time::Duration;

/// How long answered records are kept for replay to a new target.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// What this process may do with the scope.
#[derive(Debug)]
enum Access {
    /// Hand records over.
    InboxOnly,
    /// Everything, until work is finished.
    Owner(Box<ScopeOwner>),
}

/// The queue of one scope.
#[derive(Debug)]
pub struct QueueActor {
    core: QueueCore,
    ports: OwnerPorts,
    scope: Scope,
    inbox: Inbox,
    access: Access,
    _guard: ExitGuard,
}

impl QueueActor {
    /// Creates the actor; touches no file.
    #[must_use]
    pub fn new(ports: OwnerPorts, scope: Scope, limit: u64, guard: ExitGuard) -> Self {
        let inbox = Inbox::new(ports.filesystem.clone(), scope.paths.clone());
        Self {
            core: QueueCore::new(limit),
            ports,
            scope,
            inbox,
            access: Access::InboxOnly,
            _guard: guard,
        }
    }

    fn owner(&mut self) -> Result<&mut ScopeOwner, QueueError> {
        match &mut self.access {
            Access::Owner(owner) => Ok(owner),
            Access::InboxOnly => Err(QueueError::NotOwner),
        }
    }

    fn summary(&self) -> Result<ScopeSummary, QueueError> {
        Ok(snapshot::summarise(&self.ports.filesystem, &self.scope)?)
    }

    /// Counts what no target has answered yet.
    fn waiting(&self) -> Result<u64, QueueError> {
        let summary = self.summary()?;
        let open = |counts: &kitty_runtime::snapshot::TargetSummary| {
            counts.queued + counts.counts.pending + counts.counts.transient
        };
        Ok(summary
            .targets
            .iter()
            .map(open)
            .min()
            .unwrap_or(summary.events))
    }

    /// Tells whether fewer bodies wait than the queue may hold, by what its last owner knew and what
    /// came in since.
    fn has_room_for_bodies(&self) -> Result<bool, QueueError> {
        let status = StatusFile::read(&*self.ports.filesystem, &self.scope.paths.status());
        let stored = status.as_ref().map_or(0, |status| {
            let targets = status.targets.iter().map(|target| {
                let counts = target.row.bodies.counts;
                let answered = counts.total() - counts.pending - counts.transient;
                status.meta.bodies.saturating_sub(answered)
            });
            targets.min().unwrap_or(status.meta.bodies)
        });
        Ok(stored + self.inbox.tally()?.bodies < self.core.limit())
    }

    fn is_marked_full(&self) -> bool {
        self.ports
            .filesystem
            .open_read(&self.scope.paths.inbox_full())
            .is_ok()
    }

    fn append(&mut self, command: &AppendEvents) -> Result<(), QueueError> {
        self.admit(command.lamport)?;
        let records = self.records(command);
        Ok(self.inbox.append(command.lamport, &records)?)
    }

    fn hold(&mut self, command: &HoldEvents) -> Result<Held, QueueError> {
        let append = &command.append;
        self.admit(append.lamport)?;
        let records = self.records(append);
        Ok(self.inbox.hold(append.lamport, &records, &command.claim)?)
    }

    fn settle(&self, command: &SettleHeld) -> Result<(), QueueError> {
        let settled = match command.happened {
            true => self.inbox.publish(&command.held),
            false => self.inbox.withdraw(&command.held),
        };
        Ok(settled?)
    }

    /// Refuses records when the queue is full.
    fn admit(&self, lamport: u64) -> Result<(), QueueError> {
        let marked_full = self.is_marked_full();
        let mut effects = self.core.step(&Input::Append {
            lamport,
            marked_full,
        });
        if effects == [Effect::Count] {
            let waiting = self.waiting()?;
            effects = self.core.step(&Input::Counted {
                waiting,
                marked_full,
            });
        }
        for effect in effects {
            match effect {
                Effect::Count | Effect::Store => {}
                Effect::MarkFull => self.mark_full()?,
                Effect::ClearMark => {
                    crashsafe::remove(&*self.ports.filesystem, &self.scope.paths.inbox_full())?;
                }
                Effect::Refuse { waiting } => return Err(self.full(waiting)),
            }
        }
        Ok(())
    }

    fn mark_full(&self) -> Result<(), QueueError> {
        let path = self.scope.paths.inbox_full();
        Ok(crashsafe::replace(
            &*self.ports.filesystem,
            &path,
            b"",
            Durability::ProcessDeath,
        )?)
    }

    fn full(&self, waiting: u64) -> QueueError {
        let path = self.scope.paths.directory().to_owned();
        QueueError::Append(AppendError::Full {
            path,
            waiting,
            limit: self.core.limit(),
        })
    }

    fn consent(&self) -> Consent {
        Consent::read(&*self.ports.filesystem, &self.scope.paths)
    }

    fn records<'a>(&self, command: &'a AppendEvents) -> Vec<RecordView<'a>> {
        let captured_ms = now_ms(&self.ports.time);
        let scope = match self.consent() {
            Consent::Granted => command.scope,
            Consent::Refused => CaptureScope::WITHHELD,
        };
        let records = command.records.iter();
        records
            .map(|record| RecordView {
                sequence: 0,
                kind: record.kind,
                captured_ms,
                scope,
                id: &record.id,
                payload: &record.bytes,
            })
            .collect()
    }

    fn begin(&mut self, command: &BeginWork) -> Result<WorkBegun, QueueError> {
        if let Access::InboxOnly = self.access {
            let (filesystem, paths) = (&self.ports.filesystem, &self.scope.paths);
            let lease = OwnerLease::acquire(
                filesystem,
                paths,
                &self.ports.time,
                &command.purpose,
                command.patience,
            );
            let lease = match lease {
                Err(kitty_runtime::lock::LockError::Timeout { .. }) => {
                    return Ok(WorkBegun::Busy(recorded_owner(filesystem, paths)));
                }
                other => other?,
            };
            let factory = Box::new(SledFactory::new(filesystem.clone(), paths.mailbox()));
            let owner = ScopeOwner::open(self.ports.clone(), self.scope.clone(), lease, factory)?;
            self.access = Access::Owner(Box::new(owner));
        }
        self.settle_what_was_left();
        Ok(WorkBegun::Owner(self.owner()?.ingest()?))
    }

    /// Publishes or withdraws what processes left that died; a failure stops no delivery, because what
    /// stays held is looked at again by the next one and named by `sync doctor`.
    fn settle_what_was_left(&self) {
        match self.inbox.reconcile() {
            Ok(done) if done == Reconciled::default() => {}
            Ok(done) => tracing::debug!(?done, "events of missions were settled"),
            Err(error) => tracing::warn!("held events could not be settled: {error}"),
        }
    }

    fn finish(&mut self, command: &FinishWork) -> Result<Retired, QueueError> {
        let Access::Owner(mut owner) = std::mem::replace(&mut self.access, Access::InboxOnly)
        else {
            return Ok(Retired::default());
        };
        let retired = match &command.target {
            Some(target) => owner.compact(target, RETENTION)?,
            None => Retired::default(),
        };
        owner.release()?;
        Ok(retired)
    }
}

impl Actor for QueueActor {
    type Context = SyncContext<Self>;
}

/// Answers a message with one call.
macro_rules! answers {
    ($($message:ty => $answer:ty, |$queue:ident, $ask:ident| $body:expr;)*) => {
        $(impl Handler<$message> for QueueActor {
            type Result = Result<$answer, QueueError>;

            fn handle(&mut self, $ask: $message, _: &mut Self::Context) -> Self::Result {
                let $queue = self;
                $body
            }
        })*
    };
}

answers! {
    AppendEvents => (), |queue, ask| queue.append(&ask);
    HoldEvents => Held, |queue, ask| queue.hold(&ask);
    SettleHeld => (), |queue, ask| queue.settle(&ask);
    ReconcileHeld => Reconciled, |queue, _ask| Ok(queue.inbox.reconcile()?);
    BeginWork => WorkBegun, |queue, ask| queue.begin(&ask);
    FinishWork => Retired, |queue, ask| queue.finish(&ask);
    GetTarget => kitty_runtime::mailbox::TargetRow, |queue, ask| Ok(queue.owner()?.target(&ask.target)?);
    NextBatch => Option<Arc<kitty_runtime::owner::Selection>>, |queue, ask| {
        if queue.consent() == Consent::Refused {
            return Err(QueueError::OptedOut);
        }
        let selection = queue.owner()?.select(&ask.target, RecordKind::Event, ask.from, ask.limits)?;
        Ok(selection.map(Arc::new))
    };
    RecordOutcome => (), |queue, ask| {
        Ok(queue.owner()?.record_outcomes(&ask.target, ask.outcomes, ask.settled)?)
    };
    NextBodies => BodySelection, |queue, ask| {
        if queue.consent() == Consent::Refused {
            return Err(QueueError::OptedOut);
        }
        Ok(queue.owner()?.select_bodies(&ask.target, ask.from, ask.limits, ask.insist)?)
    };
    RecordBodies => (), |queue, ask| Ok(queue.owner()?.record_bodies(&ask.target, ask.outcomes)?);
    NoteBodies => (), |queue, ask| {
        Ok(queue.owner()?.note_bodies(&ask.target, ask.not_before_ms, ask.rest_until_ms)?)
    };
    RoomForBodies => bool, |queue, _ask| queue.has_room_for_bodies();
    Ingest => Ingested, |queue, _ask| {
        let waits = queue.inbox.tally()?.records > 0;
        let owner = queue.owner()?;
        Ok(if waits { owner.ingest()? } else { Ingested::default() })
    };
    RecordAttempt => (), |queue, ask| Ok(queue.owner()?.record_attempt(&ask.target, ask.attempt)?);
    GetConsent => Consent, |queue, _ask| Ok(queue.consent());
    GetBacklog => ScopeSummary, |queue, _ask| queue.summary();
    Explain => Option<Found>, |queue, ask| {
        Ok(snapshot::find(&queue.ports.filesystem, &queue.scope, &ask.id)?)
    };
    OpenCommands => Vec<(String, Vec<u8>)>, |queue, ask| Ok(queue.owner()?.open_commands(ask.kind)?);
    CompleteCommand => (), |queue, ask| Ok(queue.owner()?.complete_command(ask.kind, &ask.id)?);
}
