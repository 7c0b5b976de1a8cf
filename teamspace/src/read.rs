//! The reading API: what a team has received, as JSON.
//!
//! Every endpoint answers about one team of the caller: the one that `team` names by id or slug,
//! else the Private Teamspace, else the first. A team the caller does not belong to is not found.

mod events;
mod inspection;
mod missions;
mod overviews;

pub(crate) use missions::{MISSION_CREATED, MissionView};

use crate::accounts::Team;
use crate::errors::ApiError;
use crate::identity::Caller;
use crate::request::{Fields, RepeatedField};
use crate::routing;
use crate::state::State;
use actix_web::HttpRequest;
use actix_web::web::ServiceConfig;

/// Declares the endpoints that read.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::get("/api/v1/projects", overviews::projects))
        .service(routing::get("/api/v1/summary", overviews::summary))
        .service(routing::get("/api/v1/missions", missions::list))
        .service(routing::get(
            "/api/v1/missions/{mission_slug}",
            missions::one,
        ))
        .service(routing::get("/api/v1/admin/failures", inspection::failures))
        .service(routing::get("/api/v1/admin/snapshot", inspection::snapshot))
        .service(routing::get("/api/v1/events", events::list))
        .service(routing::get("/api/v1/events/{event_id}", events::one));
}

/// The events in one page unless the query says otherwise.
const DEFAULT_LIMIT: u32 = 100;

/// Which team is read, and the query that says what of it.
pub(crate) struct Reading {
    pub(crate) team: Team,
    pub(crate) query: Fields,
}

impl Reading {
    pub(crate) async fn begin(state: &State, request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = Caller::identify(state, request).await?;
        let query = Fields::of_query(request);
        let account = &caller.account;
        let team = match query.one("team")? {
            Some(named) => account.team(named),
            None => account.private_team().or_else(|| account.teams.first()),
        };
        let team = team.cloned().ok_or_else(|| {
            ApiError::not_found(
                "team_not_found",
                "you belong to no such team; see the teams in /api/v1/me",
            )
        })?;
        Ok(Self { team, query })
    }

    /// Returns the sequence number after which a page begins.
    pub(crate) fn after(&self) -> Result<i64, ApiError> {
        let Some(after) = self.query.one("after")? else {
            return Ok(0);
        };
        let number = after.parse().ok().filter(|number| *number >= 0);
        number.ok_or_else(|| {
            ApiError::invalid(
                "invalid_cursor",
                "'after' is the next_after of an earlier page",
            )
        })
    }

    /// Returns the number of events a page may hold.
    pub(crate) fn limit(&self, state: &State) -> Result<u32, ApiError> {
        let most = state.limits.max_page_events.max(1);
        let Some(limit) = self.query.one("limit")? else {
            return Ok(DEFAULT_LIMIT.min(most));
        };
        let number = limit
            .parse()
            .ok()
            .filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| {
            let message = format!("'limit' is a number from 1 to {most}");
            ApiError::invalid("invalid_limit", message)
        })
    }

    /// Returns the project a page is about, as the store spells it.
    pub(crate) fn project(&self) -> Result<Option<String>, ApiError> {
        let project = self.query.one("project")?;
        Ok(project.map(str::to_ascii_lowercase))
    }
}

impl From<RepeatedField> for ApiError {
    fn from(error: RepeatedField) -> Self {
        Self::invalid("repeated_parameter", error.to_string())
    }
}
