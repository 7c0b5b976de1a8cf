//! The first answer to each idempotency key, which a repetition is answered with.

use super::super::StoreError;
use super::Connection;
use crate::time::Moment;
use std::time::Duration;

/// How long an answer is kept; a client gives an operation up within minutes.
const ANSWERS_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Who used which key for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptAnswer<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) team_id: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) key: &'a str,
}

/// Returns status and body of the first answer to a key.
pub(crate) async fn answered(
    connection: &mut Connection,
    kept: KeptAnswer<'_>,
) -> Result<Option<(i64, String)>, StoreError> {
    let row = sqlx::query_as(
        "SELECT status, body FROM tracker_answers WHERE account_id = $1 AND team_id = $2 \
         AND endpoint = $3 AND idempotency_key = $4",
    )
    .bind(kept.account_id)
    .bind(kept.team_id)
    .bind(kept.endpoint)
    .bind(kept.key)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Counts the pushes and runs of a team whose answers are kept: those of the last week.
pub(crate) async fn count_operations(
    connection: &mut Connection,
    team_id: &str,
) -> Result<i64, StoreError> {
    let statement = "SELECT COUNT(*) FROM tracker_answers \
         WHERE team_id = $1 AND endpoint IN ('push', 'run')";
    let count = sqlx::query_scalar(statement).bind(team_id);
    Ok(count.fetch_one(connection).await?)
}

/// Keeps the first answer to a key and forgets answers nobody asks for any more.
pub(crate) async fn keep_answer(
    connection: &mut Connection,
    kept: KeptAnswer<'_>,
    (status, body): (i64, &str),
    now: Moment,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM tracker_answers WHERE answered_at < $1")
        .bind(now.minus(ANSWERS_KEPT).millis())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO tracker_answers (account_id, team_id, endpoint, idempotency_key, status, \
             body, answered_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(kept.account_id)
    .bind(kept.team_id)
    .bind(kept.endpoint)
    .bind(kept.key)
    .bind(status)
    .bind(body)
    .bind(now.millis())
    .execute(connection)
    .await?;
    Ok(())
}
