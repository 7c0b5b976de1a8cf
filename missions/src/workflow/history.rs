//! What is noted about a work package beside its lane.

use super::rows::RowMaker;
use super::{Desk, Step, WorkflowError};
use crate::handle::NamedMission;
use crate::lane::Lane;
use crate::status_log::row::{Delta, Row};
use crate::status_writer::StatusWriter;
use std::collections::BTreeMap;

/// Something noted; it counts once the step is written.
#[derive(Debug)]
pub struct HistoryEntry {
    /// The mission.
    pub mission: NamedMission,
    /// What is to be written.
    pub step: Step,
    /// The locked status.
    pub writer: StatusWriter,
}

/// Adds a note to the history of a work package: `- [time] actor: note`.
///
/// # Errors
/// [`WorkflowError`].
pub fn append_history(
    desk: &Desk<'_>,
    (typed, wp_id): (&str, &str),
    actor: &str,
    note: &str,
) -> Result<HistoryEntry, WorkflowError> {
    let mission = desk.mission(typed)?;
    desk.package(&mission, typed, wp_id)?;
    let stamp = desk.time.now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let delta = Delta {
        note: Some(format!("- [{stamp}] {actor}: {note}")),
        ..Delta::default()
    };
    annotate(desk, mission, actor, vec![(wp_id.to_owned(), delta)])
}

/// Marks subtasks as done, or as to be done again; each belongs to one work package.
///
/// # Errors
/// [`WorkflowError`].
pub fn mark_subtasks(
    desk: &Desk<'_>,
    mission: NamedMission,
    actor: &str,
    subtasks: BTreeMap<String, Vec<String>>,
    to: Lane,
) -> Result<HistoryEntry, WorkflowError> {
    let deltas = subtasks.into_iter().map(|(wp_id, ids)| {
        let delta = Delta {
            subtasks: Some(ids.into_iter().map(|id| (id, to)).collect()),
            ..Delta::default()
        };
        (wp_id, delta)
    });
    annotate(desk, mission, actor, deltas.collect())
}

fn annotate(
    desk: &Desk<'_>,
    mission: NamedMission,
    actor: &str,
    deltas: Vec<(String, Delta)>,
) -> Result<HistoryEntry, WorkflowError> {
    let writer = desk.open(&mission)?;
    let log = writer.log();
    let mut maker = RowMaker::begin(desk, &mission, &log);
    let names: Vec<&str> = deltas.iter().map(|(wp_id, _)| wp_id.as_str()).collect();
    let message = format!(
        "chore(spec-kitty): inner-state annotation {}",
        names.join(", ")
    );
    let rows = deltas
        .into_iter()
        .map(|(wp_id, delta)| Row::Annotation(maker.annotation(&wp_id, actor, delta)))
        .collect();
    drop(log);
    Ok(HistoryEntry {
        mission,
        step: Step::of_rows(rows, message),
        writer,
    })
}
