//! The ticket of a WebSocket: what is asked for it, and where it may be used.

use crate::auth::secret::Secret;
use kitty_config::ServerUrl;
use serde::Deserialize;
use url::Url;

/// Where a ticket is asked for.
pub const TICKET_ENDPOINT: &str = "/api/v1/ws-token";

/// What the server hands out; what else it says is for others.
#[derive(Debug, Deserialize)]
pub struct Ticket {
    /// The token of the handshake, which is no access token.
    pub ws_token: Secret,
    /// Where the WebSocket is.
    pub ws_url: String,
}

/// Why a WebSocket is not opened where the server says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignAddress {
    /// It cannot be read.
    #[error("the server names a WebSocket address that is none; report it to its operator")]
    Unreadable,
    /// It is at another place than the server that the session belongs to.
    #[error(
        "the WebSocket is at {found} and the session belongs to {issuer}; nothing was sent there"
    )]
    OtherServer {
        /// Scheme, host and port of the WebSocket.
        found: String,
        /// Scheme, host and port of the server.
        issuer: String,
    },
    /// It would be plain text on a network.
    #[error("the WebSocket at {0} is not encrypted, which is allowed to this machine only")]
    Plain(String),
    /// It carries a secret, or something that looks like one, where logs see it.
    #[error("the address of the WebSocket at {0} carries a token or a password")]
    Secret(String),
}

/// Returns the address of the handshake: `https` for `wss`, `http` for `ws` on this machine.
///
/// # Errors
/// [`ForeignAddress`]; nothing may be sent there.
pub fn handshake_address(ws_url: &str, server: &ServerUrl) -> Result<String, ForeignAddress> {
    let (scheme, rest) = ws_url.split_once("://").ok_or(ForeignAddress::Unreadable)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "wss" | "https" => "https",
        "ws" | "http" => "http",
        _ => return Err(ForeignAddress::Unreadable),
    };
    let url = format!("{scheme}://{rest}");
    let url = Url::parse(&url).map_err(|_| ForeignAddress::Unreadable)?;
    let found = url.origin().ascii_serialization();
    let place = ServerUrl::parse(&found);
    if scheme == "http" && !place.is_ok_and(|place| place.is_loopback()) {
        return Err(ForeignAddress::Plain(found));
    }
    let issuer = server.origin();
    if found != issuer {
        return Err(ForeignAddress::OtherServer { found, issuer });
    }
    let names_token = |key: &str| key.to_ascii_lowercase().contains("token");
    let says_secret = url.query_pairs().any(|(key, _)| names_token(&key))
        || !url.username().is_empty()
        || url.password().is_some();
    if says_secret {
        return Err(ForeignAddress::Secret(found));
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ws_url: &str, server: &str) -> Result<String, ForeignAddress> {
        handshake_address(ws_url, &ServerUrl::parse(server).unwrap())
    }

    #[test]
    fn a_web_socket_is_at_the_server_of_the_session_and_encrypted_or_on_this_machine() {
        let hosted = "https://a.example/base";
        for (ws_url, expected) in [
            ("wss://a.example/ws?v=1", "https://a.example/ws?v=1"),
            ("WSS://A.example:443/ws", "https://a.example/ws"),
            ("https://a.example/ws", "https://a.example/ws"),
        ] {
            assert_eq!(address(ws_url, hosted).as_deref(), Ok(expected));
        }
        let local = "http://127.0.0.1:8000";
        assert_eq!(
            address("ws://127.0.0.1:8000/ws", local).as_deref(),
            Ok("http://127.0.0.1:8000/ws")
        );
        let refused = |ws_url, server| address(ws_url, server).unwrap_err();
        let other = [
            ("wss://evil.example/ws", hosted),
            ("wss://a.example.evil.example/ws", hosted),
            ("wss://a.example:444/ws", hosted),
            ("wss://a.example@evil.example/ws", hosted),
            ("ws://127.0.0.1/ws", hosted),
            ("ws://127.0.0.1:8001/ws", local),
            ("ws://localhost:8000/ws", local),
        ];
        for (ws_url, server) in other {
            let refusal = refused(ws_url, server);
            assert!(
                matches!(refusal, ForeignAddress::OtherServer { .. }),
                "{ws_url}: {refusal}"
            );
        }
        for ws_url in [
            "ws://a.example/ws",
            "http://a.example/ws",
            "ws://127.0.0.1.evil.example/",
        ] {
            let refusal = refused(ws_url, hosted);
            assert!(
                matches!(refusal, ForeignAddress::Plain(_)),
                "{ws_url}: {refusal}"
            );
        }
        for ws_url in [
            "wss://a.example/ws?token=s3cret",
            "wss://a.example/ws?x=1&WS_Token=s3cret",
            "wss://a.example/ws?ws%5Ftoken=s3cret",
            "wss://user:s3cret@a.example/ws",
        ] {
            let refusal = refused(ws_url, hosted);
            assert_eq!(
                refusal,
                ForeignAddress::Secret("https://a.example".to_owned())
            );
            assert!(!refusal.to_string().contains("s3cret"));
        }
        for ws_url in ["", "a.example/ws", "ftp://a.example/ws", "wss://"] {
            assert_eq!(
                refused(ws_url, hosted),
                ForeignAddress::Unreadable,
                "{ws_url}"
            );
        }
    }
}
