//! Revocations that outlive the command: a logout while the server is away is caught up on.
//!
//! `auth.revoke_token.v1` is a durable command in the machine's own queue: stored before the session
//! is deleted, handled whenever a command reaches the network, removed once the server has spoken.

use crate::auth::AuthActor;
use crate::auth::messages::{Revocation, RevokeToken};
use crate::capture::CaptureError;
use crate::clock::ClockActor;
use crate::clock::messages::Tick;
use crate::queue::QueueActor;
use crate::queue::messages::{
    AppendEvents, BeginWork, CompleteCommand, FinishWork, NewRecord, OpenCommands, WorkBegun,
};
use crate::supervise::Child;
use kitty_runtime::id::EventIds;
use kitty_runtime::record::{CaptureScope, RecordKind};
use std::time::Duration;

const LOCAL_LIMIT: Duration = Duration::from_secs(30);

/// Who keeps and sends revocations.
#[derive(Debug, Clone)]
pub struct RevocationPorts {
    /// Sends them.
    pub auth: Child<AuthActor>,
    /// Orders them.
    pub clock: Child<ClockActor>,
    /// Keeps them.
    pub machine: Child<QueueActor>,
}

impl RevocationPorts {
    /// Stores a revocation; durable when it returns, and sent later if not now.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub async fn keep(&self, ids: &EventIds, revocation: &RevokeToken) -> Result<(), CaptureError> {
        let ticks = self.clock.ask(Tick { count: 1 }, LOCAL_LIMIT).await??;
        let record = NewRecord {
            kind: RecordKind::RevokeToken,
            id: ids.next().to_string(),
            bytes: revocation.to_payload().as_bytes().to_vec(),
        };
        let lamport = ticks.first().copied().unwrap_or_default();
        let append = AppendEvents {
            lamport,
            scope: CaptureScope::NOBODY,
            records: vec![record],
        };
        Ok(self.machine.ask(append, LOCAL_LIMIT).await??)
    }

    /// Sends what is kept; returns what came of each.
    ///
    /// A revocation is forgotten when the server confirmed it or refused it for good. Another process
    /// that is at it already is left to it.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub async fn send_kept(&self, limit: Duration) -> Result<Vec<Revocation>, CaptureError> {
        let begin = BeginWork {
            purpose: "revocations".to_owned(),
            patience: Duration::ZERO,
        };
        if let WorkBegun::Busy(_) = self.machine.ask(begin, LOCAL_LIMIT).await?? {
            return Ok(Vec::new());
        }
        let result = self.send_open(limit).await;
        self.machine
            .ask(FinishWork { target: None }, LOCAL_LIMIT)
            .await??;
        result
    }

    async fn send_open(&self, limit: Duration) -> Result<Vec<Revocation>, CaptureError> {
        let kind = RecordKind::RevokeToken;
        let mut outcomes = Vec::new();
        for (id, payload) in self
            .machine
            .ask(OpenCommands { kind }, LOCAL_LIMIT)
            .await??
        {
            let done = match RevokeToken::from_payload(&payload) {
                Some(command) => {
                    let revocation = self.auth.ask(command, limit).await?;
                    let done = revocation.is_final();
                    outcomes.push(revocation);
                    done
                }
                // What cannot be read can never be sent; it is not kept for ever.
                None => true,
            };
            if done {
                self.machine
                    .ask(CompleteCommand { kind, id }, LOCAL_LIMIT)
                    .await??;
            }
        }
        Ok(outcomes)
    }
}
