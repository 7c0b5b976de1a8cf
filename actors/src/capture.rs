//! Capture: what happened becomes events that are stored before anybody is told yes.

use crate::auth::AuthActor;
use crate::auth::messages::{GetSession, SessionDetail};
use crate::clock::ClockActor;
use crate::clock::messages::{GetNodeId, Tick};
use crate::delivery::bodies::content_request;
use crate::gate::GateActor;
use crate::gate::messages::CheckOutbound;
use crate::queue::QueueActor;
use crate::queue::messages::{AppendEvents, HoldEvents, NewRecord, QueueError, SettleHeld};
use crate::supervise::{AskError, Child};
use bytes::Bytes;
use kitty_config::ServerUrl;
use kitty_contract::{Context, Violation};
use kitty_runtime::body::BodyTask;
use kitty_runtime::envelope::{Emitter, Envelope, EventDraft};
use kitty_runtime::id::EventId;
use kitty_runtime::inbox::{Claim, Held};
use kitty_runtime::lamport::ClockError;
use kitty_runtime::record::{CaptureScope, RecordKind};
use std::time::Duration;

/// How long one ask of a local actor may take.
const LOCAL_LIMIT: Duration = Duration::from_secs(30);
/// How much of bodies goes into one inbox file, about.
const BYTES_PER_FILE: usize = 4 << 20;

/// The events were not stored; none of them will be delivered.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// An actor did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The Lamport clock did not advance.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The contract forbids an event; this is a fault of this program.
    #[error(
        "event {event_type} does not conform to the contract: {violation}. Report it with this line"
    )]
    Contract {
        /// The kind of the event.
        event_type: &'static str,
        /// What is wrong with it.
        violation: Box<Violation>,
    },
    /// The queue did not store them.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Who captures with whom.
#[derive(Debug, Clone)]
pub struct CapturePorts {
    /// The configured server.
    pub server: Option<ServerUrl>,
    /// The session.
    pub auth: Child<AuthActor>,
    /// The clock.
    pub clock: Child<ClockActor>,
    /// The gate.
    pub gate: Child<GateActor>,
    /// The project's queue.
    pub queue: Child<QueueActor>,
}

/// For whom events are captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// The scope that is stored with every record.
    pub scope: CaptureScope,
    /// The Private Teamspace that the envelope names.
    pub team_id: Option<String>,
}

impl CapturePorts {
    /// Finds out who is logged in, without the network; nobody is an answer too.
    ///
    /// A token of the environment is nobody's here: only its server knows whose it is, and capturing
    /// asks no server.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn attribution(&self) -> Result<Attribution, AskError> {
        let question = GetSession {
            detail: SessionDetail::Summary,
        };
        let answer = self.auth.ask(question, LOCAL_LIMIT).await?;
        let nobody = Attribution {
            scope: CaptureScope::NOBODY,
            team_id: None,
        };
        let (Some(summary), Some(server)) = (answer.summary, &self.server) else {
            return Ok(nobody);
        };
        let issued_here = summary
            .issuer
            .as_ref()
            .is_none_or(|issuer| issuer == server);
        if !issued_here {
            return Ok(nobody);
        }
        let team_id = summary.private_team().map(|team| team.id.clone());
        let scope = CaptureScope::of(server.as_str(), &summary.user_id, team_id.as_deref());
        Ok(Attribution { scope, team_id })
    }

    /// Asks who emits on this machine.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn node_id(&self) -> Result<String, AskError> {
        self.clock.ask(GetNodeId, LOCAL_LIMIT).await
    }

    /// Stores the events of one command, all or none; durable against a power cut when it returns.
    ///
    /// Every envelope passes the gate before anything is stored. No lease, no sled, no network.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub async fn capture(
        &self,
        drafts: &[EventDraft],
        emitter: &Emitter,
        scope: CaptureScope,
    ) -> Result<Vec<EventId>, CaptureError> {
        if let Some(append) = self.seal(drafts, emitter, scope).await? {
            self.queue.ask(append, LOCAL_LIMIT).await??;
        }
        Ok(drafts.iter().map(|draft| draft.event_id).collect())
    }

    /// Stores events and the bodies that they name; durable when it returns.
    ///
    /// The events come first, and a few files hold them all, so that no more than a few contents are in
    /// memory at a time. A process that dies in between stored the first of them. A body that is stored
    /// already is stored once.
    ///
    /// # Errors
    /// [`CaptureError`]; what was stored before stays stored.
    pub async fn capture_with_bodies(
        &self,
        drafts: &[EventDraft],
        emitter: &Emitter,
        scope: CaptureScope,
        bodies: impl Iterator<Item = BodyTask>,
    ) -> Result<(), CaptureError> {
        let mut append = match self.seal(drafts, emitter, scope).await? {
            Some(append) => append,
            None => self.empty(scope).await?,
        };
        let mut bytes = 0;
        for task in bodies {
            let record = self.body(&task).await?;
            bytes += record.bytes.len();
            append.records.push(record);
            if bytes >= BYTES_PER_FILE {
                self.queue.ask(append, LOCAL_LIMIT).await??;
                (append, bytes) = (self.empty(scope).await?, 0);
            }
        }
        if !append.records.is_empty() {
            self.queue.ask(append, LOCAL_LIMIT).await??;
        }
        Ok(())
    }

    /// Passes a body through the gate in the form in which it will leave.
    async fn body(&self, task: &BodyTask) -> Result<NewRecord, CaptureError> {
        let nowhere = || ServerUrl::parse("http://localhost").expect("the address is valid");
        let server = self.server.clone().unwrap_or_else(nowhere);
        let check = CheckOutbound {
            context: Context::BodySync,
            json: content_request(task, &server).into(),
        };
        let checked = self.gate.ask(check, LOCAL_LIMIT).await?;
        checked.map_err(|violation| CaptureError::Contract {
            event_type: "body",
            violation: Box::new(violation),
        })?;
        Ok(NewRecord {
            kind: RecordKind::Body,
            id: task.id(),
            bytes: task.to_bytes(),
        })
    }

    async fn empty(&self, scope: CaptureScope) -> Result<AppendEvents, CaptureError> {
        let ticks = self.clock.ask(Tick { count: 1 }, LOCAL_LIMIT).await??;
        Ok(AppendEvents {
            lamport: ticks.first().copied().unwrap_or_default(),
            scope,
            records: Vec::new(),
        })
    }

    /// Stores the events of a change that has not happened yet; durable when it returns, and seen by
    /// no owner before [`settle`](Self::settle).
    ///
    /// `None` without events.
    ///
    /// # Errors
    /// [`CaptureError`]; then nothing is held.
    pub async fn hold(
        &self,
        drafts: &[EventDraft],
        emitter: &Emitter,
        scope: CaptureScope,
        claim: Claim,
    ) -> Result<Option<Held>, CaptureError> {
        let Some(append) = self.seal(drafts, emitter, scope).await? else {
            return Ok(None);
        };
        let hold = HoldEvents { append, claim };
        Ok(Some(self.queue.ask(hold, LOCAL_LIMIT).await??))
    }

    /// Gives held events to the owner, or removes them.
    ///
    /// # Errors
    /// [`CaptureError`]; then `sync reconcile` finds out what to do with them.
    pub async fn settle(&self, held: Held, happened: bool) -> Result<(), CaptureError> {
        let settle = SettleHeld { held, happened };
        Ok(self.queue.ask(settle, LOCAL_LIMIT).await??)
    }

    /// Gives the events their place in the clock's order and passes each through the gate.
    async fn seal(
        &self,
        drafts: &[EventDraft],
        emitter: &Emitter,
        scope: CaptureScope,
    ) -> Result<Option<AppendEvents>, CaptureError> {
        let tick = Tick {
            count: drafts.len(),
        };
        let ticks = self.clock.ask(tick, LOCAL_LIMIT).await??;
        let Some(first) = ticks.first().copied() else {
            return Ok(None);
        };
        let mut records = Vec::with_capacity(drafts.len());
        for (draft, lamport) in drafts.iter().zip(ticks) {
            let envelope = Envelope::seal(draft, emitter, lamport);
            let check = CheckOutbound {
                context: Context::Envelope,
                json: Bytes::from(envelope.wire),
            };
            let gated = self
                .gate
                .ask(check, LOCAL_LIMIT)
                .await?
                .map_err(|violation| CaptureError::Contract {
                    event_type: draft.event_type,
                    violation: Box::new(violation),
                })?;
            records.push(NewRecord {
                kind: RecordKind::Event,
                id: draft.event_id.to_string(),
                bytes: gated.get().to_vec(),
            });
        }
        Ok(Some(AppendEvents {
            lamport: first,
            scope,
            records,
        }))
    }
}
