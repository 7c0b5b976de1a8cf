//! Whatever a server sends back, a JSON command prints one document and ends with 1.

use super::{MAPPINGS, RESOURCES, SEARCH, STATUS, TICKETS, bound};
use crate::support::daemons::DaemonMachine;
use crate::support::sandbox::write;
use crate::support::scripted_server::{Answer, ScriptedServer, Step};
use serde_json::{Value, json};

const OPERATION: &str = "/api/v1/tracker/operations/op-1/";
const PULL: &str = "/api/v1/tracker/pull/";
const PUSH: &str = "/api/v1/tracker/push/";
const RUN: &str = "/api/v1/tracker/run/";

/// Every way in which an answer is none.
fn damaged() -> Vec<(&'static str, Step)> {
    let answer = |status, body: &str| Step::Answer(Answer::new(status, body));
    let page = "<!doctype html>\n<html><body>Welcome</body></html>\n";
    let raw = |text: &str| Step::Raw(text.as_bytes().to_vec());
    vec![
        ("half a document", answer(200, "{\"status\": \"comp")),
        ("two documents", answer(200, "{}\n{}\n")),
        ("no object", answer(200, "[1, 2]")),
        ("null", answer(200, "null")),
        ("nothing", answer(200, "")),
        ("no content", answer(204, "")),
        ("a page", answer(200, page)),
        (
            "bytes",
            Step::Answer(Answer::new(200, vec![0xff, 0xfe, 0x00, 0x9f])),
        ),
        ("deep nesting", answer(200, &"[".repeat(100_000))),
        ("an operation without an id", answer(202, "{}")),
        ("a fault", answer(500, "")),
        ("a page of a proxy", answer(502, page)),
        (
            "a fault in words",
            answer(500, "{\"message\": \"Out\\nof\\u001b[2J order.\"}"),
        ),
        ("a refusal that is a list", answer(403, "[]")),
        (
            "a body that ends early",
            raw(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{\"items\":",
            ),
        ),
        ("no HTTP", raw("220 mail.example.invalid ready\r\n")),
        ("a connection that ends", Step::Close),
    ]
}

/// Every JSON command that asks the server, and where.
fn commands(items: &str) -> Vec<(Vec<&str>, &'static str)> {
    vec![
        (
            vec!["tracker", "discover", "--provider", "linear"],
            RESOURCES,
        ),
        (vec!["tracker", "status"], STATUS),
        (vec!["tracker", "status", "--all"], STATUS),
        (vec!["tracker", "map", "list"], MAPPINGS),
        (
            vec!["tracker", "list-tickets", "--provider", "linear"],
            TICKETS,
        ),
        (
            vec!["issue-search", "--provider", "linear", "--query", "x"],
            SEARCH,
        ),
        (vec!["tracker", "sync", "pull"], PULL),
        (vec!["tracker", "sync", "push", "--items-json", items], PUSH),
        (vec!["tracker", "sync", "run"], RUN),
    ]
}

fn machine() -> (DaemonMachine, ScriptedServer, String) {
    let (machine, server) = bound();
    let items = machine.base().join("items.json");
    write(&items, "[]");
    (machine, server, items.display().to_string())
}

/// Runs a command that must fail with one document; returns it.
#[track_caller]
fn fails(machine: &DaemonMachine, command: &[&str], what: &str) -> Value {
    let run = machine.run(&[command, &["--json"]].concat());
    assert_eq!(run.code(), 1, "{what}: {run:?}");
    assert_eq!(run.stderr, "", "{what}: {run:?}");
    run.json()
}

#[test]
fn every_damaged_answer_to_every_command_is_one_document_that_names_it() {
    let (machine, server, items) = machine();
    for (command, path) in commands(&items) {
        for (what, step) in damaged() {
            server.always(path, step);
            let document = fails(&machine, &command, what);
            let what = format!("{command:?} with {what}: {document}");
            let error = document["error"].as_str().expect(&what);
            assert!(!error.is_empty() && !error.contains("<html"), "{what}");
            assert!(document["code"].is_string(), "{what}");
            assert!(document["spec_kitty_version"].is_string(), "{what}");
        }
    }
}

#[test]
fn an_operation_that_cannot_be_looked_at_is_one_document() {
    let (machine, server, _) = machine();
    server.always(RUN, Step::json(202, &json!({"operation_id": "op-1"})));
    let mut steps = damaged();
    let operation = |body: Value| Step::json(200, &body);
    steps.push(("an unknown state", operation(json!({"status": "resting"}))));
    steps.push(("no state", operation(json!({}))));
    steps.push((
        "a failure without words",
        operation(json!({"status": "failed"})),
    ));
    for (what, step) in steps {
        server.always(OPERATION, step);
        let document = fails(&machine, &["tracker", "sync", "run"], what);
        assert!(document["error"].is_string(), "{what}: {document}");
    }
}

#[test]
fn a_host_that_does_not_answer_the_probe_is_one_document_of_the_readiness() {
    let (machine, server, items) = machine();
    for (what, step) in damaged() {
        // A probe has no body, so only what breaks or refuses the exchange counts.
        if ![
            "a fault",
            "a page of a proxy",
            "no HTTP",
            "a connection that ends",
        ]
        .contains(&what)
        {
            continue;
        }
        server.always("/", step);
        for (command, _) in commands(&items).split_off(6) {
            let document = fails(&machine, &command, what);
            assert_eq!(document["state"], "host_unreachable", "{what}: {document}");
            for name in ["message", "next_action", "details"] {
                assert!(!document[name].is_null(), "{what}: {document}");
            }
        }
    }
    assert_eq!(
        server.count(RUN) + server.count(PULL) + server.count(PUSH),
        0
    );
}

#[test]
fn an_answer_that_says_that_its_work_failed_is_printed_and_ends_with_one() {
    let (machine, server, items) = machine();
    let summary =
        |failed: u64| json!({"total": 2, "succeeded": 2 - failed, "failed": failed, "skipped": 0});
    let item = json!({"ref": {"key": "ENG-9"}, "action": "update", "status": "failed", "message": "locked"});
    let answers = [
        (
            json!({"status": "failed", "summary": summary(2)}),
            "failed for 2 of 2 items.\n",
        ),
        (
            json!({"status": "partial", "summary": summary(1), "items": [item]}),
            "failed for 1 of 2 items.\n- update ENG-9: locked\n",
        ),
        (
            json!({"status": "failed", "error": {"error_code": "x", "message": "Provider is away."}}),
            "failed: Provider is away.\n",
        ),
    ];
    for (command, path) in commands(&items).split_off(6) {
        let title = match path {
            PULL => "Pull",
            PUSH => "Push",
            _ => "Sync run",
        };
        for (answer, expected) in &answers {
            server.always(path, Step::json(200, answer));
            let said = format!("Error: {title} {expected}");
            let human = machine.run(&command).expect_code(1);
            assert!(
                human
                    .stdout
                    .starts_with(&format!("{title} {}\n", answer["status"].as_str().unwrap())),
                "{human:?}"
            );
            assert_eq!(human.stderr, said);
            let json = machine
                .run(&[&command[..], &["--json"]].concat())
                .expect_code(1);
            assert_eq!(json.json()["status"], answer["status"]);
            assert_eq!(json.stderr, said);
        }
    }
}
