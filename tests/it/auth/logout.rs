//! Logging out: the session here ends at once, the one on the server as soon as it can be reached.

use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{ME, REVOKE, ScriptedServer, Step};
use crate::support::sessions::Seed;
use crate::support::teamspace::Teamspace;
use serde_json::json;

fn logged_in(server: &ScriptedServer) -> Sandbox {
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox
}

#[test]
fn a_logout_ends_the_session_here_and_at_the_teamspace() {
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    teamspace.log_in(&sandbox);
    let session = sandbox.session().unwrap().session;
    assert_eq!(teamspace.get(ME, session.access_token.expose()).status, 200);
    let logout = sandbox.run(&["auth", "logout"]).expect_code(0);
    insta::assert_snapshot!(logout.stdout, @r"
    ✓ Server revocation confirmed.
    + Logged out.
    ");
    assert_eq!(logout.stderr, "");
    assert!(sandbox.session().is_none());
    assert_eq!(teamspace.get(ME, session.access_token.expose()).status, 401);
    let again = sandbox.run(&["auth", "logout"]).expect_code(0);
    insta::assert_snapshot!(again.stdout, @"i Not logged in.");
}

#[test]
fn the_session_here_is_gone_before_the_server_is_asked() {
    let server = ScriptedServer::start();
    let sandbox = logged_in(&server);
    let session_file = sandbox.map().auth().session();
    // Looked at while the program waits for the answer.
    let looked = session_file.clone();
    server.script(
        REVOKE,
        [Step::with(move |_| {
            let status = if looked.exists() { 500 } else { 200 };
            crate::support::scripted_server::Answer::json(status, &json!({"revoked": true}))
        })],
    );
    assert!(session_file.exists());
    let logout = sandbox.run(&["auth", "logout"]).expect_code(0);
    assert!(
        logout.stdout.contains("Server revocation confirmed."),
        "{logout:?}"
    );
}

/// What a logout says when the server could not be reached.
const NOT_CONFIRMED: &str = "! Server revocation not confirmed";

#[test]
fn a_logout_while_the_server_is_away_is_caught_up_on_by_the_next_login() {
    let mut teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    teamspace.log_in(&sandbox);
    let ended = sandbox.session().unwrap().session;
    teamspace.kill();
    let logout = sandbox.run(&["auth", "logout"]).expect_code(0);
    assert!(logout.stdout.starts_with(NOT_CONFIRMED), "{logout:?}");
    assert!(logout.stdout.ends_with("+ Logged out.\n"), "{logout:?}");
    assert!(sandbox.session().is_none());
    teamspace.start_again();
    assert_eq!(
        teamspace.get(ME, ended.access_token.expose()).status,
        200,
        "it knows of nothing yet"
    );
    teamspace.log_in(&sandbox);
    assert_eq!(teamspace.get(ME, ended.access_token.expose()).status, 401);
    let session = sandbox.session().unwrap().session;
    assert_eq!(teamspace.get(ME, session.access_token.expose()).status, 200);
}

#[test]
fn a_kept_revocation_needs_no_login_to_be_sent() {
    let server = ScriptedServer::start();
    server.always(REVOKE, Step::json(503, &json!({"error": "away"})));
    for command in [&["sync", "now"][..], &["auth", "logout"]] {
        let sandbox = logged_in(&server);
        sandbox.create_mission("before");
        let logout = sandbox.run(&["auth", "logout"]).expect_code(0);
        assert!(logout.stdout.starts_with(NOT_CONFIRMED), "{logout:?}");
        let before = server.revoked().len();
        server.be_honest(REVOKE);
        sandbox.run(command);
        assert_eq!(
            server.revoked().len(),
            before + 1,
            "{command:?} sent nothing"
        );
        let asked = server.count(REVOKE);
        sandbox.run(command);
        assert_eq!(
            server.count(REVOKE),
            asked,
            "what was confirmed is not sent again"
        );
        server.always(REVOKE, Step::json(503, &json!({"error": "away"})));
    }
}

#[test]
fn a_kept_revocation_is_sent_along_with_the_next_delivery() {
    let server = ScriptedServer::start();
    let sandbox = logged_in(&server);
    server.script(REVOKE, [Step::Close]);
    sandbox.run(&["auth", "logout"]).expect_code(0);
    sandbox.create_mission("captured-later");
    assert_eq!(server.revoked(), [""; 0]);
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(server.revoked(), ["s3cret-refresh-0"]);
}

#[test]
fn a_logout_ends_even_if_the_server_never_answers() {
    let server = ScriptedServer::start();
    let sandbox = logged_in(&server);
    server.always(REVOKE, Step::Hang);
    let logout = sandbox.run(&["auth", "logout"]).expect_code(0);
    assert!(logout.stdout.starts_with(NOT_CONFIRMED), "{logout:?}");
    assert!(sandbox.session().is_none());
}

#[test]
fn with_hosted_sync_off_a_logout_ends_the_session_here_and_reaches_nobody() {
    let server = ScriptedServer::start();
    let mut sandbox = logged_in(&server);
    sandbox.unset("SPEC_KITTY_ENABLE_SAAS_SYNC");
    let logout = sandbox.run(&["auth", "logout"]).expect_code(0);
    assert_eq!(logout.stdout, "+ Logged out.\n");
    assert!(logout.stderr.contains("Hosted sync is off"), "{logout:?}");
    assert!(sandbox.session().is_none());
    assert_eq!(server.connections(), 0);
}
