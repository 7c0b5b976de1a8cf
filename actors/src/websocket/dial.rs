//! Opening the line: who may, for whom, with which token, and where.

use super::core::NotOpen;
use super::frame::Frame;
use super::ticket::{TICKET_ENDPOINT, Ticket, handshake_address};
use crate::auth::AuthActor;
use crate::auth::error::AuthError;
use crate::auth::messages::{GetSession, SessionDetail, SessionOrigin};
use crate::auth::{access_token, send_authorized};
use crate::delivery::answer::{retry_after, shorten};
use crate::delivery::wire::PROTOCOL_HEADER;
use crate::gate::gated;
use crate::ingress::IngressResolverActor;
use crate::ingress::messages::{IngressAnswer, ResolveIngress};
use crate::supervise::Child;
use crate::transport::{
    Heard, HttpRequest, HttpResponse, Method, SharedTransport, Upgrade, WebSocket,
};
use jiff::SignedDuration;
use kitty_config::ServerUrl;
use kitty_runtime::target::DeliveryTarget;
use kitty_runtime::time::SharedTime;
use serde_json::json;
use std::time::Duration;

/// How long a token, the account's teams or the ticket may take.
const LIMIT: Duration = Duration::from_secs(15);
/// How long the handshake and the first frame may take, each.
const OPENING_LIMIT: Duration = Duration::from_secs(10);
/// How long an access token must be valid for the line not to begin with a refresh (reference 8).
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(300);

/// Who is needed to open a line.
#[derive(Debug, Clone)]
pub struct DialPorts {
    /// The configured server.
    pub server: Option<ServerUrl>,
    /// The session.
    pub auth: Child<AuthActor>,
    /// Where events may go.
    pub ingress: Child<IngressResolverActor>,
    /// The network.
    pub transport: SharedTransport,
    /// The time.
    pub time: SharedTime,
}

/// A line that stands, and where it goes.
#[derive(Debug)]
pub struct Dialled {
    /// The line, after its first frame.
    pub socket: Box<WebSocket>,
    /// The Private Teamspace that it belongs to.
    pub target: DeliveryTarget,
}

/// Opens the line to the Private Teamspace of the account.
///
/// # Errors
/// [`NotOpen`]: whether another try may help, and when.
pub async fn dial(ports: &DialPorts) -> Result<Dialled, NotOpen> {
    let Some(server) = &ports.server else {
        return Err(unwanted("no server is configured"));
    };
    let target = resolve(ports).await?;
    let ticket = ask_for_ticket(ports, server, &target).await?;
    let url =
        handshake_address(&ticket.ws_url, server).map_err(|foreign| NotOpen::Unavailable {
            message: foreign.to_string(),
            wait: None,
        })?;
    let bearer = format!("Bearer {}", ticket.ws_token.expose());
    let handshake = HttpRequest::new("the WebSocket", Method::Get, url, OPENING_LIMIT)
        .header("Authorization", bearer)
        .header(PROTOCOL_HEADER.0, PROTOCOL_HEADER.1);
    let mut socket = match ports.transport.open_web_socket(handshake).await {
        Ok(Upgrade::Open(socket)) => socket,
        Ok(Upgrade::Answered(response)) => return Err(refused(ports, "the WebSocket", &response)),
        Err(error) => return Err(trouble(error.to_string())),
    };
    let first = tokio::time::timeout(OPENING_LIMIT, socket.hear()).await;
    match first {
        Ok(Ok(Heard::Text(text))) if Frame::read(&text) == Frame::Snapshot => {
            Ok(Dialled { socket, target })
        }
        Ok(Ok(Heard::Text(_))) => Err(trouble(
            "the WebSocket begins with another frame than a snapshot",
        )),
        Ok(Ok(Heard::Closed(why))) => Err(trouble(format!(
            "the server closed the WebSocket: {}",
            shorten(&why)
        ))),
        Ok(Err(broken)) => Err(trouble(broken.to_string())),
        Err(_) => {
            let seconds = OPENING_LIMIT.as_secs();
            Err(trouble(format!(
                "no snapshot came over the WebSocket within {seconds} s"
            )))
        }
    }
}

async fn resolve(ports: &DialPorts) -> Result<DeliveryTarget, NotOpen> {
    let ask = ResolveIngress {
        endpoint: TICKET_ENDPOINT,
        insist: false,
        limit: LIMIT,
    };
    match ports.ingress.ask(ask, LIMIT * 2).await {
        Ok(IngressAnswer::Direct(target)) => Ok(target),
        Ok(IngressAnswer::Off) => Err(unwanted("hosted sync is off")),
        Ok(IngressAnswer::NoHost) => Err(unwanted("no server is configured")),
        Ok(IngressAnswer::NotAuthenticated { message }) => Err(unwanted(message)),
        Ok(IngressAnswer::Skipped(_)) => Err(unwanted("the account has no Private Teamspace")),
        Err(error) => Err(trouble(error.to_string())),
    }
}

async fn ask_for_ticket(
    ports: &DialPorts,
    server: &ServerUrl,
    target: &DeliveryTarget,
) -> Result<Ticket, NotOpen> {
    freshen(ports).await.map_err(no_token)?;
    let body = gated::request(&json!({"team_id": target.team}));
    let body = body.map_err(|violation| unwanted(violation.to_string()))?;
    let url = server.endpoint(TICKET_ENDPOINT);
    let request = HttpRequest::new("the WebSocket token", Method::Post, url, LIMIT)
        .header(PROTOCOL_HEADER.0, PROTOCOL_HEADER.1)
        .json(&body);
    let response = send_authorized(&ports.auth, &*ports.transport, request, LIMIT).await;
    let response = response.map_err(no_token)?;
    if !response.is_success() {
        return Err(refused(ports, "the WebSocket token", &response));
    }
    serde_json::from_slice(&response.body).map_err(|_| NotOpen::Unavailable {
        message: "the answer about a WebSocket token cannot be read".to_owned(),
        wait: None,
    })
}

/// Renews an access token that ends soon, so that the line does not begin with one that just ends.
async fn freshen(ports: &DialPorts) -> Result<(), AuthError> {
    let token = access_token(&ports.auth, None, LIMIT).await?;
    let detail = SessionDetail::Summary;
    let session = ports.auth.ask(GetSession { detail }, LIMIT).await;
    let session = session.map_err(AuthError::Unanswered)?;
    let ends = session
        .summary
        .map(|summary| summary.access_token_expires_at);
    let ends_soon = ends.is_some_and(|ends| ends.duration_since(ports.time.now()) < FRESH_FOR);
    if session.origin == SessionOrigin::Store && ends_soon {
        access_token(&ports.auth, Some(token.fingerprint()), LIMIT).await?;
    }
    Ok(())
}

fn no_token(error: AuthError) -> NotOpen {
    match error {
        AuthError::Transport(_)
        | AuthError::Unanswered(_)
        | AuthError::RefreshInProgress
        | AuthError::RefreshFailed { .. }
        | AuthError::SessionChanged => trouble(error.to_string()),
        other => unwanted(other.to_string()),
    }
}

/// Reads an answer that is no ticket and no WebSocket.
fn refused(ports: &DialPorts, what: &str, response: &HttpResponse) -> NotOpen {
    let status = response.status;
    let message = format!("{what} was refused with HTTP {status}");
    let asked = response.headers.get("retry-after").is_some();
    let wait = asked
        .then(|| retry_after(response, ports.time.now()))
        .flatten();
    let says = |word: &str| response.snippet(1000).contains(word);
    match status {
        403 if says("direct_ingress_missing_private_team") => unwanted(message),
        // A ticket lives five minutes, so that a refused one was for a session that ended.
        401 | 408 | 429 | 500..=599 => NotOpen::Trouble { message, wait },
        _ => NotOpen::Unavailable { message, wait },
    }
}

fn unwanted(why: impl Into<String>) -> NotOpen {
    NotOpen::Unwanted(why.into())
}

fn trouble(message: impl Into<String>) -> NotOpen {
    NotOpen::Trouble {
        message: message.into(),
        wait: None,
    }
}
