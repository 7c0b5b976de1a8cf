//! Faults, one at a time: the doctor names each, nobody says that all is well, and every answer is one
//! valid document.

use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::{Answer, BATCH, ME, ScriptedServer, Step};
use crate::support::sessions::Seed;
use crate::support::tree::{Tree, assert_unchanged};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A machine with three events that wait, and its server.
struct Machine {
    sandbox: Sandbox,
    server: ScriptedServer,
}

impl Machine {
    fn new() -> Self {
        let server = ScriptedServer::start();
        server.be_honest(BATCH);
        let sandbox = Sandbox::hosted(&server.url());
        sandbox.seed(&Seed::private().issued_by(&server.url()));
        sandbox
            .run(&["config", "set", "event_sync.mode", "local_retention"])
            .expect_code(0);
        sandbox.create_mission("first");
        sandbox
            .run(&["config", "set", "event_sync.mode", "teamspace"])
            .expect_code(0);
        Self { sandbox, server }
    }

    fn session(&self) -> Seed {
        Seed::private().issued_by(&self.server.url())
    }

    fn deliver(&self) {
        let run = self.sandbox.run(&["sync", "now"]);
        assert!(run.status.code().is_some(), "{run:?}");
    }

    fn answer(&self, step: Step) {
        self.server.always(BATCH, step);
        self.deliver();
    }

    fn segment(&self) -> PathBuf {
        let scope = self
            .sandbox
            .map()
            .project_scope(&self.sandbox.project_uuid());
        let mut segments = std::fs::read_dir(scope.journal()).unwrap();
        segments.next().unwrap().unwrap().path()
    }

    fn append(&self, id: &str, captured_ms: u64, payload: &[u8]) {
        let scope = self
            .sandbox
            .map()
            .project_scope(&self.sandbox.project_uuid());
        let record = RecordView {
            sequence: 0,
            kind: RecordKind::Event,
            captured_ms,
            scope: CaptureScope::NOBODY,
            id,
            payload,
        };
        Inbox::new(os_filesystem(), scope)
            .append(0, &[record])
            .unwrap();
    }

    fn daemon_record(&self, text: &str) {
        write(&self.sandbox.map().daemon_owner(), text);
    }
}

/// What is done to the machine.
type Harm = fn(&mut Machine);

/// Every fault: the code under which the doctor names it, what is done, and how `sync now` ends then: 0
/// where nothing waits any more, or the server knows better by then.
fn faults() -> Vec<(&'static str, Harm, i32)> {
    vec![
        (
            "missing_auth",
            |m| drop(m.sandbox.run(&["auth", "logout"])),
            3,
        ),
        (
            "session_expired",
            |m| {
                m.sandbox
                    .seed(&m.session().access_expired().refresh_expired());
            },
            3,
        ),
        (
            "session_unusable",
            |m| write(&m.sandbox.map().auth().session(), "{"),
            3,
        ),
        (
            "session_unusable",
            |m| write(&m.sandbox.map().auth().session(), [0_u8; 64]),
            3,
        ),
        (
            "session_of_another_server",
            |m| {
                m.sandbox
                    .seed(&Seed::private().issued_by("https://other.example"));
            },
            3,
        ),
        (
            "direct_ingress_missing_private_team",
            |m| m.sandbox.seed(&Seed::shared_only()),
            0,
        ),
        (
            "missing_host_config",
            |m| m.sandbox.unset("SPEC_KITTY_SAAS_URL"),
            3,
        ),
        (
            "settings_unreadable",
            |m| write(&m.sandbox.map().config_toml(), "[sync\n"),
            0,
        ),
        (
            "event_sync_mode",
            |m| {
                drop(
                    m.sandbox
                        .run(&["config", "set", "event_sync.mode", "local_retention"]),
                );
            },
            3,
        ),
        (
            "project_refused",
            |m| drop(m.sandbox.run(&["sync", "opt-out"])),
            3,
        ),
        (
            "project_refused",
            |m| {
                let scope = m.sandbox.map().project_scope(&m.sandbox.project_uuid());
                write(&scope.consent(), "no");
            },
            3,
        ),
        (
            "daemon_orphaned",
            |m| m.daemon_record(r#"{"pid":4194305}"#),
            0,
        ),
        ("daemon_record_unreadable", |m| m.daemon_record("{"), 2),
        ("daemon_record_unreadable", |m| m.daemon_record("{}"), 2),
        (
            "daemon_server_url",
            |m| {
                let record =
                    json!({"pid": std::process::id(), "server_url": "https://other.example"});
                m.daemon_record(&record.to_string());
            },
            2,
        ),
        (
            "daemon_package_version",
            |m| {
                let record = json!({"pid": std::process::id(), "package_version": "3.2.7"});
                m.daemon_record(&record.to_string());
            },
            2,
        ),
        (
            "daemon_team_or_user",
            |m| {
                let record = json!({"pid": std::process::id(), "auth_team": "another"});
                m.daemon_record(&record.to_string());
            },
            2,
        ),
        ("delivery_failing", |m| m.answer(Step::Close), 6),
        (
            "delivery_failing",
            |m| m.answer(Step::json(500, &json!({"error": "x"}))),
            6,
        ),
        (
            "delivery_failing",
            |m| m.answer(Step::json(200, &json!("garbage"))),
            6,
        ),
        (
            "delivery_failing",
            |m| m.answer(Step::json(412, &json!({"error": "old"}))),
            3,
        ),
        (
            "delivery_failing",
            |m| m.answer(Step::json(403, &json!({"error": "no"}))),
            3,
        ),
        (
            "throttled",
            |m| {
                m.answer(Step::with(|_| {
                    Answer::new(429, "").header("Retry-After", "3000")
                }));
            },
            6,
        ),
        (
            "events_rejected",
            |m| m.answer(Step::per_event(|_, _| Some(json!({"status": "rejected"})))),
            0,
        ),
        (
            "events_quarantined",
            |m| {
                m.append("POISON", 1, br#"{"event_type":"FeatureCreated"}"#);
                m.deliver();
            },
            0,
        ),
        (
            "events_held",
            |m| {
                m.sandbox
                    .seed(&Seed::private().of("u-2", "t-2").issued_by(&m.server.url()));
                m.deliver();
            },
            0,
        ),
        (
            "queue_damaged",
            |m| {
                m.server.always(BATCH, Step::Close);
                m.deliver();
                let segment = m.segment();
                let mut bytes = std::fs::read(&segment).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                write(&segment, bytes);
                m.deliver();
            },
            6,
        ),
        (
            "queue_full",
            |m| {
                drop(
                    m.sandbox
                        .run(&["config", "set", "sync.max_queue_size", "3"]),
                );
                m.server.always(BATCH, Step::Close);
            },
            6,
        ),
        (
            "delivery_forgotten",
            |m| {
                m.append("OLD", 1, b"{}");
                m.server.always(BATCH, Step::Close);
            },
            1,
        ),
        (
            "legacy_queue",
            |m| write(&m.sandbox.map().legacy_queue(), "SQLite"),
            0,
        ),
        (
            "queue_unreadable",
            |m| {
                let scope = m.sandbox.map().project_scope(&m.sandbox.project_uuid());
                m.server.always(BATCH, Step::Close);
                m.deliver();
                std::fs::remove_dir_all(scope.journal()).unwrap();
                write(&scope.journal(), "no directory");
            },
            1,
        ),
        (
            "rollout_disabled",
            |m| m.sandbox.unset("SPEC_KITTY_ENABLE_SAAS_SYNC"),
            0,
        ),
    ]
}

fn codes(document: &Value) -> Vec<&str> {
    let issues = document["issues"].as_array().unwrap();
    issues
        .iter()
        .map(|issue| issue["code"].as_str().unwrap())
        .collect()
}

#[test]
fn every_fault_is_named_by_the_doctor_and_nobody_says_that_all_is_well() {
    let faults = faults();
    assert!(faults.len() >= 30, "{}", faults.len());
    let mut wrong = Vec::new();
    for (number, (code, harm, exit)) in faults.into_iter().enumerate() {
        let told = std::panic::catch_unwind(|| survive(code, harm, exit));
        if let Err(panic) = told {
            let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            wrong.push(format!("fault {number}, {code}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Does one thing to a machine and asks everybody about it.
fn survive(code: &str, harm: Harm, exit: i32) {
    let mut machine = Machine::new();
    harm(&mut machine);
    let sandbox = &machine.sandbox;
    let before = Tree::of(&sandbox.state());
    let run = sandbox.run(&["sync", "doctor", "--json"]);
    assert_eq!(run.code(), 1, "{run:?}");
    let document = run.json();
    assert!(codes(&document).contains(&code), "{document}");
    assert_eq!(document["healthy"], false);
    for issue in document["issues"].as_array().unwrap() {
        for key in ["message", "next_action"] {
            assert!(!issue[key].as_str().unwrap().is_empty(), "{issue}");
        }
    }
    let text = sandbox.run(&["sync", "doctor"]);
    assert!(text.stdout.contains(code), "{text:?}");
    assert!(!text.stdout.contains("healthy"), "{text:?}");
    let status = sandbox.run(&["sync", "status", "--json"]);
    assert!(status.json().is_object(), "{status:?}");
    assert_unchanged(&before, &sandbox.state());
    let now = sandbox.run(&["sync", "now", "--json"]);
    assert!(now.json().is_object(), "{now:?}");
    assert_eq!(now.code(), exit, "{now:?}");
}

#[test]
fn a_healthy_machine_has_no_issues_also_after_a_delivery() {
    let machine = Machine::new();
    for _ in 0..2 {
        let run = machine
            .sandbox
            .run(&["sync", "doctor", "--json"])
            .expect_code(0);
        assert_eq!(run.json(), json!({"healthy": true, "issues": []}));
        let text = machine.sandbox.run(&["sync", "doctor"]).expect_code(0);
        assert_eq!(text.stdout.trim(), "No issues detected. Sync is healthy.");
        machine.deliver();
    }
    assert_eq!(machine.server.count(ME), 0, "the doctor asks nobody");
}
