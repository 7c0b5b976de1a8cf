//! Delivery: the way of a project's events to its Teamspace.
//!
//! `core` holds the rules and touches nothing; `answer` reads what a server says; `wire` builds the
//! bytes; `window` prepares what is sent next; `drain` and `run` work by the rules against the queue,
//! the gate, the session and the network. `bodies` sends what artifacts hold, beside the events.

pub mod answer;
pub mod bodies;
pub mod core;
pub mod drain;
mod report;
mod window;
pub mod wire;

pub use report::{Blocked, BlockedBy, BodiesReport, DrainReport, Failure};
