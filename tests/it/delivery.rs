//! Delivery with the real binary, against a server that says what a test wants and against a real
//! Teamspace.

mod answers;
mod build_identity;
mod concurrency;
mod egress;
mod inspection;
mod isolation;
mod limits;
mod refusals;
mod relay;
mod reports;
mod resume;
mod throttling;

use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{Answer, Received, ScriptedServer};
use crate::support::sessions::Seed;
use serde_json::{Value, json};

/// Exit codes of `cli/src/exit.rs`.
const DELIVERED: i32 = 0;
const FAILED: i32 = 1;
const BLOCKED: i32 = 3;
const PENDING: i32 = 6;

/// A project with events that wait, and the server they may go to.
struct Case {
    server: ScriptedServer,
    sandbox: Sandbox,
    /// The events, in the order of their capture.
    ids: Vec<String>,
}

impl Case {
    /// Logs in and captures so many events; nothing was sent yet.
    fn with_events(count: usize) -> Self {
        let server = ScriptedServer::start();
        let sandbox = Sandbox::hosted(&server.url());
        sandbox.seed(&Seed::private().issued_by(&server.url()));
        let ids = capture(&sandbox, count);
        assert_eq!(server.connections(), 0, "capturing needs no network");
        Self {
            server,
            sandbox,
            ids,
        }
    }

    /// Runs `sync now --json` and returns its document.
    #[track_caller]
    fn sync(&self, code: i32) -> Value {
        let run = self.sandbox.run(&["sync", "now", "--json"]);
        let document = run.expect_code(code).json();
        assert_eq!(document["exit_code"], code);
        document
    }

    /// The state of an event with the only target that was tried.
    #[track_caller]
    fn state(&self, id: &str) -> String {
        let why = why(&self.sandbox, id);
        assert_eq!(why["targets"].as_array().unwrap().len(), 1, "{why}");
        why["targets"][0]["state"].as_str().unwrap().to_owned()
    }

    /// Delivers honestly and checks that exactly these events arrive, in order, and none stays open.
    #[track_caller]
    fn delivers_in_the_end(&self, ids: &[String]) {
        let seen = self.server.stored_ids().len();
        let report = self.sync(DELIVERED);
        assert_eq!(report["outcome"], "delivered", "{report}");
        assert_eq!(self.server.stored_ids()[seen..], *ids);
        assert_eq!(self.sandbox.waiting(), [""; 0]);
    }
}

/// Captures so many events without trying to send them, and returns their ids in order.
fn capture(sandbox: &Sandbox, count: usize) -> Vec<String> {
    let burst = sandbox.run(&["demo-burst", "--count", &count.to_string()]);
    let burst = burst.expect_code(0);
    let stored = burst.stdout.lines();
    let ids: Vec<String> = stored
        .filter_map(|line| line.strip_prefix("stored "))
        .map(str::to_owned)
        .collect();
    assert_eq!(ids.len(), count);
    ids
}

/// What `sync why` says.
#[track_caller]
fn why(sandbox: &Sandbox, id: &str) -> Value {
    sandbox.json(&["sync", "why", id, "--json"])
}

/// How `sync status` describes the only target.
#[track_caller]
fn target(sandbox: &Sandbox) -> Value {
    let status = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(status["targets"].as_array().unwrap().len(), 1, "{status}");
    status["targets"][0].clone()
}

/// Takes every event of a batch.
fn accept(batch: &Received) -> Answer {
    let result = |id: String| json!({"event_id": id, "status": "success"});
    let results: Vec<Value> = batch.ids().into_iter().map(result).collect();
    Answer::json(200, &json!({"results": results}))
}

/// The numbers of a report, in the order of the text.
fn counts(report: &Value) -> [u64; 6] {
    [
        "delivered",
        "duplicate",
        "pending",
        "rejected",
        "quarantined",
        "transient",
    ]
    .map(|name| report[name].as_u64().unwrap())
}
