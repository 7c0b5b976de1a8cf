//! The one writer of stdout and stderr: stdout is data, stderr is everything else.
//!
//! A command that promises JSON takes a [`JsonOut`], whose `finish` consumes it: a second document
//! does not compile. A reader that goes away is no error.

use kitty_runtime::diagnostic::Diagnostic;
use kitty_runtime::python_json;
use serde::Serialize;
use std::io::{self, BufRead as _, IsTerminal as _, Write};

/// Writes for people and programs.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    quiet: bool,
}

impl Printer {
    /// Creates the printer; `quiet` silences stderr.
    #[must_use]
    pub const fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Tells whether a person watches stderr, so that progress may be shown.
    #[must_use]
    pub fn may_show_progress(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Writes one line of data.
    pub fn line(self, text: impl AsRef<str>) {
        write_line(&mut io::stdout().lock(), text.as_ref());
    }

    /// Writes one line about what happens, unless quiet.
    pub fn note(self, text: impl AsRef<str>) {
        if !self.quiet {
            write_line(&mut io::stderr().lock(), text.as_ref());
        }
    }

    /// Writes a diagnostic, unless quiet.
    pub fn diagnostic(self, diagnostic: &Diagnostic) {
        self.note(diagnostic.to_string());
    }

    /// Writes an error; errors are shown also when quiet.
    pub fn error(self, text: impl AsRef<str>) {
        write_line(&mut io::stderr().lock(), text.as_ref());
    }

    /// Asks a person at a terminal and returns the answer.
    ///
    /// `None` when nobody sees the question or can answer it (stdin and stderr both must be
    /// terminals; then nothing is asked), and when the input ends without an answer. ^C ends the
    /// program, as a shell's 130.
    pub fn ask(self, question: &str) -> Option<String> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        write_text(&mut io::stderr().lock(), question);
        let mut answer = Vec::new();
        match io::stdin().lock().read_until(b'\n', &mut answer) {
            Ok(0) | Err(_) => {
                // The cursor stands behind the question.
                write_line(&mut io::stderr().lock(), "");
                None
            }
            Ok(_) => Some(String::from_utf8_lossy(&answer).trim().to_owned()),
        }
    }

    /// Promises exactly one JSON document.
    pub const fn json(self) -> JsonOut {
        JsonOut { _only_finish: () }
    }
}

/// The promise of exactly one JSON document on stdout.
#[derive(Debug)]
#[must_use = "a JSON command prints one document"]
pub struct JsonOut {
    _only_finish: (),
}

impl JsonOut {
    /// Prints the document on one line, in the notation of the Python CLI.
    pub fn finish(self, document: &impl Serialize) {
        write_line(&mut io::stdout().lock(), &python_json::line(document));
    }

    /// Prints the document indented by two.
    pub fn finish_indented(self, document: &impl Serialize) {
        write_line(&mut io::stdout().lock(), &python_json::indented(document));
    }
}

/// Writes and forgets about readers that went away; nothing else can be done about stdout.
fn write_line(out: &mut impl Write, text: &str) {
    write_text(out, &format!("{text}\n"));
}

/// Writes without ending the line.
fn write_text(out: &mut impl Write, text: &str) {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        tracing::debug!(%error, "output could not be written");
    }
}

/// Sends the log to stderr: warnings, or what `SPEC_KITTY_LOG` asks for; nothing when quiet.
///
/// `--json` anywhere in the arguments silences it, as the Python CLI does, unless a filter is asked
/// for by name.
pub fn install_log(filter: Option<&str>, silent: bool) {
    use tracing_subscriber::EnvFilter;
    let filter = match (filter, silent) {
        (Some(filter), _) => EnvFilter::new(filter),
        (None, true) => return,
        (None, false) => EnvFilter::new("warn"),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false);
    // A second installation can only come from a test; the first one stays.
    let _ = subscriber.try_init();
}

/// Makes panics one line on stderr; what is caught inside guarded sections stays silent.
pub fn install_panic_line() {
    std::panic::set_hook(Box::new(|panic| {
        if kitty_runtime::mailbox::is_guarded() {
            return;
        }
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no message");
        write_line(
            &mut io::stderr().lock(),
            &format!("internal error at {place}: {what}"),
        );
    }));
}
