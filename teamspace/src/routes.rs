//! Every endpoint of the server, by area, and what all answers have in common.

use crate::errors::ApiError;
use crate::state::State;
use crate::{dossier, health, identity, ingress, oauth, pages, read, tracker, websocket};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::{Data, ServiceConfig};
use std::time::Instant;

/// Declares all endpoints; an area that is added later adds one line.
pub(crate) fn configure(config: &mut ServiceConfig) {
    health::routes(config);
    oauth::routes(config);
    identity::routes(config);
    ingress::routes(config);
    dossier::routes(config);
    read::routes(config);
    tracker::routes(config);
    websocket::routes(config);
    pages::routes(config);
}

/// Lets a request in unless the server is stopping, adds to its answer what keeps it out
/// of caches, frames and logs of other sites, and logs it.
///
/// The log holds method, path, status and time; never a query, a header or a body, because those
/// carry codes and tokens.
pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let state = request.app_data::<Data<State>>().cloned();
    let state = state.ok_or_else(ApiError::internal)?;
    let permit = state.requests.try_acquire();
    let _answering = permit.map_err(|_| ApiError::busy("the server is stopping; try again"))?;
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    tracing::debug!(
        method = %response.request().method(),
        path = response.request().path(),
        status = response.status().as_u16(),
        elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    Ok(response)
}
