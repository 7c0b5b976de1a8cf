//! A session belongs to the server that issued it and is shown to no other.

use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::ScriptedServer;
use crate::support::sessions::Seed;

#[test]
fn a_session_is_never_shown_to_another_server_than_its_own() {
    let (own, other) = (ScriptedServer::start(), ScriptedServer::start());
    let sandbox = Sandbox::hosted(&other.url());
    for seed in [
        Seed::private(),
        Seed::shared_only(),
        Seed::private().access_expired(),
    ] {
        sandbox.seed(&seed.issued_by(&own.url()));
        let created = sandbox
            .call(&["agent", "mission", "create", "elsewhere", "--json"])
            .run();
        let created = created.expect_code(0);
        assert_eq!(created.json()["result"], "success");
        assert!(
            created.stderr.contains("sync.server_auth_failure"),
            "{created:?}"
        );
        let blocked = sandbox.run(&["sync", "now"]).expect_code(3);
        assert!(
            blocked
                .stdout
                .starts_with("Event sync gated: auth_present\n"),
            "{blocked:?}"
        );
        for url in [own.url(), other.url()] {
            assert!(blocked.says(&url), "both servers are named: {blocked:?}");
        }
        assert!(blocked.says("spec-kitty auth login"), "{blocked:?}");
    }
    assert_eq!((own.connections(), other.connections()), (0, 0));
    assert!(
        sandbox.session().is_some(),
        "the session is kept for its own server"
    );
}

#[test]
fn a_logout_tells_the_server_that_issued_the_session() {
    let (own, other) = (ScriptedServer::start(), ScriptedServer::start());
    let sandbox = Sandbox::hosted(&other.url());
    sandbox.seed(&Seed::private().issued_by(&own.url()));
    sandbox.run(&["auth", "logout"]).expect_code(0);
    assert_eq!(own.revoked(), ["s3cret-refresh-0"]);
    assert_eq!(other.connections(), 0);
}

#[test]
fn a_session_of_unknown_origin_is_used_with_the_configured_server() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    // As the Python CLI leaves it, which does not write down who issued a session.
    sandbox.seed(&Seed::private());
    sandbox.create_mission("delivered");
    assert_eq!(server.stored_ids().len(), 3);
}
