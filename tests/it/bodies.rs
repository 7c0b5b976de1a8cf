//! The contents of artifacts, from the command that changed them to the server: with the real binary,
//! against a server that says what a test wants and against a real Teamspace.

mod answers;
mod many;
mod place;

use crate::support::sandbox::{Sandbox, task_of, write};
use crate::support::scripted_server::{CONTENT, Received, ScriptedServer};
use crate::support::sessions::Seed;
use serde_json::Value;
use std::path::PathBuf;

/// A project with a mission whose contents wait.
struct Case {
    server: ScriptedServer,
    sandbox: Sandbox,
    mission: PathBuf,
    /// The upload of its specification, as it would leave.
    specification: Value,
}

impl Case {
    /// Creates a mission and sends nothing of it.
    fn new() -> Self {
        let server = ScriptedServer::start();
        let sandbox = Sandbox::hosted(&server.url()).with_artifacts();
        sandbox.seed(&Seed::private().issued_by(&server.url()));
        set_mode(&sandbox, "local_retention");
        let created = sandbox.create_mission("one");
        set_mode(&sandbox, "teamspace");
        assert_eq!(server.connections(), 0, "capturing needs no network");
        let preview = sandbox.json(&["sync", "preview", "--json"]);
        Self {
            server,
            sandbox,
            mission: created["feature_dir"].as_str().unwrap().into(),
            specification: preview["bodies"]["requests"][0].clone(),
        }
    }

    /// Runs `sync now --json` and returns what became of bodies.
    #[track_caller]
    fn sync(&self) -> Value {
        let report = self.sandbox.json(&["sync", "now", "--json"]);
        assert_eq!(report["exit_code"], 0, "{report}");
        report["bodies"].clone()
    }

    /// The uploads that arrived.
    fn uploads(&self) -> Vec<Value> {
        let uploads = self.server.requests_to(CONTENT);
        uploads.iter().map(Received::json).collect()
    }

    #[track_caller]
    fn why(&self, id: &str) -> Value {
        self.sandbox.json(&["sync", "why", id, "--json"])
    }

    /// The contents of the mission that would leave.
    fn waiting(&self) -> Vec<Value> {
        let preview = self.sandbox.json(&["sync", "preview", "--json"]);
        preview["bodies"]["requests"].as_array().unwrap().clone()
    }

    fn edit(&self, path: &str, text: &str) {
        write(&self.mission.join(path), text);
    }
}

/// Says whether events and bodies may leave.
fn set_mode(sandbox: &Sandbox, mode: &str) {
    let set = ["config", "set", "event_sync.mode", mode];
    sandbox.run(&set).expect_code(0);
}

/// The id of a body, as the runtime computes it.
fn body_id(request: &Value) -> String {
    task_of(request).id()
}
