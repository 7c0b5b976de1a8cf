//! What was captured for one server, account and team is sent nowhere else.

use super::{Case, DELIVERED, capture, target, why};
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::ScriptedServer;
use crate::support::sessions::Seed;
use serde_json::{Value, json};

/// The targets of the status by team, with what is held and delivered there.
fn held_and_delivered(sandbox: &Sandbox, account: &str, team: &str) -> (Value, Value) {
    let status = sandbox.json(&["sync", "status", "--json"]);
    let targets = status["targets"].as_array().unwrap().iter();
    let of_team: Vec<&Value> = targets
        .filter(|target| target["account"] == account && target["team"] == team)
        .collect();
    assert_eq!(of_team.len(), 1, "{status}");
    (of_team[0]["held"].clone(), of_team[0]["delivered"].clone())
}

#[test]
fn events_of_another_account_or_team_are_held_and_go_when_their_owner_is_back() {
    for (account, team) in [("u-2", "t-private"), ("u-1", "t-other"), ("u-2", "t-other")] {
        let case = Case::with_events(3);
        let own = Seed::private().issued_by(&case.server.url());
        let other = own.clone().of(account, team);
        case.sandbox.seed(&other);
        assert_eq!(case.sandbox.waiting(), [""; 0]);
        let report = case.sync(DELIVERED);
        assert_eq!(
            (&report["held"], &report["delivered"]),
            (&json!(3), &json!(0)),
            "{report}"
        );
        assert_eq!(case.server.batches().len(), 0, "{account} {team}");
        let text = case.sandbox.run(&["sync", "now"]).expect_code(DELIVERED);
        assert!(
            text.stdout
                .starts_with("3 event(s) were captured for another account"),
            "{text:?}"
        );
        let status = case.sandbox.run(&["sync", "status"]).expect_code(0);
        assert!(
            status.stdout.contains("captured for another account"),
            "{status:?}"
        );
        let why = why(&case.sandbox, &case.ids[0]);
        let held = &why["targets"][0];
        assert_eq!(
            (&held["state"], &held["next_attempt"]),
            (&json!("held"), &json!("never"))
        );
        assert!(
            held["message"]
                .as_str()
                .unwrap()
                .contains("another account"),
            "{why}"
        );
        assert!(
            held["next_action"].as_str().unwrap().contains("Log in as"),
            "{why}"
        );
        // Their own events go meanwhile.
        let theirs = capture(&case.sandbox, 2);
        case.delivers_in_the_end(&theirs);
        assert_eq!(
            held_and_delivered(&case.sandbox, account, team),
            (json!(3), json!(2))
        );
        case.sandbox.seed(&own);
        assert_eq!(case.sandbox.waiting(), case.ids);
        case.delivers_in_the_end(&case.ids);
        assert_eq!(
            held_and_delivered(&case.sandbox, "u-1", "t-private"),
            (json!(2), json!(3))
        );
    }
}

#[test]
fn events_of_another_server_stay_until_their_server_is_configured_again() {
    let mut case = Case::with_events(2);
    let second = ScriptedServer::start();
    case.sandbox.host(&second.url());
    // The session is the first server's: nothing of it is shown to the second.
    let run = case.sandbox.run(&["sync", "now"]);
    assert_eq!(second.connections(), 0, "{run:?}");
    assert!(!run.says("s3cret"), "{run:?}");
    case.sandbox.seed(&Seed::private().issued_by(&second.url()));
    case.sandbox.run(&["sync", "now"]).expect_code(DELIVERED);
    assert_eq!(second.batches().len(), 0);
    assert_eq!(case.server.connections(), 0);
    let held = target(&case.sandbox);
    assert_eq!(
        (&held["server"], &held["held"]),
        (&json!(second.url()), &json!(2))
    );
    case.sandbox.host(&case.server.url());
    case.sandbox
        .seed(&Seed::private().issued_by(&case.server.url()));
    case.delivers_in_the_end(&case.ids);
    assert_eq!(second.batches().len(), 0);
}

#[test]
fn what_was_captured_while_nobody_was_logged_in_reaches_every_account_that_delivers_here_once() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    let ids = capture(&sandbox, 2);
    assert_eq!(sandbox.waiting(), ids);
    let seed = Seed::private().issued_by(&server.url());
    for (batches, seed) in [
        (1, seed.clone()),
        (1, seed.clone()),
        (2, seed.of("u-2", "t-2")),
    ] {
        sandbox.seed(&seed);
        sandbox.run(&["sync", "now"]).expect_code(DELIVERED);
        assert_eq!(server.batches().len(), batches);
        assert_eq!(server.batches()[batches - 1].ids(), ids);
        assert_eq!(sandbox.waiting(), [""; 0]);
    }
}

#[test]
fn two_projects_of_one_account_deliver_their_own_events_only() {
    let case = Case::with_events(2);
    let other = case.sandbox.base().join("other");
    case.sandbox.make_repository(&other);
    let burst = ["demo-burst", "--count", "3"];
    case.sandbox
        .call(&burst)
        .directory(&other)
        .run()
        .expect_code(0);
    case.delivers_in_the_end(&case.ids);
    let run = case
        .sandbox
        .call(&["sync", "now", "--json"])
        .directory(&other)
        .run();
    let report = run.expect_code(DELIVERED).json();
    assert_eq!(
        (&report["selected"], &report["delivered"]),
        (&json!(3), &json!(3))
    );
    let batches = case.server.batches();
    let project = |event: &String| -> Value {
        let event: Value = serde_json::from_str(event).unwrap();
        event["project_uuid"].clone()
    };
    for batch in &batches {
        let projects: Vec<Value> = batch.events().iter().map(project).collect();
        assert!(
            projects.iter().all(|project| *project == projects[0]),
            "{projects:?}"
        );
    }
}
