//! Contents, read back.

use crate::errors::ApiError;
use crate::read::Reading;
use crate::state::State;
use actix_web::http::header::{ContentType, HeaderName};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// `GET /api/v1/bodies?team=&project=&mission=&after=&limit=`: what was received, in order of arrival,
/// without the contents.
pub(super) async fn list(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = Reading::begin(&state, &request).await?;
    let project = reading.project()?;
    let (after, limit) = (reading.after()?, reading.limit(&state)?);
    let mission = reading.query.one("mission")?;
    let rows = state
        .store
        .bodies(
            &reading.team.id,
            project.as_deref(),
            mission,
            after,
            limit + 1,
        )
        .await?;
    let has_more = rows.len() > limit as usize;
    let rows = &rows[..rows.len().min(limit as usize)];
    let bodies: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "sequence": row.sequence,
                "project_uuid": row.project_uuid,
                "mission_slug": row.mission_slug,
                "target_branch": row.target_branch,
                "mission_type": row.mission_type,
                "manifest_version": row.manifest_version,
                "artifact_path": row.artifact_path,
                "content_hash": row.content_hash,
                "size_bytes": row.size_bytes,
                "build_id": row.build_id,
                "received_at": row.received_at.iso(),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "team_id": reading.team.id,
        "bodies": bodies,
        "next_after": rows.last().map_or(after, |row| row.sequence),
        "has_more": has_more,
    })))
}

/// `GET /api/v1/bodies/content?team=&project=&mission=&path=&hash=`: one content, byte for byte; the
/// newest one unless the hash says which.
pub(super) async fn content(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = Reading::begin(&state, &request).await?;
    let asked = |name: &'static str| -> Result<&str, ApiError> {
        reading.query.one(name)?.ok_or_else(|| {
            ApiError::invalid("missing_parameter", format!("'{name}' must be given"))
        })
    };
    let project = asked("project")?.to_ascii_lowercase();
    let (mission, path) = (asked("mission")?, asked("path")?);
    let hash = reading.query.one("hash")?;
    let found = state
        .store
        .content(&reading.team.id, &project, mission, path, hash)
        .await?;
    let (hash, content) = found.ok_or_else(|| {
        ApiError::not_found(
            "body_not_found",
            "this team has received no such content; see /api/v1/bodies",
        )
    })?;
    // Never as what it claims to be: a browser must not run what a mission's author wrote.
    Ok(HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .insert_header((HeaderName::from_static("x-content-hash"), hash))
        .body(content))
}
