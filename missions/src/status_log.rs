//! Reads `status.events.jsonl`, the truth about a mission's work packages.
//!
//! One JSON object per line. Only transitions are read so far; annotations and the rows of other
//! writers (lifecycle, decisions, retrospectives) are skipped. A line that cannot be understood is a
//! problem with its number, and the other lines still count: a reader of many missions must not fail
//! because of one, and a writer must refuse to go on from it.

use crate::files::{Links, ReadProblem, read_text};
use crate::lane::Lane;
use serde_json::{Map, Value};
use std::path::Path;

/// The most that is read of a log: 200,000 rows and more.
const LIMIT: u64 = 128 << 20;
/// The name of the log in a mission's directory.
pub const FILE_NAME: &str = "status.events.jsonl";

/// One work package moved from lane to lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Identifies the row; a second row with the same id is ignored.
    pub event_id: String,
    /// When it happened, as written; rows are ordered by this text.
    pub at: String,
    /// The work package.
    pub wp_id: String,
    /// The lane it left.
    pub from_lane: Lane,
    /// The lane it entered.
    pub to_lane: Lane,
    /// The review that it refers to.
    pub review_ref: Option<String>,
}

/// The rows of a log in file order, and what was wrong with the others.
#[derive(Debug, Default)]
pub struct StatusLog {
    /// The transitions.
    pub transitions: Vec<Transition>,
    /// The lines that could not be understood.
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
    /// A field is missing or has a value of the wrong kind.
    #[error("{FILE_NAME} line {line}: `{field}` is missing or not understood")]
    Field {
        /// Counted from one.
        line: usize,
        /// The field.
        field: &'static str,
    },
}

impl StatusLog {
    /// Reads the log of a mission's directory; a missing file is an empty log.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        match read_text(&directory.join(FILE_NAME), LIMIT, Links::Refuse) {
            Ok(text) => Self::parse(&text.unwrap_or_default()),
            Err(problem) => Self {
                transitions: Vec::new(),
                problems: vec![LogProblem::Unreadable(problem)],
            },
        }
    }

    /// Reads the text of a log.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut log = Self::default();
        for (index, row) in text.split('\n').enumerate() {
            if row.trim().is_empty() {
                continue;
            }
            match transition(row, index + 1) {
                Ok(Some(transition)) => log.transitions.push(transition),
                Ok(None) => {}
                Err(problem) => log.problems.push(problem),
            }
        }
        log
    }
}

/// Reads one row; `None` for a row that moves no work package.
fn transition(row: &str, line: usize) -> Result<Option<Transition>, LogProblem> {
    let Ok(Value::Object(row)) = serde_json::from_str(row) else {
        return Err(LogProblem::NotAnObject { line });
    };
    match row.get("kind") {
        None | Some(Value::Null) => {}
        Some(Value::String(kind)) if kind == "annotation" => return Ok(None),
        Some(_) => {
            return Err(LogProblem::Field {
                line,
                field: "kind",
            });
        }
    }
    if belongs_to_others(&row) {
        return Ok(None);
    }
    let text = |field: &'static str| match row.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        _ => Err(LogProblem::Field { line, field }),
    };
    let lane = |field| {
        text(field)?
            .parse()
            .map_err(|_| LogProblem::Field { line, field })
    };
    Ok(Some(Transition {
        event_id: text("event_id")?.to_owned(),
        at: text("at")?.to_owned(),
        wp_id: text("wp_id")?.to_owned(),
        from_lane: lane("from_lane")?,
        to_lane: lane("to_lane")?,
        review_ref: row
            .get("review_ref")
            .and_then(Value::as_str)
            .map(str::to_owned),
    }))
}

/// Tells whether a row was written by something else than the status of work packages.
fn belongs_to_others(row: &Map<String, Value>) -> bool {
    const RETROSPECTIVE: [&str; 3] = [
        "RetrospectiveCaptured",
        "RetrospectiveCaptureFailed",
        "RetrospectiveSkipped",
    ];
    let text = |field: &str| row.get(field).and_then(Value::as_str);
    row.contains_key("event_type")
        || text("event_name").is_some_and(|name| name.starts_with("retrospective."))
        || text("type").is_some_and(|kind| RETROSPECTIVE.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"actor": "x", "at": "2026-01-01T00:00:00+00:00", "event_id": "A", "from_lane": "planned", "to_lane": "claimed", "wp_id": "WP01", "review_ref": null}"#;

    #[test]
    fn rows_of_other_writers_are_skipped() {
        let text = [
            ROW,
            "",
            r#"{"event_type": "MissionCreated", "payload": {}}"#,
            r#"{"event_name": "retrospective.started"}"#,
            r#"{"type": "RetrospectiveCaptured"}"#,
            r#"{"kind": "annotation", "wp_id": "WP01", "delta": {}}"#,
            "   ",
        ]
        .join("\n");
        let log = StatusLog::parse(&text);
        assert!(log.problems.is_empty(), "{:?}", log.problems);
        assert_eq!(log.transitions.len(), 1);
        assert_eq!(log.transitions[0].to_lane, Lane::Claimed);
    }

    #[test]
    fn a_broken_line_is_a_problem_with_its_number_and_the_others_count() {
        let without = |field: &str| ROW.replace(&format!("\"{field}\""), "\"other\"");
        let text = [
            ROW.to_owned(),
            "{\"torn".to_owned(),
            "[]".to_owned(),
            without("wp_id"),
            without("event_id"),
            without("at"),
            ROW.replace("claimed", "doing"),
            ROW.replace("\"actor\"", "\"kind\""),
            ROW.replace("\"A\"", "\"B\""),
        ]
        .join("\r\n");
        let log = StatusLog::parse(&text);
        let problems: Vec<String> = log.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "status.events.jsonl line 2 is not a JSON object",
                "status.events.jsonl line 3 is not a JSON object",
                "status.events.jsonl line 4: `wp_id` is missing or not understood",
                "status.events.jsonl line 5: `event_id` is missing or not understood",
                "status.events.jsonl line 6: `at` is missing or not understood",
                "status.events.jsonl line 7: `to_lane` is missing or not understood",
                "status.events.jsonl line 8: `kind` is missing or not understood",
            ]
        );
        assert_eq!(log.transitions.len(), 2);
    }
}
