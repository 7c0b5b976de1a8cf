//! What a subscriber is sent: every event of its team, once, in the order of arrival.
//!
//! A subscription is a place in the store and no queue. When a commit is told of, the next events after
//! that place are read and sent, a small burst at a time, followed by a ping of the WebSocket protocol
//! whose content is the place. Every client library answers such a ping once it has read up to it, and
//! nothing more is sent before that. So a slow reader costs one burst of memory, and one that is too slow
//! is told where to go on (it can still be told: the burst leaves room for it).

use crate::store::StoredEvent;
use serde::Serialize;
use serde_json::value::RawValue;
use std::future::pending;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The most events of a burst; fewer than the frames that the library holds for a connection.
pub(super) const BURST_EVENTS: u32 = 16;
/// The bytes of envelopes after which a burst ends; it always holds one event.
pub(super) const BURST_BYTES: usize = 256 * 1024;

/// What is to be done for a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Look for events to send.
    Burst,
    /// It has not shown in time that it read the last burst.
    TooSlow,
}

/// A place in the store, and what is known of the reader.
#[derive(Debug)]
pub(super) struct Subscription {
    arrivals: watch::Receiver<()>,
    /// The sequence number of the last event that was sent.
    sent: i64,
    /// The same of the last burst that was shown to be read.
    read: i64,
    /// When the reader must have shown that it read the last burst; `None` when it has.
    awaited: Option<Instant>,
    /// Whether there may be events without a commit being told of.
    more: bool,
}

impl Subscription {
    /// Begins after an event; what arrived since is sent first.
    pub(super) const fn new(arrivals: watch::Receiver<()>, after: i64) -> Self {
        Self {
            arrivals,
            sent: after,
            read: after,
            awaited: None,
            more: true,
        }
    }

    /// Returns the place after which the next burst begins.
    pub(super) const fn sent(&self) -> i64 {
        self.sent
    }

    /// Returns the place up to which the reader has certainly read.
    pub(super) const fn read(&self) -> i64 {
        self.read
    }

    /// Waits until something is to be done; for ever without a subscription. May be dropped.
    pub(super) async fn due(subscription: Option<&mut Self>) -> Due {
        let Some(subscription) = subscription else {
            return pending().await;
        };
        if let Some(deadline) = subscription.awaited {
            sleep_until(deadline).await;
            return Due::TooSlow;
        }
        if !subscription.more && subscription.arrivals.changed().await.is_err() {
            // Nobody is left who could store an event.
            return pending().await;
        }
        Due::Burst
    }

    /// Notes a burst; returns the content of the ping that must follow it, if any.
    pub(super) fn note(
        &mut self,
        events: &[StoredEvent],
        has_more: bool,
        patience: Duration,
    ) -> Option<String> {
        self.more = has_more;
        self.sent = events.last()?.sequence;
        self.awaited = Some(Instant::now() + patience);
        Some(self.sent.to_string())
    }

    /// Hears the answer to a ping.
    pub(super) fn hear_pong(&mut self, content: &[u8]) {
        if content == self.sent.to_string().as_bytes() {
            self.read = self.sent;
            self.awaited = None;
        }
    }
}

#[derive(Serialize)]
struct EventFrame<'a> {
    r#type: &'static str,
    sequence: i64,
    received_at: String,
    event: &'a RawValue,
}

/// Renders an event as it is sent; its bytes stay what they are.
///
/// # Errors
/// The stored envelope is damaged.
pub(super) fn render(event: &StoredEvent) -> Result<String, serde_json::Error> {
    serde_json::to_string(&EventFrame {
        r#type: "event",
        sequence: event.sequence,
        received_at: event.received_at.iso(),
        event: serde_json::from_str(&event.envelope)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Moment;

    fn event(sequence: i64) -> StoredEvent {
        StoredEvent {
            sequence,
            received_at: Moment::from_millis(0),
            envelope: "{ \"a\":\t1}".to_owned(),
        }
    }

    #[actix_web::test]
    async fn no_burst_follows_before_the_one_before_is_read_and_silence_has_an_end() {
        let arrivals = watch::Sender::new(());
        let mut it = Subscription::new(arrivals.subscribe(), 4);
        assert_eq!(Subscription::due(Some(&mut it)).await, Due::Burst);
        let patience = Duration::ZERO;
        let ping = it.note(&[event(5), event(9)], true, patience).unwrap();
        arrivals.send_replace(());
        it.hear_pong(b"5");
        assert_eq!(Subscription::due(Some(&mut it)).await, Due::TooSlow);
        assert_eq!((it.sent(), it.read()), (9, 4));
        it.hear_pong(ping.as_bytes());
        assert_eq!(it.read(), 9);
        assert_eq!(Subscription::due(Some(&mut it)).await, Due::Burst);
        assert_eq!(it.note(&[], false, patience), None);
        assert_eq!(Subscription::due(Some(&mut it)).await, Due::Burst);
        it.note(&[], false, patience);
        drop(arrivals);
        let due = tokio::time::timeout(patience, Subscription::due(Some(&mut it)));
        assert!(due.await.is_err(), "nothing is due");
    }

    #[test]
    fn the_bytes_of_an_envelope_stay_what_they_are() {
        let frame = render(&event(7)).unwrap();
        assert!(frame.ends_with("\"event\":{ \"a\":\t1}}"), "{frame}");
        let damaged = StoredEvent {
            envelope: "{".to_owned(),
            ..event(1)
        };
        assert!(render(&damaged).is_err());
    }
}
