//! One open WebSocket.

use super::frame::{self, Received};
use super::snapshot;
use super::ticket::Peer;
use crate::errors::ApiError;
use crate::ingress::{Judge, Judged, Rejection};
use crate::state::State;
use crate::store::failures::NewFailure;
use crate::store::{Recorded, StoreError};
use actix_web::web::{self, Data};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// How many pings in a row may stay without a sign of life.
const UNANSWERED_PINGS: u32 = 3;

/// Why a conversation ends.
#[derive(Debug)]
enum End {
    /// The client has gone, or does not read what it is sent.
    Gone,
    /// The server ends it; the code and what it says.
    Closed(CloseCode, &'static str),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a WebSocket could not use the store");
        Self::Closed(CloseCode::Again, "the store is busy; send the event again")
    }
}

impl From<ApiError> for End {
    fn from(_: ApiError) -> Self {
        Self::Closed(CloseCode::Again, "the server is busy; send the event again")
    }
}

/// A WebSocket and who is at its other end.
pub(super) struct Conversation {
    state: Data<State>,
    peer: Peer,
    session: Session,
    unanswered: u32,
}

impl Conversation {
    pub(super) fn new(state: Data<State>, peer: Peer, session: Session) -> Self {
        Self {
            state,
            peer,
            session,
            unanswered: 0,
        }
    }

    /// Talks until either side ends it.
    pub(super) async fn run(mut self, stream: AggregatedMessageStream) {
        let session_id = self.peer.session_id.clone();
        tracing::debug!(
            session_id,
            team_id = self.peer.team.id,
            "a WebSocket is open"
        );
        let end = self.converse(stream).await;
        tracing::debug!(session_id, ?end, "a WebSocket ends");
        if let Err(End::Closed(code, description)) = end {
            let description = Some(description.to_owned());
            let closing = self.session.close(Some(CloseReason { code, description }));
            let _ = timeout(self.state.limits.store_deadline, closing).await;
        }
    }

    async fn converse(&mut self, mut stream: AggregatedMessageStream) -> Result<(), End> {
        let mut stopping = self.state.stopping.subscribe();
        let snapshot = snapshot::render(&self.state, &self.peer).await?;
        self.send(&snapshot).await?;
        let pause = self.state.lifetimes.websocket_ping;
        let mut pings = interval_at(Instant::now() + pause, pause);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = stream.recv() => match message {
                    None => return Err(End::Gone),
                    Some(Err(error)) => {
                        tracing::debug!(%error, "a WebSocket broke its protocol");
                        let said = "a frame is too large or breaks the protocol";
                        return Err(End::Closed(CloseCode::Protocol, said));
                    }
                    Some(Ok(message)) => self.hear(message).await?,
                },
                _ = pings.tick() => self.ping().await?,
                _ = stopping.wait_for(|stopping| *stopping) => {
                    return Err(End::Closed(CloseCode::Away, "the server is stopping"));
                }
            }
        }
    }

    async fn hear(&mut self, message: AggregatedMessage) -> Result<(), End> {
        self.unanswered = 0;
        match message {
            AggregatedMessage::Text(text) => match Received::read(&text) {
                Received::Event(event) => {
                    let answer = self.receive(event).await?;
                    self.send(&answer).await
                }
                Received::Pong { build_id } => {
                    let session_id = &self.peer.session_id;
                    tracing::debug!(session_id, ?build_id, "a WebSocket is alive");
                    Ok(())
                }
                Received::Other(why) => {
                    self.send(&frame::refusal(None, "invalid_frame", why)).await
                }
            },
            AggregatedMessage::Binary(_) => {
                let why = "frames are texts";
                self.send(&frame::refusal(None, "invalid_frame", why)).await
            }
            AggregatedMessage::Ping(content) => {
                let answering = self.session.pong(&content);
                match timeout(self.state.limits.store_deadline, answering).await {
                    Ok(Ok(())) => Ok(()),
                    _ => Err(End::Gone),
                }
            }
            AggregatedMessage::Pong(_) => Ok(()),
            AggregatedMessage::Close(_) => Err(End::Closed(CloseCode::Normal, "goodbye")),
        }
    }

    /// Judges and stores an event and returns its answer; whatever is no fault of the event ends
    /// the conversation without one, so that the client sends the event again.
    async fn receive(&self, event: String) -> Result<Value, End> {
        let state = &self.state;
        let busy = || ApiError::busy("too many events at once");
        let _answering = state.requests.try_acquire().map_err(|_| busy())?;
        let _turn = state.turn_of_batch().await.ok_or_else(busy)?;
        let (team, max_event_bytes) = (self.peer.team.clone(), state.limits.max_event_bytes);
        let judging = web::block(move || {
            Judge {
                team: &team,
                max_event_bytes,
            }
            .judge(&event)
        });
        let Judged { event_id, verdict } = judging.await.map_err(|_| ApiError::internal())?;
        let id = event_id.as_deref();
        let event = match verdict {
            Ok(event) => event,
            Err(rejection) => return self.refuse(id, rejection).await,
        };
        let (team_id, account_id) = (&self.peer.team.id, &self.peer.account_id);
        let recorded = state
            .store
            .record_events(team_id, account_id, state.now(), &[event])
            .await?;
        Ok(match recorded.first() {
            Some(Recorded::Stored) => frame::acknowledgement(id, "accepted"),
            Some(Recorded::Duplicate) => frame::acknowledgement(id, "duplicate"),
            Some(Recorded::Divergent) => return self.refuse(id, Rejection::divergent()).await,
            None => return Err(ApiError::internal().into()),
        })
    }

    /// Writes a refusal down and returns its answer.
    async fn refuse(&self, id: Option<&str>, rejection: Rejection) -> Result<Value, End> {
        let answer = frame::rejection(id, &rejection);
        let failure = id.map(|id| NewFailure {
            event_id: id.to_owned(),
            category: rejection.category,
            message: rejection.message,
        });
        let failures: Vec<NewFailure> = failure.into_iter().collect();
        let (store, now) = (&self.state.store, self.state.now());
        store
            .record_failures(&self.peer.team.id, now, &failures)
            .await?;
        Ok(answer)
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.unanswered >= UNANSWERED_PINGS {
            return Err(End::Closed(CloseCode::Policy, "pings stay unanswered"));
        }
        let now = self.state.now();
        if !self
            .state
            .store
            .session_is_open(&self.peer.login, now)
            .await?
        {
            return Err(End::Closed(
                CloseCode::Policy,
                "the session was revoked; log in again",
            ));
        }
        self.unanswered += 1;
        self.send(&frame::ping(now)).await
    }

    async fn send(&mut self, frame: &Value) -> Result<(), End> {
        let sending = self.session.text(frame.to_string());
        match timeout(self.state.limits.store_deadline, sending).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }
}
