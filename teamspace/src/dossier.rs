//! What the artifacts of missions hold: received one by one, each after the event that names it, stored
//! by the hash of its bytes, and served back.

mod push;
mod read;

use crate::routing;
use actix_web::web::ServiceConfig;

/// Declares the endpoints of contents.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::post("/api/dossier/push-content", push::receive))
        .service(routing::get("/api/v1/bodies", read::list))
        .service(routing::get("/api/v1/bodies/content", read::content));
}
