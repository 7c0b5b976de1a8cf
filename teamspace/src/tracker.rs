//! The tracker API: binding projects to resources of a tracker, and moving issues.
//!
//! The issues are this server's own; an operator seeds them. Shapes and codes are those the Python
//! CLI 3.2.x reads (`tracker/saas_client.py`). Every endpoint acts for the account's one shared
//! team, which the client names in `X-Team-Slug`.

mod binding;
mod candidates;
mod input;
mod operations;
mod origin;
mod provider;
mod pull;
mod push;
mod scope;
mod search;
mod status;
mod view;
mod work;
mod writes;

pub(crate) use operations::resume;
pub(crate) use provider::Provider;

use crate::routing;
use actix_web::web::ServiceConfig;

/// Declares the endpoints below `/api/v1/tracker`.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::get("/api/v1/tracker/resources", status::resources))
        .service(routing::get("/api/v1/tracker/status", status::show))
        .service(routing::get("/api/v1/tracker/mappings", status::mappings))
        .service(routing::post("/api/v1/tracker/pull", pull::pull))
        .service(routing::post("/api/v1/tracker/push", writes::push))
        .service(routing::post("/api/v1/tracker/run", writes::run))
        .service(routing::post(
            "/api/v1/tracker/bind-resolve",
            binding::resolve,
        ))
        .service(routing::post(
            "/api/v1/tracker/bind-confirm",
            writes::confirm,
        ))
        .service(routing::post(
            "/api/v1/tracker/bind-validate",
            binding::validate,
        ))
        .service(routing::post(
            "/api/v1/tracker/issue-search",
            search::search,
        ))
        .service(routing::post("/api/v1/tracker/list-tickets", search::list))
        .service(routing::post(
            "/api/v1/tracker/mission-origin/bind",
            writes::origin,
        ))
        .service(routing::get(
            "/api/v1/tracker/operations/{operation_id}",
            operations::show,
        ));
}
