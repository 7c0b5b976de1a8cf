//! A batch on its way in: let in, unpacked, and every event of it judged.

use super::event::{Judge, Judged};
use super::teamspace::{receiving_team, require_protocol};
use crate::accounts::Team;
use crate::envelope::is_object;
use crate::errors::ApiError;
use crate::identity::Caller;
use crate::limits::Limits;
use crate::request::{BodyError, RawBody, announced_bytes};
use crate::state::State;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt;
use tokio::sync::SemaphorePermit;

/// The whole request.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    events: Option<&'a RawValue>,
}

/// A batch whose events were judged; it keeps its room and its turn until it is answered.
pub(super) struct Arrival<'a> {
    pub(super) caller: Caller,
    pub(super) team: Team,
    pub(super) judged: Vec<Judged>,
    /// What it may take up, until it is answered.
    pub(super) permits: [SemaphorePermit<'a>; 2],
}

impl<'a> Arrival<'a> {
    /// Lets a batch in and judges its events; touches nothing that is stored.
    pub(super) async fn receive(
        state: &'a Data<State>,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Self, ApiError> {
        let caller = Caller::identify(state, request).await?;
        require_protocol(request)?;
        let team = receiving_team(request, &caller.account)?.clone();
        let limits = &state.limits;
        let announced = announced_bytes(request).unwrap_or(limits.max_body_bytes);
        let room = state.room_for_body(announced).await;
        let room = room.ok_or_else(too_many)?;
        let body = RawBody::receive(request, payload, limits.max_body_bytes, limits).await;
        let body = body.map_err(|error| refuse_body(error, limits))?;
        // Waiting here holds a body as it arrived; only as many as have a turn are unpacked.
        let turn = state.turn_of_batch().await.ok_or_else(too_many)?;
        let judged = {
            let (state, team) = (state.clone(), team.clone());
            let judging = web::block(move || judge(body, &team, &state.limits)).await;
            judging.map_err(|error| {
                tracing::error!(%error, "a batch could not be judged");
                ApiError::internal()
            })??
        };
        Ok(Self {
            caller,
            team,
            judged,
            permits: [room, turn],
        })
    }
}

/// Unpacks and reads a batch and judges its events; too long a job for a thread that answers.
fn judge(body: RawBody, team: &Team, limits: &Limits) -> Result<Vec<Judged>, ApiError> {
    let most = limits.max_decompressed_bytes_per_batch;
    let content = body
        .unpack(most)
        .map_err(|error| refuse_body(error, limits))?;
    let items = items(&content, limits)?;
    let judge = Judge {
        team,
        max_event_bytes: limits.max_event_bytes,
    };
    Ok(items
        .into_iter()
        .map(|item| judge.judge(item.get()))
        .collect())
}

fn items<'a>(content: &'a [u8], limits: &Limits) -> Result<Vec<&'a RawValue>, ApiError> {
    let text = std::str::from_utf8(content)
        .map_err(|error| invalid(format!("the body is not UTF-8: {error}")))?;
    if !is_object(text) {
        return Err(invalid("the body is not a JSON object"));
    }
    let body: Body<'_> = serde_json::from_str(text)
        .map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
    let list = body.events.map(RawValue::get).unwrap_or_default();
    if !list.starts_with('[') {
        return Err(invalid("the body has no list under 'events'"));
    }
    let most = limits.max_events_per_batch;
    let mut reader = serde_json::Deserializer::from_str(list);
    let items = AtMost(most)
        .deserialize(&mut reader)
        .map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
    items.ok_or_else(|| {
        let message = format!("the batch is too large: more than {most} events; send fewer");
        ApiError::too_large(message, limits.advertised())
    })
}

/// Reads a list of raw items; `None` when it has more than this many, however long it is.
struct AtMost(usize);

impl<'de> DeserializeSeed<'de> for AtMost {
    type Value = Option<Vec<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AtMost {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of events")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<&'de RawValue>()? {
            items.push(item);
            if items.len() > self.0 {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
        }
        Ok(Some(items))
    }
}

fn refuse_body(error: BodyError, limits: &Limits) -> ApiError {
    match error {
        BodyError::TooLarge(most) => ApiError::too_large(
            format!("the batch is too large: more than {most} bytes; send fewer events"),
            limits.advertised(),
        ),
        BodyError::TooSlow(deadline) => ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "timeout",
            format!(
                "the body did not arrive within {} s; send it again",
                deadline.as_secs()
            ),
        )
        .retry_after(limits.retry_after_min_seconds),
        BodyError::Broken => invalid("the body broke off"),
        BodyError::NotGzip => invalid("the body says gzip and is not"),
        BodyError::UnknownEncoding => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "invalid_request",
            "the body must be sent as gzip or as it is",
        ),
    }
}

fn too_many() -> ApiError {
    ApiError::busy("too many batches arrive at once; send this one again")
}

/// Refuses a whole batch; `details` is a text, because a list there would name single events.
fn invalid(details: impl Into<String>) -> ApiError {
    let details = details.into();
    let message = format!("{details}; send {{\"events\": [...]}}");
    ApiError::invalid("invalid_batch", message).with("details", json!(details))
}
