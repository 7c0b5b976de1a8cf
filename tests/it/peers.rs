//! The real Python packages beside this program: same files, same wire.
//!
//! Each interpreter is named by a variable, or lies where `.ci/run peers` puts it. Where one is
//! missing a test says so and proves nothing; in continuous integration that is a failure.

mod canary;
mod clock;
mod dossiers;
mod envelopes;
mod foreign;
mod handover;
mod missions;
mod orchestrator;
mod pace;
mod planning;
mod server;
mod session;
mod stores;
mod upgrade;

use crate::support::process::{Run, Running, Talking, run, skip, unique, variable};
use crate::support::sandbox::{Sandbox, write};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Python interpreter with the packages of one peer.
#[derive(Debug, Clone)]
struct Peer {
    python: PathBuf,
}

impl Peer {
    /// spec-kitty-cli 3.2.7.
    fn cli() -> Option<Self> {
        Self::find("SPEC_KITTY_PEER_CLI_PYTHON", "cli-3.2.7")
    }

    /// spec-kitty-events 3.0.0.
    fn events3() -> Option<Self> {
        Self::find("SPEC_KITTY_PEER_EVENTS3_PYTHON", "events-3.0.0")
    }

    /// spec-kitty-events 6.1.0.
    fn events6() -> Option<Self> {
        Self::find("SPEC_KITTY_PEER_EVENTS6_PYTHON", "events-6.1.0")
    }

    /// spec-kitty-orchestrator 0.1.2.
    fn orchestrator() -> Option<Self> {
        Self::find("SPEC_KITTY_PEER_ORCHESTRATOR_PYTHON", "orchestrator-0.1.2")
    }

    fn find(name: &str, folder: &str) -> Option<Self> {
        let usual = workspace().join("target/peers").join(folder);
        let python = variable(name).map_or_else(|| usual.join("bin/python"), PathBuf::from);
        if python.is_file() {
            return Some(Self { python });
        }
        skip(&format!("no {folder}: set {name}, or run `.ci/run peers`"));
        None
    }

    /// A Python process in the sandbox's repository, with its environment.
    fn python(&self, sandbox: &Sandbox) -> Command {
        let mut command = sandbox.command(&self.python);
        command
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1");
        command
    }

    /// Runs a script of `tests/peers` and reads its answer.
    #[track_caller]
    fn script(&self, sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Value {
        let mut command = self.script_command(sandbox, name);
        let ran = run(command.args(arguments)).expect_code(0);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// Runs a script over lines, and reads its answer however it ended.
    #[track_caller]
    fn script_over(
        &self,
        sandbox: &Sandbox,
        name: &str,
        arguments: &[&str],
        lines: &[String],
    ) -> Value {
        let file = sandbox.base().join(format!("lines-{}", unique()));
        write(&file, lines.join("\n"));
        let mut command = self.script_command(sandbox, name);
        command
            .args(arguments)
            .stdin(File::open(file).unwrap())
            .stderr(Stdio::inherit());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"))
    }

    fn script_command(&self, sandbox: &Sandbox, name: &str) -> Command {
        let mut command = self.python(sandbox);
        command.arg(workspace().join("tests/peers").join(name));
        command
    }

    /// A command of the Python CLI.
    fn command(&self, sandbox: &Sandbox, arguments: &[&str]) -> Command {
        let mut command = self.python(sandbox);
        command
            .args(["-m", "specify_cli"])
            .args(arguments)
            .env("NO_COLOR", "1")
            .env("COLUMNS", "200")
            .env("SPEC_KITTY_NO_UPGRADE_CHECK", "1");
        command
    }

    /// Runs a command of the Python CLI to its end.
    fn spec_kitty(&self, sandbox: &Sandbox, arguments: &[&str]) -> Run {
        run(&mut self.command(sandbox, arguments))
    }

    /// Starts a command of the Python CLI that is read while it runs.
    fn talk(&self, sandbox: &Sandbox, arguments: &[&str]) -> Talking {
        Running::start(&mut self.command(sandbox, arguments)).lines()
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the workspace")
}
