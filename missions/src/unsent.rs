//! Finds the rows of status logs that no event tells of.
//!
//! A row has none when it was written while hosted sync was off, on another machine, or by another
//! program. It can still be sent: the events of a row are worked out from the row ([`events`]).

use crate::events::{self, EventProblem, MissionFacts};
use crate::handle::NamedMission;
use crate::lane::Lane;
use crate::lifecycle::LifecycleEvent;
use crate::status_log::row::{Row, Transition};
use crate::status_log::{self, StatusLog};
use kitty_runtime::envelope::EventDraft;
use kitty_runtime::id::EventId;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The rows of one mission that have no event, in the order of the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unsent<'a> {
    rows: Vec<UnsentRow<'a>>,
    /// Why the others cannot be sent.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum UnsentRow<'a> {
    Lifecycle(Box<LifecycleEvent>),
    Row(Box<Row<'a>>),
}

impl<'a> UnsentRow<'a> {
    fn transition(&self) -> Option<&Transition<'a>> {
        match self {
            Self::Row(row) => match &**row {
                Row::Transition(row) => Some(row),
                Row::Annotation(_) => None,
            },
            Self::Lifecycle(_) => None,
        }
    }
}

/// How many rows of each kind have no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct UnsentCounts {
    /// Moves of work packages.
    pub transitions: usize,
    /// Notes on work packages.
    pub notes: usize,
    /// What was begun, written and finished.
    pub lifecycle: usize,
}

impl UnsentCounts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.transitions + self.notes + self.lifecycle
    }
}

/// The one field that is read of every row.
#[derive(Deserialize)]
struct Id<'a> {
    #[serde(borrow)]
    event_id: Option<Cow<'a, str>>,
}

impl<'a> Unsent<'a> {
    /// Reads the text of a log; `is_known` tells whether an event is stored.
    ///
    /// A line that cannot be understood is a problem, and the other lines still count.
    #[must_use]
    pub fn find(text: &'a str, is_known: impl Fn(&EventId) -> bool) -> Self {
        let mut found = Self::default();
        let mut seen = BTreeSet::new();
        for (index, line) in text.lines().enumerate() {
            let id = serde_json::from_str::<Id<'_>>(line).ok();
            let id = id.and_then(|id| id.event_id?.parse::<EventId>().ok());
            if id.is_some_and(|id| is_known(&id)) {
                continue;
            }
            found.take(line, index + 1, id, &mut seen);
        }
        found
    }

    fn take(
        &mut self,
        line: &'a str,
        number: usize,
        id: Option<EventId>,
        seen: &mut BTreeSet<EventId>,
    ) {
        let log = StatusLog::parse(line);
        let transition = log.transitions.into_iter().map(Row::Transition);
        let annotation = log.annotations.into_iter().map(Row::Annotation);
        let row = match transition.chain(annotation).next() {
            // An annotation without a note is no event.
            Some(Row::Annotation(row)) if !events::is_told(&row) => return,
            Some(row) => UnsentRow::Row(Box::new(row)),
            None => match LifecycleEvent::read(line) {
                Some(row) => UnsentRow::Lifecycle(Box::new(row)),
                None => {
                    // Rows of other kinds are no events; broken ones are named.
                    let problems = log.problems.iter();
                    self.problems
                        .extend(problems.map(|problem| format!("line {number}: {problem}")));
                    return;
                }
            },
        };
        let Some(id) = id else {
            let name = status_log::FILE_NAME;
            self.problems.push(format!(
                "{name} line {number} cannot be sent: its id is not a ULID"
            ));
            return;
        };
        if !seen.insert(id) {
            return;
        }
        self.rows.push(row);
    }

    /// The moves of work packages among them.
    pub fn transitions(&self) -> impl DoubleEndedIterator<Item = &Transition<'a>> {
        self.rows.iter().filter_map(UnsentRow::transition)
    }

    /// Counts them by kind.
    #[must_use]
    pub fn counts(&self) -> UnsentCounts {
        let mut counts = UnsentCounts::default();
        for row in &self.rows {
            match row {
                UnsentRow::Lifecycle(_) => counts.lifecycle += 1,
                UnsentRow::Row(row) => match **row {
                    Row::Transition(_) => counts.transitions += 1,
                    Row::Annotation(_) => counts.notes += 1,
                },
            }
        }
        counts
    }

    /// Works out the events of the rows, in order; rows that cannot be sent are named.
    #[must_use]
    pub fn events(
        &self,
        mission: &NamedMission,
        facts: &MissionFacts,
    ) -> (Vec<EventDraft>, Vec<EventProblem>) {
        let (mut drafts, mut problems) = (Vec::new(), Vec::new());
        let closing = self.closing(mission);
        for row in &self.rows {
            let events = match row {
                UnsentRow::Lifecycle(row) => events::of_lifecycle(row).map(|draft| vec![draft]),
                UnsentRow::Row(row) => events::of_row(row, facts),
            };
            match events {
                Ok(events) => drafts.extend(events),
                Err(problem) => problems.push(problem),
            }
            if let Some(row) = row.transition()
                && closing.is_some_and(|last| last.event_id == row.event_id)
            {
                match closed(row, mission) {
                    Some(Ok(draft)) => drafts.push(draft),
                    Some(Err(problem)) => problems.push(problem),
                    None => {}
                }
            }
        }
        (drafts, problems)
    }

    /// The row that completed the last work package of a mission that is closed.
    fn closing(&self, mission: &NamedMission) -> Option<&Transition<'a>> {
        let last = self
            .transitions()
            .rev()
            .find(|row| row.to_lane == Lane::Done);
        last.filter(|_| mission.meta.mission_number.is_some())
    }
}

fn closed(
    row: &Transition<'_>,
    mission: &NamedMission,
) -> Option<Result<EventDraft, EventProblem>> {
    let meta = &mission.meta;
    let number = meta.mission_number?;
    let kind = meta.mission_type.as_deref().unwrap_or("software-dev");
    let id = meta.mission_id.as_deref();
    Some(events::mission_closed(row, id, number, kind))
}
