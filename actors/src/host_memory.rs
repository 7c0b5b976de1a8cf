//! What is remembered of a server, so that a command that cannot succeed does not try again.
//!
//! A hint in `runtime/hosts.json`, shared by all processes: losing it costs one more try, and a hint
//! that is out of date ends by itself. Nothing in it is secret.

use kitty_config::{FileMap, ServerUrl};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{SharedFilesystem, read_all};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long a membership lookup that found no Private Teamspace, or failed, is remembered.
pub const MEMBERSHIP_MEMORY: Duration = Duration::from_secs(300);
/// The longest time a server that gave nothing is left alone by local commands.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// What is remembered of one server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostMemory {
    /// Not to be tried by local commands before this, in milliseconds since the Unix epoch.
    pub rest_until_ms: u64,
    /// Tries in a row that it gave nothing for.
    pub failures: u32,
    /// The account that has no Private Teamspace, as far as is known.
    pub no_private_team: Option<String>,
    /// Until when that is believed, in milliseconds since the Unix epoch.
    pub no_private_team_until_ms: u64,
}

impl HostMemory {
    /// Tells whether local commands leave the server alone for now.
    #[must_use]
    pub const fn rests(&self, now_ms: u64) -> bool {
        now_ms < self.rest_until_ms
    }

    /// Tells whether the account is known to have no Private Teamspace.
    #[must_use]
    pub fn lacks_private_team(&self, account: &str, now_ms: u64) -> bool {
        now_ms < self.no_private_team_until_ms && self.no_private_team.as_deref() == Some(account)
    }

    /// Takes in that the server answered.
    pub const fn reached(&mut self) {
        self.rest_until_ms = 0;
        self.failures = 0;
    }

    /// Takes in that the server could not be reached, took too long or answered nothing of use:
    /// it rests 5 s, 10 s, 20 s, … up to five minutes.
    pub fn failed(&mut self, now_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        let rest = Duration::from_secs(5) * 2_u32.saturating_pow((self.failures - 1).min(10));
        self.rest_until_ms = now_ms + milliseconds(rest.min(LONGEST_REST));
    }

    /// Takes in that the account has no Private Teamspace.
    pub fn found_no_private_team(&mut self, account: &str, now_ms: u64) {
        self.no_private_team = Some(account.to_owned());
        self.no_private_team_until_ms = now_ms + milliseconds(MEMBERSHIP_MEMORY);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The file that holds what is remembered of every server.
#[derive(Debug, Clone)]
pub struct HostMemories {
    filesystem: SharedFilesystem,
    path: PathBuf,
}

impl HostMemories {
    /// Creates a handle; nothing is read or written.
    #[must_use]
    pub fn new(filesystem: SharedFilesystem, map: &FileMap) -> Self {
        Self {
            filesystem,
            path: map.host_memory(),
        }
    }

    /// Returns what is remembered of a server; nothing when the hint is missing or unreadable.
    #[must_use]
    pub fn of(&self, server: &ServerUrl) -> HostMemory {
        self.all().remove(server.as_str()).unwrap_or_default()
    }

    /// Changes what is remembered of a server; a hint that cannot be written is none.
    pub fn update(&self, server: &ServerUrl, change: impl FnOnce(&mut HostMemory)) {
        let mut all = self.all();
        let memory = all.entry(server.as_str().to_owned()).or_default();
        let before = memory.clone();
        change(memory);
        if *memory != before {
            let text = serde_json::to_vec(&all).expect("memories are plain data");
            let _ = crashsafe::replace(
                &*self.filesystem,
                &self.path,
                &text,
                Durability::ProcessDeath,
            );
        }
    }

    fn all(&self) -> BTreeMap<String, HostMemory> {
        let bytes = read_all(&*self.filesystem, &self.path).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_are_bounded_and_end_when_the_server_answers() {
        let mut memory = HostMemory::default();
        let mut previous = 0;
        for _ in 0..12 {
            memory.failed(1000);
            assert!(memory.rest_until_ms >= previous && memory.rest_until_ms <= 301_000);
            previous = memory.rest_until_ms;
        }
        assert!(memory.rests(2000) && !memory.rests(400_000));
        memory.reached();
        assert!(!memory.rests(0));
    }

    #[test]
    fn a_missing_teamspace_is_remembered_for_the_account_and_for_five_minutes() {
        let mut memory = HostMemory::default();
        memory.found_no_private_team("u-1", 1000);
        assert!(memory.lacks_private_team("u-1", 300_000));
        assert!(!memory.lacks_private_team("u-2", 300_000));
        assert!(!memory.lacks_private_team("u-1", 301_001));
    }
}
