//! `/api/v1/missions`: what teams work on, as the MissionCreated events told it.

use super::Reading;
use crate::errors::ApiError;
use crate::state::State;
use crate::store::{EventFilter, StoredEvent};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

/// The type of the event that a mission begins with.
pub(crate) const MISSION_CREATED: &str = "MissionCreated";

/// A mission, as its first event described it.
#[derive(Debug, Serialize)]
pub(crate) struct MissionView {
    pub(crate) sequence: i64,
    pub(crate) event_id: Option<String>,
    pub(crate) project_uuid: Option<String>,
    pub(crate) project_slug: Option<String>,
    pub(crate) mission_id: Option<String>,
    pub(crate) mission_slug: Option<String>,
    pub(crate) mission_number: Option<i64>,
    pub(crate) mission_type: Option<String>,
    pub(crate) friendly_name: Option<String>,
    pub(crate) target_branch: Option<String>,
    pub(crate) wp_count: Option<i64>,
    pub(crate) created_at: Option<String>,
    pub(crate) received_at: String,
}

impl MissionView {
    /// Reads the event; `None` when its envelope is damaged.
    pub(crate) fn of(event: &StoredEvent) -> Option<Self> {
        let envelope: Value = serde_json::from_str(&event.envelope).ok()?;
        let payload = &envelope["payload"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            sequence: event.sequence,
            event_id: text(&envelope["event_id"]),
            project_uuid: text(&envelope["project_uuid"]),
            project_slug: text(&envelope["project_slug"]),
            mission_id: text(&payload["mission_id"]).or_else(|| text(&envelope["aggregate_id"])),
            mission_slug: text(&payload["mission_slug"]),
            mission_number: payload["mission_number"].as_i64(),
            mission_type: text(&payload["mission_type"]),
            friendly_name: text(&payload["friendly_name"]),
            target_branch: text(&payload["target_branch"]),
            wp_count: payload["wp_count"].as_i64(),
            created_at: text(&payload["created_at"]).or_else(|| text(&envelope["timestamp"])),
            received_at: event.received_at.iso(),
        })
    }
}

/// `GET /api/v1/missions?team=&project=&after=&limit=`: a page in order of arrival.
pub(super) async fn list(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = Reading::begin(&state, &request).await?;
    let project = reading.project()?;
    let filter = EventFilter {
        project_uuid: project.as_deref(),
        event_type: Some(MISSION_CREATED),
        after: reading.after()?,
        limit: reading.limit(&state)?,
        most_bytes: state.limits.max_page_bytes,
    };
    let page = state.store.events(&reading.team.id, &filter).await?;
    let missions: Vec<MissionView> = page.events.iter().filter_map(MissionView::of).collect();
    Ok(HttpResponse::Ok().json(json!({
        "team_id": reading.team.id,
        "missions": missions,
        "next_after": page.events.last().map_or(filter.after, |event| event.sequence),
        "has_more": page.has_more,
    })))
}
