//! `/api/v1/missions`: what teams work on, as the MissionCreated events told it.

use super::Reading;
use crate::board::{Board, Placed, STATUS_CHANGED};
use crate::errors::ApiError;
use crate::state::State;
use crate::store::{EventFilter, Store, StoreError, StoredEvent};
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

/// `GET /api/v1/missions/{mission_slug}?team=&project=`: one mission, with its work packages and the lanes
/// in which they are.
///
/// The events of the mission's project are gone through for it, so its time grows with their number.
pub(super) async fn one(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = Reading::begin(&state, &request).await?;
    let project = reading.project()?;
    let slug = request.match_info().get("mission_slug").unwrap_or_default();
    let (store, team_id) = (&state.store, &reading.team.id);
    let mut found = None;
    let created = (project.as_deref(), MISSION_CREATED);
    each(store, team_id, created, |event| {
        let view = MissionView::of(event);
        let wanted = view.filter(|view| view.mission_slug.as_deref() == Some(slug));
        found = found.take().or(wanted);
    })
    .await?;
    let Some(mission) = found else {
        let message = "this team has received no mission with this slug";
        return Err(ApiError::not_found("mission_not_found", message));
    };
    let mut board = Board::default();
    let project = mission.project_uuid.as_deref().map(str::to_ascii_lowercase);
    let moved = (project.as_deref(), STATUS_CHANGED);
    each(store, team_id, moved, |event| board.take(event)).await?;
    let work_packages = board.work_packages();
    let project = project.unwrap_or_default();
    let ours = |it: &Placed| it.mission_slug == slug && it.project_uuid == project;
    let work_packages: Vec<Placed> = work_packages.into_iter().filter(ours).collect();
    Ok(HttpResponse::Ok().json(json!({
        "team_id": team_id,
        "mission": mission,
        "work_packages": work_packages,
    })))
}

/// How many events are held at a time while all of a kind are gone through.
const STRIDE: u32 = 500;
/// The bytes of their envelopes after which a stride ends early.
const STRIDE_BYTES: usize = 4 * 1024 * 1024;

/// Goes through the events of a project, or of all, and of a type, in order of arrival.
async fn each(
    store: &Store,
    team_id: &str,
    (project_uuid, event_type): (Option<&str>, &str),
    mut take: impl FnMut(&StoredEvent),
) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let filter = EventFilter {
            project_uuid,
            event_type: Some(event_type),
            after,
            limit: STRIDE,
            most_bytes: STRIDE_BYTES,
        };
        let page = store.events(team_id, &filter).await?;
        page.events.iter().for_each(&mut take);
        match page.events.last() {
            Some(last) if page.has_more => after = last.sequence,
            _ => return Ok(()),
        }
    }
}
