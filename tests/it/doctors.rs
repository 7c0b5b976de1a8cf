//! The doctors of login and daemon: what they find is there, what they end is ours.

mod auth;
mod hints;
mod orphans;
mod restart;

use crate::support::daemons::DaemonMachine;
use crate::support::sandbox::Sandbox;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A host that refuses connections at once.
const NOBODY: &str = "http://127.0.0.1:1";

fn machine() -> DaemonMachine {
    DaemonMachine::of(Sandbox::hosted(NOBODY))
}

/// The keys of an object, in the order in which the program wrote them.
fn keys(text: &str) -> Vec<String> {
    let document: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
    let mut keys: Vec<(usize, String)> = document
        .keys()
        .map(|key| (text.find(&format!("\"{key}\":")).unwrap(), key.clone()))
        .collect();
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

/// The ids of the findings of `auth doctor`.
fn findings(document: &Value) -> Vec<&str> {
    let findings = document["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect()
}

/// A process that waits until it is ended, whatever its arguments look like.
struct Bystander(Child);

impl Bystander {
    fn started(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Self(child.unwrap())
    }

    fn new() -> Self {
        Self::started(&mut Command::new("cat"))
    }

    /// A process with the arguments of a daemon of the Python CLI.
    fn like_python(root: Option<&Path>) -> Self {
        let script = "read line # run_sync_daemon(9412, 'control-secret')";
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        if let Some(root) = root {
            command.arg(format!("--spec-kitty-daemon-root={}", root.display()));
        }
        Self::started(&mut command)
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    #[track_caller]
    fn is_unharmed(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it was signalled");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
