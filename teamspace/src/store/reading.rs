//! Reading what a team has received. Every statement is bound to one team id.

use super::{Store, StoreError};
use crate::time::Moment;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};
use std::future::poll_fn;
use std::pin::Pin;

/// The most groups one part of a summary lists; the rest is in its total.
const MOST_GROUPS: i64 = 1_000;

/// Which events a page shows.
#[derive(Debug, Default)]
pub(crate) struct EventFilter<'a> {
    pub(crate) project_uuid: Option<&'a str>,
    pub(crate) event_type: Option<&'a str>,
    /// Only what arrived after this sequence number.
    pub(crate) after: i64,
    pub(crate) limit: u32,
    /// The bytes of envelopes after which the page ends; it always holds one event.
    pub(crate) most_bytes: usize,
}

/// One stored event.
#[derive(Debug)]
pub(crate) struct StoredEvent {
    pub(crate) sequence: i64,
    pub(crate) received_at: Moment,
    /// The bytes as they were received.
    pub(crate) envelope: String,
}

/// A run of events in order of arrival.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<StoredEvent>,
    pub(crate) has_more: bool,
}

/// One project of a team.
#[derive(Debug)]
pub(crate) struct ProjectRow {
    pub(crate) project_uuid: String,
    pub(crate) project_slug: Option<String>,
    pub(crate) events: i64,
    pub(crate) first_received_at: Moment,
    pub(crate) last_received_at: Moment,
}

/// How many events carry one value of a column.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) value: Option<String>,
    pub(crate) events: i64,
}

/// What a team holds, counted.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) events: i64,
    pub(crate) projects: Vec<Counts>,
    pub(crate) types: Vec<Counts>,
    pub(crate) builds: Vec<Counts>,
    pub(crate) earliest: Option<Moment>,
    pub(crate) latest: Option<Moment>,
    pub(crate) last_received: Option<Moment>,
}

impl Store {
    /// Returns a page of events, oldest first.
    pub(crate) async fn events(
        &self,
        team_id: &str,
        filter: &EventFilter<'_>,
    ) -> Result<EventPage, StoreError> {
        let mut statement: QueryBuilder<Sqlite> = QueryBuilder::new(
            "SELECT sequence, received_at, envelope FROM events WHERE team_id = ",
        );
        statement.push_bind(team_id);
        statement.push(" AND sequence > ").push_bind(filter.after);
        if let Some(project) = filter.project_uuid {
            statement.push(" AND project_uuid = ").push_bind(project);
        }
        if let Some(event_type) = filter.event_type {
            statement.push(" AND event_type = ").push_bind(event_type);
        }
        statement.push(" ORDER BY sequence LIMIT ");
        statement.push_bind(i64::from(filter.limit) + 1);
        let query = statement.build();
        let mut rows = query.fetch(self.read());
        let (mut events, mut bytes) = (Vec::new(), 0_usize);
        // One row more than asked for tells whether there is more.
        while let Some(row) = poll_fn(|context| Pin::as_mut(&mut rows).poll_next(context)).await {
            let event = stored_event(&row?)?;
            bytes = bytes.saturating_add(event.envelope.len());
            let full = events.len() >= filter.limit as usize;
            if full || (bytes > filter.most_bytes && !events.is_empty()) {
                return Ok(EventPage {
                    events,
                    has_more: true,
                });
            }
            events.push(event);
        }
        Ok(EventPage {
            events,
            has_more: false,
        })
    }

    /// Returns the latest events, of all types or of one, newest first.
    pub(crate) async fn latest_events(
        &self,
        team_id: &str,
        event_type: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut statement: QueryBuilder<Sqlite> = QueryBuilder::new(
            "SELECT sequence, received_at, envelope FROM events WHERE team_id = ",
        );
        statement.push_bind(team_id);
        if let Some(event_type) = event_type {
            statement.push(" AND event_type = ").push_bind(event_type);
        }
        statement.push(" ORDER BY sequence DESC LIMIT ");
        statement.push_bind(i64::from(limit));
        let rows = statement.build().fetch_all(self.read()).await?;
        Ok(rows.iter().map(stored_event).collect::<Result<_, _>>()?)
    }

    /// Returns the exact bytes of one event; the id in its normal form.
    pub(crate) async fn event(
        &self,
        team_id: &str,
        event_id: &str,
    ) -> Result<Option<StoredEvent>, StoreError> {
        let row = sqlx::query(
            "SELECT sequence, received_at, envelope FROM events \
             WHERE team_id = $1 AND event_id = $2",
        )
        .bind(team_id)
        .bind(event_id)
        .fetch_optional(self.read())
        .await?;
        Ok(row.as_ref().map(stored_event).transpose()?)
    }

    /// Returns the sequence number of a team's latest event, or zero.
    pub(crate) async fn last_sequence(&self, team_id: &str) -> Result<i64, StoreError> {
        let last =
            sqlx::query_scalar("SELECT COALESCE(MAX(sequence), 0) FROM events WHERE team_id = $1")
                .bind(team_id)
                .fetch_one(self.read())
                .await?;
        Ok(last)
    }

    /// Counts the events of a team.
    pub(crate) async fn count_events(&self, team_id: &str) -> Result<i64, StoreError> {
        let events = sqlx::query_scalar("SELECT COUNT(*) FROM events WHERE team_id = $1")
            .bind(team_id)
            .fetch_one(self.read())
            .await?;
        Ok(events)
    }

    /// Returns the projects of a team, the one that was heard of last first.
    pub(crate) async fn projects(&self, team_id: &str) -> Result<Vec<ProjectRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT project_uuid, project_slug, events, first_received_at, last_received_at \
             FROM projects WHERE team_id = $1 ORDER BY last_received_at DESC, project_uuid LIMIT $2",
        )
        .bind(team_id)
        .bind(MOST_GROUPS)
        .fetch_all(self.read())
        .await?;
        Ok(rows.iter().map(project).collect::<Result<_, _>>()?)
    }

    /// Counts what a team holds by project, type and build.
    pub(crate) async fn summary(&self, team_id: &str) -> Result<Summary, StoreError> {
        // One transaction, so that the parts add up.
        let mut reading = self.read().begin().await?;
        let totals = sqlx::query(
            "SELECT COALESCE(CAST(SUM(events) AS BIGINT), 0), MIN(earliest), MAX(latest), \
                 MAX(last_received_at) FROM tallies WHERE team_id = $1",
        )
        .bind(team_id)
        .fetch_one(&mut *reading)
        .await?;
        let mut groups = Vec::with_capacity(3);
        for statement in [
            "SELECT NULLIF(project_uuid, ''), CAST(SUM(events) AS BIGINT) FROM tallies \
             WHERE team_id = $1 GROUP BY project_uuid ORDER BY 2 DESC, 1 LIMIT $2",
            "SELECT NULLIF(event_type, ''), CAST(SUM(events) AS BIGINT) FROM tallies \
             WHERE team_id = $1 GROUP BY event_type ORDER BY 2 DESC, 1 LIMIT $2",
            "SELECT NULLIF(build_id, ''), CAST(SUM(events) AS BIGINT) FROM tallies \
             WHERE team_id = $1 GROUP BY build_id ORDER BY 2 DESC, 1 LIMIT $2",
        ] {
            let rows = sqlx::query(statement)
                .bind(team_id)
                .bind(MOST_GROUPS)
                .fetch_all(&mut *reading)
                .await?;
            groups.push(rows.iter().map(counts).collect::<Result<Vec<_>, _>>()?);
        }
        let moment = |column| -> Result<Option<Moment>, sqlx::Error> {
            Ok(totals
                .try_get::<Option<i64>, usize>(column)?
                .map(Moment::from_millis))
        };
        let mut groups = groups.into_iter();
        let mut next = || groups.next().unwrap_or_default();
        Ok(Summary {
            events: totals.try_get(0)?,
            projects: next(),
            types: next(),
            builds: next(),
            earliest: moment(1)?,
            latest: moment(2)?,
            last_received: moment(3)?,
        })
    }

    /// Does nothing, successfully, when the database answers.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let _: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM (SELECT 1 FROM accounts LIMIT 1)")
            .fetch_one(self.read())
            .await?;
        Ok(())
    }
}

fn stored_event(row: &SqliteRow) -> Result<StoredEvent, sqlx::Error> {
    Ok(StoredEvent {
        sequence: row.try_get(0)?,
        received_at: Moment::from_millis(row.try_get(1)?),
        envelope: row.try_get(2)?,
    })
}

fn project(row: &SqliteRow) -> Result<ProjectRow, sqlx::Error> {
    Ok(ProjectRow {
        project_uuid: row.try_get(0)?,
        project_slug: row.try_get(1)?,
        events: row.try_get(2)?,
        first_received_at: Moment::from_millis(row.try_get(3)?),
        last_received_at: Moment::from_millis(row.try_get(4)?),
    })
}

fn counts(row: &SqliteRow) -> Result<Counts, sqlx::Error> {
    Ok(Counts {
        value: row.try_get(0)?,
        events: row.try_get(1)?,
    })
}
