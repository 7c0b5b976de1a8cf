//! Missions against real git in temporary directories.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its support functions included"
)]

mod board;
mod crash;
mod create;
mod faulty;
mod git;
mod golden;
mod hooks;
mod identity;
mod project;
mod refusals;
mod rollback;
mod support;
