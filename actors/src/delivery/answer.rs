//! What a Teamspace answered to a batch, read without side effects (reference 5).

use crate::transport::HttpResponse;
use jiff::Timestamp;
use kitty_runtime::outcome::DeliveryState;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

/// The longest message that is kept of an answer.
const LONGEST_MESSAGE: usize = 300;
/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What the server said about one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventAnswer {
    /// Where the event stands now.
    pub state: DeliveryState,
    /// The server's category.
    pub category: Option<String>,
    /// The server's words.
    pub message: Option<String>,
}

/// What the server said about a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchAnswer {
    /// A result per event id; ids may be missing.
    PerEvent(HashMap<String, EventAnswer>),
    /// Some events make the batch unacceptable: why, by event id.
    Culprits(HashMap<String, String>),
    /// Something in the batch makes it unacceptable.
    Unacceptable(String),
    /// The batch is too large.
    TooLarge {
        /// How many events the server takes at once, if it says so.
        events: Option<usize>,
    },
    /// The access token is not accepted.
    Unauthorized,
    /// The account may not send here.
    Forbidden {
        /// The server's category.
        category: String,
        /// The server's words.
        message: String,
    },
    /// Both sides speak different protocols; nothing helps but an upgrade.
    ProtocolMismatch {
        /// The server's advice.
        advice: String,
    },
    /// The server asks to be left alone for a while.
    Throttled {
        /// How long, if it says so.
        wait: Option<Duration>,
    },
    /// The server is in trouble; nothing is known about the batch.
    Trouble {
        /// What it said.
        message: String,
        /// How long to wait, if it says so.
        wait: Option<Duration>,
    },
}

/// Reads an answer that came at `now`; total over anything a server may send.
#[must_use]
pub fn read(response: &HttpResponse, now: Timestamp) -> BatchAnswer {
    if response.is_success()
        && let Some(results) = usual_results(&response.body)
    {
        return BatchAnswer::PerEvent(results);
    }
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    let body = body.as_ref();
    let wait = retry_after(response, now);
    match response.status {
        200..=299 => match body.and_then(results) {
            Some(results) => BatchAnswer::PerEvent(results),
            None => BatchAnswer::Trouble {
                message: format!("HTTP {} without per-event results", response.status),
                wait,
            },
        },
        400 | 422 => unacceptable(body, response),
        401 => BatchAnswer::Unauthorized,
        403 => BatchAnswer::Forbidden {
            category: category(body).unwrap_or_else(|| "forbidden".to_owned()),
            message: message(body, response),
        },
        412 | 426 => BatchAnswer::ProtocolMismatch {
            advice: advice(body, response),
        },
        413 => BatchAnswer::TooLarge {
            events: advertised_events(body),
        },
        429 => BatchAnswer::Throttled { wait },
        _ if says_too_large(body) => BatchAnswer::TooLarge {
            events: advertised_events(body),
        },
        _ => BatchAnswer::Trouble {
            message: format!("HTTP {}: {}", response.status, message(body, response)),
            wait,
        },
    }
}

/// The answer as every server of today writes it, one row per event.
#[derive(Deserialize)]
struct Usual<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct UsualResult<'a> {
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    error_category: Option<Text<'a>>,
    #[serde(borrow)]
    category: Option<Text<'a>>,
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow)]
    error_message: Option<Text<'a>>,
    #[serde(borrow)]
    error: Option<Text<'a>>,
    #[serde(borrow)]
    detail: Option<Text<'a>>,
    #[serde(borrow)]
    reason: Option<Text<'a>>,
}

/// A text that is copied only when it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads an answer of the usual form without a tree; `None` leaves it to [`results`].
///
/// Anything unusual (a number for a word, a key twice, a row without an id) ends here, so that both
/// ways say the same of what both can read.
fn usual_results(body: &[u8]) -> Option<HashMap<String, EventAnswer>> {
    let usual: Usual<'_> = object(std::str::from_utf8(body).ok()?)?;
    let answers = usual.results.into_iter().map(|row| {
        let row: UsualResult<'_> = object(row.get())?;
        let category = row.error_category.or(row.category).or(row.code);
        let message = row
            .error_message
            .or(row.error)
            .or(row.detail)
            .or(row.reason);
        let answer = EventAnswer {
            state: state_of(row.status.as_ref().map(|word| &*word.0)),
            category: category.map(|text| shorten(&text.0)),
            message: message.map(|text| shorten(&text.0)),
        };
        Some((row.event_id.0.into_owned(), answer))
    });
    let answers: Vec<(String, EventAnswer)> = answers.collect::<Option<_>>()?;
    let (rows, mut by_id) = (answers.len(), HashMap::with_capacity(answers.len()));
    by_id.extend(answers);
    // An id that is answered twice is unusual too.
    (by_id.len() == rows).then_some(by_id)
}

/// Reads an object; serde would take a list of the fields' values for one as well.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    if !json.starts_with('{') {
        return None;
    }
    serde_json::from_str(json).ok()
}

fn results(body: &Value) -> Option<HashMap<String, EventAnswer>> {
    let results = body.get("results")?.as_array()?;
    let mut answers: HashMap<String, EventAnswer> = HashMap::new();
    for result in results {
        let Some((id, answer)) = event_answer(result) else {
            continue;
        };
        match answers.entry(id) {
            Entry::Vacant(place) => {
                place.insert(answer);
            }
            Entry::Occupied(mut known) if known.get().state != answer.state => {
                // Which of the two is its word cannot be known, so that neither is.
                known.insert(EventAnswer {
                    state: DeliveryState::Transient,
                    category: None,
                    message: Some("the answer contradicts itself about this event".to_owned()),
                });
            }
            Entry::Occupied(_) => {}
        }
    }
    Some(answers)
}

pub(crate) fn event_answer(result: &Value) -> Option<(String, EventAnswer)> {
    let id = result.get("event_id")?.as_str()?.to_owned();
    let text = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| result.get(key)?.as_str())
            .map(shorten)
    };
    let answer = EventAnswer {
        state: state_of(result.get("status").and_then(Value::as_str)),
        category: text(&["error_category", "category", "code"]),
        message: text(&["error_message", "error", "detail", "reason"]),
    };
    Some((id, answer))
}

fn state_of(word: Option<&str>) -> DeliveryState {
    match word {
        Some("success" | "accepted" | "warning") => DeliveryState::Delivered,
        Some("duplicate") => DeliveryState::Duplicate,
        Some("pending" | "queued") => DeliveryState::Pending,
        Some("rejected" | "failed_permanent") => DeliveryState::Rejected,
        _ => DeliveryState::Transient,
    }
}

fn unacceptable(body: Option<&Value>, response: &HttpResponse) -> BatchAnswer {
    if says_too_large(body) {
        return BatchAnswer::TooLarge {
            events: advertised_events(body),
        };
    }
    let details = body
        .and_then(|body| body.get("details"))
        .and_then(|details| match details {
            Value::String(text) => serde_json::from_str(text).ok(),
            other => Some(other.clone()),
        });
    let culprits: HashMap<String, String> = details
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|detail| {
            let id = detail.get("event_id")?.as_str()?.to_owned();
            let keys = ["detail", "error", "reason", "message"];
            let reason = keys
                .iter()
                .find_map(|key| detail.get(key)?.as_str())
                .unwrap_or("rejected");
            Some((id, shorten(reason)))
        })
        .collect();
    if culprits.is_empty() {
        BatchAnswer::Unacceptable(message(body, response))
    } else {
        BatchAnswer::Culprits(culprits)
    }
}

fn says_too_large(body: Option<&Value>) -> bool {
    let error = body
        .and_then(|body| body.get("error"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let error = error.to_lowercase();
    error.contains("too large") || error.contains("oversized")
}

fn advertised_events(body: Option<&Value>) -> Option<usize> {
    let limits = body?
        .get("limits")
        .or_else(|| body?.get("sync_ingress")?.get("limits"))?;
    let events = limits.get("max_events_per_batch")?.as_u64()?;
    usize::try_from(events).ok().filter(|events| *events > 0)
}

fn category(body: Option<&Value>) -> Option<String> {
    let body = body?;
    ["error_category", "category", "error_code", "code"]
        .iter()
        .find_map(|key| body.get(key)?.as_str())
        .map(shorten)
}

fn advice(body: Option<&Value>, response: &HttpResponse) -> String {
    let guidance = body
        .and_then(|body| body.get("sync_protocol"))
        .and_then(|protocol| protocol.get("upgrade_guidance"))
        .and_then(Value::as_str);
    guidance.map_or_else(|| message(body, response), shorten)
}

fn message(body: Option<&Value>, response: &HttpResponse) -> String {
    let known = body.and_then(|body| {
        ["message", "error_description", "detail", "error"]
            .iter()
            .find_map(|key| body.get(key)?.as_str())
    });
    match known {
        Some(text) => shorten(text),
        None => shorten(response.snippet(120).trim()),
    }
}

pub(crate) fn shorten(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    clean.chars().take(LONGEST_MESSAGE).collect()
}

/// Reads `Retry-After`: seconds, or the date of RFC 9110; what is neither counts as one minute.
pub(crate) fn retry_after(response: &HttpResponse, now: Timestamp) -> Option<Duration> {
    let text = response.headers.get("retry-after")?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else if let Ok(date) = jiff::fmt::rfc2822::parse(text) {
        // A date that has passed asks for no wait.
        Duration::try_from(date.timestamp().duration_since(now)).unwrap_or_default()
    } else {
        Duration::from_secs(60)
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests;
