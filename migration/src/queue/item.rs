//! What a row says, whichever release wrote it.

use super::body::{self, SoundBody};
use super::event::{self, Refusal, Sound};
use super::row::{Cell, Row};
use super::source::Source;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::legacy_files::{LegacyKind, scope_digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// For whom a row was queued, as far as its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nobody was logged in.
    Nobody,
    /// The server, account and team with this hash.
    Scope(String),
    /// The account and team with this token (3.2.4 to 3.2.6).
    Producer(String),
    /// This server, account and team.
    Account {
        /// The server's origin.
        server: String,
        /// The account, by id or e-mail address.
        account: String,
        /// The Private Teamspace.
        team: String,
    },
    /// Captured before the project opted in; 3.2.7 promised never to send it by itself.
    BeforeOptIn,
    /// Captured while the project had opted out.
    Withheld,
}

/// How often a row was tried, and with what result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How often; absent where the row says NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// When it was to be tried next, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<f64>,
    /// What was said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The state of the task in 3.2.7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// What is in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An event.
    Event(Result<Sound, Refusal>),
    /// A body.
    Body(Result<SoundBody, Refusal>),
}

/// One row with a meaning.
#[derive(Debug, Clone)]
pub struct Item {
    /// The source it came from, by index.
    pub source: usize,
    /// The row itself.
    pub row: Row,
    /// What makes two rows the same task.
    pub key: String,
    /// A hash over what is queued, the same for the same content in two files.
    pub fingerprint: String,
    /// What is in it.
    pub content: Content,
    /// For whom it was queued.
    pub owner: Owner,
    /// Its place among the rows of its file.
    pub order: (i64, i64),
    /// When it was captured, in milliseconds since the Unix epoch.
    pub captured_ms: u64,
    /// How often it was tried.
    pub retry: Retry,
    /// Whether a server said that it has it.
    pub delivered: bool,
}

/// The tables that hold tasks, and what is needed to understand them.
#[must_use]
pub const fn tables(kind: LegacyKind) -> &'static [&'static str] {
    match kind {
        LegacyKind::Unscoped | LegacyKind::Scoped => {
            &["queue", "body_upload_queue", "body_upload_failure_log"]
        }
        LegacyKind::Journal => &["event_journal"],
        LegacyKind::ProjectStore => &[
            "journal_entries",
            "body_upload_tasks",
            "project_store_metadata",
            "project_consent_decisions",
            "consent_epochs",
            "project_target_admissions",
            "outbox_tasks",
            "delivery_attempts",
        ],
    }
}

/// Returns the rows of a source that are tasks, with their meaning.
#[must_use]
pub fn items(index: usize, source: &Source, delivered: &HashSet<String>) -> Vec<Item> {
    match source.file.kind {
        LegacyKind::Unscoped => of_queue(index, source, &Owner::Nobody),
        LegacyKind::Scoped => {
            let name = source.file.name.rsplit('/').next().unwrap_or_default();
            let digest = scope_digest(name).unwrap_or_default();
            of_queue(index, source, &Owner::Scope(digest.to_owned()))
        }
        LegacyKind::Journal => of_journal(index, source, delivered),
        LegacyKind::ProjectStore => Store::of(source).items(index, source),
    }
}

fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        _ => None,
    }
}

fn real(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Real(number) => Some(*number),
        #[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
        Cell::Integer(number) => Some(*number as f64),
        _ => None,
    }
}

fn lossy(cell: &Cell) -> String {
    String::from_utf8_lossy(cell.bytes()).into_owned()
}

fn iso_ms(cell: &Cell) -> u64 {
    let moment: Option<Timestamp> = cell.text().and_then(|text| text.parse().ok());
    moment.map_or(0, |moment| {
        u64::try_from(moment.as_millisecond()).unwrap_or(0)
    })
}

/// The same for the same JSON value, however it is written.
fn fingerprint(bytes: &[u8]) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => crate::sha256(value.to_string().as_bytes()),
        Err(_) => crate::sha256(bytes),
    }
}

fn of_queue(index: usize, source: &Source, owner: &Owner) -> Vec<Item> {
    let rows = source.rows.iter();
    rows.filter_map(|row| match row.table {
        "queue" => Some(queued_event(index, row, owner)),
        "body_upload_queue" => Some(queued_body(index, row, owner)),
        _ => None,
    })
    .collect()
}

fn queued_event(index: usize, row: &Row, owner: &Owner) -> Item {
    let (id, data) = (lossy(row.get("event_id")), row.get("data"));
    let content = match data {
        Cell::Text(bytes) => event::judge(bytes, &id, row.get("event_type").text(), None),
        _ => Err(Refusal {
            reason: "data_is_not_text",
            detail: "the envelope is not text".to_owned(),
        }),
    };
    Item {
        source: index,
        key: format!("event:{id}"),
        fingerprint: fingerprint(data.bytes()),
        content: Content::Event(content),
        owner: owner.clone(),
        order: (integer(row.get("timestamp")).unwrap_or_default(), row.rowid),
        captured_ms: row.get("timestamp").seconds_as_ms(),
        retry: Retry {
            count: integer(row.get("retry_count")),
            ..Retry::default()
        },
        delivered: false,
        row: row.clone(),
    }
}

fn queued_body(index: usize, row: &Row, owner: &Owner) -> Item {
    let keys = [
        lossy(row.get("project_uuid")),
        lossy(row.either("mission_slug", crate::words::SLUG)),
        lossy(row.get("target_branch")),
        lossy(row.either("mission_type", crate::words::KEY)),
        lossy(row.get("manifest_version")),
        lossy(row.get("artifact_path")),
        lossy(row.get("content_hash")),
    ];
    let content = row.get("content_body").bytes();
    Item {
        source: index,
        key: format!("body:{}", keys.join("\0")),
        fingerprint: crate::sha256(content),
        content: Content::Body(body::judge(row)),
        owner: owner.clone(),
        // Uploads went in the order of their rows.
        order: (row.rowid, 0),
        captured_ms: row.get("created_at").seconds_as_ms(),
        retry: Retry {
            count: integer(row.get("retry_count")),
            next_attempt_at: real(row.get("next_attempt_at")),
            last_error: row.get("last_error").text().map(str::to_owned),
            state: None,
        },
        delivered: false,
        row: row.clone(),
    }
}

/// `journal-local.db` is nobody's; every other name is a token of account and team.
fn of_journal(index: usize, source: &Source, delivered: &HashSet<String>) -> Vec<Item> {
    let name = source.file.name.rsplit('/').next().unwrap_or_default();
    let token = name
        .trim_start_matches("journal-")
        .trim_end_matches(".db")
        .to_owned();
    let owner = match token.as_str() {
        "local" => Owner::Nobody,
        _ => Owner::Producer(token),
    };
    let rows = source.rows.iter();
    rows.map(|row| {
        let (id, data) = (lossy(row.get("event_id")), row.get("payload"));
        let withheld = row.get("drain_blocked_reason").text() == Some("saas_disabled");
        Item {
            source: index,
            key: format!("event:{id}"),
            fingerprint: fingerprint(data.bytes()),
            content: Content::Event(event::judge(
                data.bytes(),
                &id,
                row.get("event_type").text(),
                None,
            )),
            owner: if withheld {
                Owner::Withheld
            } else {
                owner.clone()
            },
            order: (
                i64::try_from(iso_ms(row.get("created_at"))).unwrap_or(i64::MAX),
                row.rowid,
            ),
            captured_ms: iso_ms(row.get("created_at")),
            retry: Retry::default(),
            delivered: delivered.contains(&id),
            row: row.clone(),
        }
    })
    .collect()
}

/// What a project's store says about all of its rows.
struct Store<'a> {
    project: Option<ProjectUuid>,
    refused: bool,
    account: Option<Owner>,
    /// The state of an epoch, by its id.
    epochs: HashMap<i64, &'a str>,
    /// State and retry count of the task of an event.
    tasks: HashMap<&'a str, (&'a str, Option<i64>)>,
    /// Events that a server took.
    succeeded: HashSet<&'a str>,
}

impl<'a> Store<'a> {
    fn of(source: &'a Source) -> Self {
        let in_table = |name: &'static str| source.rows.iter().filter(move |row| row.table == name);
        let text = |row: &'a Row, column: &str| row.get(column).text().unwrap_or_default();
        let mut store = Self {
            project: in_table("project_store_metadata")
                .find_map(|row| row.get("project_uuid").text()?.parse().ok()),
            refused: in_table("project_consent_decisions")
                .any(|row| row.get("state").text() == Some("refused")),
            account: in_table("project_target_admissions")
                .map(|row| Owner::Account {
                    server: text(row, "target_identity").to_owned(),
                    account: text(row, "account_identity").to_owned(),
                    team: text(row, "private_teamspace_id").to_owned(),
                })
                .next(),
            epochs: HashMap::new(),
            tasks: HashMap::new(),
            succeeded: HashSet::new(),
        };
        for row in in_table("consent_epochs") {
            if let Some(id) = integer(row.get("epoch_id")) {
                store.epochs.insert(id, text(row, "state"));
            }
        }
        let mut event_of_task = HashMap::new();
        for row in in_table("outbox_tasks") {
            let entry = text(row, "journal_entry_id");
            let identity: Option<Value> =
                serde_json::from_str(text(row, "idempotency_identity")).ok();
            let count = identity.and_then(|identity| identity.get("retry_count")?.as_i64());
            store.tasks.insert(entry, (text(row, "state"), count));
            event_of_task.insert(text(row, "task_id"), entry);
            if text(row, "state") == "synced" {
                store.succeeded.insert(entry);
            }
        }
        for row in in_table("delivery_attempts") {
            if text(row, "state") == "succeeded"
                && let Some(event) = event_of_task.get(text(row, "outbox_task_id"))
            {
                store.succeeded.insert(event);
            }
        }
        store
    }

    /// Rows of an epoch that was never eligible were captured without consent.
    fn owner(&self, row: &Row, reason: Option<&str>) -> Owner {
        let epoch = integer(row.get("epoch_id")).and_then(|id| self.epochs.get(&id).copied());
        match epoch {
            _ if reason == Some("saas_disabled") && self.refused => Owner::Withheld,
            Some("eligible") => self.account.clone().unwrap_or(Owner::Nobody),
            _ if self.refused => Owner::Withheld,
            _ => Owner::BeforeOptIn,
        }
    }

    fn items(&self, index: usize, source: &Source) -> Vec<Item> {
        let rows = source.rows.iter();
        rows.filter_map(|row| match row.table {
            "journal_entries" => Some(self.event(index, row)),
            "body_upload_tasks" => Some(self.body(index, row)),
            _ => None,
        })
        .collect()
    }

    fn event(&self, index: usize, row: &Row) -> Item {
        let id = lossy(row.get("entry_id"));
        let (content, data, reason) = self.unwrapped(row, &id);
        let task = self.tasks.get(id.as_str());
        Item {
            source: index,
            key: format!("event:{id}"),
            fingerprint: fingerprint(&data),
            content: Content::Event(content),
            owner: self.owner(row, reason.as_deref()),
            order: (
                integer(row.get("capture_sequence")).unwrap_or_default(),
                row.rowid,
            ),
            captured_ms: iso_ms(row.get("created_at")),
            retry: Retry {
                count: task.and_then(|(_, count)| *count),
                state: task.map(|(state, _)| (*state).to_owned()),
                ..Retry::default()
            },
            delivered: self.succeeded.contains(id.as_str()),
            row: row.clone(),
        }
    }

    /// Takes the envelope out of what 3.2.7 wraps around it.
    fn unwrapped(&self, row: &Row, id: &str) -> (Result<Sound, Refusal>, Vec<u8>, Option<String>) {
        let refused = |reason, detail: &str| {
            let refusal = Refusal {
                reason,
                detail: detail.to_owned(),
            };
            (Err(refusal), row.get("payload_json").bytes().to_vec(), None)
        };
        let Ok(wrapper) = serde_json::from_slice::<Value>(row.get("payload_json").bytes()) else {
            return refused("data_is_not_json", "the journal entry is no JSON");
        };
        let text = |key: &str| wrapper.get(key).and_then(Value::as_str);
        if text("payload_encoding") != Some("base64") {
            return refused("payload_encoding", "the payload is not in base64");
        }
        let Some(bytes) = text("payload").and_then(|payload| STANDARD.decode(payload).ok()) else {
            return refused("payload_encoding", "the payload is not in base64");
        };
        let reason = text("drain_blocked_reason").map(str::to_owned);
        let judged = event::judge(&bytes, id, text("event_type"), self.project);
        (judged, bytes, reason)
    }

    fn body(&self, index: usize, row: &Row) -> Item {
        let text = |column: &str| row.get(column).text().unwrap_or_default();
        let judged = body::judge_reference(
            text("body_reference"),
            text("project_uuid"),
            text("content_hash"),
        );
        let (content, reference) = match judged {
            Ok((sound, reference)) => (Ok(sound), reference),
            Err(refusal) => (Err(refusal), Value::Null),
        };
        let key = match &content {
            Ok(SoundBody { task, .. }) => [
                &task.project_uuid,
                &task.mission_slug,
                &task.target_branch,
                &task.mission_type,
                &task.manifest_version,
                &task.artifact_path,
                &task.content_hash,
            ]
            .map(String::as_str)
            .join("\0"),
            Err(_) => text("body_task_id").to_owned(),
        };
        let fingerprint = match &content {
            Ok(SoundBody { task, .. }) => crate::sha256(task.content_body.as_bytes()),
            Err(_) => crate::sha256(row.get("body_reference").bytes()),
        };
        let captured = reference.get("created_at").and_then(Value::as_f64);
        Item {
            source: index,
            key: format!("body:{key}"),
            fingerprint,
            content: Content::Body(content),
            owner: self.owner(row, None),
            order: (
                integer(row.get("capture_sequence")).unwrap_or_default(),
                row.rowid,
            ),
            captured_ms: captured.map_or_else(
                || iso_ms(row.get("created_at")),
                |seconds| Cell::Real(seconds).seconds_as_ms(),
            ),
            retry: Retry {
                count: reference.get("retry_count").and_then(Value::as_i64),
                next_attempt_at: reference.get("next_attempt_at").and_then(Value::as_f64),
                last_error: reference
                    .get("last_error")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                state: Some(text("state").to_owned()),
            },
            delivered: text("state") == "uploaded",
            row: row.clone(),
        }
    }
}

/// Tells whether the store of a project says that the project has opted out.
#[must_use]
pub fn refused_project(source: &Source) -> Option<ProjectUuid> {
    if source.file.kind != LegacyKind::ProjectStore {
        return None;
    }
    let store = Store::of(source);
    store.project.filter(|_| store.refused)
}
