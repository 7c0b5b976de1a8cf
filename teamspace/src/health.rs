//! Is it up: for proxies, supervisors and people; without a token and without content.

use crate::routing;
use crate::state::State;
use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use serde_json::json;

/// The name by which the server answers.
const SERVICE: &str = "spec-kitty-teamspace";

/// Declares the health endpoints.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::get("/health", live))
        .service(routing::get("/health/ready", ready));
}

/// `GET /health/`: the process answers.
async fn live() -> HttpResponse {
    answer(true)
}

/// `GET /health/ready/`: the database answers too; 503 when it does not.
async fn ready(state: Data<State>) -> HttpResponse {
    let probed = state.store.probe().await;
    if let Err(error) = &probed {
        tracing::error!(%error, "the database does not answer");
    }
    answer(probed.is_ok())
}

fn answer(well: bool) -> HttpResponse {
    let (mut response, status) = if well {
        (HttpResponse::Ok(), "ok")
    } else {
        (HttpResponse::ServiceUnavailable(), "unavailable")
    };
    let version = env!("CARGO_PKG_VERSION");
    response.json(json!({"status": status, "service": SERVICE, "version": version}))
}
