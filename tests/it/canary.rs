//! The identity-boundary canary as a release runs it: over our own binary it passes and its evidence
//! verifies; over a binary that is broken in one way it fails in that way.

mod broken;
mod evidence;
mod gate;
mod script;
mod suite;

use crate::support::process::{Run, program, run};
use crate::support::sandbox::Sandbox;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The failure modes of document 5's scenarios 1 to 4; `None` where one passed.
type Modes = [Option<String>; 4];

/// The canary in a directory of its own.
pub struct Canary {
    pub sandbox: Sandbox,
}

impl Canary {
    pub fn new() -> Self {
        let sandbox = Sandbox::empty();
        Self { sandbox }
    }

    /// A call of the program in the sandbox.
    pub fn call(&self, words: &[&str]) -> Run {
        self.sandbox.run(words)
    }

    /// Runs the canary over a binary.
    pub fn over(&self, binary: &Path, words: &[&str]) -> Run {
        let binary = ["canary", "run", "--json", "--cli", binary.to_str().unwrap()];
        self.call(&[&binary[..], words].concat())
    }

    /// The script of the release, with a trusted runner's environment.
    pub fn script(&self) -> Command {
        let script = workspace().join("scripts/run-sync-identity-boundary-canary.sh");
        let mut command = self.sandbox.command(&script);
        command
            .env("SPEC_KITTY_ENABLE_SAAS_SYNC", "1")
            .env("SK_E2E_CANARY_BIN", program())
            .env("SK_E2E_SPEC_KITTY_BIN", program());
        command
    }

    pub fn run_script(&self, words: &[&str]) -> Run {
        run(self.script().args(words))
    }
}

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the scenarios of a run ended with.
pub fn modes(run: &Value) -> Modes {
    let scenarios = run["scenarios"].as_array().unwrap();
    let ids: Vec<u64> = scenarios
        .iter()
        .map(|it| it["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    let mode = |at: usize| {
        let found = &scenarios[at];
        let mode = found["failure_mode"].as_str().map(str::to_owned);
        assert_eq!(found["status"] == "fail", mode.is_some(), "{found}");
        assert_eq!(found["details"].is_string(), mode.is_some(), "{found}");
        mode
    };
    [0, 1, 2, 3].map(mode)
}
