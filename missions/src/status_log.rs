//! `status.events.jsonl`, the truth about a mission's work packages.
//!
//! One JSON object per line: transitions, annotations, and rows of other writers (lifecycle,
//! decisions, retrospectives) that say nothing about a work package. A line that cannot be understood
//! is a problem with its number, and the other lines still count: a reader of many missions must not
//! fail because of one, and a writer must refuse to go on from it ([`StatusLog::strict`]).
//!
//! Source: reference orchestrator-missions, section 4.4.

mod canonical;
pub mod evidence;
mod print;
mod read;
pub mod row;

use crate::files::{Links, ReadProblem, read_text};
use read::Line;
use row::{Annotation, Row, Transition};
use serde_json::Value;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::Path;

/// The most that is read of a log: 200,000 rows and more.
const LIMIT: u64 = 128 << 20;
/// The bytes that are worth a thread of their own.
const WORTH_A_THREAD: usize = 1 << 20;
/// The name of the log in a mission's directory.
pub const FILE_NAME: &str = "status.events.jsonl";

/// The rows of a log in file order, borrowed from its text, and what was wrong with the others.
#[derive(Debug, Default)]
pub struct StatusLog<'a> {
    /// The transitions.
    pub transitions: Vec<Transition<'a>>,
    /// The annotations.
    pub annotations: Vec<Annotation<'a>>,
    /// The rows of the retrospective; `status.json` has a summary of them.
    pub retrospective: Vec<Value>,
    /// The lines that could not be understood, by line.
    pub problems: Vec<LogProblem>,
}

/// A log, or one line of it, cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum LogProblem {
    /// The file cannot be read.
    #[error("{FILE_NAME} cannot be read: {0}")]
    Unreadable(ReadProblem),
    /// A line is not a JSON object.
    #[error("{FILE_NAME} line {line} is not a JSON object")]
    NotAnObject {
        /// Counted from one.
        line: usize,
    },
    /// A row does not name its mission: an earlier release wrote it.
    #[error(
        "{FILE_NAME} line {line} has the form of an earlier release: it needs `spec-kitty upgrade`"
    )]
    NeedsUpgrade {
        /// Counted from one.
        line: usize,
    },
    /// A field is missing or has a value of the wrong kind.
    #[error("{FILE_NAME} line {line}: `{field}` is missing or not understood")]
    Field {
        /// Counted from one.
        line: usize,
        /// The field.
        field: &'static str,
    },
}

impl LogProblem {
    fn line_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Unreadable(_) => None,
            Self::NotAnObject { line } | Self::NeedsUpgrade { line } | Self::Field { line, .. } => {
                Some(line)
            }
        }
    }
}

/// Cuts a text into about equal parts, each of whole lines.
fn cut(mut text: &str, parts: usize) -> Vec<&str> {
    let size = text.len() / parts;
    let mut cut = Vec::with_capacity(parts);
    while cut.len() + 1 < parts {
        let Some(end) = memchr::memchr(b'\n', &text.as_bytes()[size.min(text.len())..]) else {
            break;
        };
        let (part, rest) = text.split_at(size + end + 1);
        cut.push(part);
        text = rest;
    }
    cut.push(text);
    cut
}

/// The lines of a text, without their ends.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest.as_bytes());
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or("", |end| &rest[end + 1..]);
        Some(line)
    })
}

/// Reads the text of the log of a mission's directory; a missing file is an empty log.
///
/// # Errors
/// [`LogProblem::Unreadable`]; also when the file is a link.
pub fn read(directory: &Path) -> Result<String, LogProblem> {
    let text = read_text(&directory.join(FILE_NAME), LIMIT, Links::Refuse);
    text.map(Option::unwrap_or_default)
        .map_err(LogProblem::Unreadable)
}

impl<'a> StatusLog<'a> {
    /// Reads the text of a log; what cannot be understood becomes a problem.
    ///
    /// A long log is cut between lines and read by several threads; the result is the same.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let wanted = text.len() / WORTH_A_THREAD;
        if wanted < 2 {
            // Asking how many threads there may be takes longer than reading a few lines.
            return Self::parse_in(text, 1);
        }
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::parse_in(text, threads.min(wanted).min(8))
    }

    fn parse_in(text: &'a str, parts: usize) -> Self {
        let parts = cut(text, parts);
        let Some((first, others)) = parts.split_first() else {
            return Self::default();
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = others
                .iter()
                .map(|part| scope.spawn(|| Self::parse_part(part)))
                .collect();
            let (mut log, mut lines) = Self::parse_part(first);
            for other in others {
                let (part, count) = other.join().unwrap_or_else(|panic| resume_unwind(panic));
                log.append(part, lines);
                lines += count;
            }
            log
        })
    }

    /// Reads some lines, and counts them.
    fn parse_part(text: &'a str) -> (Self, usize) {
        let mut log = Self::default();
        let mut usual = canonical::Reader::default();
        let mut count = 0;
        for line in lines(text) {
            count += 1;
            if log.transitions.is_empty() {
                // Rows of one log are of one size: growing step by step costs more than reading.
                log.transitions
                    .reserve_exact(text.len() / line.len().max(200));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match read::line(line, count, &mut usual) {
                Ok(Line::Row(Row::Transition(row))) => log.transitions.push(row),
                Ok(Line::Row(Row::Annotation(row))) => log.annotations.push(row),
                Ok(Line::Retrospective(row)) => log.retrospective.push(row),
                Ok(Line::Foreign) => {}
                Err(problem) => log.problems.push(problem),
            }
        }
        (log, count)
    }

    fn append(&mut self, part: Self, lines_before: usize) {
        self.transitions.extend(part.transitions);
        self.annotations.extend(part.annotations);
        self.retrospective.extend(part.retrospective);
        let problems = part.problems.into_iter();
        self.problems.extend(problems.map(|mut problem| {
            if let Some(line) = problem.line_mut() {
                *line += lines_before;
            }
            problem
        }));
    }

    /// Refuses a log with a problem, for whoever is about to append to it.
    ///
    /// # Errors
    /// The first problem.
    pub fn strict(mut self) -> Result<Self, LogProblem> {
        if self.problems.is_empty() {
            return Ok(self);
        }
        Err(self.problems.swap_remove(0))
    }

    /// Tells whether a row with this id is there, so that a repeated append has no second effect.
    #[must_use]
    pub fn contains(&self, event_id: &str) -> bool {
        self.transitions.iter().any(|row| row.event_id == event_id)
            || self.annotations.iter().any(|row| row.event_id == event_id)
    }
}

#[cfg(test)]
mod tests;
