//! `GET /api/v1/sync/health/`: whether a client may send, and how much at a time.

use crate::errors::ApiError;
use crate::identity::Caller;
use crate::state::State;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

pub(super) async fn show(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Caller::identify(&state, &request).await?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "ok",
        "sync_ingress": {"limits": state.limits.advertised()},
    })))
}
