//! The protocol of a project's queue.

use actix::Message;
use kitty_runtime::consent::Consent;
use kitty_runtime::inbox::{AppendError, Claim, Held, Reconciled};
use kitty_runtime::journal::Cursor;
use kitty_runtime::lease::OwnerRecord;
use kitty_runtime::lock::LockError;
use kitty_runtime::mailbox::{Attempt, TargetRow};
use kitty_runtime::outcome::{BodyOutcome, Outcome};
use kitty_runtime::owner::{BatchLimits, BodySelection, Ingested, OwnerError, Retired, Selection};
use kitty_runtime::record::{CaptureScope, RecordKind};
use kitty_runtime::snapshot::{Found, ScopeSummary};
use kitty_runtime::target::DeliveryTarget;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The queue did not do what was asked; what was acknowledged before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The records were not stored.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The owner lease cannot be used.
    #[error(transparent)]
    Lease(#[from] LockError),
    /// The journal or the mailbox failed.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The queue could not be read.
    #[error("the queue could not be read: {0}. Check the permissions of the state root")]
    Read(#[from] io::Error),
    /// The project has opted out: nothing of it may leave.
    #[error("this project has opted out of hosted sync; nothing of it leaves this machine")]
    OptedOut,
    /// The message needs the lease, which this process does not hold.
    #[error("the queue is not owned by this process; begin work first")]
    NotOwner,
}

/// One record to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// What it is.
    pub kind: RecordKind,
    /// Its id, the idempotency key.
    pub id: String,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// `queue.append.v1`: stores the events of one command, all or none.
///
/// A durable command: when it is answered with yes, the events survive a power cut. It needs no
/// lease and waits for no other process. Handling an id twice has the effect of handling it once.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), QueueError>")]
pub struct AppendEvents {
    /// The Lamport value that orders the command among others.
    pub lamport: u64,
    /// For whom they were captured.
    pub scope: CaptureScope,
    /// The events.
    pub records: Vec<NewRecord>,
}

/// `queue.hold.v1`: stores events whose cause has not happened yet; no owner sees them.
///
/// A durable command, as [`AppendEvents`] is. What is held is settled by [`SettleHeld`], or, when
/// its process dies first, by whoever finds out whether the claimed change happened.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Held, QueueError>")]
pub struct HoldEvents {
    /// The events.
    pub append: AppendEvents,
    /// The change that they tell of.
    pub claim: Claim,
}

/// Gives held events to the owner because their cause happened, or removes them because it did not.
///
/// Settling twice has the effect of settling once.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), QueueError>")]
pub struct SettleHeld {
    /// The events.
    pub held: Held,
    /// Whether their cause happened.
    pub happened: bool,
}

/// Settles what processes left held that died; waits for nobody.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Reconciled, QueueError>")]
pub struct ReconcileHeld;

/// Takes the lease, and moves what waits in the inbox into the journal.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<WorkBegun, QueueError>")]
pub struct BeginWork {
    /// What for, for others to read.
    pub purpose: String,
    /// How long to wait for another process that holds the lease.
    pub patience: Duration,
}

/// Whether this process owns the queue now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkBegun {
    /// It does.
    Owner(Ingested),
    /// Another process does.
    Busy(Option<OwnerRecord>),
}

/// Asks what is remembered of a target; needs the lease.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<TargetRow, QueueError>")]
pub struct GetTarget {
    /// The target.
    pub target: DeliveryTarget,
}

/// Asks for the next records that are to be sent to a target; needs the lease.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Option<Arc<Selection>>, QueueError>")]
pub struct NextBatch {
    /// The target.
    pub target: DeliveryTarget,
    /// Where to go on.
    pub from: Cursor,
    /// How much.
    pub limits: BatchLimits,
}

/// `queue.record_outcome.v1`: stores what a target answered; durable, needs the lease.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), QueueError>")]
pub struct RecordOutcome {
    /// The target.
    pub target: DeliveryTarget,
    /// The answers.
    pub outcomes: Vec<Outcome>,
    /// A stretch of the journal in which everything is answered or held now.
    pub settled: Option<Range<Cursor>>,
}

/// Asks for bodies that are to be sent to a target now; needs the lease.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<BodySelection, QueueError>")]
pub struct NextBodies {
    /// The target.
    pub target: DeliveryTarget,
    /// The sequence to go on from.
    pub from: u64,
    /// How many, and about how many bytes.
    pub limits: BatchLimits,
    /// Whether pauses that the server did not ask for are disregarded.
    pub insist: bool,
}

/// Stores what a target answered for bodies; durable, needs the lease.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), QueueError>")]
pub struct RecordBodies {
    /// The target.
    pub target: DeliveryTarget,
    /// The answers.
    pub outcomes: Vec<BodyOutcome>,
}

/// Ends the sending of bodies; needs the lease.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), QueueError>")]
pub struct NoteBodies {
    /// The target.
    pub target: DeliveryTarget,
    /// None is to be sent before this moment, as the server asked; in milliseconds since the Unix epoch.
    pub not_before_ms: Option<u64>,
    /// None is sent before this moment unless a person asks for it.
    pub rest_until_ms: Option<u64>,
}

/// Asks whether the queue takes more bodies; needs no lease and reads no journal.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<bool, QueueError>")]
pub struct RoomForBodies;

/// Moves what came into the inbox since the work began into the journal; needs the lease.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Ingested, QueueError>")]
pub struct Ingest;

/// Stores how a drain went; needs the lease.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), QueueError>")]
pub struct RecordAttempt {
    /// The target.
    pub target: DeliveryTarget,
    /// How it went.
    pub attempt: Attempt,
}

/// Gives space back, writes `status.json` and gives the lease back.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Retired, QueueError>")]
pub struct FinishWork {
    /// The target whose answers allow segments to be deleted.
    pub target: Option<DeliveryTarget>,
}

/// Asks whether anything of the project may leave; reads only.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Consent, QueueError>")]
pub struct GetConsent;

/// Asks how the queue stands; reads only.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<ScopeSummary, QueueError>")]
pub struct GetBacklog;

/// Asks what is known of one record; reads only.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Option<Found>, QueueError>")]
pub struct Explain {
    /// The record's id.
    pub id: String,
}

/// Asks for the durable commands of a kind that are not done; needs the lease.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Vec<(String, Vec<u8>)>, QueueError>")]
pub struct OpenCommands {
    /// The kind.
    pub kind: RecordKind,
}

/// Marks a durable command as done; needs the lease.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), QueueError>")]
pub struct CompleteCommand {
    /// The kind.
    pub kind: RecordKind,
    /// Its id.
    pub id: String,
}
