//! The log of a run: every call of the binary under test and what it answered.

use super::call::{CallError, Called};
use std::cell::RefCell;
use std::fmt::Write as _;

/// Collects in memory; the evidence is written once, at the end.
#[derive(Debug, Default)]
pub struct Log(RefCell<String>);

impl Log {
    /// Writes a line.
    pub fn line(&self, text: &str) {
        let mut log = self.0.borrow_mut();
        log.push_str(text);
        log.push('\n');
    }

    /// Writes down a call.
    pub(super) fn called(&self, called: &Result<Called, CallError>) {
        let mut text = String::new();
        let written = match called {
            Ok(called) => writeln!(
                text,
                "$ {}\n  ended with {:?} after {} ms",
                called.words,
                called.code,
                called.took.as_millis()
            ),
            Err(error) => writeln!(text, "! {error}"),
        };
        written.expect("writing to a string cannot fail");
        if let Ok(called) = called {
            for (name, stream) in [("out", &called.stdout), ("err", &called.stderr)] {
                for line in stream.lines() {
                    writeln!(text, "  {name}| {line}").expect("writing to a string cannot fail");
                }
            }
        }
        self.line(text.trim_end());
    }

    /// Returns everything.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.borrow().clone()
    }
}
