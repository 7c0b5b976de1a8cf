//! The pages a person sees: plain HTML without scripts, readable by screen readers and in text
//! browsers.
//!
//! A page loads nothing but this server's style sheet, may not be framed, and is not stored.

mod forms;
mod html;
mod overview;
mod sessions;

pub(crate) use forms::{AuthorizeForm, Notice, authorize_page, device_page, page_refusal};
pub(crate) use sessions::PageSessions;

use crate::routing;
use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::ServiceConfig;

const STYLE: &str = include_str!("pages/style.css");

/// Declares the overview page and what pages load.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::get("/", overview::show))
        .service(routing::post("/sign-in", overview::sign_in))
        .service(routing::post("/sign-out", overview::sign_out))
        .service(routing::get("/style.css", style));
}

async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/css; charset=utf-8"))
        .body(STYLE)
}
