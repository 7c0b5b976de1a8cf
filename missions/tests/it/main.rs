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
mod git_branches;
mod git_interference;
mod golden;
mod hooks;
mod hostile;
mod identity;
mod integration;
mod killed;
mod lanes;
mod peers;
mod project;
mod record;
mod refusals;
mod rollback;
mod scale;
mod support;
mod workspace;
