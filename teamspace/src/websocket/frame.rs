//! What is sent over a WebSocket: one JSON object a frame.

use crate::ingress::Rejection;
use crate::time::Moment;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The longest build id that is written to the log, in bytes.
const LONGEST_BUILD_ID: usize = 128;

/// A frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// An event, exactly as it was sent.
    Event(String),
    /// The answer to a ping.
    Pong { build_id: Option<String> },
    /// The wish to be sent every event after this place, or from now on.
    Subscribe { after: Option<i64> },
    /// Something else; why it is not taken.
    Other(&'static str),
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    build_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    after: Option<&'a RawValue>,
}

impl Received {
    /// Reads a frame. An event stands under `event`, or is the frame itself, as the Python CLI
    /// sends it.
    pub(super) fn read(text: &str) -> Self {
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else {
            return Self::Other("the frame is not a JSON object with a 'type'");
        };
        match frame.kind.as_deref() {
            Some("event") => {
                let event = frame.event.map_or(text, RawValue::get);
                Self::Event(event.to_owned())
            }
            Some("pong") => {
                let build_id = frame.build_id.map(RawValue::get);
                let build_id = build_id.and_then(|text| serde_json::from_str::<String>(text).ok());
                let build_id = build_id.filter(|text| text.len() <= LONGEST_BUILD_ID);
                Self::Pong { build_id }
            }
            Some("subscribe") => {
                let after = frame.after.map(|after| after.get().parse::<i64>());
                match after.transpose() {
                    Ok(after) if after.is_none_or(|after| after >= 0) => Self::Subscribe { after },
                    _ => Self::Other("'after' is the sequence of an event"),
                }
            }
            Some(_) => Self::Other("there is no such 'type'; send event, pong or subscribe"),
            None => Self::Other("the frame has no 'type'; send event, pong or subscribe"),
        }
    }
}

/// Renders a ping.
pub(super) fn ping(now: Moment) -> Value {
    json!({"type": "ping", "timestamp": now.iso()})
}

/// Says after which event a subscription begins.
pub(super) fn subscribed(after: i64) -> Value {
    json!({"type": "subscribed", "after": after})
}

/// Says that an event is stored, now or already.
pub(super) fn acknowledgement(event_id: Option<&str>, status: &str) -> Value {
    json!({"type": "ack", "event_id": event_id, "status": status})
}

/// Says that an event will never be stored.
pub(super) fn rejection(event_id: Option<&str>, rejection: &Rejection) -> Value {
    refusal(event_id, rejection.category, &rejection.message)
}

/// Says that a frame was not taken.
pub(super) fn refusal(event_id: Option<&str>, category: &str, message: &str) -> Value {
    json!({
        "type": "error",
        "event_id": event_id,
        "status": "rejected",
        "error_code": category,
        "error_category": category,
        "message": message,
        "retryable": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_in_both_forms_and_nonsense_is_named() {
        let event = |text: &str| Received::Event(text.to_owned());
        assert_eq!(
            Received::read(r#"{"type":"event","event":{ "a": 1 }}"#),
            event(r#"{ "a": 1 }"#)
        );
        let flat = r#"{"type":"event","event_id":"x"}"#;
        assert_eq!(Received::read(flat), event(flat));
        let build_id = Some("b".to_owned());
        assert_eq!(
            Received::read(r#"{"type":"pong","timestamp":1,"build_id":"b"}"#),
            Received::Pong { build_id }
        );
        let none = Received::Pong { build_id: None };
        assert_eq!(Received::read(r#"{"type":"pong","build_id":[]}"#), none);
        let subscribe = |text: &str, after| {
            assert_eq!(
                Received::read(text),
                Received::Subscribe { after },
                "{text}"
            );
        };
        subscribe(r#"{"type":"subscribe"}"#, None);
        subscribe(r#"{"type":"subscribe","after":null}"#, None);
        subscribe(r#"{"type":"subscribe","after":7}"#, Some(7));
        for other in [
            "",
            "[]",
            "{}",
            r#"{"type":5}"#,
            r#"{"type":"LocalCommit"}"#,
            r#"{"type":"subscribe","after":-1}"#,
            r#"{"type":"subscribe","after":"7"}"#,
            r#"{"type":"subscribe","after":[7]}"#,
        ] {
            assert!(
                matches!(Received::read(other), Received::Other(_)),
                "{other}"
            );
        }
    }
}
