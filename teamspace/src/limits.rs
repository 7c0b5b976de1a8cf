//! How much one request, and all of them together, may ask for.

use serde::Serialize;
use std::time::Duration;

/// The bounds that keep memory and the store small whatever a client sends.
///
/// The first four are told to clients by `GET /api/v1/sync/health/` and by every 413.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most events in one batch.
    pub max_events_per_batch: usize,
    /// The most bytes of one batch after decompression.
    pub max_decompressed_bytes_per_batch: usize,
    /// The shortest pause a refused client is asked for, in seconds.
    pub retry_after_min_seconds: u32,
    /// The longest pause a refused client is asked for, in seconds.
    pub retry_after_max_seconds: u32,
    /// The most bytes of one request body as it arrives.
    pub max_body_bytes: usize,
    /// The most bytes of request bodies that are held at the same time, as they arrived.
    pub max_held_body_bytes: usize,
    /// The most bytes of one event; a larger one is rejected and its batch goes on.
    pub max_event_bytes: usize,
    /// The most bytes of a form.
    pub max_form_bytes: usize,
    /// How many batches are unpacked and stored at the same time.
    pub concurrent_batches: usize,
    /// The most device logins that may wait for approval at the same time.
    pub max_pending_devices: u32,
    /// The most events in one page of the reading API.
    pub max_page_events: u32,
    /// The bytes of envelopes after which a page of the reading API ends early.
    pub max_page_bytes: usize,
    /// The most bytes of the body of a tracker request.
    pub max_tracker_body_bytes: usize,
    /// The most items in one push to a tracker.
    pub max_tracker_items: usize,
    /// The most issues a push or run may touch to be answered at once; a larger one is answered
    /// with 202 and carried out afterwards, and `None` makes every one such an operation.
    pub max_inline_tracker_items: Option<usize>,
    /// The most open WebSockets.
    pub max_websockets: usize,
    /// How long a subscriber may take to show that it has read what it was sent.
    pub subscriber_deadline: Duration,
    /// How often one address may fail to approve per minute.
    pub max_failed_approvals_per_minute: u32,
    /// The most open connections per worker.
    pub max_connections: usize,
    /// How long a request body may take to arrive.
    pub body_deadline: Duration,
    /// How long a request waits for its turn at the store.
    pub store_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_events_per_batch: 1_000,
            max_decompressed_bytes_per_batch: 8 * 1024 * 1024,
            retry_after_min_seconds: 1,
            retry_after_max_seconds: 60,
            max_body_bytes: 8 * 1024 * 1024,
            max_held_body_bytes: 64 * 1024 * 1024,
            max_event_bytes: 1024 * 1024,
            max_form_bytes: 16 * 1024,
            concurrent_batches: 4,
            max_pending_devices: 1_000,
            max_page_events: 1_000,
            max_page_bytes: 4 * 1024 * 1024,
            max_tracker_body_bytes: 1024 * 1024,
            max_tracker_items: 1_000,
            max_inline_tracker_items: Some(200),
            max_websockets: 256,
            subscriber_deadline: Duration::from_secs(20),
            max_failed_approvals_per_minute: 10,
            max_connections: 1_024,
            body_deadline: Duration::from_secs(30),
            store_deadline: Duration::from_secs(10),
        }
    }
}

/// The limits as clients read them.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct AdvertisedLimits {
    max_events_per_batch: usize,
    max_decompressed_bytes_per_batch: usize,
    retry_after_min_seconds: u32,
    retry_after_max_seconds: u32,
}

impl Limits {
    /// Returns what clients are told.
    pub(crate) const fn advertised(&self) -> AdvertisedLimits {
        AdvertisedLimits {
            max_events_per_batch: self.max_events_per_batch,
            max_decompressed_bytes_per_batch: self.max_decompressed_bytes_per_batch,
            retry_after_min_seconds: self.retry_after_min_seconds,
            retry_after_max_seconds: self.retry_after_max_seconds,
        }
    }
}
