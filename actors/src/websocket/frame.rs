//! What is said over the WebSocket: one JSON object a frame (reference 8).

use crate::delivery::answer::{EventAnswer, event_answer};
use crate::gate::gated::{self, Gated};
use bytes::Bytes;
use kitty_contract::Violation;
use kitty_runtime::outcome::DeliveryState;
use serde_json::{Value, json};

/// An event as a subscriber is sent it, after it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveEvent {
    /// Its place in the server's order.
    pub sequence: i64,
    /// The envelope.
    pub envelope: Value,
}

/// A frame of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// What the Teamspace knows; the first frame.
    Snapshot,
    /// Is anybody there? With the server's time, which the answer repeats.
    Ping(Value),
    /// The server's word for one event.
    Answer {
        /// The event.
        event_id: String,
        /// Its word.
        answer: EventAnswer,
    },
    /// Something that was sent is refused, and it is not said what.
    Refusal(String),
    /// A subscription has begun.
    Subscribed,
    /// An event that was stored, for a subscriber.
    Event(LiveEvent),
    /// Anything else, which is for others.
    Other,
}

impl Frame {
    /// Reads a frame; total over anything a server may send.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return Self::Other;
        };
        let word = |key: &str| value.get(key).and_then(Value::as_str);
        match word("type") {
            Some("snapshot") => Self::Snapshot,
            Some("ping") => Self::Ping(value.get("timestamp").cloned().unwrap_or(Value::Null)),
            Some("ack" | "error") => match event_answer(&value) {
                Some((event_id, mut answer)) => {
                    let retryable = value.get("retryable") == Some(&Value::Bool(true));
                    if retryable && answer.state == DeliveryState::Rejected {
                        answer.state = DeliveryState::Transient;
                    }
                    if answer.message.is_none() {
                        answer.message = word("message").map(crate::delivery::answer::shorten);
                    }
                    Self::Answer { event_id, answer }
                }
                None => {
                    let said = word("message")
                        .or(word("error_code"))
                        .unwrap_or("no reason");
                    Self::Refusal(crate::delivery::answer::shorten(said))
                }
            },
            Some("subscribed") => Self::Subscribed,
            Some("event") => match (value["sequence"].as_i64(), &value["event"]) {
                (Some(sequence), envelope @ Value::Object(_)) => Self::Event(LiveEvent {
                    sequence,
                    envelope: envelope.clone(),
                }),
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Renders an event as it is sent; its bytes stay what they are.
#[must_use]
pub fn event(envelope: Gated<Vec<u8>>) -> Gated<String> {
    envelope.reform(|envelope| {
        let envelope = String::from_utf8_lossy(&envelope);
        format!("{{\"type\":\"event\",\"event\":{envelope}}}")
    })
}

/// Renders the answer to a ping and lets the gate look at it.
///
/// # Errors
/// What is wrong with it: the timestamp is the server's and may be anything.
pub fn pong(timestamp: &Value, build_id: Option<&str>) -> Result<Gated<String>, Violation> {
    let mut pong = json!({"type": "pong", "timestamp": timestamp});
    if let Some(build_id) = build_id {
        pong["build_id"] = build_id.into();
    }
    let text = |json: Bytes| String::from_utf8_lossy(&json).into_owned();
    Ok(gated::request(&pong)?.reform(text))
}

/// Renders the wish to be sent every event after a place, or from now on.
///
/// # Errors
/// What is wrong with it.
pub fn subscribe(after: Option<i64>) -> Result<Gated<String>, Violation> {
    let text = |json: Bytes| String::from_utf8_lossy(&json).into_owned();
    let wish = json!({"type": "subscribe", "after": after});
    Ok(gated::request(&wish)?.reform(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> (String, DeliveryState, Option<String>) {
        match Frame::read(text) {
            Frame::Answer { event_id, answer } => (event_id, answer.state, answer.message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_words_of_acknowledgements_are_those_of_batches() {
        use DeliveryState::{Delivered, Duplicate, Rejected, Transient};
        for (frame, state, message) in [
            (
                r#"{"type":"ack","event_id":"a","status":"accepted"}"#,
                Delivered,
                None,
            ),
            (
                r#"{"type":"ack","event_id":"a","status":"duplicate"}"#,
                Duplicate,
                None,
            ),
            (
                r#"{"type":"error","event_id":"a","status":"rejected","error_category":"c","message":"why"}"#,
                Rejected,
                Some("why"),
            ),
            (
                r#"{"type":"error","event_id":"a","status":"rejected","retryable":true}"#,
                Transient,
                None,
            ),
            (r#"{"type":"ack","event_id":"a"}"#, Transient, None),
            (
                r#"{"type":"ack","event_id":"a","status":"maybe"}"#,
                Transient,
                None,
            ),
        ] {
            let expected = ("a".to_owned(), state, message.map(str::to_owned));
            assert_eq!(answer(frame), expected, "{frame}");
        }
    }

    #[test]
    fn what_names_no_event_settles_none() {
        let refusal = r#"{"type":"error","event_id":null,"status":"rejected","message":"no"}"#;
        assert_eq!(Frame::read(refusal), Frame::Refusal("no".to_owned()));
        for other in [
            "",
            "[]",
            "{}",
            "5",
            r#"{"type":"LocalCommitAck"}"#,
            r#"{"type":5}"#,
        ] {
            assert_eq!(Frame::read(other), Frame::Other, "{other}");
        }
    }

    #[test]
    fn a_live_event_has_a_place_and_an_envelope_and_is_no_answer() {
        let text = r#"{"type":"event","sequence":7,"event":{"event_id":"a"}}"#;
        let Frame::Event(event) = Frame::read(text) else {
            panic!("an event");
        };
        assert_eq!(
            (event.sequence, &event.envelope["event_id"]),
            (7, &json!("a"))
        );
        for other in [
            r#"{"type":"event","event":{"event_id":"a"}}"#,
            r#"{"type":"event","sequence":7}"#,
            r#"{"type":"event","sequence":7,"event":[]}"#,
        ] {
            assert_eq!(Frame::read(other), Frame::Other, "{other}");
        }
        assert_eq!(
            Frame::read(r#"{"type":"subscribed","after":7}"#),
            Frame::Subscribed
        );
        let wish: Value = serde_json::from_str(subscribe(Some(7)).unwrap().get()).unwrap();
        assert_eq!(wish, json!({"type": "subscribe", "after": 7}));
    }

    #[test]
    fn a_pong_repeats_the_time_and_says_the_build() {
        let Frame::Ping(timestamp) = Frame::read(r#"{"type":"ping","timestamp":"t"}"#) else {
            panic!("a ping");
        };
        let said: Value = serde_json::from_str(pong(&timestamp, Some("b")).unwrap().get()).unwrap();
        assert_eq!(
            said,
            json!({"type": "pong", "timestamp": "t", "build_id": "b"})
        );
        let silent: Value = serde_json::from_str(pong(&timestamp, None).unwrap().get()).unwrap();
        assert_eq!(silent, json!({"type": "pong", "timestamp": "t"}));
    }
}
