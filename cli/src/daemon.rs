//! The background daemon: the same actors as a command's, for longer, behind a Unix socket.
//!
//! The kernel's lock on `FileMap::daemon_lock` is the truth about who the daemon is; records of
//! process ids are hints. It takes a project's lease for one drain at a time, so no command is
//! locked out for long, and holds no actors between drains.

pub mod control;
mod drains;
mod heartbeat;
pub mod hints;
mod line;
pub mod orphans;
pub mod record;
pub mod serve;
pub mod service;

use crate::invocation::Invocation;
use kitty_config::env;
use std::path::Path;
use std::time::Duration;

/// How long a daemon without work stays (reference 8).
const IDLE_LIMIT: Duration = Duration::from_secs(900);

/// How often a checkout that is worked in says so.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(300);

/// Returns how often a checkout that is worked in says so.
fn heartbeat_every(invocation: &Invocation) -> Duration {
    let chosen = invocation
        .environment
        .text(env::SPEC_KITTY_DAEMON_HEARTBEAT_SECONDS);
    let seconds = chosen.and_then(|text| text.parse().ok());
    seconds.map_or(HEARTBEAT_EVERY, Duration::from_secs)
}

/// Returns how long a daemon without work stays.
fn idle_limit(invocation: &Invocation) -> Duration {
    let chosen = invocation
        .environment
        .text(env::SPEC_KITTY_DAEMON_IDLE_SECONDS);
    let seconds = chosen
        .and_then(|text| text.parse().ok())
        .filter(|seconds| *seconds > 0);
    seconds.map_or(IDLE_LIMIT, Duration::from_secs)
}

/// Returns a path as both sides of the socket write it.
pub fn absolute(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.to_string_lossy().into_owned()
}
