//! The final sync comes after the answer, ends in time, and changes nothing about either.

use crate::support::process::{Run, Talking};
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{BATCH, ME, ScriptedServer, Step, TOKEN};
use crate::support::sessions::Seed;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use serde_json::{Value, json};

const CREATE: [&str; 5] = ["agent", "mission", "create", "user-auth", "--json"];

/// A host that refuses connections at once.
const NOBODY: &str = "http://127.0.0.1:1";

/// A machine that waits at most one second for the final sync.
fn impatient(url: &str, seed: &Seed) -> Sandbox {
    let sandbox = Sandbox::hosted(url);
    sandbox
        .run(&["config", "set", "sync.final_sync_timeout_seconds", "1"])
        .expect_code(0);
    sandbox.seed(seed);
    sandbox
}

/// Fails unless the mission was created as if there were no network.
#[track_caller]
fn assert_created(sandbox: &Sandbox, run: &Run) {
    assert_eq!(run.code(), 0, "{run:?}");
    let answer = run.json();
    assert_eq!(answer["result"], "success", "{run:?}");
    let slug = answer["mission_slug"].as_str().unwrap();
    assert!(
        sandbox
            .repo()
            .join("kitty-specs")
            .join(slug)
            .join("meta.json")
            .exists()
    );
    assert_eq!(sandbox.stored_events().len(), 3, "captured");
    let committed = sandbox.git(&["ls-tree", "-r", "--name-only", "HEAD"]);
    assert!(committed.contains("/meta.json"), "{committed}");
}

/// Every way in which a server can be of no use, by the path at which it is.
fn useless() -> Vec<(&'static str, Seed, Step)> {
    let usable = Seed::private;
    let deep = "[".repeat(100_000);
    let endless = vec![b'x'; 32 << 20];
    vec![
        (BATCH, usable(), Step::Hang),
        (BATCH, usable(), Step::Close),
        (
            BATCH,
            usable(),
            Step::Raw(b"\x00\xff garbage, not HTTP\r\n\r\n".to_vec()),
        ),
        (
            BATCH,
            usable(),
            Step::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec()),
        ),
        (
            BATCH,
            usable(),
            Step::Raw([b"HTTP/1.1 200 OK\r\n\r\n", &*endless].concat()),
        ),
        (
            BATCH,
            usable(),
            Step::Raw([b"HTTP/1.1 200 OK\r\n\r\n", deep.as_bytes()].concat()),
        ),
        (BATCH, usable(), Step::json(200, &json!("<html>"))),
        (BATCH, usable(), Step::json(200, &json!({"results": 7}))),
        (
            BATCH,
            usable(),
            Step::json(500, &json!({"error": "inside"})),
        ),
        (
            BATCH,
            usable(),
            Step::json(302, &json!({"location": "elsewhere"})),
        ),
        (ME, Seed::shared_only(), Step::Hang),
        (
            ME,
            Seed::shared_only(),
            Step::json(200, &json!({"teams": "none"})),
        ),
        (TOKEN, usable().access_expired(), Step::Hang),
        (
            TOKEN,
            usable().access_expired(),
            Step::json(200, &json!({"access_token": 7})),
        ),
    ]
}

#[test]
fn a_useless_server_changes_neither_the_answer_nor_the_exit_code_nor_what_is_kept() {
    for (path, seed, step) in useless() {
        let server = ScriptedServer::start();
        server.always(path, step);
        let sandbox = impatient(&server.url(), &seed.issued_by(&server.url()));
        let run = sandbox.run(&CREATE);
        assert_created(&sandbox, &run);
        assert_eq!(server.count(path), 1, "asked once: {run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "one diagnostic: {run:?}");
        assert!(
            run.stderr.starts_with("sync_diagnostic severity=warning "),
            "{run:?}"
        );
        assert_eq!(server.stored_ids(), [""; 0]);
        server.be_honest(path);
        sandbox.run(&["sync", "now"]);
        assert_eq!(
            server.stored_ids().len(),
            3,
            "everything is delivered later: {run:?}"
        );
    }
}

#[test]
fn a_server_that_is_down_changes_neither_the_answer_nor_what_is_kept() {
    let sandbox = impatient(NOBODY, &Seed::private().issued_by(NOBODY));
    let run = sandbox.run(&CREATE);
    assert_created(&sandbox, &run);
    assert!(
        run.stderr
            .contains("diagnostic_code=sync.server_unreachable"),
        "{run:?}"
    );
    assert_eq!(sandbox.waiting().len(), 3);
}

/// Reads the answer of a command while its server is silent.
#[track_caller]
fn answer_of(running: &mut Talking) -> Value {
    let answer = running.line().expect("an answer");
    assert!(running.is_running(), "the final sync is still on");
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn the_answer_is_printed_before_the_server_has_said_anything() {
    for path in [BATCH, ME, TOKEN] {
        let server = ScriptedServer::start();
        server.always(path, Step::Hang);
        let seed = match path {
            BATCH => Seed::private(),
            ME => Seed::shared_only(),
            _ => Seed::private().access_expired(),
        };
        let sandbox = Sandbox::hosted(&server.url());
        // Long enough for this test to look; it ends the process itself.
        sandbox
            .run(&["config", "set", "sync.final_sync_timeout_seconds", "60"])
            .expect_code(0);
        sandbox.seed(&seed.issued_by(&server.url()));
        let mut running = sandbox.call(&CREATE).start().lines();
        assert_eq!(answer_of(&mut running)["result"], "success");
        server.wait_until("the server is asked", |server| server.count(path) == 1);
        assert!(running.is_running(), "{path}");
        running.kill();
        // Even the death of the process in the middle of it takes nothing back.
        server.be_honest(path);
        sandbox.run(&["sync", "now"]).expect_code(0);
        assert_eq!(server.stored_ids().len(), 3, "{path}");
    }
}

#[test]
fn a_final_sync_takes_no_longer_than_it_may() {
    let server = ScriptedServer::start();
    server.always(BATCH, Step::Hang);
    let sandbox = impatient(&server.url(), &Seed::private().issued_by(&server.url()));
    let run = sandbox.run(&CREATE);
    assert_created(&sandbox, &run);
    assert!(
        run.stderr
            .contains("diagnostic_code=sync.final_sync_timeout"),
        "{run:?}"
    );
    assert!(run.stderr.contains("within 1s"), "{run:?}");
}

#[test]
fn a_server_that_was_out_of_reach_a_moment_ago_does_not_hold_up_the_next_command() {
    let server = ScriptedServer::start();
    server.always(BATCH, Step::Close);
    let sandbox = impatient(&server.url(), &Seed::private().issued_by(&server.url()));
    sandbox.create_mission("first");
    let asked = server.connections();
    sandbox.create_mission("second");
    assert_eq!(server.connections(), asked, "it is left alone");
    server.be_honest(BATCH);
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(
        server.stored_ids().len(),
        6,
        "a person who asks is not put off"
    );
}

#[test]
fn what_a_refused_command_says_does_not_depend_on_the_server_either() {
    let server = ScriptedServer::start();
    let sandbox = impatient(&server.url(), &Seed::private().issued_by(&server.url()));
    let hosted = sandbox
        .run(&["agent", "mission", "create", "Not Kebab", "--json"])
        .expect_code(1);
    let mut off = Sandbox::new();
    off.set("SPEC_KITTY_SAAS_URL", server.url());
    let local = off
        .run(&["agent", "mission", "create", "Not Kebab", "--json"])
        .expect_code(1);
    assert_eq!((hosted.json(), hosted.stderr), (local.json(), local.stderr));
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_machine_that_is_offline_for_long_keeps_its_inbox_short() {
    let sandbox = impatient(NOBODY, &Seed::private());
    sandbox.create_mission("first");
    let scope = sandbox.map().project_scope(&sandbox.project_uuid());
    let inbox = Inbox::new(os_filesystem(), scope.clone());
    let ids: Vec<String> = (0..1000).map(|number| format!("event-{number}")).collect();
    for (lamport, ids) in (100..).zip(ids.chunks(10)) {
        let records: Vec<RecordView<'_>> = ids
            .iter()
            .map(|id| RecordView {
                sequence: 0,
                kind: RecordKind::Event,
                captured_ms: 1,
                scope: CaptureScope::NOBODY,
                id,
                payload: b"{}",
            })
            .collect();
        inbox.append(lamport, &records).unwrap();
    }
    let before = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(before["waiting_in_inbox"], 1000, "{before}");
    sandbox.create_mission("second");
    let after = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(after["waiting_in_inbox"], 0, "{after}");
    assert_eq!(after["events"], 1006, "{after}");
}
