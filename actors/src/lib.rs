//! The actors and the HTTP transport they send through.
//!
//! Each actor is three files: `messages.rs` (its whole protocol), `core.rs` (the thinking: a pure
//! `step(now, input) -> effects`) and the shell beside them, which runs the effects through ports.

pub mod auth;
pub mod capture;
pub mod clock;
pub mod delivery;
pub mod gate;
pub mod host_memory;
pub mod ingress;
pub mod queue;
pub mod readiness;
pub mod revocation;
pub mod schedule;
pub mod supervise;
pub mod supervisor;
pub mod system;
pub mod tracker;
pub mod transport;
pub mod websocket;
