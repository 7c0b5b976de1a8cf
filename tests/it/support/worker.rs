//! Worker processes: this test binary, started again to do one thing until it is killed.
//!
//! A worker is the test [`worker_entry`] run alone with its orders in the environment; run with the
//! rest of the suite it has no orders and does nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The variable that holds a worker's orders.
const ORDERS: &str = "SPEC_KITTY_TEST_WORKER";
/// Every line that a worker says to its parent begins so; the test harness prints others.
const MARK: &str = "worker: ";
/// How long a worker may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// A worker process; killed and reaped when it is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    lines: Receiver<String>,
}

impl Worker {
    /// Starts a worker with its orders, words separated by spaces.
    pub fn start(orders: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "support::worker::worker_entry",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(ORDERS, orders)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for the next line; `None` when the worker has ended.
    pub fn line(&self) -> Option<String> {
        self.lines.recv_timeout(SILENCE).ok()
    }

    /// Kills the worker (SIGKILL), reaps it, and returns what it had said and was not read yet.
    pub fn kill(mut self) -> Vec<String> {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }

    /// Waits for the end of the worker and returns its lines; fails with its words if it failed.
    pub fn finish(mut self) -> Vec<String> {
        let lines: Vec<String> = self.lines.iter().collect();
        let status = self.child.wait().unwrap();
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        assert!(status.success(), "a worker failed: {status}\n{errors}");
        lines
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        // A line without its end was cut off by the kill and was never said.
        while reader.read_line(&mut line).is_ok_and(|count| count > 0) && line.ends_with('\n') {
            if let Some(said) = line
                .trim_end()
                .split_once(MARK)
                .map(|(_, said)| said.to_owned())
                && sender.send(said).is_err()
            {
                break;
            }
            line.clear();
        }
    });
    receiver
}

/// Says a line to the parent.
pub fn say(line: &str) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{MARK}{line}").expect("whoever ordered the work reads its words");
}

/// Runs the orders of this process, if it has any.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "orders come by a variable of the tests alone"
)]
fn worker_entry() {
    if let Ok(orders) = std::env::var(ORDERS) {
        let words: Vec<&str> = orders.split(' ').collect();
        crate::storm::work(&words);
    }
}
