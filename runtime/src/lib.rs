//! The machine room: envelope, ids, crash-safe files, inbox, journal, mailbox, owner lease, clock.
//!
//! How an event travels: [`capture`](crate::inbox) writes one immutable file per command and fsyncs
//! it (no lock, no sled); the process that holds the [`lease`] moves the records into
//! the journal, the truth, and indexes them in the mailbox; delivery reads the journal by position.
//! `docs/concurrency.md` says why.

pub mod body;
mod boot;
pub mod consent;
pub mod crashsafe;
pub mod diagnostic;
pub mod envelope;
pub mod fs;
pub mod id;
pub mod inbox;
pub mod ipc;
pub mod journal;
pub mod lamport;
pub mod lease;
pub mod legacy_files;
pub mod lock;
pub mod mailbox;
pub mod node_id;
pub mod outcome;
pub mod owner;
pub mod process;
pub mod python_json;
pub mod record;
pub mod snapshot;
pub mod status_file;
pub mod target;
pub mod time;
