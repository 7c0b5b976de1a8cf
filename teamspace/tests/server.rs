//! The server over real HTTP on loopback: each test has its own data directory, port and clock.

#![allow(
    clippy::unwrap_used,
    reason = "everything here is a test or serves one; clippy knows only marked functions"
)]

#[path = "server/bodies.rs"]
mod bodies;
#[path = "server/bounds.rs"]
mod bounds;
#[path = "server/crash.rs"]
mod crash;
#[path = "server/crew.rs"]
mod crew;
#[path = "server/house.rs"]
mod house;
#[path = "server/ingress.rs"]
mod ingress;
#[path = "server/inspection.rs"]
mod inspection;
#[path = "server/login.rs"]
mod login;
#[path = "server/malformed.rs"]
mod malformed;
#[path = "server/operations.rs"]
mod operations;
#[path = "server/pages.rs"]
mod pages;
#[path = "server/reading.rs"]
mod reading;
#[path = "server/subscription.rs"]
mod subscription;
#[path = "server/tokens.rs"]
mod tokens;
#[path = "server/tracker.rs"]
mod tracker;
#[path = "server/tracker_binding.rs"]
mod tracker_binding;
#[path = "server/tracker_writes.rs"]
mod tracker_writes;
#[path = "server/websocket.rs"]
mod websocket;
