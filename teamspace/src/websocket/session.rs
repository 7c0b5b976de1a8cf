//! One open WebSocket.

use super::frame::{self, Received};
use super::snapshot;
use super::subscription::{self, BURST_BYTES, BURST_EVENTS, Due, Subscription};
use super::ticket::Peer;
use crate::errors::ApiError;
use crate::ingress::{Judge, Judged, Rejection};
use crate::state::State;
use crate::store::failures::NewFailure;
use crate::store::{EventFilter, Recorded, StoreError};
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
    /// A subscriber reads too slowly; the place up to which it has read.
    Behind(i64),
}

impl End {
    /// Returns what the client is told; `None` when it has gone.
    fn reason(&self) -> Option<CloseReason> {
        let (code, description) = match self {
            Self::Gone => return None,
            Self::Closed(code, description) => (*code, (*description).to_owned()),
            Self::Behind(after) => {
                let next = format!("read too slowly; go on with /api/v1/events?after={after}");
                (CloseCode::Again, next)
            }
        };
        let description = Some(description);
        Some(CloseReason { code, description })
    }
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
    subscription: Option<Subscription>,
}

impl Conversation {
    pub(super) fn new(state: Data<State>, peer: Peer, session: Session) -> Self {
        Self {
            state,
            peer,
            session,
            unanswered: 0,
            subscription: None,
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
        if let Some(reason) = end.err().and_then(|end| end.reason()) {
            let closing = self.session.close(Some(reason));
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
                due = Subscription::due(self.subscription.as_mut()) => match due {
                    Due::Burst => self.send_burst().await?,
                    Due::TooSlow => {
                        let read = self.subscription.as_ref().map_or(0, Subscription::read);
                        return Err(End::Behind(read));
                    }
                },
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
                Received::Subscribe { after } => self.subscribe(after).await,
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
            AggregatedMessage::Pong(content) => {
                if let Some(subscription) = &mut self.subscription {
                    subscription.hear_pong(&content);
                }
                Ok(())
            }
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

    /// Begins to send every event of the team after a place, or from now on.
    async fn subscribe(&mut self, after: Option<i64>) -> Result<(), End> {
        if self.subscription.is_some() {
            let why = "this WebSocket has subscribed already";
            return self.send(&frame::refusal(None, "invalid_frame", why)).await;
        }
        let (store, team_id) = (&self.state.store, &self.peer.team.id);
        // Listening comes first, so that nothing arrives unheard in between.
        let arrivals = store.arrivals().listen(team_id);
        let last = store.last_sequence(team_id).await?;
        let after = after.map_or(last, |after| after.min(last));
        self.send(&frame::subscribed(after)).await?;
        self.subscription = Some(Subscription::new(arrivals, after));
        Ok(())
    }

    /// Sends the next events to a subscriber, as long as its session is open.
    async fn send_burst(&mut self) -> Result<(), End> {
        let Some(after) = self.subscription.as_ref().map(Subscription::sent) else {
            return Ok(());
        };
        self.require_session().await?;
        let filter = EventFilter {
            after,
            limit: BURST_EVENTS,
            most_bytes: BURST_BYTES,
            ..EventFilter::default()
        };
        let store = &self.state.store;
        let page = store.events(&self.peer.team.id, &filter).await?;
        for event in &page.events {
            let frame = subscription::render(event).map_err(|error| {
                tracing::error!(%error, event.sequence, "a stored envelope is damaged");
                ApiError::internal()
            })?;
            self.send_text(frame).await?;
        }
        let patience = self.state.limits.subscriber_deadline;
        let subscription = self.subscription.as_mut();
        let mark = subscription.and_then(|it| it.note(&page.events, page.has_more, patience));
        let Some(mark) = mark else { return Ok(()) };
        let pinging = self.session.ping(mark.as_bytes());
        match timeout(self.state.limits.store_deadline, pinging).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.unanswered >= UNANSWERED_PINGS {
            return Err(End::Closed(CloseCode::Policy, "pings stay unanswered"));
        }
        self.require_session().await?;
        self.unanswered += 1;
        self.send(&frame::ping(self.state.now())).await
    }

    /// Ends the conversation when the session that opened it has ended.
    async fn require_session(&self) -> Result<(), End> {
        let (store, now) = (&self.state.store, self.state.now());
        if store.session_is_open(&self.peer.login, now).await? {
            return Ok(());
        }
        let why = "the session was revoked; log in again";
        Err(End::Closed(CloseCode::Policy, why))
    }

    async fn send(&mut self, frame: &Value) -> Result<(), End> {
        self.send_text(frame.to_string()).await
    }

    async fn send_text(&mut self, frame: String) -> Result<(), End> {
        let sending = self.session.text(frame);
        match timeout(self.state.limits.store_deadline, sending).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }
}
