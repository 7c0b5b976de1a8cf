//! A project that opts out keeps everything here, and what it kept stays here.

use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{BATCH, ScriptedServer};
use crate::support::sessions::Seed;
use serde_json::Value;

fn opted_in(server: &ScriptedServer) -> Sandbox {
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox
}

fn slugs(server: &ScriptedServer) -> Vec<String> {
    let batches = server.batches();
    let events = batches
        .iter()
        .flat_map(super::support::scripted_server::Received::events);
    let slug = |event: &String| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["payload"]["mission_slug"].as_str().map(str::to_owned)
    };
    let mut slugs: Vec<String> = events.filter_map(|event| slug(&event)).collect();
    slugs.dedup();
    slugs
}

#[test]
fn nothing_leaves_while_opted_out_and_what_was_captured_then_never_does() {
    let server = ScriptedServer::start();
    server.be_honest(BATCH);
    let sandbox = opted_in(&server);
    let first = sandbox.create_mission("first")["mission_slug"].clone();
    sandbox.run(&["sync", "now"]).expect_code(0);
    let seen = server.batches().len();

    let said = sandbox.json(&["sync", "opt-out", "--json"]);
    assert_eq!(
        (&said["consent"], &said["changed"]),
        (&"refused".into(), &true.into())
    );
    assert_eq!(said["project_uuid"], sandbox.project_uuid());
    sandbox.create_mission("second");
    let now = sandbox
        .run(&["sync", "now", "--json"])
        .expect_code(3)
        .json();
    assert_eq!(now["outcome"], "blocked", "{now}");
    assert_eq!(
        sandbox.waiting(),
        [""; 0],
        "the preview shows that nothing would leave"
    );
    let status = sandbox.run(&["sync", "status"]).expect_code(0);
    assert!(status.stdout.contains("has opted out"), "{status:?}");
    assert_eq!(server.batches().len(), seen, "something left");

    sandbox.run(&["sync", "opt-in"]).expect_code(0);
    let third = sandbox.create_mission("third")["mission_slug"].clone();
    let now = sandbox.run(&["sync", "now", "--json"]).json();
    let held = now["held"].as_u64().unwrap();
    assert_eq!(held, 3, "{now}");
    assert_eq!(
        slugs(&server),
        [first.as_str().unwrap(), third.as_str().unwrap()]
    );
    let status = sandbox.json(&["sync", "status", "--json"]);
    assert_eq!(status["events"], 9, "what was kept is still here");
}

#[test]
fn what_waited_before_opting_out_may_leave_after_opting_in_again() {
    let server = ScriptedServer::start();
    server.be_honest(BATCH);
    let sandbox = opted_in(&server);
    sandbox
        .run(&["config", "set", "event_sync.mode", "local_retention"])
        .expect_code(0);
    sandbox.create_mission("first");
    sandbox.run(&["sync", "opt-out"]).expect_code(0);
    sandbox
        .run(&["config", "set", "event_sync.mode", "teamspace"])
        .expect_code(0);
    sandbox.run(&["sync", "now"]).expect_code(3);
    assert_eq!(server.batches().len(), 0);
    sandbox.run(&["sync", "opt-in"]).expect_code(0);
    let now = sandbox.json(&["sync", "now", "--json"]);
    assert_eq!(now["delivered"], 3, "{now}");
}

#[test]
fn a_decision_that_cannot_be_read_is_a_refusal() {
    let server = ScriptedServer::start();
    server.be_honest(BATCH);
    let sandbox = opted_in(&server);
    sandbox.create_mission("first");
    sandbox.run(&["sync", "opt-out"]).expect_code(0);
    let scope = sandbox.map().project_scope(&sandbox.project_uuid());
    crate::support::sandbox::write(&scope.consent(), "{");
    let seen = server.batches().len();
    sandbox.run(&["sync", "now"]).expect_code(3);
    assert_eq!(server.batches().len(), seen);
}

#[test]
fn deciding_needs_hosted_sync_and_a_project_and_is_idempotent() {
    let sandbox = Sandbox::new();
    let refused = sandbox.run(&["sync", "opt-out"]).expect_code(1);
    assert!(
        refused.stderr.contains("SPEC_KITTY_ENABLE_SAAS_SYNC=1"),
        "{refused:?}"
    );
    assert!(!sandbox.state().exists());
    let hosted = Sandbox::hosted("http://127.0.0.1:1");
    let again = hosted.json(&["sync", "opt-in", "--json"]);
    assert_eq!(again["changed"], false);
    hosted.run(&["sync", "opt-out"]).expect_code(0);
    let again = hosted.json(&["sync", "opt-out", "--json"]);
    assert_eq!(again["changed"], false);
}

/// Every tracker command that would send something of a bound project.
const TRACKER: &[&[&str]] = &[
    &["tracker", "discover", "--provider", "linear"],
    &[
        "tracker",
        "bind",
        "--provider",
        "linear",
        "--bind-ref",
        "b-1",
    ],
    &["tracker", "status"],
    &["tracker", "status", "--all"],
    &["tracker", "map", "list"],
    &["tracker", "map", "list", "--provider", "linear"],
    &["tracker", "list-tickets", "--provider", "linear"],
    &["tracker", "sync", "pull"],
    &["tracker", "sync", "push", "--items-json", "-"],
    &["tracker", "sync", "run"],
    &["tracker", "sync", "publish"],
    &["issue-search", "--provider", "linear", "--query", "x"],
];

/// Binds the project, with more lines for the section.
fn bind(sandbox: &Sandbox, more: &str) {
    let path = sandbox.repo().join(".kittify/config.yaml");
    let section = format!("tracker:\n  provider: linear\n  binding_ref: b-1\n{more}");
    crate::support::sandbox::write(&path, section);
}

#[test]
fn no_tracker_command_sends_anything_of_a_project_that_opted_out_or_refuses() {
    let server = ScriptedServer::start();
    let sandbox = opted_in(&server);
    sandbox.run(&["sync", "opt-out"]).expect_code(0);
    let by_decision = "this project has opted out of hosted sync on this machine.";
    for (setting, reason) in [
        ("", by_decision),
        // It frees providers that are reached without a Teamspace, and there are none here.
        ("  egress: permitted\n", by_decision),
        ("  egress: refused\n", "'refused'"),
        ("  egress: maybe\n", "'maybe'"),
        ("  egress: [permitted]\n", "tracker.egress"),
    ] {
        bind(&sandbox, setting);
        for command in TRACKER {
            let run = sandbox.run(command).expect_code(1);
            let refused = run.says("Refusing to send tracker data to Spec Kitty SaaS: ");
            // A file that cannot be understood stops the commands that need a binding before that.
            let unreadable = run.stdout.contains("did not respond");
            assert!(
                refused && run.says(reason) || unreadable && setting.contains('['),
                "{run:?}"
            );
        }
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn tracker_commands_that_send_nothing_work_while_opted_out_and_the_others_after_opting_in() {
    let server = ScriptedServer::start();
    let path = "/api/v1/tracker/status/";
    server.always(
        path,
        crate::support::scripted_server::Step::json(200, &serde_json::json!({})),
    );
    let sandbox = opted_in(&server);
    sandbox.run(&["sync", "opt-out"]).expect_code(0);
    bind(&sandbox, "");
    sandbox.run(&["tracker", "status"]).expect_code(1);
    sandbox.run(&["tracker", "unbind"]).expect_code(0);
    sandbox.run(&["tracker", "providers"]).expect_code(0);
    assert_eq!(server.connections(), 0);
    bind(&sandbox, "");
    sandbox.run(&["sync", "opt-in"]).expect_code(0);
    sandbox.run(&["tracker", "status"]).expect_code(0);
    assert_eq!(server.count(path), 1);
}
