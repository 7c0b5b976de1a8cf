//! Ingress: where a client's events arrive.
//!
//! A batch goes through these steps, and the first that refuses decides the answer: the token
//! (401), the protocol version (412), the Private Teamspace (403), the body's size (413) and form
//! (400). Then every event is judged for itself, what passed is stored in one transaction, and the
//! answer names the fate of each event in the order of the request.
//!
//! Events that come over a WebSocket (`crate::websocket`) pass the same judge and the same store.

mod arrival;
mod batch;
mod event;
mod sync_health;
mod teamspace;

pub(crate) use event::{Judge, Judged, Rejection};
pub(crate) use teamspace::{private_team, require_protocol, team_mismatch};

use crate::routing;
use actix_web::web::ServiceConfig;

/// Declares the endpoints that clients send to.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::get("/api/v1/sync/health", sync_health::show))
        .service(routing::post("/api/v1/events/batch", batch::receive))
        .service(routing::post("/api/v1/events/preflight", batch::preflight));
}
