//! `/api/v1/admin`: what the owner of a team may inspect, and a release gate reads.
//!
//! It only reads. A member who does not own the team is refused; a team the caller does not belong to
//! is not found, as everywhere else.

use super::Reading;
use crate::accounts::OWNER;
use crate::errors::ApiError;
use crate::identity::Caller;
use crate::state::State;
use crate::store::failures::{BUSINESS_RULE, INFRA};
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;

#[derive(Serialize)]
struct Failure {
    sequence: i64,
    event_id: String,
    failure_class: String,
    category: String,
    message: String,
    failed_at: String,
}

async fn begin(state: &State, request: &HttpRequest) -> Result<Reading, ApiError> {
    let reading = Reading::begin(state, request).await?;
    if reading.team.role == OWNER {
        return Ok(reading);
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "not_an_owner",
        "authorization",
        "only the owner of a team may inspect it; log in as the owner",
    ))
}

/// `GET /api/v1/admin/failures?team=&class=&after=&limit=`: a page of rows that failed for good, with
/// the count and the digest over all of the class.
pub(super) async fn failures(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = begin(&state, &request).await?;
    let class = match reading.query.one("class")? {
        None | Some(BUSINESS_RULE) => BUSINESS_RULE,
        Some(INFRA) => INFRA,
        Some(_) => {
            let message = "'class' is business_rule or infra";
            return Err(ApiError::invalid("invalid_class", message));
        }
    };
    let (team, store) = (&reading.team.id, &state.store);
    let after = reading.after()?;
    let (rows, has_more) = store
        .failures(team, class, after, reading.limit(&state)?)
        .await?;
    let all = store.digest_failures(team, class).await?;
    let next_after = rows.last().map_or(after, |row| row.sequence);
    let rows: Vec<Failure> = rows
        .into_iter()
        .map(|row| Failure {
            sequence: row.sequence,
            event_id: row.event_id,
            failure_class: row.failure_class,
            category: row.category,
            message: row.message,
            failed_at: row.failed_at.iso(),
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "team_id": team,
        "failure_class": class,
        "count": all.count,
        "digest": all.digest,
        "rows": rows,
        "next_after": next_after,
        "has_more": has_more,
    })))
}

/// `GET /api/v1/admin/snapshot?team=&through=`: counts and digests over all that the team holds.
///
/// With `through`, the digest is over the events up to that sequence number, and `foreign_events`
/// counts those after it that another account sent: so nobody can change the past unseen.
pub(super) async fn snapshot(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let reading = begin(&state, &request).await?;
    let account = Caller::identify(&state, &request).await?.account;
    let through = match reading.query.one("through")? {
        None => i64::MAX,
        Some(text) => text.parse().ok().filter(|it| *it >= 0).ok_or_else(|| {
            ApiError::invalid(
                "invalid_cursor",
                "'through' is the last_sequence of a snapshot",
            )
        })?,
    };
    let (team, store) = (&reading.team.id, &state.store);
    let events = store.digest_events(team, through).await?;
    let rules = store.digest_failures(team, BUSINESS_RULE).await?;
    let infra = store.digest_failures(team, INFRA).await?;
    let foreign = store.foreign_events(team, &account.id, through).await?;
    Ok(HttpResponse::Ok().json(json!({
        "team_id": team,
        "events": events.count,
        "last_sequence": events.last_sequence,
        "events_digest": events.digest,
        "foreign_events": foreign,
        "failures": rules.count + infra.count,
        "failures_digest": format!("{}:{}", rules.digest, infra.digest),
    })))
}
