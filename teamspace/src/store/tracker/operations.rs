//! Operations that are answered before they are carried out.

use super::super::StoreError;
use super::Connection;
use crate::time::Moment;

/// An operation and how far it is.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct OperationRow {
    pub(crate) operation_id: String,
    pub(crate) team_id: String,
    pub(crate) account_id: String,
    /// `pending`, `running`, `completed` or `failed`.
    pub(crate) state: String,
    /// What is to be done, as JSON.
    pub(crate) request: String,
    /// The result or the error, as JSON.
    pub(crate) outcome: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) finished_at: Option<i64>,
}

/// Records an operation that is to be carried out.
pub(crate) async fn insert_operation(
    connection: &mut Connection,
    operation_id: &str,
    (team_id, account_id): (&str, &str),
    request: &str,
    now: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tracker_operations \
             (operation_id, team_id, account_id, state, request, created_at) \
         VALUES ($1, $2, $3, 'pending', $4, $5)",
    )
    .bind(operation_id)
    .bind(team_id)
    .bind(account_id)
    .bind(request)
    .bind(now.millis())
    .execute(connection)
    .await?;
    Ok(())
}

/// Finds an operation.
pub(crate) async fn operation(
    connection: &mut Connection,
    operation_id: &str,
) -> Result<Option<OperationRow>, StoreError> {
    let row = sqlx::query_as(
        "SELECT operation_id, team_id, account_id, state, request, outcome, created_at, \
             finished_at FROM tracker_operations WHERE operation_id = $1",
    )
    .bind(operation_id)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Says that an operation is being carried out.
pub(crate) async fn begin_operation(
    connection: &mut Connection,
    operation_id: &str,
) -> Result<(), StoreError> {
    let statement = "UPDATE tracker_operations SET state = 'running' \
         WHERE operation_id = $1 AND state = 'pending'";
    sqlx::query(statement)
        .bind(operation_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps what came of an operation.
pub(crate) async fn finish_operation(
    connection: &mut Connection,
    operation_id: &str,
    (state, outcome): (&str, &str),
    now: Moment,
) -> Result<(), StoreError> {
    let statement = "UPDATE tracker_operations SET state = $2, outcome = $3, finished_at = $4 \
         WHERE operation_id = $1";
    sqlx::query(statement)
        .bind(operation_id)
        .bind(state)
        .bind(outcome)
        .bind(now.millis())
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns the operations that a server left behind, the oldest first.
pub(crate) async fn unfinished_operations(
    connection: &mut Connection,
) -> Result<Vec<String>, StoreError> {
    let statement = "SELECT operation_id FROM tracker_operations \
         WHERE state IN ('pending', 'running') ORDER BY created_at, operation_id";
    Ok(sqlx::query_scalar(statement).fetch_all(connection).await?)
}
