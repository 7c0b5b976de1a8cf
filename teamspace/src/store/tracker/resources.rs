//! What issues belong to: a team, a project or a repository of a provider.

use super::super::StoreError;
use super::Connection;
use crate::secret::identifier;
use crate::time::Moment;

/// The most resources one answer lists.
const MOST_RESOURCES: i64 = 200;

/// A place with issues at a provider.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Resource {
    pub(crate) resource_id: String,
    pub(crate) provider: String,
    pub(crate) resource_key: String,
    pub(crate) name: String,
    pub(crate) workspace: String,
}

/// Returns a team's resources at a provider, ordered by name.
pub(crate) async fn resources(
    connection: &mut Connection,
    team_id: &str,
    provider: &str,
) -> Result<Vec<Resource>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT resource_id, provider, resource_key, name, workspace FROM tracker_resources \
         WHERE team_id = $1 AND provider = $2 ORDER BY name, resource_key LIMIT $3",
    )
    .bind(team_id)
    .bind(provider)
    .bind(MOST_RESOURCES)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Finds a resource of a team.
pub(crate) async fn resource(
    connection: &mut Connection,
    team_id: &str,
    resource_id: &str,
) -> Result<Option<Resource>, StoreError> {
    let row = sqlx::query_as(
        "SELECT resource_id, provider, resource_key, name, workspace FROM tracker_resources \
         WHERE team_id = $1 AND resource_id = $2",
    )
    .bind(team_id)
    .bind(resource_id)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Makes a resource, or renames the one with this key; returns its id.
pub(crate) async fn put_resource(
    connection: &mut Connection,
    team_id: &str,
    (provider, key): (&str, &str),
    (name, workspace): (&str, &str),
    now: Moment,
) -> Result<String, StoreError> {
    let id = sqlx::query_scalar(
        "INSERT INTO tracker_resources \
             (resource_id, team_id, provider, resource_key, name, workspace, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (team_id, provider, resource_key) DO UPDATE SET \
             name = excluded.name, workspace = excluded.workspace \
         RETURNING resource_id",
    )
    .bind(identifier("resource")?)
    .bind(team_id)
    .bind(provider)
    .bind(key)
    .bind(name)
    .bind(workspace)
    .bind(now.millis())
    .fetch_one(connection)
    .await?;
    Ok(id)
}
