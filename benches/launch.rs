//! Programs as other processes: what they took, and how large they grew.
//!
//! A process inherits the peak of the one that started it, so programs are started by a small worker
//! ([`crate::worker`]) that has done nothing else.

use serde::{Deserialize, Serialize};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use wait4::Wait4 as _;

/// What a program did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launched {
    /// From start to reaping, in seconds.
    pub wall: f64,
    /// User and system time, in seconds.
    pub cpu: f64,
    /// The largest resident set, in bytes.
    pub peak: u64,
    /// The exit code.
    pub code: Option<i32>,
    /// Everything it printed.
    pub stdout: String,
}

impl Launched {
    /// Returns it when the program ended well.
    ///
    /// # Errors
    /// What it printed, otherwise.
    pub fn expect_success(self) -> io::Result<Self> {
        match self.code {
            Some(0) => Ok(self),
            code => Err(io::Error::other(format!(
                "exit code {code:?}: {}",
                self.stdout
            ))),
        }
    }

    /// Reads what it printed as one JSON document.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> io::Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.stdout)?)
    }
}

/// Runs a command through a worker.
///
/// # Errors
/// The operating system's.
pub fn launch(command: &Command) -> io::Result<Launched> {
    let mut worker = Command::new(std::env::current_exe()?);
    worker.args(["worker", "launch"]);
    worker.arg(command.get_program()).args(command.get_args());
    worker.env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            worker.env(name, value);
        }
    }
    if let Some(directory) = command.get_current_dir() {
        worker.current_dir(directory);
    }
    let output = worker.stderr(Stdio::inherit()).output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs a program in this process's environment and directory; the work of the worker.
///
/// # Errors
/// The operating system's.
pub fn run(program: &str, arguments: &[&str]) -> io::Result<Launched> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn()?;
    let mut stdout = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout)?;
    }
    let usage = child.wait4()?;
    Ok(Launched {
        wall: started.elapsed().as_secs_f64(),
        cpu: (usage.rusage.utime + usage.rusage.stime).as_secs_f64(),
        peak: usage.rusage.maxrss,
        code: usage.status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
    })
}

/// A worker that runs until it is dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    /// The first line it said.
    pub said: String,
}

impl Service {
    /// Starts a worker and waits for its first line.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(orders: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("worker")
            .args(orders)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        if let Some(pipe) = child.stdout.take() {
            BufReader::new(pipe).read_line(&mut said)?;
        }
        let said = said.trim_end().to_owned();
        Ok(Self { child, said })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
