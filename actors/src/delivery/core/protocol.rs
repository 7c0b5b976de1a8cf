//! What the rules of delivery are told, and what they ask for.

use crate::delivery::answer::{BatchAnswer, EventAnswer};
use crate::delivery::report::{Blocked, DrainReport};
use kitty_runtime::outcome::{DeliveryState, OutcomeDetail};
use std::collections::HashMap;
use std::time::Duration;

/// How a drain goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainPolicy {
    /// Events per batch.
    pub batch_events: usize,
    /// Bytes per batch, before compression.
    pub batch_bytes: usize,
    /// How often a batch that met trouble is sent again.
    pub retries: u32,
    /// The longest pause before such a retry; a server that asks for more ends the drain.
    pub longest_pause: Duration,
    /// The most open events that go over a WebSocket; more are a backlog, which goes in batches.
    pub fresh_events: usize,
    /// How long the upload of one body may take.
    pub body_limit: Duration,
    /// How long after the beginning of the drain another body may be begun; `None` for as long as
    /// there are any.
    pub bodies_for: Option<Duration>,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self {
            batch_events: 1000,
            batch_bytes: 1 << 20,
            retries: 2,
            longest_pause: Duration::from_secs(5),
            fresh_events: 0,
            body_limit: Duration::from_secs(30),
            bodies_for: None,
        }
    }
}

/// One record of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its position in the journal's order.
    pub sequence: u64,
    /// Its id.
    pub id: String,
    /// Bytes it takes in a batch.
    pub bytes: usize,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The next window; `None` when there is nothing left.
    Loaded(Option<Vec<Item>>),
    /// The gate's verdict on the window: why, by index.
    Gated(Vec<(usize, OutcomeDetail)>),
    /// The server answered the batch that was sent last.
    Answered {
        /// The HTTP status.
        status: u16,
        /// What it means.
        answer: BatchAnswer,
    },
    /// The WebSocket could not be used for what was to go over it.
    NotTold,
    /// The WebSocket was used.
    Told {
        /// What the server said, by event id; what is missing was not acknowledged.
        answers: HashMap<String, EventAnswer>,
        /// Why nothing more is sent in this drain: the process ends, or the project opted out.
        ending: Option<String>,
    },
    /// No answer came.
    Unanswered(String),
    /// No answer came within the time of a batch, which is long.
    Hung(String),
    /// A new token is there, or could not be had.
    Refreshed(Result<(), Blocked>),
    /// The pause is over.
    Rested,
    /// What was to be recorded is stored, or will be before the next answer is taken in.
    Recorded,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Load the next window.
    Load,
    /// Ask the gate about every record of the window.
    Gate,
    /// Send these records of the window as one batch.
    Send(Vec<usize>),
    /// Send these records over the WebSocket, one by one, if it is open.
    Tell(Vec<usize>),
    /// Get a new access token.
    RefreshToken,
    /// Wait.
    Pause(Duration),
    /// Store where records stand, by index; durable before another answer is taken in.
    Record(Vec<(usize, DeliveryState, Option<OutcomeDetail>)>),
    /// The drain is over.
    Finish(Box<DrainReport>),
}
