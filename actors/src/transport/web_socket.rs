//! A WebSocket over the connections of reqwest: the only file that knows tungstenite.
//!
//! The handshake is a request like any other of [`HttpClient`](super::HttpClient): the same TLS, the
//! same proxies, no redirect, plain text to this machine only. What comes after is whole text frames.

use super::TransportError;
use crate::gate::gated::Gated;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Upgraded;
use std::fmt;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{
    CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode,
};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The longest frame that is taken in, in bytes; a snapshot is the longest there is.
const LONGEST_FRAME: usize = 4 * 1024 * 1024;
/// What an open line keeps for reading and for writing, in bytes: it is idle nearly always.
const BUFFER: usize = 4 * 1024;
/// How long a peer may take to read what it is sent.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// What came over a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A text.
    Text(String),
    /// The other side ended it, in its words.
    Closed(String),
}

/// What a handshake came to.
#[derive(Debug)]
pub enum Upgrade {
    /// It is open.
    Open(Box<WebSocket>),
    /// The server answered something else.
    Answered(super::HttpResponse),
}

/// An open WebSocket.
pub struct WebSocket {
    stream: WebSocketStream<Upgraded>,
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

/// The line broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the WebSocket broke ({0}); batches are sent until it is back")]
pub struct LineBroken(String);

impl WebSocket {
    /// Takes over a connection after its handshake.
    pub(super) async fn over(connection: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_message_size(Some(LONGEST_FRAME))
            .max_frame_size(Some(LONGEST_FRAME));
        let stream = WebSocketStream::from_raw_socket(connection, Role::Client, Some(config)).await;
        Self { stream }
    }

    /// Waits for the next text, as long as it takes; may be dropped and called again.
    ///
    /// # Errors
    /// [`LineBroken`] when the connection is gone or breaks the protocol.
    pub async fn hear(&mut self) -> Result<Heard, LineBroken> {
        loop {
            return match self.stream.next().await {
                None => Err(LineBroken("it ended without a word".to_owned())),
                Some(Err(error)) => Err(broken(&error)),
                Some(Ok(Message::Text(text))) => Ok(Heard::Text(text.as_str().to_owned())),
                Some(Ok(Message::Close(frame))) => {
                    Ok(Heard::Closed(frame.map_or_else(String::new, |frame| {
                        frame.reason.as_str().to_owned()
                    })))
                }
                // Pings of the protocol itself are answered by the library; the rest means nothing.
                Some(Ok(_)) => continue,
            };
        }
    }

    /// Sends a text that the gate let pass (document 4, FR-012).
    ///
    /// # Errors
    /// [`LineBroken`], also when the other side does not read.
    pub async fn say(&mut self, text: Gated<String>) -> Result<(), LineBroken> {
        let saying = self.stream.send(Message::text(text.get().as_str()));
        match tokio::time::timeout(WRITE_LIMIT, saying).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(LineBroken("the server does not read".to_owned())),
        }
    }

    /// Says goodbye; whether it arrives is not waited for longer than `limit`.
    pub async fn close(mut self, limit: Duration) {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "goodbye".into(),
        };
        let _ = tokio::time::timeout(limit, self.stream.close(Some(frame))).await;
    }
}

fn broken(error: &Error) -> LineBroken {
    LineBroken(error.to_string())
}

/// The key of a handshake and the answer that proves that a server read it.
pub(super) struct Key(String);

impl Key {
    pub(super) fn new() -> Self {
        Self(generate_key())
    }

    /// The header lines that ask for a WebSocket.
    pub(super) fn headers(&self) -> [(&'static str, String); 4] {
        [
            ("Connection", "Upgrade".to_owned()),
            ("Upgrade", "websocket".to_owned()),
            ("Sec-WebSocket-Version", "13".to_owned()),
            ("Sec-WebSocket-Key", self.0.clone()),
        ]
    }

    /// Tells whether an answer accepts this very handshake.
    pub(super) fn is_accepted_by(&self, response: &reqwest::Response) -> bool {
        let header = |name: &str| response.headers().get(name).and_then(|it| it.to_str().ok());
        let upgrades = header("upgrade").is_some_and(|it| it.eq_ignore_ascii_case("websocket"));
        let accepted = header("sec-websocket-accept").map(str::trim);
        response.status() == reqwest::StatusCode::SWITCHING_PROTOCOLS
            && upgrades
            && accepted == Some(derive_accept_key(self.0.as_bytes()).as_str())
    }
}

/// What [`super::Transport::open_web_socket`] returns.
pub type Opening = std::pin::Pin<Box<dyn Future<Output = Result<Upgrade, TransportError>> + Send>>;
