//! The body of a tracker request, read field by field.

use crate::errors::ApiError;
use crate::request::{BodyError, RawBody, announced_bytes};
use crate::state::State;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The longest text of a field that names something, in bytes.
const LONGEST_TEXT: usize = 4_096;

/// A JSON object; a member that is `null` counts as missing.
#[derive(Debug)]
pub(super) struct Input(Map<String, Value>);

impl Input {
    /// Receives the body.
    pub(super) async fn receive(
        state: &State,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Self, ApiError> {
        let most = state.limits.max_tracker_body_bytes;
        let announced = announced_bytes(request).unwrap_or(most).min(most);
        let room = state.room_for_body(announced).await;
        let _room = room.ok_or_else(|| ApiError::busy("too many requests at once; try again"))?;
        let body = RawBody::receive(request, payload, most, &state.limits).await;
        let content = body.and_then(|body| body.unpack(most));
        let content = content.map_err(|error| refuse(&error, state))?;
        match serde_json::from_slice(&content) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(invalid_body("the body is not a JSON object")),
            Err(error) => Err(invalid_body(format!("the body is not JSON: {error}"))),
        }
    }

    /// Returns a member unless it is missing.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns a text unless it is missing or empty.
    pub(super) fn optional(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= LONGEST_TEXT => {
                Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty()))
            }
            Some(_) => Err(invalid_field(format!(
                "'{name}' must be a text of at most {LONGEST_TEXT} bytes"
            ))),
        }
    }

    /// Returns a text that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        let text = self.optional(name)?;
        text.ok_or_else(|| invalid_field(format!("'{name}' is missing")))
    }

    /// Returns a number within a range.
    pub(super) fn number(
        &self,
        name: &str,
        range: &RangeInclusive<i64>,
        default: i64,
    ) -> Result<i64, ApiError> {
        let Some(value) = self.value(name) else {
            return Ok(default);
        };
        let number = value.as_i64().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            invalid_field(format!("'{name}' must be a number from {least} to {most}"))
        })
    }

    /// Returns a truth value.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.value(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(invalid_field(format!("'{name}' must be true or false"))),
        }
    }
}

/// Refuses a member that is not of its form.
pub(super) fn invalid_field(message: impl Into<String>) -> ApiError {
    ApiError::invalid("invalid_field", message)
}

fn invalid_body(message: impl Into<String>) -> ApiError {
    ApiError::invalid("invalid_body", message)
}

fn refuse(error: &BodyError, state: &State) -> ApiError {
    match error {
        BodyError::TooLarge(most) => ApiError::too_large(
            format!("the body is too large: more than {most} bytes; send less at a time"),
            state.limits.advertised(),
        ),
        BodyError::TooSlow(_) => ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "timeout",
            "the body did not arrive in time; send it again",
        )
        .retry_after(state.limits.retry_after_min_seconds),
        BodyError::Broken => invalid_body("the body broke off"),
        BodyError::NotGzip => invalid_body("the body says gzip and is not"),
        BodyError::UnknownEncoding => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "invalid_request",
            "the body must be sent as gzip or as it is",
        ),
    }
}
