//! What the candidate and the server say before the first run (reference A2).

use super::super::config::GateConfig;
use super::super::core::Gate;
use super::super::facts::{Preflight, Rows};
use super::super::world::WorldError;
use super::Site;
use serde_json::Value;
use std::thread;
use std::time::Duration;

impl Site<'_> {
    pub(super) fn preflight(
        &self,
        config: &GateConfig,
        gate: &Gate,
    ) -> Result<Preflight, WorldError> {
        let origin = self.origin(config, super::installed(gate)?)?;
        let (health_status, health) = self.health(config, "/health/");
        let (ready_status, ready) = self.health(config, "/health/ready/");
        let drain = &ready["dependencies"]["drain_queue"];
        // A server that is not well need not be able to read its rows; it stops the gate by itself.
        let rows = match self.server.rows() {
            Err(_) if health_status != 200 || ready_status != 200 => Rows {
                count: 0,
                digest: String::new(),
            },
            rows => rows?,
        };
        let text = |key: &str| health[key].as_str().unwrap_or_default().to_owned();
        Ok(Preflight {
            cli_version: origin.version,
            cli_commit: origin.commit,
            commit_is_recent: origin.is_recent,
            import_error: origin.import_error,
            health_status,
            service_version: text("version"),
            service_commit: text("git_sha"),
            events_version: text("spec_kitty_events"),
            ready_status,
            terminal_failed_infra: drain["terminal_failed_count"].as_u64(),
            business_rule: drain["business_rule_rejected_count"].as_u64(),
            rows,
            at: self.time.now().as_second(),
        })
    }

    /// Asks a health endpoint, and once more when the first answer was not 200; 0 stands for nobody.
    fn health(&self, config: &GateConfig, path: &str) -> (u16, Value) {
        let ask = || self.server.health(path).unwrap_or((0, Value::Null));
        let first = ask();
        if first.0 == 200 {
            return first;
        }
        pause(Duration::from_secs(config.server.retry_seconds));
        ask()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "reference A2: a server that does not answer well is asked once more, after a while"
)]
fn pause(duration: Duration) {
    thread::sleep(duration);
}
