//! Counting what is stored, in the transaction that stores it.

use super::{NewEvent, StoreError, Writing};
use crate::time::Moment;
use std::collections::BTreeMap;

/// What the events of one batch add to one group.
#[derive(Debug, Default)]
struct Tally {
    events: i64,
    earliest: Option<Moment>,
    latest: Option<Moment>,
}

/// Adds new events to the counts of their team.
pub(super) async fn tally(
    writing: &mut Writing,
    team_id: &str,
    now: Moment,
    new: &[&NewEvent],
) -> Result<(), StoreError> {
    let mut projects: BTreeMap<&str, (i64, Option<&str>)> = BTreeMap::new();
    let mut groups: BTreeMap<(&str, &str, &str), Tally> = BTreeMap::new();
    for event in new {
        let project = event.project_uuid.as_deref().unwrap_or_default();
        let build = event.build_id.as_deref().unwrap_or_default();
        let tally = groups
            .entry((project, &event.event_type, build))
            .or_default();
        tally.events += 1;
        // None is less than any moment, so it must not take part in the minimum.
        tally.earliest = [tally.earliest, event.occurred_at]
            .into_iter()
            .flatten()
            .min();
        tally.latest = tally.latest.max(event.occurred_at);
        if !project.is_empty() {
            let (count, slug) = projects.entry(project).or_default();
            *count += 1;
            *slug = event.project_slug.as_deref().or(*slug);
        }
    }
    for (project, (events, slug)) in projects {
        count_project(writing, team_id, now, project, events, slug).await?;
    }
    for (group, tally) in groups {
        count_group(writing, team_id, now, group, &tally).await?;
    }
    Ok(())
}

async fn count_project(
    writing: &mut Writing,
    team_id: &str,
    now: Moment,
    project_uuid: &str,
    events: i64,
    slug: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO projects (team_id, project_uuid, project_slug, events, \
             first_received_at, last_received_at) VALUES ($1, $2, $3, $4, $5, $5) \
         ON CONFLICT (team_id, project_uuid) DO UPDATE SET \
             project_slug = COALESCE(excluded.project_slug, projects.project_slug), \
             events = projects.events + excluded.events, \
             last_received_at = excluded.last_received_at",
    )
    .bind(team_id)
    .bind(project_uuid)
    .bind(slug)
    .bind(events)
    .bind(now.millis())
    .execute(&mut **writing)
    .await?;
    Ok(())
}

async fn count_group(
    writing: &mut Writing,
    team_id: &str,
    now: Moment,
    (project_uuid, event_type, build_id): (&str, &str, &str),
    tally: &Tally,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tallies (team_id, project_uuid, event_type, build_id, events, earliest, \
             latest, last_received_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (team_id, project_uuid, event_type, build_id) DO UPDATE SET \
             events = tallies.events + excluded.events, \
             earliest = CASE WHEN excluded.earliest < tallies.earliest \
                 OR tallies.earliest IS NULL THEN excluded.earliest ELSE tallies.earliest END, \
             latest = CASE WHEN excluded.latest > tallies.latest \
                 OR tallies.latest IS NULL THEN excluded.latest ELSE tallies.latest END, \
             last_received_at = excluded.last_received_at",
    )
    .bind(team_id)
    .bind(project_uuid)
    .bind(event_type)
    .bind(build_id)
    .bind(tally.events)
    .bind(tally.earliest.map(Moment::millis))
    .bind(tally.latest.map(Moment::millis))
    .bind(now.millis())
    .execute(&mut **writing)
    .await?;
    Ok(())
}
