//! How an endpoint is declared, so that each answers other methods with a JSON 405.

use crate::errors::ApiError;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, guard, web};

/// Declares an endpoint that is read: GET, and HEAD without the body.
pub(crate) fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let reading = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    closed(web::resource(path), "GET, HEAD").route(reading.to(handler))
}

/// Declares an endpoint that is written to: POST.
pub(crate) fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    closed(web::resource(path), "POST").route(web::post().to(handler))
}

/// Declares a page with a form: GET and HEAD show it, POST takes it.
pub(crate) fn form<G, GArgs, P, PArgs>(path: &str, show: G, take: P) -> Resource
where
    G: Handler<GArgs>,
    GArgs: FromRequest + 'static,
    G::Output: Responder + 'static,
    P: Handler<PArgs>,
    PArgs: FromRequest + 'static,
    P::Output: Responder + 'static,
{
    let reading = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    closed(web::resource(path), "GET, HEAD, POST")
        .route(reading.to(show))
        .route(web::post().to(take))
}

/// Answers a path that no endpoint has.
pub(crate) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found(
        "not_found",
        "there is no such endpoint; check the server address and the client's version",
    ))
}

fn closed(resource: Resource, allow: &'static str) -> Resource {
    resource.default_service(web::to(move || async move {
        Err::<HttpResponse, _>(ApiError::method_not_allowed(allow))
    }))
}
