//! The identity-boundary canary: what a release has to show before it may go out.
//!
//! Four scenarios drive a *binary under test* as a child process, through its public commands only,
//! against a Teamspace; each has a home, a state root and a repository of its own. What they find is a
//! [`result::CanaryRunResult`], which is written once and can be verified by anybody later. The same
//! scenarios run on every implementation of the command line, so that a failure says something about
//! the program and not about the canary.
//!
//! This crate opens no socket: how a Teamspace is asked is a port ([`ports::Teamspace`]).

pub mod artifacts;
pub mod gate;
pub mod legacy_queues;
mod login;
pub mod machine;
pub mod mission;
pub mod ports;
pub mod protocol;
pub mod report;
pub mod result;
mod scenarios;
mod scene;
mod status_check;
pub mod suite;
