//! Bindings: which resource a project works with.

use super::super::StoreError;
use super::Connection;
use crate::secret::identifier;
use crate::time::Moment;
use sqlx::{QueryBuilder, Sqlite};

/// The most bindings one answer lists.
const MOST_BINDINGS: i64 = 500;

/// A project's binding, with the resource it names.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Binding {
    pub(crate) binding_ref: String,
    pub(crate) provider: String,
    pub(crate) resource_id: String,
    pub(crate) resource_key: String,
    pub(crate) name: String,
    pub(crate) workspace: String,
    pub(crate) project_uuid: String,
    pub(crate) project_slug: String,
    pub(crate) bound_at: i64,
    pub(crate) disabled_at: Option<i64>,
    /// The number of the last change that a run has taken in.
    pub(crate) pulled_change: i64,
    pub(crate) synced_at: Option<i64>,
}

/// How a request names a binding.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Routing<'a> {
    /// By its reference.
    Reference(&'a str),
    /// By the slug of its project, as older clients do.
    Project(&'a str),
}

/// A binding to be made.
#[derive(Debug)]
pub(crate) struct NewBinding<'a> {
    pub(crate) team_id: &'a str,
    pub(crate) account_id: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) resource_id: &'a str,
    pub(crate) project_uuid: &'a str,
    pub(crate) project_slug: &'a str,
    /// What the client sent, as JSON.
    pub(crate) project_identity: String,
}

const COLUMNS: &str = "SELECT b.binding_ref, b.provider, b.resource_id, r.resource_key, r.name, \
     r.workspace, b.project_uuid, b.project_slug, b.bound_at, b.disabled_at, b.pulled_change, \
     b.synced_at FROM tracker_bindings b \
     JOIN tracker_resources r ON r.resource_id = b.resource_id WHERE b.team_id = ";

fn of_team(team_id: &str, provider: &str) -> QueryBuilder<Sqlite> {
    let mut statement: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    statement.push_bind(team_id.to_owned());
    statement
        .push(" AND b.provider = ")
        .push_bind(provider.to_owned());
    statement
}

/// Returns a team's bindings at a provider, the newest first.
pub(crate) async fn bindings(
    connection: &mut Connection,
    team_id: &str,
    provider: &str,
) -> Result<Vec<Binding>, StoreError> {
    let mut statement = of_team(team_id, provider);
    statement
        .push(" ORDER BY b.bound_at DESC, b.binding_ref LIMIT ")
        .push_bind(MOST_BINDINGS);
    Ok(statement.build_query_as().fetch_all(connection).await?)
}

/// Finds the binding that a request names.
pub(crate) async fn binding(
    connection: &mut Connection,
    team_id: &str,
    provider: &str,
    routing: Routing<'_>,
) -> Result<Option<Binding>, StoreError> {
    let mut statement = of_team(team_id, provider);
    match routing {
        Routing::Reference(reference) => {
            statement
                .push(" AND b.binding_ref = ")
                .push_bind(reference.to_owned());
        }
        Routing::Project(slug) => {
            statement
                .push(" AND b.project_slug = ")
                .push_bind(slug.to_owned());
            statement.push(" ORDER BY b.bound_at DESC, b.binding_ref LIMIT 1");
        }
    }
    Ok(statement
        .build_query_as()
        .fetch_optional(connection)
        .await?)
}

/// Finds the binding of a project.
pub(crate) async fn binding_of_project(
    connection: &mut Connection,
    team_id: &str,
    provider: &str,
    project_uuid: &str,
) -> Result<Option<Binding>, StoreError> {
    let mut statement = of_team(team_id, provider);
    statement
        .push(" AND b.project_uuid = ")
        .push_bind(project_uuid.to_owned());
    Ok(statement
        .build_query_as()
        .fetch_optional(connection)
        .await?)
}

/// Makes a project's binding in the place of one it has.
pub(crate) async fn bind(
    connection: &mut Connection,
    new: &NewBinding<'_>,
    now: Moment,
) -> Result<(), StoreError> {
    let statement = "DELETE FROM tracker_bindings \
         WHERE team_id = $1 AND provider = $2 AND project_uuid = $3";
    sqlx::query(statement)
        .bind(new.team_id)
        .bind(new.provider)
        .bind(new.project_uuid)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO tracker_bindings (binding_ref, team_id, provider, resource_id, \
             project_uuid, project_slug, project_identity, bound_at, bound_by, pulled_change) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)",
    )
    .bind(identifier("binding")?)
    .bind(new.team_id)
    .bind(new.provider)
    .bind(new.resource_id)
    .bind(new.project_uuid)
    .bind(new.project_slug)
    .bind(&new.project_identity)
    .bind(now.millis())
    .bind(new.account_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Remembers up to which change a run has taken a resource in.
pub(crate) async fn note_pull(
    connection: &mut Connection,
    binding_ref: &str,
    change: i64,
    now: Moment,
) -> Result<(), StoreError> {
    let statement = "UPDATE tracker_bindings SET synced_at = $3, \
         pulled_change = MAX(pulled_change, $2) WHERE binding_ref = $1";
    sqlx::query(statement)
        .bind(binding_ref)
        .bind(change)
        .bind(now.millis())
        .execute(connection)
        .await?;
    Ok(())
}

/// Switches a team's binding off; false when there is none of that reference.
pub(crate) async fn disable_binding(
    connection: &mut Connection,
    team_id: &str,
    binding_ref: &str,
    now: Moment,
) -> Result<bool, StoreError> {
    let statement = "UPDATE tracker_bindings SET disabled_at = COALESCE(disabled_at, $3) \
         WHERE team_id = $1 AND binding_ref = $2";
    let done = sqlx::query(statement)
        .bind(team_id)
        .bind(binding_ref)
        .bind(now.millis())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}
