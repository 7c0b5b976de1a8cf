//! Queue files as earlier releases wrote them, made with SQLite itself.

use crate::support::sandbox::Sandbox;
use kitty_runtime::record::{Piece, RecordKind, pieces};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::path::Path;

pub const OURS: &str = "11111111-2222-4333-8444-555555555555";
pub const OTHERS: &str = "99999999-8888-4777-8666-555555555555";

/// How the columns of bodies are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Until 3.0.3.
    Feature,
    /// From 3.1.0 on.
    Mission,
}

/// One row of `queue`.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub data: Vec<u8>,
    pub is_blob: bool,
    pub seconds: i64,
    pub retry: Option<i64>,
}

/// One row of `body_upload_queue`.
#[derive(Debug, Clone)]
pub struct Body {
    pub project: String,
    pub slug: String,
    pub path: String,
    pub hash: String,
    pub content: Vec<u8>,
    pub is_blob: bool,
    pub retry: i64,
    pub error: Option<String>,
}

/// What lies in one queue file.
#[derive(Debug, Clone)]
pub struct Queue {
    pub names: Names,
    pub with_log: bool,
    pub events: Vec<Event>,
    pub bodies: Vec<Body>,
}

pub fn ulid(number: usize) -> String {
    format!("01KDWSPT00{number:016}")
}

/// An event of 3.0.3 that says the same today under other names.
pub fn event(number: usize, project: &str) -> Event {
    let id = ulid(number);
    let envelope = json!({
        "event_id": id, "event_type": "WPStatusChanged", "aggregate_id": "WP01",
        "aggregate_type": "WorkPackage", "node_id": "abcdef012345", "lamport_clock": number + 1,
        "causation_id": null, "timestamp": "2026-01-02T03:04:05.000006+00:00", "team_slug": "local",
        "project_uuid": project, "project_slug": "old", "git_branch": "main",
        "head_commit_sha": null, "repo_slug": "acme/old",
        "payload": {"wp_id": "WP01", "from_lane": "planned", "to_lane": "claimed", "actor": "claude",
                    "execution_mode": "worktree", "force": false, "feature_slug": "012-old",
                    "reason": format!("n\u{f6} {number}")},
    });
    of_envelope(&envelope, number)
}

pub fn of_envelope(envelope: &Value, number: usize) -> Event {
    Event {
        id: envelope["event_id"].as_str().unwrap_or_default().to_owned(),
        kind: envelope["event_type"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        data: envelope.to_string().into_bytes(),
        is_blob: false,
        seconds: 1_767_000_000 + number as i64 / 3,
        retry: Some(number as i64 % 4),
    }
}

pub fn edited(number: usize, change: impl FnOnce(&mut Value)) -> Event {
    let row = event(number, OURS);
    let mut envelope: Value = serde_json::from_slice(&row.data).unwrap();
    change(&mut envelope);
    of_envelope(&envelope, number)
}

pub fn body(number: usize, project: &str) -> Body {
    let content = format!("# Artefakt {number}\n\u{65e5}\u{672c} feature_slug stays in a text\n");
    Body {
        project: project.to_owned(),
        slug: format!("{:03}-mission", number % 7),
        path: format!("research/r{number}.md"),
        hash: hex(content.as_bytes()),
        content: content.into_bytes(),
        is_blob: false,
        retry: number as i64 % 25,
        error: number
            .is_multiple_of(3)
            .then(|| "server_error: 503".to_owned()),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn within<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

/// Runs statements on a new database and puts it where it belongs, with its log if there is one.
async fn make(path: &Path, with_log: bool, work: impl AsyncFnOnce(&mut SqliteConnection)) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("made.db");
    let mode = if with_log {
        SqliteJournalMode::Wal
    } else {
        SqliteJournalMode::Delete
    };
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(mode)
        .pragma("wal_autocheckpoint", "0")
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    work(&mut connection).await;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    if with_log {
        // Copied while it is open: closing would merge the log into the file.
        let log = |path: &Path| {
            path.with_file_name(format!(
                "{}-wal",
                path.file_name().unwrap().to_str().unwrap()
            ))
        };
        std::fs::copy(log(&file), log(path)).unwrap();
        std::fs::copy(&file, path).unwrap();
    }
    connection.close().await.unwrap();
    if !with_log {
        std::fs::copy(&file, path).unwrap();
    }
}

async fn execute(connection: &mut SqliteConnection, text: String) {
    sqlx::query(sqlx::AssertSqlSafe(text))
        .execute(connection)
        .await
        .unwrap();
}

/// Makes a queue file of 3.2.5 or before.
pub fn make_queue(path: &Path, queue: &Queue) {
    let (slug, kind) = match queue.names {
        Names::Feature => ("feature_slug", "mission_key"),
        Names::Mission => ("mission_slug", "mission_type"),
    };
    within(make(path, queue.with_log, async |connection| {
        execute(connection, "CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE NOT NULL, \
            event_type TEXT NOT NULL, data TEXT NOT NULL, timestamp INTEGER NOT NULL, retry_count INTEGER DEFAULT 0)".to_owned()).await;
        execute(connection, format!("CREATE TABLE body_upload_queue (id INTEGER PRIMARY KEY AUTOINCREMENT, \
            project_uuid TEXT NOT NULL, {slug} TEXT NOT NULL, target_branch TEXT NOT NULL, {kind} TEXT NOT NULL, \
            manifest_version TEXT NOT NULL, artifact_path TEXT NOT NULL, content_hash TEXT NOT NULL, \
            hash_algorithm TEXT NOT NULL DEFAULT 'sha256', content_body TEXT NOT NULL, size_bytes INTEGER NOT NULL, \
            retry_count INTEGER NOT NULL DEFAULT 0, next_attempt_at REAL NOT NULL DEFAULT 0.0, created_at REAL NOT NULL, \
            last_error TEXT)")).await;
        for event in &queue.events {
            let insert = sqlx::query(
                "INSERT INTO queue (event_id, event_type, data, timestamp, retry_count) VALUES (?, ?, ?, ?, ?)",
            );
            let insert = insert.bind(&event.id).bind(&event.kind);
            let insert = if event.is_blob {
                insert.bind(event.data.clone())
            } else {
                insert.bind(String::from_utf8(event.data.clone()).unwrap())
            };
            insert
                .bind(event.seconds)
                .bind(event.retry)
                .execute(&mut *connection)
                .await
                .unwrap();
        }
        let text = format!(
            "INSERT INTO body_upload_queue (project_uuid, {slug}, target_branch, {kind}, manifest_version, \
            artifact_path, content_hash, content_body, size_bytes, retry_count, created_at, last_error) \
            VALUES (?, ?, 'main', 'software-dev', '1', ?, ?, ?, ?, ?, 1767000000.5, ?)"
        );
        for body in &queue.bodies {
            let insert = sqlx::query(sqlx::AssertSqlSafe(text.clone()));
            let insert = insert
                .bind(&body.project)
                .bind(&body.slug)
                .bind(&body.path)
                .bind(&body.hash);
            let insert = if body.is_blob {
                insert.bind(body.content.clone())
            } else {
                insert.bind(String::from_utf8(body.content.clone()).unwrap())
            };
            insert
                .bind(body.content.len() as i64)
                .bind(body.retry)
                .bind(&body.error)
                .execute(&mut *connection)
                .await
                .unwrap();
        }
    }));
}

/// Makes a journal of 3.2.4 to 3.2.6 and the ledger of what was delivered of it.
pub fn make_journal(root: &Path, events: &[Event], delivered: &[&str]) {
    let journal = root.join("event_journal").join("journal-local.db");
    within(make(&journal, false, async |connection| {
        execute(connection, "CREATE TABLE event_journal (event_id TEXT PRIMARY KEY, event_type TEXT NOT NULL, \
            payload BLOB NOT NULL, occurred_at TEXT NOT NULL, created_at TEXT NOT NULL, coalesce_key TEXT, \
            archived_at TEXT, drain_blocked_reason TEXT)".to_owned()).await;
        for event in events {
            sqlx::query("INSERT INTO event_journal VALUES (?, ?, ?, ?, '2026-01-02T03:04:05+00:00', NULL, NULL, NULL)")
                .bind(&event.id).bind(&event.kind).bind(event.data.clone()).bind("2026-01-02T03:04:05+00:00")
                .execute(&mut *connection).await.unwrap();
        }
    }));
    within(make(
        &root.join("delivery").join("ledger.db"),
        false,
        async |connection| {
            execute(
                connection,
                "CREATE TABLE delivery_ledger (event_id TEXT NOT NULL, target_id TEXT NOT NULL, \
            status TEXT NOT NULL)"
                    .to_owned(),
            )
            .await;
            for id in delivered {
                sqlx::query("INSERT INTO delivery_ledger VALUES (?, 'tgt', 'success')")
                    .bind(*id)
                    .execute(&mut *connection)
                    .await
                    .unwrap();
            }
        },
    ));
}

/// Makes the store of a project of 3.2.7: what it calls an epoch decides whether rows may leave.
pub fn make_store(
    root: &Path,
    project: &str,
    epoch: &str,
    consent: Option<&str>,
    events: &[(Event, &str)],
) {
    let path = root
        .join("projects")
        .join(project)
        .join("sync")
        .join("sync.db");
    within(make(&path, true, async |connection| {
        for table in [
            "project_store_metadata (project_uuid TEXT)",
            "project_consent_decisions (project_uuid TEXT, state TEXT)",
            "consent_epochs (epoch_id INTEGER PRIMARY KEY, state TEXT)",
            "journal_entries (entry_id TEXT PRIMARY KEY, project_uuid TEXT, epoch_id INTEGER, capture_sequence INTEGER, payload_json TEXT, created_at TEXT)",
            "outbox_tasks (task_id TEXT PRIMARY KEY, journal_entry_id TEXT, state TEXT, idempotency_identity TEXT)",
            "delivery_attempts (attempt_id TEXT, outbox_task_id TEXT, state TEXT)",
        ] {
            execute(connection, format!("CREATE TABLE {table}")).await;
        }
        execute(
            connection,
            format!("INSERT INTO project_store_metadata VALUES ('{project}')"),
        )
        .await;
        execute(
            connection,
            format!("INSERT INTO consent_epochs VALUES (1, '{epoch}')"),
        )
        .await;
        if let Some(consent) = consent {
            execute(
                connection,
                format!("INSERT INTO project_consent_decisions VALUES ('{project}', '{consent}')"),
            )
            .await;
        }
        for (at, (event, attempt)) in events.iter().enumerate() {
            let wrapper = json!({
                "event_id": event.id, "event_type": event.kind, "payload_encoding": "base64",
                "payload": base64(&event.data), "drain_blocked_reason": null,
            });
            sqlx::query(
                "INSERT INTO journal_entries VALUES (?, ?, 1, ?, ?, '2026-01-02T03:04:05+00:00')",
            )
            .bind(&event.id)
            .bind(project)
            .bind(at as i64 + 1)
            .bind(wrapper.to_string())
            .execute(&mut *connection)
            .await
            .unwrap();
            sqlx::query("INSERT INTO outbox_tasks VALUES (?, ?, 'pending', ?)")
                .bind(format!("event:{}", event.id))
                .bind(&event.id)
                .bind(json!({"event_id": event.id, "retry_count": 3}).to_string())
                .execute(&mut *connection)
                .await
                .unwrap();
            if !attempt.is_empty() {
                sqlx::query("INSERT INTO delivery_attempts VALUES (?, ?, ?)")
                    .bind(&event.id)
                    .bind(format!("event:{}", event.id))
                    .bind(*attempt)
                    .execute(&mut *connection)
                    .await
                    .unwrap();
            }
        }
    }));
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [
            chunk[0],
            *chunk.get(1).unwrap_or(&0),
            *chunk.get(2).unwrap_or(&0),
        ];
        let word = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

/// What waits in the inbox of a project, in order: kind, id, bytes.
pub fn waiting(state: &Path, project: &str) -> Vec<(RecordKind, String, Vec<u8>)> {
    let directory = state
        .join("runtime/projects")
        .join(project)
        .join("inbox/new");
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        for piece in pieces(&bytes, 0) {
            let Piece::Record(record, _) = piece else {
                panic!("a damaged record");
            };
            found.push((record.kind, record.id.to_owned(), record.payload.to_vec()));
        }
    }
    found
}

/// The queue of the tests: good rows, and one of every oddity with the reason it is refused for.
pub fn odd_queue() -> (Queue, Vec<(&'static str, usize)>) {
    let mut events: Vec<Event> = (0..20).map(|number| event(number, OURS)).collect();
    events.push(event(20, OTHERS));
    let set = |key: &'static str, value: Value| move |envelope: &mut Value| envelope[key] = value;
    events.push(edited(30, |it| {
        drop(it.as_object_mut().unwrap().remove("project_uuid"));
    }));
    events.push(edited(31, set("project_uuid", Value::Null)));
    events.push(edited(
        32,
        set(
            "project_uuid",
            json!("00000000-0000-0000-0000-000000000000"),
        ),
    ));
    events.push(edited(33, set("project_uuid", json!("not-a-uuid"))));
    events.push(edited(34, set("event_type", json!("FeatureCreated"))));
    events.push(edited(35, set("event_type", json!("FeatureCompleted"))));
    events.push(edited(36, set("lamport_clock", json!(-5))));
    events.push(edited(37, |it| {
        it["payload"]["mission_slug"] = json!("another");
    }));
    events.push(edited(38, |it| it["payload"]["reason"] = json!("a\0b")));
    events.push(Event {
        id: ulid(39),
        ..edited(40, |_| {})
    });
    for (number, data) in [(41, "{not json"), (42, "[1]"), (43, "")] {
        events.push(Event {
            data: data.into(),
            ..event(number, OURS)
        });
    }
    events.push(Event {
        data: vec![0xff, 0xfe],
        is_blob: true,
        ..event(44, OURS)
    });
    let mut bodies: Vec<Body> = (0..30).map(|number| body(number, OURS)).collect();
    bodies.push(body(30, OTHERS));
    let content = |number, content: Vec<u8>| Body {
        hash: hex(&content),
        content,
        ..body(number, OURS)
    };
    bodies.push(content(40, vec![b'x'; 512 * 1024]));
    bodies.push(content(41, vec![b'x'; 512 * 1024 + 1]));
    bodies.push(content(42, Vec::new()));
    bodies.push(content(43, b"nul \0 inside".to_vec()));
    bodies.push(Body {
        is_blob: true,
        ..content(44, vec![0xff, 0x80])
    });
    bodies.push(Body {
        hash: hex(b"else"),
        ..body(45, OURS)
    });
    bodies.push(Body {
        slug: "  ".to_owned(),
        ..body(46, OURS)
    });
    bodies.push(Body {
        path: "../../etc/passwd".to_owned(),
        ..body(47, OURS)
    });
    bodies.push(body(48, ""));
    let queue = Queue {
        names: Names::Feature,
        with_log: false,
        events,
        bodies,
    };
    let reasons = vec![
        ("blank_key", 1),
        ("content_hash_mismatch", 1),
        ("content_is_not_text", 1),
        ("contract", 1),
        ("data_is_not_an_object", 1),
        ("data_is_not_json", 2),
        ("data_is_not_text", 1),
        ("empty_content", 1),
        ("event_of_the_feature_era", 2),
        ("id_mismatch", 1),
        ("malformed_project_uuid", 1),
        ("missing_project_uuid", 3),
        ("nil_project_uuid", 1),
        ("nul_in_text", 2),
        ("oversized", 1),
        ("two_names_differ", 1),
        ("unsafe_path", 1),
    ];
    (queue, reasons)
}

/// A state root with the odd queue in it, upgraded by nobody yet.
pub fn with_odd_queue(with_log: bool) -> Sandbox {
    let sandbox = Sandbox::new();
    let (queue, _) = odd_queue();
    make_queue(
        &sandbox.state().join("queue.db"),
        &Queue { with_log, ..queue },
    );
    sandbox
}
