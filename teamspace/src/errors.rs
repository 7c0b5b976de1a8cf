//! How a request is refused: one shape for the API, OAuth's shape for `/oauth/...`.

use crate::limits::AdvertisedLimits;
use crate::store::StoreError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Map, Value, json};
use std::fmt;

/// What a failing server asks a client to wait, in seconds.
const PAUSE_WHEN_BUSY: u32 = 2;

/// A refusal of the API.
///
/// The body is one JSON object with `error` and `error_code` (the code), `error_category`,
/// `message` (for people, naming the next step), `retryable`, `user_action_required`, and what the
/// code adds to it.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    category: &'static str,
    message: String,
    retryable: bool,
    retry_after: Option<u32>,
    user_action: bool,
    challenge: bool,
    allow: Option<&'static str>,
    extra: Map<String, Value>,
}

impl ApiError {
    /// Makes a refusal that no repetition of the same request changes.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        category: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            category,
            message: message.into(),
            retryable: false,
            retry_after: None,
            user_action: false,
            challenge: false,
            allow: None,
            extra: Map::new(),
        }
    }

    /// Refuses a request that is not of the endpoint's form.
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "invalid_request", message)
    }

    /// Refuses a caller who has not shown a valid token.
    pub(crate) fn unauthorized(code: &'static str, message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, code, "authentication", message);
        error.challenge = true;
        error.user_action = true;
        error
    }

    /// Refuses a request for something that is not there, or not the caller's.
    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, "not_found", message)
    }

    /// Refuses a body that is too large, and tells the limits.
    pub(crate) fn too_large(message: impl Into<String>, limits: AdvertisedLimits) -> Self {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(status, "payload_too_large", "payload_too_large", message)
            .with("limits", json!(limits))
    }

    /// Refuses a method that the endpoint does not have.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("this endpoint answers {allow}; send one of these methods");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut error = Self::new(status, "method_not_allowed", "invalid_request", message);
        error.allow = Some(allow);
        error
    }

    /// Refuses a request for which there is no room at the moment.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "server_busy", "unavailable", message).retry_after(PAUSE_WHEN_BUSY)
    }

    /// Reports a fault of the server; what it was stands in the log only.
    pub(crate) fn internal() -> Self {
        let mut error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "server_error",
            "the server failed; nothing of this request was kept. Try again, then see its log",
        );
        error.retryable = true;
        error
    }

    /// Says that the same request may succeed after this many seconds.
    pub(crate) const fn retry_after(mut self, seconds: u32) -> Self {
        self.retryable = true;
        self.retry_after = Some(seconds);
        self
    }

    /// Says that a person has to do something before the request can succeed.
    pub(crate) const fn for_people(mut self) -> Self {
        self.user_action = true;
        self
    }

    /// Adds a member to the body.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.extra.insert(key.to_owned(), value);
        self
    }
}

impl ApiError {
    /// Returns the JSON object that says what is wrong.
    pub(crate) fn body(&self) -> Map<String, Value> {
        let mut body = Map::from_iter([
            ("error".to_owned(), json!(self.code)),
            ("error_code".to_owned(), json!(self.code)),
            ("error_category".to_owned(), json!(self.category)),
            ("message".to_owned(), json!(self.message)),
            ("retryable".to_owned(), json!(self.retryable)),
            ("user_action_required".to_owned(), json!(self.user_action)),
        ]);
        if let Some(seconds) = self.retry_after {
            body.insert("retry_after_seconds".to_owned(), json!(seconds));
        }
        body.extend(self.extra.clone());
        body
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        insert_retry_after(&mut response, self.retry_after);
        if self.challenge {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"teamspace\""));
        }
        if let Some(allow) = self.allow {
            response.insert_header((ALLOW, allow));
        }
        response.json(self.body())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            tracing::warn!(%error, "a request could not use the store");
            return Self::busy("the store is busy; try again in a moment");
        }
        tracing::error!(%error, "a request failed in the store");
        Self::internal()
    }
}

/// A refusal of an OAuth endpoint: `{"error", "error_description"}` (RFC 6749, 5.2).
#[derive(Debug)]
pub(crate) struct OauthError {
    status: StatusCode,
    error: &'static str,
    description: String,
    retry_after: Option<u32>,
}

impl OauthError {
    /// Makes a 400 with one of OAuth's error names.
    pub(crate) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description: description.into(),
            retry_after: None,
        }
    }

    /// Makes a refusal with another status.
    pub(crate) fn with_status(
        status: StatusCode,
        error: &'static str,
        description: impl Into<String>,
    ) -> Self {
        Self {
            status,
            ..Self::new(error, description)
        }
    }

    /// Says that the same request may succeed after this many seconds.
    pub(crate) const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Returns the error's name and its description, for a redirect that carries them.
    pub(crate) fn parts(&self) -> (&'static str, &str) {
        (self.error, &self.description)
    }
}

impl fmt::Display for OauthError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.error, self.description)
    }
}

impl ResponseError for OauthError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        insert_retry_after(&mut response, self.retry_after);
        response.json(json!({"error": self.error, "error_description": self.description}))
    }
}

impl From<StoreError> for OauthError {
    fn from(error: StoreError) -> Self {
        let refusal = ApiError::from(error);
        let error = match refusal.retry_after {
            Some(_) => "temporarily_unavailable",
            None => "server_error",
        };
        Self {
            status: refusal.status,
            error,
            description: refusal.message,
            retry_after: refusal.retry_after,
        }
    }
}

fn insert_retry_after(response: &mut HttpResponseBuilder, seconds: Option<u32>) {
    if let Some(seconds) = seconds {
        response.insert_header((RETRY_AFTER, seconds));
    }
}
