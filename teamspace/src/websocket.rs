//! The WebSocket: events one at a time, each acknowledged when it is stored.
//!
//! A client asks for a short-lived token (`POST /api/v1/ws-token`) and opens `GET /api/v1/ws` with
//! it in the `Authorization` header. The server speaks first, with a snapshot. Then the client sends
//! events and answers pings. An event passes the judge and the transaction of the batch ingress, so
//! it does not matter over which way, or how often, it comes. A client that subscribes is sent every event
//! of its team as well, in the order in which they are stored.

mod frame;
mod session;
mod snapshot;
mod subscription;
mod ticket;

use crate::errors::ApiError;
use crate::ingress::require_protocol;
use crate::request::{Fields, bearer};
use crate::routing;
use crate::state::State;
use actix_web::web::{Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

/// Where a WebSocket is opened.
const PATH: &str = "/api/v1/ws";

/// What a frame may be larger than the event in it, in bytes.
const ROOM_AROUND_EVENT: usize = 64 * 1024;

/// Declares the endpoints.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::post("/api/v1/ws-token", ticket::hand_out))
        .service(routing::get(PATH, open));
}

/// `GET /api/v1/ws`: opens a WebSocket for the bearer of a token.
async fn open(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    if Fields::of_query(&request).any_named(|name| name.to_ascii_lowercase().contains("token")) {
        return Err(ApiError::invalid(
            "token_in_query",
            "a token in an address ends up in logs; send it as a Bearer token",
        ));
    }
    let Some(token) = bearer(&request).flatten() else {
        return Err(ApiError::unauthorized(
            "token_missing",
            "no WebSocket token was sent; ask /api/v1/ws-token for one and send it as a Bearer token",
        ));
    };
    let peer = ticket::redeem(&state, token).await?;
    require_protocol(&request)?;
    let place = state.websockets.clone().try_acquire_owned();
    let place = place.map_err(|_| ApiError::busy("too many WebSockets are open; send batches"))?;
    let (response, session, stream) = actix_ws::handle(&request, payload).map_err(|_| {
        ApiError::invalid(
            "websocket_required",
            "this address is for a WebSocket handshake",
        )
    })?;
    let most = state
        .limits
        .max_event_bytes
        .saturating_add(ROOM_AROUND_EVENT);
    let stream = stream
        .max_frame_size(most)
        .aggregate_continuations()
        .max_continuation_size(most);
    actix_web::rt::spawn(async move {
        session::Conversation::new(state, peer, session)
            .run(stream)
            .await;
        drop(place);
    });
    Ok(response)
}
