//! The token-free hint that answers "is there a session?" without a key.
//!
//! Shared with the Python CLI (reference/auth-state-daemon.md 3): valid for 30 seconds, and only
//! for the very file it was made for. A hint that does not fit is ignored, never repaired.

use super::private_file::{FileFacts, Links, PrivateFile};
use jiff::Timestamp;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::Filesystem;
use kitty_runtime::{python_json, time};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

const SCHEMA_VERSION: u32 = 1;
const MAXIMUM_AGE_SECONDS: f64 = 30.0;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct DurableFingerprint {
    inode: u64,
    mtime_ns: i64,
    size: u64,
}

/// The file: sorted keys; the Python CLI writes it too, so unknown keys are ignored.
#[derive(Debug, Serialize, Deserialize)]
struct HotPathRecord {
    durable_fingerprint: DurableFingerprint,
    generated_at: f64,
    max_age_seconds: f64,
    refresh_token_expires_at: Option<String>,
    schema_version: u32,
}

impl From<FileFacts> for DurableFingerprint {
    fn from(facts: FileFacts) -> Self {
        Self {
            inode: facts.inode,
            mtime_ns: facts.mtime_ns,
            size: facts.size,
        }
    }
}

/// What a fitting hint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) refresh_token_expires_at: Option<Timestamp>,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds with microseconds fit into a double until the year 2255"
)]
fn seconds(moment: Timestamp) -> f64 {
    moment.as_microsecond() as f64 / 1e6
}

/// Returns the hint if it is fresh and was made for this very session file.
pub(super) fn load(path: &Path, session: FileFacts, now: Timestamp) -> Option<Hint> {
    let file = PrivateFile::read(path, Links::Follow).ok()??;
    let record: HotPathRecord = serde_json::from_slice(&file.bytes).ok()?;
    let age = seconds(now) - record.generated_at;
    let limit = record.max_age_seconds.min(MAXIMUM_AGE_SECONDS);
    let fits = record.schema_version == SCHEMA_VERSION
        && record.durable_fingerprint == session.into()
        && (0.0..=limit).contains(&age);
    if !fits {
        return None;
    }
    let refresh_token_expires_at = match record.refresh_token_expires_at {
        None => None,
        Some(text) => Some(time::parse_iso(&text)?),
    };
    Some(Hint {
        refresh_token_expires_at,
    })
}

/// Publishes the hint for a session file. Survives the death of the process; it is only a hint.
pub(super) fn publish(
    filesystem: &dyn Filesystem,
    path: &Path,
    session: FileFacts,
    refresh_token_expires_at: Option<Timestamp>,
    now: Timestamp,
) -> io::Result<()> {
    let record = HotPathRecord {
        durable_fingerprint: session.into(),
        generated_at: seconds(now),
        max_age_seconds: MAXIMUM_AGE_SECONDS,
        refresh_token_expires_at: refresh_token_expires_at.map(time::iso),
        schema_version: SCHEMA_VERSION,
    };
    let text = python_json::line(&record);
    crashsafe::replace(filesystem, path, text.as_bytes(), Durability::ProcessDeath)
}
