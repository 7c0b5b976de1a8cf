//! Every missing prerequisite has its own words, and nothing is asked that is not needed.

mod limits;

use crate::support::process::Run;
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::{Answer, ScriptedServer, Step};
use crate::support::sessions::Seed;
use crate::support::tree::{Tree, assert_unchanged};
use serde_json::json;
use std::time::{Duration, Instant};

/// A command that needs everything.
const RUN: &[&str] = &["tracker", "sync", "run"];

/// A machine on which nothing is missing.
fn ready(server: &ScriptedServer) -> Sandbox {
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    bind(&sandbox);
    sandbox
}

fn bind(sandbox: &Sandbox) {
    let binding = "tracker:\n  provider: linear\n  binding_ref: b-1\n";
    write(&sandbox.repo().join(".kittify/config.yaml"), binding);
}

#[track_caller]
fn says(run: Run, message: &str, next_action: &str) {
    let run = run.expect_code(1);
    assert_eq!(
        run.stdout,
        format!("{message}\n\n{next_action}\n"),
        "{run:?}"
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn each_missing_prerequisite_is_named_with_one_next_action() {
    let server = ScriptedServer::start();
    let mut sandbox = Sandbox::hosted(&server.url());
    let login = "Run `spec-kitty auth login`.";
    says(
        sandbox.run(RUN),
        "No SaaS authentication token is present.",
        login,
    );
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox.unset("SPEC_KITTY_SAAS_URL");
    let name_one = "Set `SPEC_KITTY_SAAS_URL` in your environment.";
    for url in [None, Some(""), Some("  ")] {
        if let Some(url) = url {
            write(
                &sandbox.map().config_toml(),
                format!("[sync]\nserver_url = \"{url}\"\n"),
            );
        }
        says(
            sandbox.run(RUN),
            "No SaaS host URL is configured.",
            name_one,
        );
    }
    assert_eq!(
        server.connections(),
        0,
        "nothing was asked before it could be"
    );
    write(
        &sandbox.map().config_toml(),
        format!("[sync]\nserver_url = \"{}\"\n", server.url()),
    );
    let bind = "Run `spec-kitty tracker bind` from this repo.";
    says(
        sandbox.run(RUN),
        "No tracker binding exists for feature `repo`.",
        bind,
    );
    let heads = server.requests_to("/");
    assert_eq!(heads.len(), 1);
    assert_eq!(heads[0].method, "HEAD");
    assert_eq!(heads[0].token(), None, "the probe carries no token");
    says(
        sandbox.run(&["tracker", "status"]),
        "No tracker binding exists for feature `repo`.",
        bind,
    );
    assert_eq!(server.requests().len(), 1, "`status` needs no probe");
}

#[test]
fn a_host_that_does_not_answer_costs_one_try_and_two_seconds_at_most() {
    let server = ScriptedServer::start();
    let sandbox = ready(&server);
    let message = "The configured SaaS host did not respond within 2 seconds.";
    let next = format!(
        "Check network connectivity to `{}` and retry.",
        server.url()
    );
    let silences = [
        Step::Hang,
        Step::Close,
        Step::Answer(Answer::new(400, "")),
        Step::Answer(Answer::new(503, "")),
    ];
    for (count, step) in (1..).zip(silences) {
        server.script("/", [step]);
        let started = Instant::now();
        says(sandbox.run(RUN), message, &next);
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
        assert_eq!(server.count("/"), count, "one try");
    }
    let unreachable = sandbox
        .call(RUN)
        .env("SPEC_KITTY_SAAS_URL", "http://127.0.0.1:1");
    let next = "Check network connectivity to `http://127.0.0.1:1` and retry.";
    says(unreachable.run(), message, next);
    assert_eq!(server.requests().len(), 4, "nothing but probes arrived");
}

#[test]
fn json_is_one_document_with_state_message_next_action_and_details() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    let missing = sandbox.run(&["tracker", "status", "--json"]).expect_code(1);
    assert_eq!(
        missing.json(),
        json!({
            "state": "missing_auth", "message": "No SaaS authentication token is present.",
            "next_action": "Run `spec-kitty auth login`.", "details": {},
        })
    );
    assert!(
        missing.stdout.starts_with("{\n  \"details\""),
        "{missing:?}"
    );
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    bind(&sandbox);
    server.script("/", [Step::Answer(Answer::new(503, ""))]);
    let away = sandbox
        .run(&["tracker", "sync", "pull", "--json"])
        .expect_code(1)
        .json();
    assert_eq!(away["state"], "host_unreachable");
    assert_eq!(
        away["details"],
        json!({"server_url": server.url(), "error": "HTTP 503"})
    );
    let unusable = sandbox
        .call(&["tracker", "status", "--json"])
        .env("SPEC_KITTY_SAAS_URL", "http://example.invalid");
    let unusable = unusable.run().expect_code(1).json();
    assert_eq!(unusable["state"], "missing_host_config");
    assert!(
        unusable["details"]["error"]
            .as_str()
            .unwrap()
            .contains("HTTPS")
    );
    write(&sandbox.repo().join(".kittify/config.yaml"), "tracker: [\n");
    let fault = sandbox
        .run(&["tracker", "status", "--json"])
        .expect_code(1)
        .json();
    assert_eq!(fault["state"], "host_unreachable");
    assert!(
        fault["details"]["error"]
            .as_str()
            .unwrap()
            .contains("config.yaml")
    );
}

#[test]
fn an_evaluation_writes_nothing() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    let repo = Tree::of(&sandbox.repo());
    for arguments in [RUN, &["tracker", "status"], &["tracker", "unbind"]] {
        sandbox.run(arguments).expect_code(1);
    }
    assert!(!sandbox.state().exists());
    assert_unchanged(&repo, &sandbox.repo());
}
