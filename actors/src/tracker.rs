//! The hosted tracker as a client sees it: requests, answers, retries and polling.
//!
//! `requests.rs` has every request as a value, `core.rs` what an answer means and when to ask again,
//! `binding.rs` what a project can be bound to, `identity.rs` what a bind tells about it, `error.rs`
//! the wordings; `client.rs` runs them
//! through the transport, the session and the gate (reference/auth-state-daemon.md 9).

pub mod binding;
pub mod client;
pub mod core;
pub mod error;
pub mod identity;
pub mod requests;

pub use client::TrackerClient;
pub use error::TrackerError;
pub use identity::{BindIdentity, GatedIdentity};
pub use requests::{Route, RouteKey, TrackerRequest};
