//! What was refused for good, and digests over what a team holds: what a release gate reads.

use super::{Store, StoreError};
use crate::time::Moment;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use std::future::poll_fn;
use std::pin::Pin;

/// The most failed rows of one team; what comes later is refused all the same, but not written down.
const MOST_ROWS: i64 = 100_000;

/// The class of a row that a rule refused.
pub(crate) const BUSINESS_RULE: &str = "business_rule";
/// The class of a row that failed although no rule refused it.
pub(crate) const INFRA: &str = "infra";

/// An event that was refused for good.
#[derive(Debug)]
pub(crate) struct NewFailure {
    pub(crate) event_id: String,
    pub(crate) category: &'static str,
    pub(crate) message: String,
}

/// A stored row.
#[derive(Debug)]
pub(crate) struct FailureRow {
    pub(crate) sequence: i64,
    pub(crate) event_id: String,
    pub(crate) failure_class: String,
    pub(crate) category: String,
    pub(crate) message: String,
    pub(crate) failed_at: Moment,
}

/// How many rows there are, the last of them, and a digest over all.
#[derive(Debug)]
pub(crate) struct Digested {
    pub(crate) count: u64,
    pub(crate) last_sequence: i64,
    pub(crate) digest: String,
}

impl Store {
    /// Writes down what a business rule refused; the same refusal is one row. Durable when it returns.
    pub(crate) async fn record_failures(
        &self,
        team_id: &str,
        now: Moment,
        failures: &[NewFailure],
    ) -> Result<(), StoreError> {
        if failures.is_empty() {
            return Ok(());
        }
        let mut writing = self.write().await?;
        let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM failures WHERE team_id = $1")
            .bind(team_id)
            .fetch_one(&mut *writing)
            .await?;
        let room = usize::try_from(MOST_ROWS - rows).unwrap_or(0);
        if room < failures.len() {
            tracing::warn!(
                team_id,
                "the team has too many failed rows; some are not kept"
            );
        }
        for failure in failures.iter().take(room) {
            sqlx::query(
                "INSERT INTO failures (team_id, event_id, failure_class, category, message, \
                     failed_at) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (team_id, event_id, category) DO NOTHING",
            )
            .bind(team_id)
            .bind(&failure.event_id)
            .bind(BUSINESS_RULE)
            .bind(failure.category)
            .bind(&failure.message)
            .bind(now.millis())
            .execute(&mut *writing)
            .await?;
        }
        writing.commit().await?;
        Ok(())
    }

    /// Counts the rows of a class over all teams, for the health endpoint.
    pub(crate) async fn count_failures(&self, class: &str) -> Result<u64, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM failures WHERE failure_class = $1")
                .bind(class)
                .fetch_one(self.read())
                .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Returns a page of a team's rows of a class, oldest first, and whether there are more.
    pub(crate) async fn failures(
        &self,
        team_id: &str,
        class: &str,
        after: i64,
        limit: u32,
    ) -> Result<(Vec<FailureRow>, bool), StoreError> {
        let rows = sqlx::query(
            "SELECT sequence, event_id, failure_class, category, message, failed_at \
             FROM failures WHERE team_id = $1 AND failure_class = $2 AND sequence > $3 \
             ORDER BY sequence LIMIT $4",
        )
        .bind(team_id)
        .bind(class)
        .bind(after)
        .bind(i64::from(limit) + 1)
        .fetch_all(self.read())
        .await?;
        let more = rows.len() > limit as usize;
        let row = |row: &sqlx::sqlite::SqliteRow| {
            Ok(FailureRow {
                sequence: row.try_get(0)?,
                event_id: row.try_get(1)?,
                failure_class: row.try_get(2)?,
                category: row.try_get(3)?,
                message: row.try_get(4)?,
                failed_at: Moment::from_millis(row.try_get(5)?),
            })
        };
        let rows = rows.iter().take(limit as usize).map(row);
        Ok((rows.collect::<Result<_, sqlx::Error>>()?, more))
    }

    /// Digests a team's rows of a class, every column of them, in order of arrival.
    pub(crate) async fn digest_failures(
        &self,
        team_id: &str,
        class: &str,
    ) -> Result<Digested, StoreError> {
        let statement = sqlx::query(
            "SELECT sequence, event_id || char(10) || failure_class || char(10) || category || \
                 char(10) || message || char(10) || failed_at \
             FROM failures WHERE team_id = $1 AND failure_class = $2 ORDER BY sequence",
        );
        digest(statement.bind(team_id).bind(class).fetch(self.read())).await
    }

    /// Digests a team's events up to a sequence number, byte for byte, in order of arrival.
    pub(crate) async fn digest_events(
        &self,
        team_id: &str,
        through: i64,
    ) -> Result<Digested, StoreError> {
        let statement = sqlx::query(
            "SELECT sequence, envelope FROM events WHERE team_id = $1 AND sequence <= $2 \
             ORDER BY sequence",
        );
        digest(statement.bind(team_id).bind(through).fetch(self.read())).await
    }

    /// Counts a team's events after a sequence number that another account sent.
    pub(crate) async fn foreign_events(
        &self,
        team_id: &str,
        account_id: &str,
        after: i64,
    ) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM events WHERE team_id = $1 AND account_id <> $2 AND sequence > $3",
        )
        .bind(team_id)
        .bind(account_id)
        .bind(after)
        .fetch_one(self.read())
        .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Digests rows of a number and a text, one at a time: memory stays small however many there are.
async fn digest(
    mut rows: Pin<
        Box<
            dyn futures_core::Stream<Item = Result<sqlx::sqlite::SqliteRow, sqlx::Error>>
                + Send
                + '_,
        >,
    >,
) -> Result<Digested, StoreError> {
    let mut hash = Sha256::new();
    let (mut count, mut last_sequence) = (0_u64, 0_i64);
    while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
        let row = row?;
        last_sequence = row.try_get(0)?;
        let text: String = row.try_get(1)?;
        // Lengths, so that no text can pass for two.
        hash.update(last_sequence.to_be_bytes());
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
        count += 1;
    }
    Ok(Digested {
        count,
        last_sequence,
        digest: hex::encode(hash.finalize()),
    })
}
