//! Measurements, each beside its floor or its peer in the same run.
//!
//! `cargo bench` prints one table and writes `target/bench-report.html` and `.json`. After `--`:
//! `--quick` takes small sizes (CI), `--full` adds a drain of a million events; any other word
//! chooses subjects by name (`gate append mailbox drain startup missions waits idle`).
//! `SPEC_KITTY_PEER_CLI_PYTHON` names the interpreter of an environment that holds the Python CLI; without it those rows are skipped.
//!
//! Measurements that are compared run in turn, and medians are compared, because machines are shared.
//! This program is its own helper: `worker …` is what it starts as another process.

#![expect(unreachable_pub, reason = "modules of one program share their items")]

mod append;
mod drain;
mod events;
mod gate;
mod idle;
mod journal;
mod launch;
mod mailbox;
mod measure;
mod missions;
mod page;
mod place;
mod report;
mod sink;
mod startup;
mod unsynced;
mod waits;
mod worker;

use report::Report;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Seconds; for CI.
    Quick,
    /// Minutes.
    Usual,
    /// With a million events.
    Full,
}

impl Size {
    /// Chooses a number by size; a full run differs only where it says so.
    pub const fn pick<T: Copy>(self, quick: T, usual: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Usual | Self::Full => usual,
        }
    }
}

/// Returns a variable of this process.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment of every child is cleared and must get the search path"
)]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The program that is measured.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_spec-kitty"))
}

/// A directory on the disk that the target directory is on.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["worker", orders @ ..] => worker::work(orders),
        options => measure_all(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done when stderr is closed.
            let _ = writeln!(io::stderr(), "the measurement failed: {error}");
            ExitCode::FAILURE
        }
    }
}

type Subject = (&'static str, fn(Size, &mut Report) -> io::Result<()>);

const SUBJECTS: [Subject; 8] = [
    ("gate", gate::measure),
    ("append", append::measure),
    ("mailbox", mailbox::measure),
    ("drain", drain::measure),
    ("startup", startup::measure),
    ("missions", missions::measure),
    ("waits", waits::measure),
    ("idle", idle::measure),
];

fn measure_all(options: &[&str]) -> io::Result<()> {
    let size = if options.contains(&"--full") {
        Size::Full
    } else if options.contains(&"--quick") {
        Size::Quick
    } else {
        Size::Usual
    };
    let chosen = |name: &str| {
        let mut words = options
            .iter()
            .filter(|word| !word.starts_with("--"))
            .peekable();
        words.peek().is_none() || words.any(|word| *word == name)
    };
    let mut report = Report::new(size);
    for (name, measure) in SUBJECTS {
        if chosen(name) {
            measure(size, &mut report)?;
        }
    }
    report.print(&mut io::stdout().lock())?;
    let target = target_directory();
    place::put(&target.join("bench-report.json"), &report.json())?;
    place::put(&target.join("bench-report.html"), &page::html(&report)?)
}

/// Returns the target directory: the temporary directory of benches lies in it.
fn target_directory() -> PathBuf {
    scratch().parent().unwrap_or(scratch()).to_owned()
}
