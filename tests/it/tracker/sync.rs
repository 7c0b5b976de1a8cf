//! `tracker sync …`: writes, retries, polling, stale bindings, the policy.

use super::{bound, machine, ok};
use crate::support::sandbox::write;
use crate::support::scripted_server::{Received, Step, TOKEN, WS_TOKEN};
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::{Value, json};

const RUN: &str = "/api/v1/tracker/run/";
const PULL: &str = "/api/v1/tracker/pull/";
const PUSH: &str = "/api/v1/tracker/push/";
const OPERATION: &str = "/api/v1/tracker/operations/op-1/";

fn summary(status: &str) -> Value {
    json!({"status": status, "summary": {"total": 3, "succeeded": 2, "failed": 0, "skipped": 1}})
}

fn key(request: &Received) -> String {
    request.header("idempotency-key").unwrap().to_owned()
}

#[test]
fn a_repeated_run_always_calls_the_server_under_a_new_key() {
    let (sandbox, server) = bound();
    server.always(RUN, ok(&summary("complete")));
    for _ in 0..2 {
        let run = sandbox.run(&["tracker", "sync", "run"]).expect_code(0);
        assert_eq!(
            run.stdout,
            "Sync run complete\n- total: 3\n- succeeded: 2\n- failed: 0\n- skipped: 1\n"
        );
    }
    let requests = server.requests_to(RUN);
    assert_eq!(requests.len(), 2);
    assert_ne!(key(&requests[0]), key(&requests[1]));
    assert!(key(&requests[0]).starts_with("logical-operation:write:"));
    assert_eq!(
        requests[0].json(),
        json!({"provider": "linear", "binding_ref": "b-1", "pull_first": true, "limit": 100})
    );
}

#[test]
fn a_pull_says_what_it_did_and_whether_there_is_more() {
    let (sandbox, server) = bound();
    let mut answer = summary("partial");
    answer["identity_path"] = json!({"provider": "linear", "type": "team"});
    answer["has_more"] = true.into();
    answer["next_cursor"] = "c-9".into();
    server.always(PULL, ok(&answer));
    let pull = sandbox
        .run(&["tracker", "sync", "pull", "--limit", "7"])
        .expect_code(0);
    assert_eq!(
        pull.stdout,
        "Pull partial\n- provider: linear\n- type: team\n- total: 3\n- succeeded: 2\n- failed: 0\n\
         - skipped: 1\n- has_more: yes (next_cursor: c-9)\n"
    );
    assert_eq!(server.requests_to(PULL)[0].json()["limit"], 7);
    let json = sandbox.json(&["tracker", "sync", "pull", "--json"]);
    assert_eq!(json["pending_binding_upgrade"], Value::Null);
}

#[test]
fn a_push_needs_its_items_and_sends_them_as_they_are() {
    let (sandbox, server) = bound();
    server.always(PUSH, ok(&summary("complete")));
    let file = sandbox.base().join("items.json");
    let file = file.to_str().unwrap();
    let items = json!([{"ref": {"id": "i"}, "action": "update", "patch": {"title": "T"}}]);
    write(file.as_ref(), items.to_string());
    let push = sandbox
        .run(&["tracker", "sync", "push", "--items-json", file])
        .expect_code(0);
    assert!(push.stdout.starts_with("Push complete\n"), "{push:?}");
    let piped = sandbox.call(&["tracker", "sync", "push", "--items-json", "-"]);
    piped
        .within_shell(&format!("\"$@\" < {file}"))
        .expect_code(0);
    for request in server.requests_to(PUSH) {
        assert_eq!(request.json()["items"], items);
    }
    let missing = sandbox.run(&["tracker", "sync", "push"]).expect_code(1);
    assert!(
        missing.stderr.contains("--items-json is required"),
        "{missing:?}"
    );
    for wrong in ["{}", "nonsense"] {
        write(file.as_ref(), wrong);
        sandbox
            .run(&["tracker", "sync", "push", "--items-json", file])
            .expect_code(1);
    }
    let publish = sandbox.run(&["tracker", "sync", "publish"]).expect_code(1);
    assert!(
        publish.stderr.contains("Snapshot publish is not supported"),
        "{publish:?}"
    );
    assert_eq!(server.count(PUSH), 2);
}

#[test]
fn a_rejected_token_is_renewed_once_and_the_key_stays() {
    let (sandbox, server) = bound();
    // The daemon that the command starts would find out about the token as well, and renew it.
    server.always(WS_TOKEN, Step::json(404, &json!({})));
    server.expire_access_tokens();
    let unless = |request: &Received| {
        (request.token() == Some("s3cret-access-1"))
            .then(|| crate::support::scripted_server::Answer::json(200, &summary("complete")))
    };
    server.always(RUN, Step::unless(unless));
    sandbox.run(&["tracker", "sync", "run"]).expect_code(0);
    let requests = server.requests_to(RUN);
    assert_eq!((requests.len(), server.count(TOKEN)), (2, 1));
    assert_eq!(key(&requests[0]), key(&requests[1]));
    server.always(RUN, Step::json(401, &json!({})));
    let refused = sandbox.run(&["tracker", "sync", "run"]).expect_code(1);
    assert!(
        refused
            .stderr
            .contains("Authentication expired. Run `spec-kitty auth login`"),
        "{refused:?}"
    );
    assert_eq!(server.count(RUN), 4, "twice and no more");
}

#[test]
fn a_429_is_waited_for_once() {
    let (sandbox, server) = bound();
    let slow =
        json!({"error_code": "rate_limited", "message": "Slow down.", "retry_after_seconds": 0});
    server.script(RUN, [Step::json(429, &slow), ok(&summary("complete"))]);
    sandbox.run(&["tracker", "sync", "run"]).expect_code(0);
    let requests = server.requests_to(RUN);
    assert_eq!(key(&requests[0]), key(&requests[1]));
    server.always(RUN, Step::json(429, &slow));
    let refused = sandbox.run(&["tracker", "sync", "run"]).expect_code(1);
    assert_eq!(refused.stderr, "Error: Slow down.\n");
    assert_eq!(server.count(RUN), 4);
}

#[test]
fn a_202_is_polled_to_its_end() {
    let (sandbox, server) = bound();
    server.always(RUN, Step::json(202, &json!({"operation_id": "op-1"})));
    let pending = json!({"operation_id": "op-1", "status": "running"});
    let done = json!({"status": "completed", "result": summary("complete")});
    server.script(OPERATION, [ok(&pending), ok(&done)]);
    let run = sandbox.run(&["tracker", "sync", "run"]).expect_code(0);
    assert!(
        run.stdout.starts_with("Sync run complete\n- total: 3\n"),
        "{run:?}"
    );
    assert_eq!(server.count(OPERATION), 2);
    assert_eq!(
        server.requests_to(OPERATION)[0].header("idempotency-key"),
        None
    );
    let failed = json!({"status": "failed", "error": {"message": "No access.", "user_action_required": true}});
    server.script(OPERATION, [ok(&failed)]);
    let run = sandbox
        .run(&["tracker", "sync", "run", "--json"])
        .expect_code(1);
    let expected = "No access. (action required — check the Spec Kitty dashboard)";
    assert_eq!(run.json()["error"], expected);
}

#[test]
fn a_stale_binding_is_named_with_the_way_out_and_is_not_touched() {
    let (sandbox, server) = bound();
    let config = sandbox.repo().join(".kittify/config.yaml");
    let before = std::fs::read(&config).unwrap();
    let gone = json!({"error_code": "binding_not_found", "message": "No such binding."});
    server.always(RUN, Step::json(404, &gone));
    let stale = sandbox.run(&["tracker", "sync", "run"]).expect_code(1);
    assert_eq!(
        stale.stderr,
        "Error: Tracker binding 'b-1' is stale: No such binding. \
         Run `spec-kitty tracker bind --provider linear` to rebind.\n"
    );
    assert_eq!(std::fs::read(&config).unwrap(), before);
}

const MANUAL: &str = "Background sync is in manual mode (`[sync].background_daemon = \"manual\"`).\n\
                      Run `spec-kitty sync run` to perform a one-shot remote sync.\n";

#[test]
fn in_manual_mode_the_two_lines_are_printed_and_nothing_is_sent_or_started() {
    for is_bound in [true, false] {
        let (sandbox, server) = if is_bound { bound() } else { machine() };
        let set = ["config", "set", "sync.background_daemon", "manual"];
        sandbox.run(&set).expect_code(0);
        let (state, repo) = (Tree::of(&sandbox.state()), Tree::of(&sandbox.repo()));
        for verb in ["pull", "push", "run", "publish"] {
            let run = sandbox.run(&["tracker", "sync", verb]).expect_code(0);
            assert_eq!((run.stdout.as_str(), run.stderr.as_str()), (MANUAL, ""));
            let json = sandbox.json(&["tracker", "sync", verb, "--json"]);
            assert_eq!(json["skipped_reason"], "policy_manual");
        }
        assert_eq!(server.connections(), 0);
        assert_unchanged(&state, &sandbox.state());
        assert_unchanged(&repo, &sandbox.repo());
    }
}

#[test]
fn a_policy_that_cannot_be_understood_is_auto_with_a_warning_and_an_empty_one_an_error() {
    let (sandbox, server) = bound();
    server.always(RUN, ok(&summary("complete")));
    write(
        &sandbox.map().config_toml(),
        "[sync]\nbackground_daemon = \"off\"\n",
    );
    let run = sandbox.run(&["tracker", "sync", "run"]).expect_code(0);
    assert!(
        run.stderr.contains("is unknown; defaulting to 'auto'"),
        "{run:?}"
    );
    write(
        &sandbox.map().config_toml(),
        "[sync]\nbackground_daemon = \"\"\n",
    );
    let run = sandbox.run(&["tracker", "sync", "run"]).expect_code(1);
    assert!(run.stderr.contains("must be 'auto' or 'manual'"), "{run:?}");
    assert_eq!(server.count(RUN), 1);
}

#[test]
fn a_project_that_refuses_egress_sends_nothing() {
    let (sandbox, server) = bound();
    let binding = "tracker:\n  provider: linear\n  binding_ref: b-1\n  egress: refused\n";
    write(&sandbox.repo().join(".kittify/config.yaml"), binding);
    for arguments in [&["tracker", "sync", "run"][..], &["tracker", "status"]] {
        let refused = sandbox.run(arguments).expect_code(1);
        assert!(
            refused
                .stderr
                .contains("Refusing to send tracker data to Spec Kitty SaaS:"),
            "{refused:?}"
        );
    }
    assert_eq!(server.connections(), 0);
}
