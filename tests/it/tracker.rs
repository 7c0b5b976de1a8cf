//! `tracker …` and `issue-search` against a server that does what a test wants.

mod binding;
mod concurrency;
mod failures;
mod prompts;
mod sync;
mod whole;

use crate::support::daemons::DaemonMachine;
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::{Received, ScriptedServer, Step};
use crate::support::sessions::Seed;
use serde_json::{Value, json};

const RESOURCES: &str = "/api/v1/tracker/resources/";
const STATUS: &str = "/api/v1/tracker/status/";
const MAPPINGS: &str = "/api/v1/tracker/mappings/";
const SEARCH: &str = "/api/v1/tracker/issue-search/";
const TICKETS: &str = "/api/v1/tracker/list-tickets/";

/// A machine that is logged in; a daemon that `tracker sync` starts on it ends with it.
fn machine() -> (DaemonMachine, ScriptedServer) {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    (DaemonMachine::of(sandbox), server)
}

/// A machine whose project is bound.
fn bound() -> (DaemonMachine, ScriptedServer) {
    let (sandbox, server) = machine();
    let binding = "tracker:\n  provider: linear\n  binding_ref: b-1\n";
    write(&sandbox.repo().join(".kittify/config.yaml"), binding);
    (sandbox, server)
}

fn ok(body: &Value) -> Step {
    Step::json(200, body)
}

#[test]
fn providers_are_listed_without_asking_anybody() {
    let sandbox = Sandbox::hosted("http://127.0.0.1:1");
    let listed = sandbox.json(&["tracker", "providers", "--json"]);
    let expected =
        json!({"saas": ["github", "gitlab", "jira", "linear"], "local": ["beads", "fp"]});
    assert_eq!(listed, expected);
    let lines = sandbox.run(&["tracker", "providers"]).expect_code(0);
    assert!(lines.stdout.contains("    - linear\n"), "{lines:?}");
    assert!(!sandbox.state().exists());
}

#[test]
fn every_request_carries_token_and_team_and_reads_carry_no_key() {
    let (sandbox, server) = bound();
    server.script(
        STATUS,
        [ok(
            &json!({"sync_state": "synced", "identity_path": {"type": "team"}}),
        )],
    );
    let status = sandbox.run(&["tracker", "status"]).expect_code(0);
    assert_eq!(
        status.stdout,
        "Tracker status\n- provider: linear\n- type: team\n- sync_state: synced\n"
    );
    let [request] = &server.requests_to(STATUS)[..] else {
        panic!("one request")
    };
    assert_eq!(request.query, "provider=linear&binding_ref=b-1");
    assert_eq!(request.header("x-team-slug"), Some("t-shared"));
    assert_eq!(request.token(), Some("s3cret-access-0"));
    assert_eq!(request.header("idempotency-key"), None);
    assert_eq!(server.count("/"), 0, "`status` sends no probe");
}

#[test]
fn status_is_indented_and_sorted_json_and_reports_a_new_reference_without_storing_it() {
    let (sandbox, server) = bound();
    let config = sandbox.repo().join(".kittify/config.yaml");
    let before = std::fs::read(&config).unwrap();
    server.script(
        STATUS,
        [ok(
            &json!({"sync_state": "synced", "binding_ref": "b-2", "a": 1}),
        )],
    );
    let status = sandbox.run(&["tracker", "status", "--json"]).expect_code(0);
    assert_eq!(
        status.stdout,
        "{\n  \"a\": 1,\n  \"binding_ref\": \"b-2\",\n  \"pending_binding_upgrade\": \"b-2\",\n  \
         \"sync_state\": \"synced\"\n}\n"
    );
    assert_eq!(std::fs::read(&config).unwrap(), before);
    server.script(
        STATUS,
        [ok(
            &json!({"connected": true, "bindings": [{"project_slug": "demo"}]}),
        )],
    );
    let all = sandbox.run(&["tracker", "status", "--all"]).expect_code(0);
    assert!(all.stdout.contains("  - demo: unknown"), "{all:?}");
    assert_eq!(server.requests_to(STATUS)[1].query, "provider=linear");
}

#[test]
fn discover_numbers_what_can_be_bound() {
    let (sandbox, server) = machine();
    let resource = json!({
        "candidate_token": "c-1", "display_label": "Engineering", "provider": "linear",
        "provider_context": {"workspace_name": "Acme"}, "binding_ref": null,
    });
    server.always(RESOURCES, ok(&json!({"resources": [resource]})));
    let listed = sandbox.json(&["tracker", "discover", "--provider", "Linear", "--json"]);
    assert_eq!(listed[0]["number"], 1);
    assert_eq!(listed[0]["is_bound"], false);
    let lines = sandbox
        .run(&["tracker", "discover", "--provider", "linear"])
        .expect_code(0);
    assert!(
        lines
            .stdout
            .contains("1. Engineering  linear  Acme  available"),
        "{lines:?}"
    );
    for (provider, code) in [("beads", "local connector"), ("trello", "Unknown provider")] {
        let refused = sandbox
            .run(&["tracker", "discover", "--provider", provider])
            .expect_code(1);
        assert!(refused.stderr.contains(code), "{refused:?}");
    }
    assert_eq!(server.count(RESOURCES), 2);
}

#[test]
fn issues_are_found_by_key_or_text_and_tickets_are_listed() {
    let (sandbox, server) = bound();
    let issue = json!({"external_issue_id": "i", "external_issue_key": "ENG-1", "title": "T\u{1b}[2J", "status": "Todo"});
    server.always(SEARCH, ok(&json!({"candidates": [issue]})));
    server.always(TICKETS, ok(&json!({"tickets": [issue]})));
    let search = |query: &str, more: &[&str]| {
        let words = ["issue-search", "--provider", "linear", "--query", query];
        sandbox.run(&[&words[..], more].concat()).expect_code(0)
    };
    let found = search("ENG-1", &["--json"]).json();
    assert_eq!(found[0]["identifier"], "ENG-1");
    assert_eq!(found[0]["state"]["name"], "Todo");
    let lines = search("login page", &[]).stdout;
    assert!(
        lines.contains("ENG-1") && !lines.contains('\u{1b}'),
        "{lines:?}"
    );
    let bodies: Vec<Value> = server
        .requests_to(SEARCH)
        .iter()
        .map(Received::json)
        .collect();
    assert_eq!(
        bodies,
        [
            json!({"provider": "linear", "binding_ref": "b-1", "limit": 20, "query_key": "ENG-1", "query_text": "ENG-1"}),
            json!({"provider": "linear", "binding_ref": "b-1", "limit": 20, "query_text": "login page"}),
        ]
    );
    let tickets = [
        "tracker",
        "list-tickets",
        "--provider",
        "jira",
        "--limit",
        "5",
        "--json",
    ];
    assert_eq!(sandbox.json(&tickets)[0]["title"], "T\u{1b}[2J");
    assert_eq!(
        server.requests_to(TICKETS)[0].json(),
        json!({"provider": "jira", "limit": 5})
    );
}

#[test]
fn mappings_are_listed_and_made_in_the_dashboard() {
    let (sandbox, server) = bound();
    let row =
        json!({"wp_id": "WP01", "system": "linear", "external_id": "i", "external_key": "ENG-1"});
    server.always(MAPPINGS, ok(&json!({"mappings": [row]})));
    let list = sandbox.run(&["tracker", "map", "list"]).expect_code(0);
    assert_eq!(list.stdout, "Mappings\n- WP01: linear:ENG-1\n");
    let json = sandbox.json(&["tracker", "map", "list", "--provider", "jira", "--json"]);
    assert_eq!(
        json,
        json!({"mappings": [row], "pending_binding_upgrade": null})
    );
    assert_eq!(server.requests_to(MAPPINGS)[1].query, "provider=jira");
    let add = [
        "tracker",
        "map",
        "add",
        "--wp-id",
        "WP01",
        "--external-id",
        "i",
    ];
    let refused = sandbox.run(&add).expect_code(1);
    assert!(
        refused
            .stderr
            .contains("managed in the Spec Kitty dashboard"),
        "{refused:?}"
    );
}

#[test]
fn an_account_without_exactly_one_shared_team_is_refused() {
    let server = ScriptedServer::start().without_private_team();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::shared_only().issued_by(&server.url()));
    let refused = sandbox
        .run(&["tracker", "discover", "--provider", "linear"])
        .expect_code(1);
    assert!(
        refused.stderr.contains("Token-matched account, Private Teamspace, and exactly one Collaborative Teamspace are required."),
        "{refused:?}"
    );
    assert_eq!(server.count(RESOURCES), 0);
}
