//! One call of a program, with a deadline.

use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A call that came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The program cannot be started.
    #[error("`{words}` cannot be started: {why}")]
    Start {
        /// The call.
        words: String,
        /// What the operating system said.
        why: String,
    },
    /// It did not end.
    #[error("`{words}` did not end within {limit:?} and was ended")]
    TooLong {
        /// The call.
        words: String,
        /// The time it had.
        limit: Duration,
    },
    /// Something that the scenario needs could not be made.
    #[error("the scenario cannot be prepared: {0}")]
    Preparation(String),
}

/// What a call did.
#[derive(Debug, Clone)]
pub struct Called {
    /// The call, as a person would type it.
    pub words: String,
    /// How it ended; `None` after a signal.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Called {
    /// Reads the JSON document on standard output.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.stdout.trim()).ok()
    }

    /// Tells in one line how it ended and what it said.
    #[must_use]
    pub fn told(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let said: Vec<&str> = [self.stderr.trim(), self.stdout.trim()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        let said: String = said.join(" | ").chars().take(MOST_TOLD).collect();
        format!("`{}` ended with {code}: {said}", self.words)
    }

    /// Tells whether it said a text, on either stream.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }
}

/// How much of an answer a message repeats; the log has all of it.
const MOST_TOLD: usize = 600;

/// What a reading thread found.
enum Heard {
    Out(String),
    Err(String),
    OutEnded,
    ErrEnded,
}

/// A call whose lines are read while it runs.
#[derive(Debug)]
pub(crate) struct Talk {
    child: Child,
    heard: Receiver<Heard>,
    words: String,
    started: Instant,
    limit: Duration,
    stdout: String,
    stderr: String,
    open: u8,
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Heard")
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: Command, words: &str, limit: Duration) -> Result<Called, CallError> {
    Talk::start(command, words, limit)?.finish()
}

impl Talk {
    pub(super) fn start(
        mut command: Command,
        words: &str,
        limit: Duration,
    ) -> Result<Self, CallError> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let cannot = |why: &dyn std::fmt::Display| CallError::Start {
            words: words.to_owned(),
            why: why.to_string(),
        };
        let mut child = command.spawn().map_err(|error| cannot(&error))?;
        let (sender, heard) = channel();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let both = stdout
            .zip(stderr)
            .ok_or_else(|| cannot(&"it has no output"))?;
        listen(both.0, sender.clone(), Heard::Out, Heard::OutEnded);
        listen(both.1, sender, Heard::Err, Heard::ErrEnded);
        Ok(Self {
            child,
            heard,
            words: words.to_owned(),
            started: Instant::now(),
            limit,
            stdout: String::new(),
            stderr: String::new(),
            open: 2,
        })
    }

    /// Waits for the next line of standard output; `None` at its end.
    pub(crate) fn line(&mut self) -> Result<Option<String>, CallError> {
        while self.open > 0 {
            if let Some(line) = self.hear()? {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Takes in one thing; returns it when it is a line of standard output.
    fn hear(&mut self) -> Result<Option<String>, CallError> {
        let left = self.limit.saturating_sub(self.started.elapsed());
        match self.heard.recv_timeout(left) {
            Ok(Heard::Out(line)) => {
                self.stdout.push_str(&line);
                Ok(Some(line))
            }
            Ok(Heard::Err(line)) => {
                self.stderr.push_str(&line);
                Ok(None)
            }
            Ok(Heard::OutEnded | Heard::ErrEnded) => {
                self.open -= 1;
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.open = 0;
                Ok(None)
            }
            Err(RecvTimeoutError::Timeout) => Err(self.too_long()),
        }
    }

    fn too_long(&mut self) -> CallError {
        self.end();
        CallError::TooLong {
            words: self.words.clone(),
            limit: self.limit,
        }
    }

    fn end(&mut self) {
        // A process that has ended already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until the program has ended.
    ///
    /// The program counts, not its streams: a background process that it left holds them open.
    pub(crate) fn finish(mut self) -> Result<Called, CallError> {
        let mut status = None;
        while self.open > 0 {
            if status.is_none() {
                status = self.child.try_wait().ok().flatten();
            }
            let patience = if status.is_some() {
                AFTERWARDS
            } else {
                LOOK_AGAIN
            };
            match self.heard.recv_timeout(patience) {
                Ok(Heard::Out(line)) => self.stdout.push_str(&line),
                Ok(Heard::Err(line)) => self.stderr.push_str(&line),
                Ok(Heard::OutEnded | Heard::ErrEnded) => self.open -= 1,
                Err(RecvTimeoutError::Timeout) if status.is_some() => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.started.elapsed() > self.limit {
                return Err(self.too_long());
            }
        }
        let status = match status {
            Some(status) => status,
            None => self.wait()?,
        };
        Ok(Called {
            words: std::mem::take(&mut self.words),
            code: status.code(),
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
            took: self.started.elapsed(),
        })
    }

    /// Waits for a program that has closed its streams.
    fn wait(&mut self) -> Result<std::process::ExitStatus, CallError> {
        while self.started.elapsed() < self.limit {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => pause(),
                Err(_) => break,
            }
        }
        Err(self.too_long())
    }
}

/// How long the streams of a program that has ended may still say something.
const AFTERWARDS: Duration = Duration::from_millis(250);
/// How often a silent program is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long to wait before a program that closed its streams is looked at again.
const PAUSE: Duration = Duration::from_millis(1);

#[expect(
    clippy::disallowed_methods,
    reason = "waiting for a child of the standard library has no timeout"
)]
fn pause() {
    thread::sleep(PAUSE);
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads a stream line by line until it ends.
fn listen(
    stream: impl Read + Send + 'static,
    to: Sender<Heard>,
    line: fn(String) -> Heard,
    end: Heard,
) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match reader.read_until(b'\n', &mut bytes) {
                Ok(0) => break,
                Ok(_) => {
                    if to
                        .send(line(String::from_utf8_lossy(&bytes).into_owned()))
                        .is_err()
                    {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Nobody listens any more when the call was given up.
        let _ = to.send(end);
    });
}
