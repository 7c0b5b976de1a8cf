//! Whether the server still knows the session: one question, one try.

use super::AuthActor;
use super::authorized::access_token;
use super::endpoints::session_status_request;
use super::error::AuthError;
use crate::supervise::Child;
use crate::transport::{HttpResponse, Transport};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// The word for a session that only a new login helps.
pub const RE_AUTHENTICATE: &str = "re-authenticate";

/// What the server said about the session (reference/auth-state-daemon.md 4); the keys are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerSession {
    /// Whether the server confirmed that the session is alive.
    pub active: bool,
    /// Why the session is not confirmed; never holds a token.
    pub error: Option<String>,
    /// The server's id of the session.
    pub session_id: Option<String>,
}

impl ServerSession {
    /// The session is not confirmed, for this reason.
    #[must_use]
    pub fn unconfirmed(error: impl Into<String>) -> Self {
        Self {
            active: false,
            session_id: None,
            error: Some(error.into()),
        }
    }
}

/// Asks the server of the session whether it is alive: `GET /api/v1/session-status`.
///
/// An access token that has ended is renewed first. Nothing is tried twice, and everything together
/// takes `limit` at most.
pub async fn session_status(
    auth: &Child<AuthActor>,
    transport: &dyn Transport,
    limit: Duration,
) -> ServerSession {
    let asked = async {
        let token = access_token(auth, None, limit).await?;
        let request = session_status_request(&token)?;
        let response = transport.send(request).await.map_err(AuthError::Transport);
        Ok::<_, AuthError>(read(&response?))
    };
    match tokio::time::timeout(limit, asked).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) if error.means_logged_out() => ServerSession::unconfirmed(RE_AUTHENTICATE),
        Ok(Err(error)) => ServerSession::unconfirmed(error.to_string()),
        Err(_) => ServerSession::unconfirmed(format!(
            "the server did not answer within {} s",
            limit.as_secs()
        )),
    }
}

fn read(response: &HttpResponse) -> ServerSession {
    if response.status == 401 {
        return ServerSession::unconfirmed(RE_AUTHENTICATE);
    }
    if response.status != 200 {
        return ServerSession::unconfirmed(format!("Server returned HTTP {}", response.status));
    }
    match serde_json::from_slice::<Value>(&response.body) {
        // The Python CLI takes every object for a yes; a server that says no means no.
        Ok(Value::Object(body)) if body.get("active") != Some(&Value::Bool(false)) => {
            ServerSession {
                active: true,
                session_id: body
                    .get("session_id")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                error: None,
            }
        }
        Ok(Value::Object(_)) => ServerSession::unconfirmed(RE_AUTHENTICATE),
        _ => ServerSession::unconfirmed("Invalid response from server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Headers;

    #[test]
    fn only_an_object_of_a_200_confirms_and_a_no_is_a_no() {
        let said = |status: u16, body: &'static str| {
            read(&HttpResponse {
                status,
                headers: Headers::default(),
                body: body.into(),
            })
        };
        let confirmed = said(200, r#"{"active": true, "session_id": "s-1"}"#);
        assert_eq!(confirmed.session_id.as_deref(), Some("s-1"));
        assert!(confirmed.active && confirmed.error.is_none());
        assert!(said(200, "{}").active);
        for (status, body, error) in [
            (200, r#"{"active": false}"#, RE_AUTHENTICATE),
            (401, "{}", RE_AUTHENTICATE),
            (200, "[]", "Invalid response from server"),
            (200, "<html>", "Invalid response from server"),
            (503, "{}", "Server returned HTTP 503"),
            (302, "", "Server returned HTTP 302"),
        ] {
            let unconfirmed = said(status, body);
            assert!(!unconfirmed.active, "{status} {body}");
            assert_eq!(unconfirmed.error.as_deref(), Some(error), "{status} {body}");
        }
    }
}
