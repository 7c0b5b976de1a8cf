//! Whether a command may start the background daemon: the decision matrix of the 082 contract.
//!
//! Every caller states its intent; there is no default. A command goes on whatever the outcome is.

use kitty_config::DaemonPolicy;
use serde::Serialize;

/// The two stable lines of a remote command in manual mode.
pub const MANUAL_LINES: [&str; 2] = [
    "Background sync is in manual mode (`[sync].background_daemon = \"manual\"`).",
    "Run `spec-kitty sync run` to perform a one-shot remote sync.",
];
/// The reason that goes with them.
pub const POLICY_MANUAL: &str = "policy_manual";

/// What the caller is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the dashboard's callers come with it")
)]
pub enum Intent {
    /// Only read or write what is on this machine.
    LocalOnly,
    /// Work with the server.
    RemoteRequired,
}

/// What the matrix says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Start it, unless it runs.
    Start,
    /// Leave it alone, for this reason.
    Skip(&'static str),
}

/// What came of asking for the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Whether it runs now, also when it ran before.
    pub started: bool,
    /// Why not.
    pub skipped_reason: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
}

/// Applies the matrix; the first row that fits wins.
#[must_use]
pub const fn decide(rollout: bool, intent: Intent, policy: DaemonPolicy) -> Decision {
    match (rollout, intent, policy) {
        (false, _, _) => Decision::Skip("rollout_disabled"),
        (true, Intent::LocalOnly, _) => Decision::Skip("intent_local_only"),
        (true, Intent::RemoteRequired, DaemonPolicy::Manual) => Decision::Skip(POLICY_MANUAL),
        (true, Intent::RemoteRequired, DaemonPolicy::Auto) => Decision::Start,
    }
}

/// Starts the daemon if the matrix says so; `start` returns its process or why it did not start.
pub fn ensure_daemon(
    rollout: bool,
    intent: Intent,
    policy: DaemonPolicy,
    start: impl FnOnce() -> Result<u32, String>,
) -> Outcome {
    let skipped = |reason: String| Outcome {
        started: false,
        skipped_reason: Some(reason),
        pid: None,
    };
    match decide(rollout, intent, policy) {
        Decision::Skip(reason) => skipped(reason.to_owned()),
        Decision::Start => match start() {
            Ok(pid) => Outcome {
                started: true,
                skipped_reason: None,
                pid: Some(pid),
            },
            Err(reason) => skipped(format!("start_failed: {reason}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_holds_row_by_row() {
        use DaemonPolicy::{Auto, Manual};
        use Intent::{LocalOnly, RemoteRequired};
        let started = || Ok(7);
        let failed = || Err("no room".to_owned());
        type Start = fn() -> Result<u32, String>;
        type Row = (
            bool,
            Intent,
            DaemonPolicy,
            Start,
            bool,
            Option<&'static str>,
        );
        let rows: [Row; 10] = [
            (
                false,
                LocalOnly,
                Auto,
                started,
                false,
                Some("rollout_disabled"),
            ),
            (
                false,
                LocalOnly,
                Manual,
                started,
                false,
                Some("rollout_disabled"),
            ),
            (
                false,
                RemoteRequired,
                Auto,
                started,
                false,
                Some("rollout_disabled"),
            ),
            (
                false,
                RemoteRequired,
                Manual,
                started,
                false,
                Some("rollout_disabled"),
            ),
            (
                true,
                LocalOnly,
                Auto,
                started,
                false,
                Some("intent_local_only"),
            ),
            (
                true,
                LocalOnly,
                Manual,
                started,
                false,
                Some("intent_local_only"),
            ),
            (
                true,
                RemoteRequired,
                Manual,
                started,
                false,
                Some("policy_manual"),
            ),
            (
                true,
                RemoteRequired,
                Manual,
                failed,
                false,
                Some("policy_manual"),
            ),
            (true, RemoteRequired, Auto, started, true, None),
            (
                true,
                RemoteRequired,
                Auto,
                failed,
                false,
                Some("start_failed: no room"),
            ),
        ];
        for (rollout, intent, policy, start, is_started, reason) in rows {
            let outcome = ensure_daemon(rollout, intent, policy, start);
            let row = format!("{rollout} {intent:?} {policy:?}: {outcome:?}");
            assert_eq!(outcome.started, is_started, "{row}");
            assert_eq!(outcome.skipped_reason.as_deref(), reason, "{row}");
            assert_eq!(outcome.pid, is_started.then_some(7), "{row}");
        }
    }

    #[test]
    fn nothing_is_started_unless_the_matrix_says_so() {
        for (rollout, intent, policy) in [
            (false, Intent::RemoteRequired, DaemonPolicy::Auto),
            (true, Intent::LocalOnly, DaemonPolicy::Auto),
            (true, Intent::RemoteRequired, DaemonPolicy::Manual),
        ] {
            ensure_daemon(rollout, intent, policy, || panic!("it was started"));
        }
    }
}
