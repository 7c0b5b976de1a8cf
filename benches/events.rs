//! Events as a command captures them: about a kilobyte each, no two alike.

use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use serde_json::{Value, json};

/// The project that every event of a measurement belongs to.
pub const PROJECT: &str = "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4";
/// When the first event was captured, in milliseconds since the Unix epoch.
const FIRST_MS: u64 = 1_795_000_000_000;
/// Stands in the template where an event's own text goes; same length as the text.
const ID_MARK: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@";
const HASH_MARK: &str = "########################################";

/// One event: its id and the bytes that are stored and sent.
#[derive(Debug, Clone)]
pub struct Event {
    /// The ULID.
    pub id: String,
    /// When it was captured, in milliseconds since the Unix epoch.
    pub captured_ms: u64,
    /// The envelope, keys sorted, no spaces.
    pub wire: Vec<u8>,
}

impl Event {
    /// Returns the record that an inbox or a journal keeps of it.
    pub fn record(&self) -> RecordView<'_> {
        RecordView {
            sequence: 0,
            kind: RecordKind::Event,
            captured_ms: self.captured_ms,
            scope: CaptureScope::NOBODY,
            id: &self.id,
            payload: &self.wire,
        }
    }
}

/// Makes events by number: the same number gives the same event in every process.
#[derive(Debug)]
pub struct Events {
    template: String,
}

impl Events {
    /// Creates the maker; the template is printed once.
    pub fn new() -> Self {
        Self {
            template: template().to_string(),
        }
    }

    /// Returns the event with this number.
    pub fn event(&self, number: u64) -> Event {
        let captured_ms = FIRST_MS + number;
        let id = ulid(captured_ms, number);
        let (high, low) = (mix(number ^ 0x51ed), mix(number ^ 0xc0de));
        let hash = format!("{high:016x}{low:016x}{:08x}", number & 0xffff_ffff);
        let wire = self.template.replace(ID_MARK, &id);
        let wire = wire.replace(HASH_MARK, &hash).into_bytes();
        Event {
            id,
            captured_ms,
            wire,
        }
    }

    /// Returns the events with these numbers.
    pub fn range(&self, numbers: std::ops::Range<u64>) -> Vec<Event> {
        numbers.map(|number| self.event(number)).collect()
    }
}

fn template() -> Value {
    json!({
        "aggregate_id": "WP01", "aggregate_type": "WorkPackage",
        "build_id": "c4ad781d-049b-5533-a459-64c1ad68b1ce", "causation_id": null,
        "correlation_id": ID_MARK, "drain_blocked_reason": null, "event_id": ID_MARK,
        "event_type": "WPStatusChanged", "git_branch": "work", "head_commit_sha": HASH_MARK,
        "lamport_clock": 27, "node_id": "b805cd5cee74",
        "payload": {
            "actor": {"role": "implementer", "tool": "claude", "profile": "strict", "model": "m"},
            "evidence": null, "execution_mode": "worktree", "force": false,
            "from_lane": "in_progress", "mission_slug": "third-thing-01M7XAND",
            "reason": format!("Built and tested at {HASH_MARK}; the second run was clean too."),
            "review_ref": null, "to_lane": "for_review", "wp_id": "WP01"
        },
        "project_slug": "demo-repo", "project_uuid": PROJECT, "repo_slug": "acme/demo-repo",
        "schema_version": "3.0.0", "team_slug": "t-private",
        "timestamp": "2026-11-20T20:00:00.651247+00:00"
    })
}

/// Returns the 1.5 KB event that the gate is measured with: a review with its evidence.
pub fn reviewed_event() -> Value {
    let note = "Reviewed twice, once by hand; the second run was clean. ";
    let mut event = template();
    for (key, text) in [
        ("correlation_id", "01M7XAS67MT30DH0DY9EW5WFQY"),
        ("event_id", "01M7XAS67MT30DH0DY9EW5WFQY"),
        (
            "head_commit_sha",
            "42d9c2bc1828a81a033e245ae357e5702ccf97fc",
        ),
    ] {
        event[key] = json!(text);
    }
    event["payload"] = json!({
        "actor": {"role": "reviewer", "tool": "claude", "profile": "strict", "model": "m"},
        "evidence": {
            "repos": [{"repo": "acme/demo-repo", "branch": "work", "commit": "42d9c2bc1828a81a"}],
            "review": {"reviewer": "ann", "verdict": "approved", "reference": note},
            "verification": [{"command": "cargo test", "result": "passed", "summary": note}]
        },
        "execution_mode": "worktree", "force": false, "from_lane": "in_review",
        "mission_slug": "third-thing-01M7XAND", "reason": note, "review_ref": note,
        "to_lane": "approved", "wp_id": "WP01"
    });
    for (key, value) in [
        ("admission_generation", json!(1)),
        (
            "binding_audience",
            json!("local-nonstrict:http://127.0.0.1:33245"),
        ),
        (
            "spec_kitty_delivery_identity",
            json!("01M7XAS67MT30DH0DY9EW5WFQY"),
        ),
        ("type", json!("event")),
    ] {
        event[key] = value;
    }
    event
}

/// Prints a ULID: its time, and 80 bits that depend on the number.
fn ulid(milliseconds: u64, number: u64) -> String {
    let random = u128::from(mix(number)) | (u128::from(mix(!number) & 0xffff) << 64);
    let bits = (u128::from(milliseconds) << 80) | random;
    (0..26)
        .map(|digit| {
            let value = (bits >> (5 * (25 - digit))) & 31;
            char::from(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[value as usize])
        })
        .collect()
}

/// Spreads a number over 64 bits (splitmix64).
pub const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
