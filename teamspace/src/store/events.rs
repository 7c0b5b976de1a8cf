//! Receiving events: one transaction per batch, each event id once per team.

use super::tallies::tally;
use super::{Store, StoreError, Writing};
use crate::envelope::same_content;
use crate::time::Moment;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// Rows per statement: few round trips to SQLite's thread, and one statement to cache.
const ROWS_PER_STATEMENT: usize = 200;

/// An event that passed every check, ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewEvent {
    /// The id in its normal form, by which it is deduplicated.
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) aggregate_type: Option<String>,
    pub(crate) aggregate_id: Option<String>,
    pub(crate) project_uuid: Option<String>,
    pub(crate) project_slug: Option<String>,
    pub(crate) build_id: Option<String>,
    pub(crate) occurred_at: Option<Moment>,
    /// The bytes as they were received.
    pub(crate) envelope: String,
}

/// What became of one event of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// It is stored now.
    Stored,
    /// The same event was stored before, or earlier in this batch.
    Duplicate,
    /// Another event was stored under its id.
    Divergent,
}

impl Store {
    /// Stores a batch for a team and tells what became of each event, in order.
    ///
    /// Returns after the commit: everything that is `Stored` survives a power cut.
    pub(crate) async fn record_events(
        &self,
        team_id: &str,
        account_id: &str,
        now: Moment,
        events: &[NewEvent],
    ) -> Result<Vec<Recorded>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let mut firsts = firsts(events);
        let mut writing = self.write().await?;
        // The write lock is held, so what is not found here is not there when it is inserted.
        let earlier = find(&mut writing, team_id, &firsts).await?;
        firsts.retain(|event| !earlier.contains_key(&event.event_id));
        for events in firsts.chunks(ROWS_PER_STATEMENT) {
            insert(&mut writing, team_id, account_id, now, events).await?;
        }
        tally(&mut writing, team_id, now, &firsts).await?;
        writing.commit().await?;
        if !firsts.is_empty() {
            self.arrivals().tell(team_id);
        }
        Ok(outcomes(events, &earlier))
    }

    /// Tells what would become of each event of a batch if it came now; stores nothing.
    pub(crate) async fn foresee_events(
        &self,
        team_id: &str,
        events: &[NewEvent],
    ) -> Result<Vec<Recorded>, StoreError> {
        let mut reading = self.read().acquire().await?;
        let earlier = find(&mut reading, team_id, &firsts(events)).await?;
        Ok(outcomes(events, &earlier))
    }
}

/// Returns the first event of every id, in order.
fn firsts(events: &[NewEvent]) -> Vec<&NewEvent> {
    let mut seen = HashSet::with_capacity(events.len());
    events
        .iter()
        .filter(|event| seen.insert(event.event_id.as_str()))
        .collect()
}

/// Finds which of these ids are stored already, and with what content.
async fn find(
    connection: &mut SqliteConnection,
    team_id: &str,
    events: &[&NewEvent],
) -> Result<HashMap<String, String>, StoreError> {
    let mut earlier = HashMap::new();
    for events in events.chunks(ROWS_PER_STATEMENT) {
        find_some(connection, team_id, events, &mut earlier).await?;
    }
    Ok(earlier)
}

async fn find_some(
    connection: &mut SqliteConnection,
    team_id: &str,
    events: &[&NewEvent],
    earlier: &mut HashMap<String, String>,
) -> Result<(), StoreError> {
    let mut statement: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT event_id, envelope FROM events WHERE team_id = ");
    statement.push_bind(team_id).push(" AND event_id IN (");
    let mut list = statement.separated(", ");
    for event in events {
        list.push_bind(&event.event_id);
    }
    statement.push(")");
    let query = statement.build().persistent(is_cached(events.len()));
    for row in query.fetch_all(&mut *connection).await? {
        earlier.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(())
}

/// Inserts events whose ids are new; all of them or an error.
async fn insert(
    writing: &mut Writing,
    team_id: &str,
    account_id: &str,
    now: Moment,
    events: &[&NewEvent],
) -> Result<(), StoreError> {
    let mut statement: QueryBuilder<Sqlite> = QueryBuilder::new(
        "INSERT INTO events (team_id, event_id, event_type, aggregate_type, aggregate_id, \
             project_uuid, build_id, occurred_at, received_at, account_id, envelope) ",
    );
    statement.push_values(events, |mut row, event| {
        row.push_bind(team_id)
            .push_bind(&event.event_id)
            .push_bind(&event.event_type)
            .push_bind(&event.aggregate_type)
            .push_bind(&event.aggregate_id)
            .push_bind(&event.project_uuid)
            .push_bind(&event.build_id)
            .push_bind(event.occurred_at.map(Moment::millis))
            .push_bind(now.millis())
            .push_bind(account_id)
            .push_bind(&event.envelope);
    });
    let query = statement.build().persistent(is_cached(events.len()));
    query.execute(&mut **writing).await?;
    Ok(())
}

/// Tells whether a statement for this many rows comes again: the full one and the smallest do, the
/// last of a batch has any size.
const fn is_cached(rows: usize) -> bool {
    rows == ROWS_PER_STATEMENT || rows == 1
}

/// Compares every event with the one that holds its id: the stored one, else the batch's first.
fn outcomes(events: &[NewEvent], earlier: &HashMap<String, String>) -> Vec<Recorded> {
    let mut firsts: HashMap<&str, &str> = HashMap::with_capacity(events.len());
    let against = |holder: &str, event: &NewEvent| match same_content(holder, &event.envelope) {
        true => Recorded::Duplicate,
        false => Recorded::Divergent,
    };
    events
        .iter()
        .map(|event| match earlier.get(&event.event_id) {
            Some(holder) => against(holder, event),
            None => match firsts.entry(&event.event_id) {
                Entry::Occupied(holder) => against(holder.get(), event),
                Entry::Vacant(place) => {
                    place.insert(&event.envelope);
                    Recorded::Stored
                }
            },
        })
        .collect()
}
