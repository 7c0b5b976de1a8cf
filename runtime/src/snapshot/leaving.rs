//! The records that would be sent.

use super::{BYTES_PER_READ, RECORDS_PER_READ, replay};
use crate::fs::SharedFilesystem;
use crate::inbox::Inbox;
use crate::journal::{Cursor, JournalView};
use crate::owner::Scope;
use crate::record::{CaptureScope, Piece, RecordKind, pieces};
use crate::target::DeliveryTarget;
use std::io;

/// A record that would be sent: its id and its bytes.
pub type OpenRecord = (String, Vec<u8>);

/// Lists the events that would be sent to a target, in order, up to a limit; the inbox comes last.
///
/// Without a target, everything counts that was not captured while the project was opted out.
///
/// # Errors
/// The file system's.
pub fn open_events(
    filesystem: &SharedFilesystem,
    scope: &Scope,
    target: Option<&DeliveryTarget>,
    limit: usize,
) -> io::Result<Vec<OpenRecord>> {
    open_records(filesystem, scope, RecordKind::Event, target, limit)
}

/// Lists the bodies that would be sent to a target, as [`open_events`] does with events.
///
/// # Errors
/// The file system's.
pub fn open_bodies(
    filesystem: &SharedFilesystem,
    scope: &Scope,
    target: Option<&DeliveryTarget>,
    limit: usize,
) -> io::Result<Vec<OpenRecord>> {
    open_records(filesystem, scope, RecordKind::Body, target, limit)
}

/// Lists the records of a kind that would be sent to a target, in order, up to a limit; the inbox comes
/// last.
fn open_records(
    filesystem: &SharedFilesystem,
    scope: &Scope,
    kind: RecordKind,
    target: Option<&DeliveryTarget>,
    limit: usize,
) -> io::Result<Vec<OpenRecord>> {
    let view = JournalView::open(filesystem, &scope.paths, &scope.name)?;
    let replay = replay(&view)?;
    let wanted = |scope: CaptureScope, sequence: u64| match target {
        Some(target) => target.accepts(scope) && replay.state(target, sequence).is_open(),
        None => scope != CaptureScope::WITHHELD,
    };
    let (mut records, mut cursor) = (Vec::new(), Cursor::default());
    while let Some(slab) = view.read(cursor, RECORDS_PER_READ, BYTES_PER_READ)? {
        for entry in slab.entries() {
            let sequence = entry.position.sequence;
            let first_copy =
                replay.events.contains_key(&sequence) || replay.bodies.contains_key(&sequence);
            if entry.kind == kind
                && first_copy
                && wanted(entry.scope, sequence)
                && records.len() < limit
            {
                records.push((slab.id(entry).to_owned(), slab.payload(entry).to_vec()));
            }
        }
        cursor = slab.next();
    }
    let inbox = Inbox::new(filesystem.clone(), scope.paths.clone());
    for file in inbox.waiting()? {
        let Ok(content) = inbox.read(&file) else {
            continue;
        };
        for piece in pieces(&content, 0) {
            let Piece::Record(record, _) = piece else {
                continue;
            };
            let accepted = target.map_or(record.scope != CaptureScope::WITHHELD, |target| {
                target.accepts(record.scope)
            });
            let new = record.kind == kind && !replay.ids.contains_key(&*record.identity());
            if new && accepted && records.len() < limit {
                records.push((record.id.to_owned(), record.payload.to_vec()));
            }
        }
    }
    Ok(records)
}
