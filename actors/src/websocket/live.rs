//! A reader's line: every event of a team as the Teamspace stores it, for somebody who watches and sends
//! nothing. The daemon does not subscribe, so that an idle one is woken by nobody.

use super::frame::{self, Frame, LiveEvent};
use super::ticket::{ForeignAddress, TICKET_ENDPOINT, Ticket, handshake_address};
use crate::delivery::answer::shorten;
use crate::delivery::wire::PROTOCOL_HEADER;
use crate::gate::gated;
use crate::transport::{
    Heard, HttpRequest, LineBroken, Method, Transport, TransportError, Upgrade, WebSocket,
};
use kitty_config::ServerUrl;
use kitty_contract::Violation;
use serde_json::json;
use std::time::Duration;

/// How long the ticket, the handshake and each of the first frames may take.
const OPENING_LIMIT: Duration = Duration::from_secs(10);

/// Why no event comes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// The server was not reached, or broke off.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The line broke.
    #[error("{0}")]
    Broken(#[from] LineBroken),
    /// What would be sent is refused by the contract.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// The server names another place.
    #[error(transparent)]
    Foreign(#[from] ForeignAddress),
    /// The server refused.
    #[error("{what} was answered with HTTP {status}; log in again, or ask the server's operator")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The answer.
        status: u16,
    },
    /// The server said something else than the protocol has here.
    #[error("the server does not send live events ({0}); read them from /api/v1/events")]
    Unexpected(String),
    /// The server ended it.
    #[error("the server ended the WebSocket: {0}")]
    Ended(String),
}

/// An open subscription.
#[derive(Debug)]
pub struct LiveEvents {
    socket: Box<WebSocket>,
}

impl LiveEvents {
    /// Opens a WebSocket for a team of the token's account and subscribes: to what follows the event with
    /// the sequence number `after`, or to what arrives from now on. Returns after the server's word for it.
    ///
    /// # Errors
    /// [`LiveError`].
    pub async fn open(
        transport: &dyn Transport,
        server: &ServerUrl,
        access_token: &str,
        team_id: &str,
        after: Option<i64>,
    ) -> Result<Self, LiveError> {
        let what = "the WebSocket token";
        let url = server.endpoint(TICKET_ENDPOINT);
        let request = HttpRequest::new(what, Method::Post, url, OPENING_LIMIT)
            .header("Authorization", format!("Bearer {access_token}"))
            .header(PROTOCOL_HEADER.0, PROTOCOL_HEADER.1)
            .json(&gated::request(&json!({"team_id": team_id}))?);
        let response = transport.send(request).await?;
        let status = response.status;
        if !response.is_success() {
            return Err(LiveError::Refused { what, status });
        }
        let ticket: Ticket = serde_json::from_slice(&response.body)
            .map_err(|_| LiveError::Unexpected("its token cannot be read".to_owned()))?;
        let what = "the WebSocket";
        let url = handshake_address(&ticket.ws_url, server)?;
        let handshake = HttpRequest::new(what, Method::Get, url, OPENING_LIMIT)
            .header(
                "Authorization",
                format!("Bearer {}", ticket.ws_token.expose()),
            )
            .header(PROTOCOL_HEADER.0, PROTOCOL_HEADER.1);
        let socket = match transport.open_web_socket(handshake).await? {
            Upgrade::Open(socket) => socket,
            Upgrade::Answered(response) => {
                let status = response.status;
                return Err(LiveError::Refused { what, status });
            }
        };
        let mut line = Self { socket };
        line.expect("a snapshot", |frame| *frame == Frame::Snapshot)
            .await?;
        line.socket.say(frame::subscribe(after)?).await?;
        let begun = |frame: &Frame| matches!(frame, Frame::Subscribed);
        line.expect("its word for the subscription", begun).await?;
        Ok(line)
    }

    async fn expect(
        &mut self,
        what: &str,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<(), LiveError> {
        let frame = tokio::time::timeout(OPENING_LIMIT, self.hear()).await;
        let Ok(frame) = frame else {
            return Err(LiveError::Unexpected(format!("{what} did not come")));
        };
        if wanted(&frame?) {
            return Ok(());
        }
        let why = format!("another frame came than {what}");
        Err(LiveError::Unexpected(why))
    }

    /// Waits for the next event, as long as it takes.
    ///
    /// # Errors
    /// [`LiveError`] when the subscription has ended.
    pub async fn next(&mut self) -> Result<LiveEvent, LiveError> {
        loop {
            if let Frame::Event(event) = self.hear().await? {
                return Ok(event);
            }
        }
    }

    /// Hears a frame that is no ping; pings are answered.
    async fn hear(&mut self) -> Result<Frame, LiveError> {
        loop {
            match self.socket.hear().await? {
                Heard::Closed(why) => return Err(LiveError::Ended(shorten(&why))),
                Heard::Text(text) => match Frame::read(&text) {
                    Frame::Ping(timestamp) => {
                        self.socket.say(frame::pong(&timestamp, None)?).await?;
                    }
                    frame => return Ok(frame),
                },
            }
        }
    }

    /// Ends the subscription.
    pub async fn close(self, limit: Duration) {
        self.socket.close(limit).await;
    }
}
