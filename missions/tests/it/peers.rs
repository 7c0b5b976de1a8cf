//! The status core beside the one of the Python CLI 3.2.7: same log, same bytes.
//!
//! The interpreter is named by `SPEC_KITTY_PEER_CLI_PYTHON`, or lies where `.ci/run peers` puts it.
//! Without it a test says so and proves nothing; in continuous integration that is a failure.

mod lanes;
mod logs;
mod transitions;

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn variable(name: &str) -> Option<String> {
    #[allow(
        clippy::disallowed_methods,
        reason = "the peer is named by the environment"
    )]
    std::env::var(name).ok()
}

/// Asks the peer; `None` where it is not installed.
fn ask(question: &Value) -> Option<Value> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let usual = package.join("../target/peers/cli-3.2.7/bin/python");
    let python = variable("SPEC_KITTY_PEER_CLI_PYTHON").map_or(usual, PathBuf::from);
    if !python.is_file() {
        let why = "no cli-3.2.7: set SPEC_KITTY_PEER_CLI_PYTHON, or run `.ci/run peers`";
        let is_ci = variable("CI").is_some_and(|value| !value.is_empty() && value != "false");
        assert!(!is_ci, "a test cannot be skipped here: {why}");
        #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
        {
            eprintln!("skipped: {why}");
        }
        return None;
    }
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(python)
        .arg(package.join("tests/peers/status.py"))
        .env_clear()
        .env("HOME", home.path().join("home"))
        .env("SPEC_KITTY_HOME", home.path().join("state"))
        .env("PATH", "/usr/bin:/bin")
        .env("PYTHONUTF8", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let question = question.to_string();
    let writer = std::thread::spawn(move || input.write_all(question.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "the peer failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A repeatable source of choices.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn chance(&mut self, of: usize) -> bool {
        self.roll(of) == 0
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.roll(from.len())]
    }
}
