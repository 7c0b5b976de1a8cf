//! The protocol of the clock.

use actix::Message;
use kitty_runtime::lamport::ClockError;

/// Takes the next values of the Lamport clock; nobody else ever gets them.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Vec<u64>, ClockError>")]
pub struct Tick {
    /// How many.
    pub count: usize,
}

/// Moves the clock beyond a value that was seen elsewhere.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), ClockError>")]
pub struct Observe {
    /// The value.
    pub value: u64,
}

/// Asks who emits: 12 hex characters for this machine and user.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "String")]
pub struct GetNodeId;
