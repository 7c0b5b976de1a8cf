//! `POST /api/v1/events/batch/`, which stores, and `POST /api/v1/events/preflight/`, which only tells
//! what would become of the same batch.

use super::arrival::Arrival;
use super::event::{Judged, Rejection};
use crate::errors::ApiError;
use crate::state::State;
use crate::store::failures::NewFailure;
use crate::store::{NewEvent, Recorded};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;

/// The fate of one event, as the client reads it.
#[derive(Serialize)]
struct EventResult {
    event_id: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_category: Option<&'static str>,
}

impl EventResult {
    /// Returns the row that is kept of an event that was refused for good; `None` when it was not, or
    /// has no id to keep it under.
    fn failure(&self) -> Option<NewFailure> {
        Some(NewFailure {
            event_id: self.event_id.clone()?,
            category: self.error_category?,
            message: self.error_message.clone()?,
        })
    }
}

/// Receives a batch; answers after everything it calls stored is stored.
pub(super) async fn receive(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let Arrival {
        caller,
        team,
        judged,
        permits: _held,
    } = Arrival::receive(&state, &request, payload).await?;
    let (answers, events) = separate(judged);
    let recorded = state
        .store
        .record_events(&team.id, &caller.account.id, state.now(), &events)
        .await?;
    let stored = recorded
        .iter()
        .filter(|fate| **fate == Recorded::Stored)
        .count();
    tracing::debug!(
        team_id = team.id,
        events = answers.len(),
        stored,
        "a batch was received"
    );
    let results = results(answers, recorded);
    let refused: Vec<NewFailure> = results.iter().filter_map(EventResult::failure).collect();
    let store = &state.store;
    store
        .record_failures(&team.id, state.now(), &refused)
        .await?;
    Ok(HttpResponse::Ok().json(json!({"results": results})))
}

/// Answers as [`receive`] would, and stores nothing; the Python CLI asks before it imports history.
///
/// `accepted` is said besides the fates, so that nobody takes `success` here for a delivery.
pub(super) async fn preflight(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let Arrival {
        team,
        judged,
        permits: _held,
        ..
    } = Arrival::receive(&state, &request, payload).await?;
    let (answers, events) = separate(judged);
    let foreseen = state.store.foresee_events(&team.id, &events).await;
    let results = results(answers, foreseen?);
    let accepted = results.iter().all(|result| result.error_category.is_none());
    Ok(HttpResponse::Ok().json(json!({"accepted": accepted, "stored": 0, "results": results})))
}

/// What is known of an event before the store has spoken.
struct Answer {
    event_id: Option<String>,
    rejection: Option<Rejection>,
}

/// Separates what is stored from what is answered; the events keep the order of their answers.
fn separate(judged: Vec<Judged>) -> (Vec<Answer>, Vec<NewEvent>) {
    let mut events = Vec::with_capacity(judged.len());
    let answers = judged
        .into_iter()
        .map(|Judged { event_id, verdict }| {
            let rejection = match verdict {
                Ok(event) => {
                    events.push(event);
                    None
                }
                Err(rejection) => Some(rejection),
            };
            Answer {
                event_id,
                rejection,
            }
        })
        .collect();
    (answers, events)
}

fn results(answers: Vec<Answer>, recorded: Vec<Recorded>) -> Vec<EventResult> {
    let mut recorded = recorded.into_iter();
    let result = |answer: Answer| {
        let fate = match answer.rejection {
            Some(rejection) => Err(rejection),
            // The store answers every event; should it not, the client must not believe it did.
            None => recorded.next().map_or(Ok("unknown"), fate),
        };
        let (status, rejection) = match fate {
            Ok(status) => (status, None),
            Err(rejection) => ("rejected", Some(rejection)),
        };
        EventResult {
            event_id: answer.event_id,
            status,
            error_category: rejection.as_ref().map(|rejection| rejection.category),
            error_message: rejection.map(|rejection| rejection.message),
        }
    };
    answers.into_iter().map(result).collect()
}

fn fate(recorded: Recorded) -> Result<&'static str, Rejection> {
    match recorded {
        Recorded::Stored => Ok("success"),
        Recorded::Duplicate => Ok("duplicate"),
        Recorded::Divergent => Err(Rejection::divergent()),
    }
}
