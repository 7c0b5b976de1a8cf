//! `/api/v1/projects` and `/api/v1/summary`: what a team holds, counted.

use super::Reading;
use crate::errors::ApiError;
use crate::state::State;
use crate::store::Counts;
use crate::time::Moment;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// `GET /api/v1/projects?team=`: the projects, the one that was heard of last first.
pub(super) async fn projects(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = Reading::begin(&state, &request).await?;
    let projects = state.store.projects(&reading.team.id).await?;
    let projects: Vec<Value> = projects
        .iter()
        .map(|project| {
            json!({
                "project_uuid": project.project_uuid,
                "project_slug": project.project_slug,
                "events": project.events,
                "first_received_at": project.first_received_at.iso(),
                "last_received_at": project.last_received_at.iso(),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"team_id": reading.team.id, "projects": projects})))
}

/// `GET /api/v1/summary?team=`: counts by project, type and build, and the span of time.
///
/// Each list holds the thousand largest groups; `events` counts everything. A group whose events
/// lack the member is `null`.
pub(super) async fn summary(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = Reading::begin(&state, &request).await?;
    let summary = state.store.summary(&reading.team.id).await?;
    let groups = |name: &str, groups: &[Counts]| -> Vec<Value> {
        let group = |group: &Counts| json!({name: group.value, "events": group.events});
        groups.iter().map(group).collect()
    };
    Ok(HttpResponse::Ok().json(json!({
        "team_id": reading.team.id,
        "events": summary.events,
        "projects": groups("project_uuid", &summary.projects),
        "types": groups("event_type", &summary.types),
        "builds": groups("build_id", &summary.builds),
        "earliest": summary.earliest.map(Moment::iso),
        "latest": summary.latest.map(Moment::iso),
        "last_received_at": summary.last_received.map(Moment::iso),
    })))
}
