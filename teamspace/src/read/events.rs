//! `/api/v1/events`: the envelopes themselves.

use super::Reading;
use crate::envelope::normal_id;
use crate::errors::ApiError;
use crate::state::State;
use crate::store::EventFilter;
use actix_web::http::header::ContentType;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Page<'a> {
    team_id: &'a str,
    events: Vec<Item>,
    /// What `after` must be to go on from here; also when this page was the last so far.
    next_after: i64,
    has_more: bool,
}

#[derive(Serialize)]
struct Item {
    sequence: i64,
    received_at: String,
    envelope: Box<RawValue>,
}

/// `GET /api/v1/events?team=&project=&type=&after=&limit=`: a page in order of arrival.
///
/// A page may hold fewer events than asked for, when they are large; `has_more` tells.
pub(super) async fn list(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = Reading::begin(&state, &request).await?;
    let project = reading.project()?;
    let filter = EventFilter {
        project_uuid: project.as_deref(),
        event_type: reading.query.one("type")?,
        after: reading.after()?,
        limit: reading.limit(&state)?,
        most_bytes: state.limits.max_page_bytes,
    };
    let page = state.store.events(&reading.team.id, &filter).await?;
    let next_after = page
        .events
        .last()
        .map_or(filter.after, |event| event.sequence);
    let events = page.events.into_iter().map(|event| {
        Ok(Item {
            sequence: event.sequence,
            received_at: event.received_at.iso(),
            envelope: RawValue::from_string(event.envelope)?,
        })
    });
    let events: Result<Vec<Item>, serde_json::Error> = events.collect();
    let events = events.map_err(|error| {
        tracing::error!(%error, team_id = reading.team.id, "a stored envelope is damaged");
        ApiError::internal()
    })?;
    Ok(HttpResponse::Ok().json(Page {
        team_id: &reading.team.id,
        events,
        next_after,
        has_more: page.has_more,
    }))
}

/// `GET /api/v1/events/{event_id}?team=`: one envelope, byte for byte as it was received.
pub(super) async fn one(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = Reading::begin(&state, &request).await?;
    let event_id = request.match_info().get("event_id").unwrap_or_default();
    let found = state
        .store
        .event(&reading.team.id, &normal_id(event_id))
        .await?;
    match found {
        Some(event) => Ok(HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(event.envelope)),
        None => Err(ApiError::not_found(
            "event_not_found",
            "this team has received no event with this id",
        )),
    }
}
