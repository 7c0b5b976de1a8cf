//! The demo's machine: a repository, a state root and a Teamspace of its own in one directory.

use crate::failure::Failure;
use crate::hosted::within_actors;
use crate::printer::Printer;
use kitty_actors::transport::{HttpClient, HttpRequest, Method, Transport as _};
use kitty_config::env;
use kitty_teamspace::DEFAULT_OWNER_EMAIL;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long one step may take.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(60);

/// What a step made, and what it tells.
pub(super) type Outcome<T> = (T, String);

/// Creates the failure of a step.
pub(super) fn failed(message: impl Display) -> Failure {
    Failure::new("demo_failed", format!("The demo cannot go on: {message}"))
}

/// A child process that ends with its owner.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    leave_running: bool,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let child = command
            .spawn()
            .map_err(|error| failed(format!("a process cannot be started: {error}")))?;
        Ok(Self {
            child,
            leave_running: false,
        })
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the process at once (SIGKILL) and reaps it.
    pub(super) fn kill(&mut self) {
        // A process that has ended already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn output(&mut self) -> Result<BufReader<ChildStdout>, Failure> {
        let stdout = self
            .child
            .stdout
            .take()
            .ok_or_else(|| failed("a process has no output"))?;
        Ok(BufReader::new(stdout))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.leave_running {
            self.kill();
        }
    }
}

/// What a burst said before it was killed.
#[derive(Debug)]
pub(super) struct Burst {
    pub(super) acknowledged: BTreeSet<String>,
    pub(super) in_flight: BTreeSet<String>,
}

/// The demo's machine.
#[derive(Debug)]
pub(super) struct Machine {
    directory: Option<TempDir>,
    root: PathBuf,
    program: PathBuf,
    server: Process,
    url: String,
}

impl Machine {
    /// Makes the directories and the repository, and starts the Teamspace.
    pub(super) fn start() -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix("spec-kitty-demo-")
            .tempdir()
            .map_err(|error| failed(format!("no temporary directory: {error}")))?;
        let root = directory.path().to_owned();
        let program = std::env::current_exe()
            .map_err(|error| failed(format!("this program has no path: {error}")))?;
        for name in ["home", "repository/.kittify"] {
            std::fs::create_dir_all(root.join(name)).map_err(failed)?;
        }
        make_repository(&root.join("repository"), &root.join("home"))?;
        let data = root.join("teamspace").display().to_string();
        let mut command = Command::new(&program);
        command
            .args([
                "teamspace",
                "serve",
                "--bind",
                "127.0.0.1:0",
                "--data",
                &data,
                "--device-poll",
                "1",
                "--json",
            ])
            .env(env::SPEC_KITTY_HOME.name, root.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = Process::start(&mut command)?;
        let mut line = String::new();
        server.output()?.read_line(&mut line).map_err(failed)?;
        let listening: Value = serde_json::from_str(&line)
            .map_err(|_| failed("the Teamspace did not say where it listens"))?;
        let url = listening["url"].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            directory: Some(directory),
            root,
            program,
            server,
            url,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.root.join("repository")
    }

    pub(super) fn state_root(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(super) fn teamspace_data(&self) -> PathBuf {
        self.root.join("teamspace")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.repository())
            .env(env::HOME.name, self.root.join("home"))
            .env(env::SPEC_KITTY_HOME.name, self.state_root())
            .env(env::SPEC_KITTY_SAAS_URL.name, &self.url)
            .env(env::SPEC_KITTY_ENABLE_SAAS_SYNC.name, "1")
            .env_remove(env::SPEC_KITTY_SYNC_DISABLE.name)
            .env_remove(env::SPEC_KITTY_ACCESS_TOKEN.name)
            .env_remove(env::SPECIFY_REPO_ROOT.name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    /// Logs in by the device flow; this function plays the person with the other device.
    pub(super) fn log_in(&self) -> Result<String, Failure> {
        let mut login = Process::start(&mut self.command(&["auth", "login", "--headless"]))?;
        let mut output = login.output()?;
        let code = loop {
            let mut line = String::new();
            if output.read_line(&mut line).map_err(failed)? == 0 {
                return Err(failed("the login showed no code"));
            }
            if let Some(code) = line.trim().strip_prefix("Code:") {
                break code.trim().to_owned();
            }
        };
        let key =
            std::fs::read_to_string(self.teamspace_data().join("approval.key")).map_err(failed)?;
        self.approve(&code, key.trim())?;
        let mut rest = String::new();
        output.read_to_string(&mut rest).map_err(failed)?;
        let status = login.child.wait().map_err(failed)?;
        if !status.success() {
            return Err(failed(format!(
                "the login ended with {status}: {}",
                rest.trim()
            )));
        }
        Ok(DEFAULT_OWNER_EMAIL.to_owned())
    }

    fn approve(&self, code: &str, key: &str) -> Result<(), Failure> {
        let request = HttpRequest::new(
            "the approval",
            Method::Post,
            format!("{}/device", self.url),
            STEP_LIMIT,
        )
        .form(&[
            ("user_code", code),
            ("email", DEFAULT_OWNER_EMAIL),
            ("approval_key", key),
            ("decision", "approve"),
        ]);
        let response = within_actors(HttpClient::shared().send(request)).map_err(failed)?;
        if response.is_success() {
            return Ok(());
        }
        Err(failed(format!(
            "the approval was answered with HTTP {}",
            response.status
        )))
    }

    /// Runs a command that prints one JSON document.
    pub(super) fn spec_kitty_json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let output = self
            .command(arguments)
            .stderr(Stdio::piped())
            .output()
            .map_err(failed)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let answer = serde_json::from_slice(&output.stdout).map_err(|_| {
            failed(format!(
                "`spec-kitty {}` printed no JSON document. {}",
                arguments.join(" "),
                stderr.trim()
            ))
        });
        if output.status.success() {
            return answer;
        }
        let why = answer.map_or_else(|_| stderr.trim().to_owned(), |answer| answer.to_string());
        Err(failed(format!(
            "`spec-kitty {}` ended with {}: {why}",
            arguments.join(" "),
            output.status
        )))
    }

    /// Returns the ids of the events that are stored here and not delivered.
    pub(super) fn waiting(&self) -> Result<BTreeSet<String>, Failure> {
        let preview = self.spec_kitty_json(&["sync", "preview", "--json"])?;
        let events = preview["events"].as_array().cloned().unwrap_or_default();
        Ok(events
            .iter()
            .filter_map(|event| event["event_id"].as_str().map(str::to_owned))
            .collect())
    }

    /// Returns the ids that the server's database holds.
    pub(super) fn stored_ids(&self) -> Result<BTreeSet<String>, Failure> {
        super::stored_ids(&self.teamspace_data())
    }

    /// Starts a burst of appends and kills it after so many were acknowledged.
    pub(super) fn burst(&self, after: usize) -> Result<Burst, Failure> {
        let mut process = Process::start(&mut self.command(&["demo-burst"]))?;
        let mut output = process.output()?;
        let mut burst = Burst {
            acknowledged: BTreeSet::new(),
            in_flight: BTreeSet::new(),
        };
        let mut line = String::new();
        while burst.acknowledged.len() < after {
            line.clear();
            if output.read_line(&mut line).map_err(failed)? == 0 {
                return Err(failed("the burst ended before it was killed"));
            }
            burst.take(&line);
        }
        process.kill();
        // What it said between our last look and its death.
        let mut rest = String::new();
        output.read_to_string(&mut rest).map_err(failed)?;
        rest.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .for_each(|line| burst.take(line));
        Ok(burst)
    }

    /// Starts a delivery that the caller will kill.
    pub(super) fn start_delivery(&self) -> Result<Process, Failure> {
        Process::start(
            self.command(&["sync", "now", "--json"])
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )
    }

    /// Leaves everything running and says how to use it.
    pub(super) fn keep(&mut self, printer: Printer) {
        self.server.leave_running = true;
        if let Some(directory) = self.directory.take() {
            let _ = directory.keep();
        }
        let key = self.teamspace_data().join("approval.key");
        printer.line("\nEverything is left running. Try:");
        printer.line(format!("  cd {}", self.repository().display()));
        printer.line(format!(
            "  export {}={} {}={} {}=1",
            env::SPEC_KITTY_HOME.name,
            self.state_root().display(),
            env::SPEC_KITTY_SAAS_URL.name,
            self.url,
            env::SPEC_KITTY_ENABLE_SAAS_SYNC.name,
        ));
        let program = self.program.display();
        for command in [
            "agent mission create second-mission",
            "sync status",
            "sync preview",
            "sync now",
            "status",
        ] {
            printer.line(format!("  {program} {command}"));
        }
        printer.line(format!(
            "  {}/  (the approval key is in {})",
            self.url,
            key.display()
        ));
        printer.line("When you are done:");
        printer.line(format!(
            "  kill {}; rm -r {}",
            self.server.child.id(),
            self.root.display()
        ));
    }
}

impl Burst {
    fn take(&mut self, line: &str) {
        match line.trim().split_once(' ') {
            Some(("append", id)) => {
                self.in_flight.insert(id.to_owned());
            }
            Some(("stored", id)) => {
                self.in_flight.remove(id);
                self.acknowledged.insert(id.to_owned());
            }
            _ => {}
        }
    }
}

/// Makes a real repository with one commit, without the user's git configuration.
fn make_repository(repository: &Path, home: &Path) -> Result<(), Failure> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(repository)
            .env(env::HOME.name, home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(format!("git cannot be started: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(format!(
            "git {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    };
    git(&["init", "-q", "-b", "main", "."])?;
    git(&["config", "user.email", "demo@spec-kitty.local"])?;
    git(&["config", "user.name", "Spec Kitty Demo"])?;
    git(&["commit", "-q", "--allow-empty", "-m", "Begin"])
}
