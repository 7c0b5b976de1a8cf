//! What an answer means, and when to ask again.
//!
//! A 401 is not seen here: the session's own retry handles it once (`auth::send_authorized`).

use super::error::{Refusal, TrackerError};
use crate::transport::HttpResponse;
use serde_json::{Map, Value};
use std::time::Duration;

/// How long an operation is waited for in total.
pub const OPERATION_LIMIT: Duration = Duration::from_secs(120);
/// The first pause between two looks at an operation.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The wait after a 429 that names none.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);
/// Longer than this no server is waited for: its refusal is the answer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Codes that mean: the stored binding no longer fits.
const STALE: [&str; 3] = ["binding_not_found", "mapping_disabled", "project_mismatch"];

/// What to do about an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This is the result.
    Done(Value),
    /// The server goes on by itself: ask how this operation stands.
    Poll(String),
    /// Ask once more after this wait.
    Repeat(Duration),
    /// It failed.
    Failed(TrackerError),
}

/// Judges an answer; `is_repeat` when a 429 was waited for already.
#[must_use]
pub fn judge(name: &'static str, answer: &HttpResponse, is_repeat: bool) -> Next {
    match answer.status {
        202 => match body(name, answer) {
            Ok(body) => match operation_id(&body) {
                Some(id) => Next::Poll(id),
                None => Next::Failed(TrackerError::Answer {
                    name,
                    reason: "a 202 without a usable operation_id".to_owned(),
                }),
            },
            Err(error) => Next::Failed(error),
        },
        200..=299 => match body(name, answer) {
            Ok(body) => Next::Done(body),
            Err(error) => Next::Failed(error),
        },
        429 if !is_repeat && wait(answer) <= LONGEST_WAIT => Next::Repeat(wait(answer)),
        _ => Next::Failed(TrackerError::Refused {
            refusal: refusal(answer),
        }),
    }
}

fn body(name: &'static str, answer: &HttpResponse) -> Result<Value, TrackerError> {
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        Ok(_) => Err(TrackerError::Answer {
            name,
            reason: "not a JSON object".to_owned(),
        }),
        Err(error) => Err(TrackerError::Answer {
            name,
            reason: error.to_string(),
        }),
    }
}

/// Returns an id that can stand in a path as it is.
fn operation_id(body: &Value) -> Option<String> {
    let id = match body.get("operation_id")? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (!id.is_empty() && id.len() <= 128 && id.bytes().all(is_plain)).then_some(id)
}

/// Reads how long a 429 asks to wait: its body, else its header, else five seconds.
fn wait(answer: &HttpResponse) -> Duration {
    let named = serde_json::from_slice::<Value>(&answer.body).ok();
    let in_body = named
        .as_ref()
        .and_then(|body| body["retry_after_seconds"].as_f64());
    let in_header = || {
        answer
            .headers
            .get("retry-after")?
            .trim()
            .parse::<f64>()
            .ok()
    };
    in_body
        .or_else(in_header)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(DEFAULT_WAIT)
}

/// Reads the error body of the contract; anything else is named by its status.
fn refusal(answer: &HttpResponse) -> Refusal {
    let object = match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    from_object(Some(answer.status), &object)
}

fn from_object(status: Option<u16>, object: &Map<String, Value>) -> Refusal {
    let text = |name: &str| {
        let text = object.get(name).and_then(Value::as_str);
        text.map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let in_words = || match status {
        Some(status) => format!("HTTP {status}"),
        None => "Operation failed".to_owned(),
    };
    Refusal {
        status,
        code: text("error_code"),
        message: text("message").unwrap_or_else(in_words),
        user_action_required: object.get("user_action_required") == Some(&Value::Bool(true)),
    }
}

/// How an operation stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Not finished.
    Pending,
    /// This is its result.
    Completed(Value),
    /// It failed.
    Failed(TrackerError),
}

/// Reads how an operation stands.
#[must_use]
pub fn operation(name: &'static str, body: &Value) -> Operation {
    match body["status"].as_str() {
        Some("pending" | "running") => Operation::Pending,
        Some("completed") => Operation::Completed(match body.get("result") {
            Some(Value::Object(result)) => Value::Object(result.clone()),
            _ => body.clone(),
        }),
        Some("failed") => {
            let refusal = match &body["error"] {
                Value::Object(error) => from_object(None, error),
                Value::String(text) if !text.is_empty() => {
                    let mut refusal = from_object(None, &Map::new());
                    refusal.message.clone_from(text);
                    refusal
                }
                _ => from_object(None, &Map::new()),
            };
            Operation::Failed(TrackerError::Refused { refusal })
        }
        other => Operation::Failed(TrackerError::Answer {
            name,
            reason: format!("an operation that is {}", other.unwrap_or("nothing")),
        }),
    }
}

/// The pauses between two looks at an operation: doubled from 1 to 30 seconds, 20 % up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    next: Duration,
    waited: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            next: FIRST_PAUSE,
            waited: Duration::ZERO,
        }
    }
}

impl Pauses {
    /// Returns the next pause; `None` when it would end after [`OPERATION_LIMIT`].
    ///
    /// `chance` decides how far the pause is from its nominal length: 0 is 20 % shorter, 255 is
    /// 20 % longer.
    pub fn next(&mut self, chance: u8) -> Option<Duration> {
        let pause = self.next.mul_f64(0.8 + 0.4 * f64::from(chance) / 255.0);
        self.waited += pause;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        (self.waited < OPERATION_LIMIT).then_some(pause)
    }
}

/// Turns a refusal of a stored binding into advice to bind again.
#[must_use]
pub fn stale(error: TrackerError, binding: Option<&(String, String)>) -> TrackerError {
    let code = error.code().unwrap_or_default();
    match binding {
        Some((binding_ref, provider)) if STALE.contains(&code) => TrackerError::StaleBinding {
            binding_ref: binding_ref.clone(),
            reason: error.to_string().trim_end_matches('.').to_owned(),
            provider: provider.clone(),
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests;
