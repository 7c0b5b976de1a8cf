//! The server's side of a WebSocket.

use super::Received;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

/// An open WebSocket, seen from the server.
pub struct ServerLine {
    socket: WebSocket<TcpStream>,
    /// Whether the client said goodbye.
    pub closed: bool,
}

impl ServerLine {
    pub(super) fn accept(stream: &TcpStream, request: &Received) -> Option<Self> {
        let accept = derive_accept_key(request.header("sec-websocket-key")?.as_bytes());
        let mut stream = stream.try_clone().ok()?;
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        Some(Self {
            socket: WebSocket::from_raw_socket(stream, Role::Server, None),
            closed: false,
        })
    }

    pub fn say(&mut self, value: &Value) {
        // The client may be gone, which the test sees elsewhere.
        let _ = self.socket.send(Message::text(value.to_string()));
    }

    pub fn snapshot(&mut self) {
        self.say(&json!({"type": "snapshot", "work_packages": []}));
    }

    /// Waits for the next text of the client; `None` when it is gone.
    pub fn hear(&mut self) -> Option<Value> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return serde_json::from_str(text.as_str()).ok(),
                Ok(Message::Close(_)) => self.closed = true,
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Waits for the next event of the client.
    pub fn event(&mut self) -> Option<String> {
        let heard = self.hear()?;
        assert_eq!(heard["type"], "event", "{heard}");
        Some(heard["event"]["event_id"].as_str()?.to_owned())
    }
}
