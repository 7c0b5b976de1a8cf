//! `tracker bind` and `unbind`: what is sent, what is asked, and which lines of the file change.

use super::{RESOURCES, bound, machine, ok};
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::{ScriptedServer, Step};
use serde_json::{Value, json};

const RESOLVE: &str = "/api/v1/tracker/bind-resolve/";
const CONFIRM: &str = "/api/v1/tracker/bind-confirm/";
const VALIDATE: &str = "/api/v1/tracker/bind-validate/";

const BIND: &[&str] = &["tracker", "bind", "--provider", "linear"];

fn config(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.repo().join(".kittify/config.yaml")).unwrap_or_default()
}

fn candidates(server: &ScriptedServer) {
    let candidate = |number: usize| {
        json!({
            "candidate_token": format!("c-{number}"), "display_label": format!("Team {number}"),
            "confidence": "high", "match_reason": "same name", "sort_position": number - 1,
        })
    };
    let list = [candidate(1), candidate(2)];
    server.always(
        RESOLVE,
        ok(&json!({"match_type": "candidates", "candidates": list})),
    );
}

fn confirms(server: &ScriptedServer) {
    let confirmed = json!({
        "binding_ref": "b-7", "display_label": "Team: 2", "provider": "linear",
        "provider_context": {"team_key": "ENG"}, "bound_at": "now",
    });
    server.always(CONFIRM, ok(&confirmed));
}

#[test]
fn an_exact_match_is_stored_with_every_comment_of_the_file_kept() {
    let (sandbox, server) = machine();
    let before = "# mine\nproject:\n  slug: demo  # ours\n# the end\n";
    write(&sandbox.repo().join(".kittify/config.yaml"), before);
    let exact = json!({"match_type": "exact", "binding_ref": "b-1", "display_label": "Eng"});
    server.always(RESOLVE, ok(&exact));
    let bind = sandbox.run(BIND).expect_code(0);
    assert_eq!(
        bind.stdout,
        "Tracker binding saved\n- provider: linear\n- binding_ref: b-1\n- display_label: Eng\n"
    );
    let stored = "tracker:\n  provider: linear\n  binding_ref: b-1\n  display_label: Eng\n";
    let bound = config(&sandbox);
    assert_eq!(without_identity(&bound), format!("{before}{stored}"));
    sandbox.run(&["tracker", "unbind"]).expect_code(0);
    assert_eq!(config(&sandbox), bound.replace(stored, ""));
}

/// Takes out what a bind records of the project's identity (document 4, FR-005).
fn without_identity(config: &str) -> String {
    let (rest, identity) = config.split_once("build:\n").expect("a build section");
    let names: Vec<&str> = identity
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(names, ["  id", "  checkout", "node", "  id"], "{config}");
    let lines = rest.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("  uuid: ")).collect()
}

#[test]
fn fr_009_a_bind_sends_exactly_the_five_fields_of_the_identity() {
    let (sandbox, server) = machine();
    candidates(&server);
    confirms(&server);
    sandbox
        .run(&[BIND, &["--select", "2"]].concat())
        .expect_code(0);
    let [resolve] = &server.requests_to(RESOLVE)[..] else {
        panic!("one request")
    };
    let body = resolve.json();
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&body), ["project_identity", "provider"]);
    let identity = &body["project_identity"];
    assert_eq!(
        names(identity),
        ["build_id", "node_id", "repo_slug", "slug", "uuid"]
    );
    assert_eq!(identity["slug"], "repo");
    assert_eq!(identity["repo_slug"], Value::Null);
    let confirm = server.requests_to(CONFIRM)[0].json();
    assert_eq!(confirm["candidate_token"], "c-2");
    assert_eq!(&confirm["project_identity"], identity);
    assert!(
        server.requests_to(CONFIRM)[0]
            .header("idempotency-key")
            .is_some()
    );
    assert_eq!(
        without_identity(&config(&sandbox)),
        "tracker:\n  provider: linear\n  binding_ref: b-7\n  display_label: \"Team: 2\"\n  \
         provider_context:\n    team_key: ENG\nproject:\n  slug: repo\n"
    );
    for (key, section) in [
        ("uuid", "project"),
        ("build_id", "build"),
        ("node_id", "node"),
    ] {
        let sent = identity[key].as_str().unwrap();
        assert!(
            config(&sandbox).contains(sent),
            "{section} is recorded as {key} was sent"
        );
    }
}

#[test]
fn whoever_cannot_be_asked_is_told_how_to_choose() {
    let (sandbox, server) = machine();
    candidates(&server);
    let refused = sandbox.run(BIND).expect_code(1);
    assert!(
        refused.stderr.contains("1. Team 1 (high confidence)"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("Choose one with `--select N`."),
        "{refused:?}"
    );
    let refused = sandbox
        .run(&[BIND, &["--select", "3"]].concat())
        .expect_code(1);
    assert!(
        refused
            .stderr
            .contains("Selection 3 is out of range. Valid range: 1-2.")
    );
    assert_eq!(server.count(CONFIRM), 0);
    assert_eq!(config(&sandbox), "");
    let (sandbox, server) = bound();
    let before = config(&sandbox);
    let refused = sandbox.run(BIND).expect_code(1);
    assert!(
        refused.stderr.contains("already bound") || refused.stderr.contains("is bound to 'b-1'")
    );
    assert_eq!(server.connections(), 0);
    assert_eq!(config(&sandbox), before);
}

#[test]
fn an_expired_candidate_is_asked_for_once_more() {
    let (sandbox, server) = machine();
    candidates(&server);
    confirms(&server);
    let expired = Step::json(
        409,
        &json!({"error_code": "invalid_candidate_token", "message": "x"}),
    );
    server.script(CONFIRM, [expired.clone()]);
    sandbox
        .run(&[BIND, &["--select", "2"]].concat())
        .expect_code(0);
    assert_eq!((server.count(RESOLVE), server.count(CONFIRM)), (2, 2));
    server.always(CONFIRM, expired);
    let refused = sandbox
        .run(&[BIND, &["--select", "2"]].concat())
        .expect_code(1);
    assert!(
        refused.stderr.contains("Candidate token expired."),
        "{refused:?}"
    );
    assert_eq!((server.count(RESOLVE), server.count(CONFIRM)), (4, 4));
}

#[test]
fn a_known_reference_is_validated_before_it_is_stored() {
    let (sandbox, server) = machine();
    let bind = [BIND, &["--bind-ref", "b-9"]].concat();
    let invalid =
        json!({"valid": false, "binding_ref": "b-9", "reason": "gone", "guidance": "Rebind."});
    server.script(VALIDATE, [ok(&invalid)]);
    let refused = sandbox.run(&bind).expect_code(1);
    assert_eq!(
        refused.stderr,
        "Error: Binding ref 'b-9' is not valid: gone.\nRebind.\n"
    );
    assert_eq!(config(&sandbox), "");
    server.script(
        VALIDATE,
        [ok(
            &json!({"valid": true, "binding_ref": "b-9", "display_label": "Eng"}),
        )],
    );
    sandbox.run(&bind).expect_code(0);
    assert!(config(&sandbox).contains("binding_ref: b-9"));
    assert_eq!(server.requests_to(VALIDATE)[0].json()["binding_ref"], "b-9");
}

#[test]
fn without_a_provider_the_only_connected_one_is_bound_and_a_bare_repository_becomes_a_project() {
    let (sandbox, server) = machine();
    let repo = sandbox.base().join("empty-repo");
    std::fs::create_dir(&repo).unwrap();
    sandbox.git_in(&repo, &["init", "-q"]);
    let resource = json!({"candidate_token": "c", "display_label": "Eng", "provider": "jira"});
    server.always(
        RESOURCES,
        Step::with(move |request| {
            let found = if request.query == "provider=jira" {
                vec![&resource]
            } else {
                vec![]
            };
            crate::support::scripted_server::Answer::json(200, &json!({"resources": found}))
        }),
    );
    server.always(
        RESOLVE,
        ok(&json!({"match_type": "exact", "binding_ref": "b-1"})),
    );
    let bind = sandbox
        .call(&["tracker", "bind"])
        .directory(&repo)
        .run()
        .expect_code(0);
    assert!(
        bind.stdout.contains("- provider: jira\n- binding_ref: b-1"),
        "{bind:?}"
    );
    let stored = std::fs::read_to_string(repo.join(".kittify/config.yaml")).unwrap();
    assert_eq!(
        without_identity(&stored),
        "tracker:\n  provider: jira\n  binding_ref: b-1\nproject:\n  slug: empty-repo\n"
    );
}

#[test]
fn what_belongs_to_local_providers_is_refused_before_anything_is_sent() {
    let (sandbox, server) = machine();
    for (arguments, text) in [
        (
            &["tracker", "bind", "--provider", "beads"][..],
            "local connector",
        ),
        (
            &["tracker", "bind", "--provider", "azure-devops"],
            "no longer supported",
        ),
        (
            &[
                "tracker",
                "bind",
                "--provider",
                "linear",
                "--credential",
                "token=s3cret",
            ],
            "no longer supported for linear",
        ),
        (
            &[
                "tracker",
                "bind",
                "--provider",
                "linear",
                "--workspace",
                "w",
            ],
            "--workspace belongs",
        ),
    ] {
        let refused = sandbox.run(arguments).expect_code(1);
        assert!(refused.stderr.contains(text), "{refused:?}");
        assert!(!refused.stderr.contains("s3cret"), "{refused:?}");
    }
    write(
        &sandbox.repo().join(".kittify/config.yaml"),
        "tracker:\n  provider: beads\n  workspace: w\n",
    );
    let refused = sandbox.run(&["tracker", "status"]).expect_code(1);
    assert!(
        refused.stderr.contains("'beads' has a local connector"),
        "{refused:?}"
    );
    assert_eq!(server.connections(), 0);
}
