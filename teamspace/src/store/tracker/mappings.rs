//! Which issue a work package stands for, and which issue a mission began with.

use super::super::StoreError;
use super::Connection;
use crate::time::Moment;

/// The most rows one answer lists.
const MOST_ROWS: i64 = 1_000;

/// A work package and its issue.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Mapping {
    pub(crate) wp_id: String,
    pub(crate) project_uuid: String,
    pub(crate) issue_id: String,
    pub(crate) issue_key: String,
    pub(crate) url: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// A mission and the issue it began with.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Origin {
    pub(crate) mission_id: String,
    pub(crate) mission_slug: Option<String>,
    pub(crate) provider: String,
    pub(crate) issue_id: String,
    pub(crate) issue_key: String,
    pub(crate) issue_url: String,
    pub(crate) title: String,
    pub(crate) status: String,
    pub(crate) bound_at: i64,
}

/// A mission's origin to be kept.
#[derive(Debug)]
pub(crate) struct NewOrigin<'a> {
    pub(crate) mission_id: &'a str,
    pub(crate) mission_slug: Option<&'a str>,
    pub(crate) provider: &'a str,
    pub(crate) project_uuid: &'a str,
    pub(crate) issue_id: &'a str,
    pub(crate) issue_key: &'a str,
    pub(crate) issue_url: &'a str,
    pub(crate) title: &'a str,
    pub(crate) status: &'a str,
}

/// Returns the mapped work packages of a team at a provider, or those of one project.
pub(crate) async fn mappings(
    connection: &mut Connection,
    team_id: &str,
    provider: &str,
    project_uuid: Option<&str>,
) -> Result<Vec<Mapping>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT m.wp_id, m.project_uuid, m.issue_id, i.issue_key, i.url, m.created_at, \
             m.updated_at FROM tracker_mappings m JOIN tracker_issues i \
             ON i.resource_id = m.resource_id AND i.issue_id = m.issue_id \
         WHERE m.team_id = $1 AND m.provider = $2 AND ($3 IS NULL OR m.project_uuid = $3) \
         ORDER BY m.project_uuid, m.wp_id LIMIT $4",
    )
    .bind(team_id)
    .bind(provider)
    .bind(project_uuid)
    .bind(MOST_ROWS)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Maps a work package to an issue, in the place of an earlier one.
pub(crate) async fn map_package(
    connection: &mut Connection,
    (team_id, provider, project_uuid): (&str, &str, &str),
    wp_id: &str,
    (resource_id, issue_id): (&str, &str),
    now: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tracker_mappings (team_id, provider, project_uuid, wp_id, resource_id, \
             issue_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
         ON CONFLICT (team_id, provider, project_uuid, wp_id) DO UPDATE SET \
             resource_id = excluded.resource_id, issue_id = excluded.issue_id, \
             updated_at = excluded.updated_at",
    )
    .bind(team_id)
    .bind(provider)
    .bind(project_uuid)
    .bind(wp_id)
    .bind(resource_id)
    .bind(issue_id)
    .bind(now.millis())
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the origins of a team's missions at a provider, or of one project's.
pub(crate) async fn origins(
    connection: &mut Connection,
    team_id: &str,
    provider: &str,
    project_uuid: Option<&str>,
) -> Result<Vec<Origin>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT mission_id, mission_slug, provider, issue_id, issue_key, issue_url, title, \
             status, bound_at FROM tracker_origins \
         WHERE team_id = $1 AND provider = $2 AND ($3 IS NULL OR project_uuid = $3) \
         ORDER BY bound_at, mission_id LIMIT $4",
    )
    .bind(team_id)
    .bind(provider)
    .bind(project_uuid)
    .bind(MOST_ROWS)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Finds the origin of a mission.
pub(crate) async fn origin(
    connection: &mut Connection,
    team_id: &str,
    mission_id: &str,
) -> Result<Option<Origin>, StoreError> {
    let row = sqlx::query_as(
        "SELECT mission_id, mission_slug, provider, issue_id, issue_key, issue_url, title, \
             status, bound_at FROM tracker_origins WHERE team_id = $1 AND mission_id = $2",
    )
    .bind(team_id)
    .bind(mission_id)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Keeps the origin of a mission that has none.
pub(crate) async fn insert_origin(
    connection: &mut Connection,
    (team_id, account_id): (&str, &str),
    new: &NewOrigin<'_>,
    now: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tracker_origins (team_id, mission_id, mission_slug, provider, \
             project_uuid, issue_id, issue_key, issue_url, title, status, bound_at, bound_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(team_id)
    .bind(new.mission_id)
    .bind(new.mission_slug)
    .bind(new.provider)
    .bind(new.project_uuid)
    .bind(new.issue_id)
    .bind(new.issue_key)
    .bind(new.issue_url)
    .bind(new.title)
    .bind(new.status)
    .bind(now.millis())
    .bind(account_id)
    .execute(connection)
    .await?;
    Ok(())
}
