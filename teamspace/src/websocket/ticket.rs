//! Tokens that open a WebSocket.

use crate::accounts::Team;
use crate::errors::ApiError;
use crate::identity::Caller;
use crate::ingress::{private_team, team_mismatch};
use crate::request::RawBody;
use crate::secret::identifier;
use crate::state::State;
use crate::store::StoreError;
use crate::time::Moment;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::json;

const KIND: &str = "kittyws";

/// What a token stands for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    login: String,
    account_id: String,
    team_id: String,
    session_id: String,
    expires_at: i64,
}

/// Who is at the other end of a WebSocket.
#[derive(Debug)]
pub(super) struct Peer {
    /// The session of the login; when it ends, the WebSocket does.
    pub(super) login: String,
    pub(super) account_id: String,
    pub(super) team: Team,
    /// The name of this WebSocket in logs and answers.
    pub(super) session_id: String,
}

#[derive(Debug, Deserialize)]
struct Request {
    team_id: String,
}

/// `POST /api/v1/ws-token`: a token for the caller's Private Teamspace.
pub(super) async fn hand_out(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let caller = Caller::identify(&state, &request).await?;
    let most = state.limits.max_form_bytes;
    let body = RawBody::receive(&request, payload, most, &state.limits).await;
    let content = body.and_then(|body| body.unpack(most));
    let wanted: Request = content
        .ok()
        .and_then(|content| serde_json::from_slice(&content).ok())
        .ok_or_else(|| ApiError::invalid("invalid_body", "send {\"team_id\": \"...\"} as JSON"))?;
    let team = private_team(&caller.account)?;
    if !team.is_named(&wanted.team_id) {
        return Err(team_mismatch());
    }
    let lifetime = state.lifetimes.websocket_token;
    let ticket = Ticket {
        login: caller.session_id,
        account_id: caller.account.id.clone(),
        team_id: team.id.clone(),
        session_id: identifier("ws").map_err(StoreError::from)?,
        expires_at: state.now().plus(lifetime).millis(),
    };
    let address = state.address(super::PATH);
    // "http://..." becomes "ws://...", and "https://..." becomes "wss://...".
    let address = address.replacen("http", "ws", 1);
    Ok(HttpResponse::Ok().json(json!({
        "ws_token": state.sealer.seal(KIND, &ticket),
        "ws_url": address,
        "expires_in": lifetime.as_secs(),
        "session_id": ticket.session_id,
    })))
}

/// Finds out for whom a token was made (401 when it is not valid now).
pub(super) async fn redeem(state: &State, token: &str) -> Result<Peer, ApiError> {
    let invalid = || {
        ApiError::unauthorized(
            "token_invalid",
            "the WebSocket token is not valid; ask /api/v1/ws-token for a new one",
        )
    };
    let ticket: Ticket = state.sealer.open(KIND, token).ok_or_else(invalid)?;
    let now = state.now();
    if now >= Moment::from_millis(ticket.expires_at) {
        return Err(ApiError::unauthorized(
            "token_expired",
            "the WebSocket token has expired; ask /api/v1/ws-token for a new one",
        ));
    }
    if !state.store.session_is_open(&ticket.login, now).await? {
        return Err(ApiError::unauthorized(
            "session_invalid",
            "the session was revoked; log in again",
        ));
    }
    let account = state.store.account(&ticket.account_id).await?;
    let account = account.ok_or_else(invalid)?;
    let team = private_team(&account)?;
    if team.id != ticket.team_id {
        return Err(invalid());
    }
    Ok(Peer {
        login: ticket.login,
        team: team.clone(),
        account_id: account.id,
        session_id: ticket.session_id,
    })
}
