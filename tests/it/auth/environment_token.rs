//! A machine without a login: the token comes with the environment and is kept nowhere.

use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{ME, ScriptedServer, Step, TOKEN};
use crate::support::sessions::Seed;
use crate::support::teamspace::Teamspace;
use crate::support::tree::Tree;
use serde_json::json;

const PRIVATE: &str = "t-private";

/// A machine of continuous integration.
fn machine(server: &str, token: &str) -> Sandbox {
    let mut sandbox = Sandbox::hosted(server);
    sandbox.set("SPEC_KITTY_ACCESS_TOKEN", token);
    sandbox
}

#[test]
fn a_token_of_the_environment_delivers_to_the_private_teamspace_of_its_account() {
    let server = ScriptedServer::start();
    server.accept("s3cret-of-ci");
    let sandbox = machine(&server.url(), "s3cret-of-ci");
    let created = sandbox
        .call(&["agent", "mission", "create", "in-ci", "--json"])
        .run();
    let created = created.expect_code(0);
    assert_eq!(created.stderr, "", "{created:?}");
    assert_eq!(server.stored_ids().len(), 3);
    let tokens = server.batches();
    assert!(
        tokens
            .iter()
            .all(|batch| batch.token() == Some("s3cret-of-ci"))
    );
    let report = sandbox.json(&["sync", "now", "--json"]);
    assert_eq!(report["outcome"], "delivered", "{report}");
    assert_eq!(sandbox.json(&["sync", "status", "--json"])["open"], 0);
}

#[test]
fn a_teamspace_takes_what_a_token_of_the_environment_brings() {
    let teamspace = Teamspace::start();
    let somebody = Sandbox::hosted(teamspace.url());
    teamspace.log_in(&somebody);
    let token = somebody.session().unwrap().session.access_token;
    let sandbox = machine(teamspace.url(), token.expose());
    sandbox.create_mission("in-ci");
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(teamspace.stored_ids().len(), 3);
    assert_eq!(Tree::of(sandbox.base()).holding(token.expose()), [""; 0]);
}

#[test]
fn the_server_is_asked_whose_token_it_is_once_a_command() {
    let server = ScriptedServer::start();
    server.accept("s3cret-of-ci");
    let sandbox = machine(&server.url(), "s3cret-of-ci");
    sandbox.create_mission("in-ci");
    assert_eq!(server.count(ME), 1);
    let first = server
        .requests()
        .iter()
        .position(|request| request.path == ME);
    assert_eq!(first, Some(0), "before anything is sent");
}

#[test]
fn a_token_without_a_private_teamspace_sends_nothing() {
    let server = ScriptedServer::start().without_private_team();
    server.accept("s3cret-of-ci");
    let sandbox = machine(&server.url(), "s3cret-of-ci");
    let created = sandbox
        .call(&["agent", "mission", "create", "in-ci", "--json"])
        .run();
    let created = created.expect_code(0);
    assert!(
        created
            .stderr
            .contains("direct_ingress_missing_private_team"),
        "{created:?}"
    );
    assert!(!created.says("Not authenticated"), "{created:?}");
    assert_eq!((server.count(ME), server.batches().len()), (1, 0));
}

#[test]
fn a_token_that_the_server_does_not_know_is_named_as_the_cause_and_is_never_renewed() {
    let server = ScriptedServer::start();
    let sandbox = machine(&server.url(), "s3cret-unknown");
    let created = sandbox
        .call(&["agent", "mission", "create", "in-ci", "--json"])
        .run();
    let created = created.expect_code(0);
    assert!(
        created.stderr.contains("sync.server_auth_failure"),
        "{created:?}"
    );
    assert!(
        created.stderr.contains("SPEC_KITTY_ACCESS_TOKEN"),
        "{created:?}"
    );
    let blocked = sandbox.run(&["sync", "now"]).expect_code(3);
    assert!(blocked.says("SPEC_KITTY_ACCESS_TOKEN"), "{blocked:?}");
    assert_eq!((server.batches().len(), server.count(TOKEN)), (0, 0));
}

#[test]
fn a_server_that_cannot_say_whose_token_it_is_gets_nothing_and_nothing_is_lost() {
    let server = ScriptedServer::start();
    server.accept("s3cret-of-ci");
    server.always(ME, Step::json(503, &json!({"error": "away"})));
    let sandbox = machine(&server.url(), "s3cret-of-ci");
    sandbox.create_mission("in-ci");
    assert_eq!(server.batches().len(), 0);
    server.be_honest(ME);
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(server.stored_ids().len(), 3);
}

#[test]
fn the_token_of_the_environment_wins_over_a_stored_session_and_leaves_it_alone() {
    let server = ScriptedServer::start();
    server.accept("s3cret-of-ci");
    let sandbox = machine(&server.url(), "s3cret-of-ci");
    sandbox.seed(&Seed::private().of("u-2", "t-2").issued_by(&server.url()));
    let auth = Tree::of(&sandbox.state().join("auth"));
    sandbox.create_mission("in-ci");
    assert_eq!(server.stored_ids().len(), 3);
    let used = server.requests();
    assert!(
        used.iter()
            .all(|request| request.token() == Some("s3cret-of-ci"))
    );
    assert_eq!(
        auth.changes(&Tree::of(&sandbox.state().join("auth"))),
        [""; 0]
    );
    let envelope = &sandbox.stored_events()[0];
    assert!(
        !envelope.to_string().contains("t-2"),
        "captured for the session that is not used"
    );
}

#[test]
fn creating_the_mission_does_not_wait_for_the_word_whose_token_it_is() {
    let server = ScriptedServer::start();
    server.always(ME, Step::Hang);
    let sandbox = machine(&server.url(), "s3cret-of-ci");
    let create = ["agent", "mission", "create", "in-ci", "--json"];
    let running = sandbox.call(&create).start().lines();
    server.wait_until("the server is asked", |server| server.count(ME) == 1);
    let answer: serde_json::Value = serde_json::from_str(&running.line().unwrap()).unwrap();
    assert_eq!(answer["result"], "success");
    let run = running.finish().expect_code(0);
    assert_eq!(run.stdout, "", "one document");
    let event = &sandbox.stored_events()[1];
    assert_ne!(
        event["team_slug"],
        json!(PRIVATE),
        "nobody has said yet whose it is"
    );
}

#[test]
fn the_token_is_in_no_file_and_in_no_output() {
    let server = ScriptedServer::start();
    server.accept("s3cret-of-ci");
    let sandbox = machine(&server.url(), "s3cret-of-ci");
    for arguments in [
        &["agent", "mission", "create", "in-ci", "--json"][..],
        &["sync", "now"],
        &["sync", "status"],
        &["auth", "status"],
        &["auth", "logout"],
    ] {
        let run = sandbox
            .call(arguments)
            .env("SPEC_KITTY_LOG", "trace")
            .run()
            .expect_code(0);
        assert!(!run.says("s3cret"), "{arguments:?}");
    }
    assert_eq!(Tree::of(sandbox.base()).holding("s3cret"), [""; 0]);
}

#[test]
fn the_status_says_where_the_token_comes_from() {
    let server = ScriptedServer::start();
    let sandbox = machine(&server.url(), "s3cret-of-ci");
    let status = sandbox.run(&["auth", "status"]).expect_code(0);
    insta::assert_snapshot!(status.stdout, @r"
    ? Cannot verify (access token from SPEC_KITTY_ACCESS_TOKEN)
      No stored session is used while the variable is set.
    ");
    assert_eq!(
        sandbox.json(&["sync", "status", "--json"])["authenticated"],
        true
    );
    assert_eq!(server.connections(), 0);
}
