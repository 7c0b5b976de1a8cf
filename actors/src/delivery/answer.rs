//! What a Teamspace answered to a batch, read without side effects (reference 5).

use crate::transport::HttpResponse;
use kitty_runtime::outcome::DeliveryState;
use serde_json::Value;
use std::collections::HashMap;
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

/// Reads an answer; total over anything a server may send.
#[must_use]
pub fn read(response: &HttpResponse) -> BatchAnswer {
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    let body = body.as_ref();
    let wait = retry_after(response);
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

fn results(body: &Value) -> Option<HashMap<String, EventAnswer>> {
    let results = body.get("results")?.as_array()?;
    let answers = results.iter().filter_map(|result| {
        let id = result.get("event_id")?.as_str()?.to_owned();
        let text = |keys: &[&str]| {
            keys.iter()
                .find_map(|key| result.get(key)?.as_str())
                .map(shorten)
        };
        let state = match result.get("status").and_then(Value::as_str) {
            Some("success" | "accepted" | "warning") => DeliveryState::Delivered,
            Some("duplicate") => DeliveryState::Duplicate,
            Some("pending" | "queued") => DeliveryState::Pending,
            Some("rejected" | "failed_permanent") => DeliveryState::Rejected,
            _ => DeliveryState::Transient,
        };
        let answer = EventAnswer {
            state,
            category: text(&["error_category", "category", "code"]),
            message: text(&["error_message", "error", "detail", "reason"]),
        };
        Some((id, answer))
    });
    Some(answers.collect())
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

fn shorten(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    clean.chars().take(LONGEST_MESSAGE).collect()
}

/// Reads `Retry-After` in seconds; a date is not used by the wire and counts as one minute.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let text = response.headers.get("retry-after")?.trim();
    let wait = text
        .parse::<u64>()
        .map_or(Duration::from_secs(60), Duration::from_secs);
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Headers;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn response(status: u16, body: &str) -> HttpResponse {
        HttpResponse {
            status,
            headers: Headers::default(),
            body: Bytes::from(body.to_owned()),
        }
    }

    #[test]
    fn every_word_of_the_wire_has_its_state_and_unknown_words_are_transient() {
        for (word, state) in [
            ("success", DeliveryState::Delivered),
            ("accepted", DeliveryState::Delivered),
            ("warning", DeliveryState::Delivered),
            ("duplicate", DeliveryState::Duplicate),
            ("pending", DeliveryState::Pending),
            ("queued", DeliveryState::Pending),
            ("rejected", DeliveryState::Rejected),
            ("failed_permanent", DeliveryState::Rejected),
            ("failed_transient", DeliveryState::Transient),
            ("SUCCESS", DeliveryState::Transient),
            ("fine", DeliveryState::Transient),
        ] {
            let body =
                format!(r#"{{"results":[{{"event_id":"e","status":"{word}","error":"why"}}]}}"#);
            let BatchAnswer::PerEvent(results) = read(&response(200, &body)) else {
                panic!("{word}")
            };
            assert_eq!(results["e"].state, state, "{word}");
            assert_eq!(results["e"].message.as_deref(), Some("why"));
        }
    }

    #[test]
    fn two_hundred_without_results_says_nothing_about_the_events() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"results":{}}"#,
            "<html>",
            r#"{"ok":true}"#,
        ] {
            assert!(
                matches!(read(&response(200, body)), BatchAnswer::Trouble { .. }),
                "{body}"
            );
        }
    }

    #[test]
    fn details_may_be_a_list_or_the_text_of_a_list() {
        let list = r#"[{"event_id":"a","detail":"bad lane"},{"event_id":"b","reason":"worse"}]"#;
        let text = serde_json::to_string(list).unwrap();
        for details in [list, text.as_str()] {
            let body = format!(r#"{{"error":"invalid","details":{details}}}"#);
            let BatchAnswer::Culprits(culprits) = read(&response(400, &body)) else {
                panic!("{body}")
            };
            assert_eq!(culprits["a"], "bad lane");
            assert_eq!(culprits["b"], "worse");
        }
        for body in [
            r#"{"error":"no"}"#,
            r#"{"details":"oops"}"#,
            r#"{"details":[1]}"#,
            "x",
        ] {
            assert!(
                matches!(read(&response(400, body)), BatchAnswer::Unacceptable(_)),
                "{body}"
            );
        }
    }

    #[test]
    fn too_large_has_several_spellings() {
        let limits = r#"{"error":"x","limits":{"max_events_per_batch":50}}"#;
        assert_eq!(
            read(&response(413, limits)),
            BatchAnswer::TooLarge { events: Some(50) }
        );
        assert_eq!(
            read(&response(413, "")),
            BatchAnswer::TooLarge { events: None }
        );
        let body = r#"{"error":"Payload too large"}"#;
        assert_eq!(
            read(&response(400, body)),
            BatchAnswer::TooLarge { events: None }
        );
    }

    #[test]
    fn protocol_advice_is_the_servers() {
        let body = r#"{"error_code":"x","error_description":"old","sync_protocol":{"upgrade_guidance":"get 4.0"}}"#;
        for status in [412, 426] {
            let answer = read(&response(status, body));
            assert_eq!(
                answer,
                BatchAnswer::ProtocolMismatch {
                    advice: "get 4.0".into()
                }
            );
        }
    }

    #[test]
    fn a_wait_is_read_and_bounded() {
        for (header, expected) in [
            ("7", 7),
            ("99999999", 3600),
            ("Wed, 21 Oct 2026 07:28:00 GMT", 60),
        ] {
            let mut throttled = response(429, "");
            throttled.headers.add("Retry-After", header);
            let wait = Some(Duration::from_secs(expected));
            assert_eq!(read(&throttled), BatchAnswer::Throttled { wait });
        }
    }

    proptest! {
        #[test]
        fn any_answer_can_be_read(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let response = HttpResponse { status, headers: Headers::default(), body: body.into() };
            let answer = read(&response);
            if !(200..300).contains(&status) {
                prop_assert!(!matches!(answer, BatchAnswer::PerEvent(_)));
            }
        }
    }
}
