//! How a scope stands, read by any process without a lock, without sled and without writing.
//!
//! `status.json` is the shortcut: what the owner knew, plus what was appended since. When answers
//! were appended since (an owner died in the middle), or there is no `status.json`, the journal is
//! read from its beginning; it holds everything.

mod leaving;

pub use leaving::{OpenRecord, open_bodies, open_events};

use crate::fs::SharedFilesystem;
use crate::id::EventId;
use crate::inbox::Inbox;
use crate::journal::{Cursor, JournalView, Slab, SlabEntry};
use crate::mailbox::{Attempt, BodiesRow, TargetRow};
use crate::outcome::{DeliveryState, OutcomeDetail, OutcomeRecord, Retry, StateCounts};
use crate::owner::{Scope, TargetAnswer};
use crate::record::{CaptureScope, Piece, RecordKind, identity, pieces};
use crate::status_file::{DamageReport, StatusFile};
use crate::target::DeliveryTarget;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

const RECORDS_PER_READ: usize = 10_000;
const BYTES_PER_READ: usize = 4 << 20;
/// The name of the first segment that a journal ever has: its first sequence.
const FIRST_SEGMENT: u64 = 1;

/// How a scope stands with one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSummary {
    /// The target.
    pub target: DeliveryTarget,
    /// Events by state.
    pub counts: StateCounts,
    /// Events that were not answered at all, the inbox included.
    pub queued: u64,
    /// When the oldest open event was captured, in milliseconds since the Unix epoch.
    pub oldest_open_ms: Option<u64>,
    /// Tries.
    pub attempt: Attempt,
    /// Bodies by state; they are counted apart from events everywhere.
    pub bodies: BodiesRow,
    /// Bodies that were not answered at all, the inbox included.
    pub bodies_queued: u64,
}

impl TargetSummary {
    /// Returns the bodies that are still to be sent.
    #[must_use]
    pub const fn open_bodies(&self) -> u64 {
        self.bodies_queued + self.bodies.counts.pending + self.bodies.counts.transient
    }
}

/// How a scope stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeSummary {
    /// Events in journal and inbox.
    pub events: u64,
    /// Of these, events that wait in the inbox.
    pub waiting_in_inbox: u64,
    /// Bodies in journal and inbox.
    pub bodies: u64,
    /// The bytes of all segments.
    pub journal_bytes: u64,
    /// When the oldest event was captured, in milliseconds since the Unix epoch.
    pub oldest_ms: Option<u64>,
    /// The targets that were ever tried.
    pub targets: Vec<TargetSummary>,
    /// Damage that was found and survived.
    pub damage: Vec<DamageReport>,
}

impl ScopeSummary {
    /// Returns how the scope stands with a target; one that was never tried has everything queued.
    #[must_use]
    pub fn for_target(&self, target: &DeliveryTarget) -> TargetSummary {
        let known = self
            .targets
            .iter()
            .find(|summary| summary.target == *target);
        known.cloned().unwrap_or_else(|| TargetSummary {
            target: target.clone(),
            counts: StateCounts::default(),
            queued: self.events,
            oldest_open_ms: self.oldest_ms,
            attempt: Attempt::default(),
            bodies: BodiesRow::default(),
            bodies_queued: self.bodies,
        })
    }
}

/// Reads how a scope stands; a scope that does not exist is empty.
///
/// # Errors
/// The file system's.
pub fn summarise(filesystem: &SharedFilesystem, scope: &Scope) -> io::Result<ScopeSummary> {
    let view = JournalView::open(filesystem, &scope.paths, &scope.name)?;
    let status = StatusFile::read(&**filesystem, &scope.paths.status());
    let mut summary = match status.and_then(|status| continue_status(&view, status).transpose()) {
        Some(summary) => summary?,
        None => replay(&view)?.summary(&view),
    };
    let inbox = Inbox::new(filesystem.clone(), scope.paths.clone());
    let waiting = inbox.tally()?;
    summary.waiting_in_inbox = waiting.records.saturating_sub(waiting.bodies);
    summary.events += summary.waiting_in_inbox;
    summary.bodies += waiting.bodies;
    for target in &mut summary.targets {
        target.queued += summary.waiting_in_inbox;
        target.bodies_queued += waiting.bodies;
    }
    if let Some(first) = waiting.first.as_ref().filter(|_| {
        summary.oldest_ms.is_none()
            || summary
                .targets
                .iter()
                .any(|target| target.oldest_open_ms.is_none())
    }) {
        let content = inbox.read(first).unwrap_or_default();
        let captured = pieces(&content, 0).find_map(|piece| match piece {
            Piece::Record(record, _) => Some(record.captured_ms),
            Piece::Damage { .. } => None,
        });
        summary.oldest_ms = summary.oldest_ms.or(captured);
        for target in &mut summary.targets {
            target.oldest_open_ms = target.oldest_open_ms.or(captured);
        }
    }
    Ok(summary)
}

/// Adds what was appended since the status was written; `None` when answers were, or the status does
/// not fit the journal.
fn continue_status(view: &JournalView, status: StatusFile) -> io::Result<Option<ScopeSummary>> {
    let mut cursor = status.meta.mark.cursor;
    if cursor > view.end() {
        return Ok(None);
    }
    let mut summary = ScopeSummary {
        events: status.meta.events,
        bodies: status.meta.bodies,
        journal_bytes: view.total_length(),
        damage: status.damage,
        ..ScopeSummary::default()
    };
    let mut added_oldest = None;
    while let Some(slab) = view.read(cursor, RECORDS_PER_READ, BYTES_PER_READ)? {
        for entry in slab.entries() {
            match entry.kind {
                RecordKind::Outcome => return Ok(None),
                RecordKind::Event => {
                    summary.events += 1;
                    added_oldest = added_oldest.or(Some(entry.captured_ms));
                }
                RecordKind::Body => summary.bodies += 1,
                _ => {}
            }
        }
        cursor = slab.next();
    }
    summary.targets = status
        .targets
        .into_iter()
        .map(|target| {
            summarise_target(
                target.row,
                target.oldest_open_ms.or(added_oldest),
                (summary.events, summary.bodies),
            )
        })
        .collect();
    summary.oldest_ms = first_event_ms(view)?;
    Ok(Some(summary))
}

fn first_event_ms(view: &JournalView) -> io::Result<Option<u64>> {
    let mut cursor = Cursor::default();
    while let Some(slab) = view.read(cursor, 16, 64 << 10)? {
        if let Some(entry) = slab
            .entries()
            .iter()
            .find(|entry| entry.kind == RecordKind::Event)
        {
            return Ok(Some(entry.captured_ms));
        }
        cursor = slab.next();
    }
    Ok(None)
}

fn summarise_target(
    row: TargetRow,
    oldest_open_ms: Option<u64>,
    (events, bodies): (u64, u64),
) -> TargetSummary {
    let queued = events.saturating_sub(row.counts.total());
    let oldest_open_ms =
        oldest_open_ms.filter(|_| queued + row.counts.pending + row.counts.transient > 0);
    TargetSummary {
        target: row.target,
        counts: row.counts,
        queued,
        oldest_open_ms,
        attempt: row.attempt,
        bodies_queued: bodies.saturating_sub(row.bodies.counts.total()),
        bodies: row.bodies,
    }
}

/// What a target answered for one record.
#[derive(Debug, Clone)]
struct Answer {
    state: DeliveryState,
    detail: Option<OutcomeDetail>,
    retry: Option<Retry>,
}

impl Answer {
    const fn new(state: DeliveryState) -> Self {
        Self {
            state,
            detail: None,
            retry: None,
        }
    }
}

/// The whole journal, read from the beginning.
#[derive(Debug, Default)]
struct Replay {
    events: BTreeMap<u64, (u64, CaptureScope)>,
    bodies: BTreeMap<u64, CaptureScope>,
    ids: HashMap<String, u64>,
    targets: BTreeMap<DeliveryTarget, BTreeMap<u64, Answer>>,
    damage: Vec<String>,
}

fn replay(view: &JournalView) -> io::Result<Replay> {
    let mut replay = Replay::default();
    let mut cursor = Cursor::default();
    while let Some(slab) = view.read(cursor, RECORDS_PER_READ, BYTES_PER_READ)? {
        replay
            .damage
            .extend(slab.damage().iter().map(ToString::to_string));
        for entry in slab.entries() {
            replay.take(&slab, entry);
        }
        cursor = slab.next();
    }
    Ok(replay)
}

impl Replay {
    fn take(&mut self, slab: &Slab, entry: &SlabEntry) {
        let sequence = entry.position.sequence;
        match entry.kind {
            RecordKind::Event | RecordKind::Body => {
                let known_by = identity(entry.kind, slab.id(entry), entry.scope);
                if self.ids.contains_key(&*known_by) {
                    return;
                }
                self.ids.insert(known_by.into_owned(), sequence);
                if entry.kind == RecordKind::Body {
                    self.bodies.insert(sequence, entry.scope);
                } else {
                    self.events
                        .insert(sequence, (entry.captured_ms, entry.scope));
                }
            }
            RecordKind::Outcome => {
                let Ok(record) = serde_json::from_slice::<OutcomeRecord>(slab.payload(entry))
                else {
                    return;
                };
                let states = self.targets.entry(record.target.clone()).or_default();
                for (sequence, state) in record.states() {
                    states.insert(sequence, Answer::new(state));
                }
                for (sequence, detail) in record.details {
                    if let Some(answer) = states.get_mut(&sequence) {
                        answer.detail = Some(detail);
                    }
                }
                for (sequence, retry) in record.retries {
                    if let Some(answer) = states.get_mut(&sequence) {
                        answer.retry = Some(retry);
                    }
                }
            }
            _ => {}
        }
    }

    fn state(&self, target: &DeliveryTarget, sequence: u64) -> DeliveryState {
        let states = self.targets.get(target);
        states
            .and_then(|states| states.get(&sequence))
            .map_or(DeliveryState::Queued, |answer| answer.state)
    }

    fn summary(&self, view: &JournalView) -> ScopeSummary {
        let mut summary = ScopeSummary {
            events: self.events.len() as u64,
            bodies: self.bodies.len() as u64,
            journal_bytes: view.total_length(),
            oldest_ms: self.events.values().next().map(|(captured, _)| *captured),
            damage: self
                .damage
                .iter()
                .map(|what| DamageReport {
                    at: String::new(),
                    what: what.clone(),
                })
                .collect(),
            ..ScopeSummary::default()
        };
        for target in self.targets.keys() {
            let mut row = TargetRow::new(target.clone());
            let mut oldest = None;
            for (sequence, (captured, _)) in &self.events {
                let state = self.state(target, *sequence);
                row.counts.shift(DeliveryState::Queued, state);
                if state.is_open() {
                    oldest = oldest.or(Some(*captured));
                }
            }
            for sequence in self.bodies.keys() {
                let state = self.state(target, *sequence);
                row.bodies.counts.shift(DeliveryState::Queued, state);
            }
            summary.targets.push(summarise_target(
                row,
                oldest,
                (summary.events, summary.bodies),
            ));
        }
        summary
    }
}

/// Where one record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: RecordKind,
    /// Its position in the journal's order; `None` while it waits in the inbox.
    pub sequence: Option<u64>,
    /// When it was captured, in milliseconds since the Unix epoch.
    pub captured_ms: u64,
    /// For whom.
    pub scope: CaptureScope,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// Where it stands with every target that was ever tried.
    pub answers: Vec<TargetAnswer>,
}

/// Finds a record by its id in journal and inbox.
///
/// # Errors
/// The file system's.
pub fn find(filesystem: &SharedFilesystem, scope: &Scope, id: &str) -> io::Result<Option<Found>> {
    let view = JournalView::open(filesystem, &scope.paths, &scope.name)?;
    let mut replay = Replay::default();
    let mut found: Option<Found> = None;
    let mut cursor = Cursor::default();
    while let Some(slab) = view.read(cursor, RECORDS_PER_READ, BYTES_PER_READ)? {
        for entry in slab.entries() {
            if entry.kind == RecordKind::Outcome {
                replay.take(&slab, entry);
                continue;
            }
            // A body may be stored once for each account; the last one is the one that is asked about.
            let is_new = found
                .as_ref()
                .is_none_or(|found| entry.kind == RecordKind::Body && found.scope != entry.scope);
            if is_new && slab.id(entry) == id {
                found = Some(Found {
                    kind: entry.kind,
                    sequence: Some(entry.position.sequence),
                    captured_ms: entry.captured_ms,
                    scope: entry.scope,
                    payload: slab.payload(entry).to_vec(),
                    answers: Vec::new(),
                });
            }
        }
        cursor = slab.next();
    }
    let Some(mut found) = found else {
        return find_in_inbox(filesystem, scope, id);
    };
    let sequence = found.sequence.expect("records of the journal have one");
    for (target, states) in replay.targets {
        let answer = states.get(&sequence).cloned();
        let answer = answer.unwrap_or_else(|| Answer::new(DeliveryState::Queued));
        found.answers.push(TargetAnswer {
            target,
            state: answer.state,
            detail: answer.detail,
            retry: answer.retry,
        });
    }
    Ok(Some(found))
}

fn find_in_inbox(
    filesystem: &SharedFilesystem,
    scope: &Scope,
    id: &str,
) -> io::Result<Option<Found>> {
    let inbox = Inbox::new(filesystem.clone(), scope.paths.clone());
    for file in inbox.waiting()? {
        let Ok(content) = inbox.read(&file) else {
            continue;
        };
        for piece in pieces(&content, 0) {
            if let Piece::Record(record, _) = piece
                && record.id == id
            {
                return Ok(Some(Found {
                    kind: record.kind,
                    sequence: None,
                    captured_ms: record.captured_ms,
                    scope: record.scope,
                    payload: record.payload.to_vec(),
                    answers: Vec::new(),
                }));
            }
        }
    }
    Ok(None)
}

/// The ids of every event that is stored: held, in the inbox or in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownEvents {
    ids: HashSet<EventId>,
    /// Before this moment nothing can be told, in milliseconds since the Unix epoch: segments whose
    /// events were answered have been deleted.
    pub forgotten_before_ms: Option<u64>,
}

impl KnownEvents {
    /// Tells whether an event is stored.
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        self.ids.contains(id)
    }
}

/// Collects the ids of every event that is stored; ids that are no ULID are left out.
///
/// Events move from `inbox/held` to `inbox/new` and from there into the journal. The places are read
/// in this order, so that one that moves meanwhile is found in one of them.
///
/// # Errors
/// The file system's.
pub fn known_events(filesystem: &SharedFilesystem, scope: &Scope) -> io::Result<KnownEvents> {
    let inbox = Inbox::new(filesystem.clone(), scope.paths.clone());
    let mut known = KnownEvents::default();
    let mut contents = inbox.held_contents()?;
    let waiting = inbox.waiting()?;
    contents.extend(waiting.iter().filter_map(|file| inbox.read(file).ok()));
    for content in &contents {
        for piece in pieces(content, 0) {
            if let Piece::Record(record, _) = piece
                && record.kind == RecordKind::Event
            {
                known.ids.extend(record.id.parse::<EventId>());
            }
        }
    }
    let view = JournalView::open(filesystem, &scope.paths, &scope.name)?;
    let (mut cursor, mut first) = (Cursor::default(), None);
    while let Some(slab) = view.read(cursor, RECORDS_PER_READ, BYTES_PER_READ)? {
        for entry in slab.entries() {
            if entry.kind == RecordKind::Event {
                first.get_or_insert(entry.captured_ms);
                known.ids.extend(slab.id(entry).parse::<EventId>());
            }
        }
        cursor = slab.next();
    }
    if view
        .segments()
        .next()
        .is_some_and(|segment| segment > FIRST_SEGMENT)
    {
        known.forgotten_before_ms = Some(first.unwrap_or(u64::MAX));
    }
    Ok(known)
}
