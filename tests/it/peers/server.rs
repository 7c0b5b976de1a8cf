//! The Python CLI as a client of our Teamspace.

use super::Peer;
use crate::support::sandbox::Sandbox;
use crate::support::teamspace::{OWNER, Teamspace};
use serde_json::{Value, json};

/// Logs the Python CLI in by the device flow; this function plays the person with the browser.
pub(super) fn log_in(peer: &Peer, sandbox: &Sandbox, teamspace: &Teamspace) {
    let login = peer.talk(sandbox, &["auth", "login", "--headless"]);
    let code = login.line_after("Code:");
    assert_eq!(teamspace.decide(&code, OWNER, "approve").status, 200);
    let login = login.finish().expect_code(0);
    assert!(login.says(OWNER), "{login:?}");
}

#[test]
fn python_logs_in_and_we_deliver_with_its_session() {
    let Some(peer) = Peer::cli() else { return };
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    log_in(&peer, &sandbox, &teamspace);
    let whoami = sandbox.run(&["auth", "whoami"]).expect_code(0);
    assert_eq!(whoami.stdout.trim(), OWNER);
    let session = sandbox.session().expect("there is a session").session;
    assert!(session.private_team().is_some(), "{session:?}");
    sandbox.create_mission("user-auth");
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!(teamspace.stored_ids().len(), sandbox.stored_events().len());
}

#[test]
fn a_login_here_serves_python_and_its_logout_ends_ours() {
    let Some(peer) = Peer::cli() else { return };
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    teamspace.log_in(&sandbox);
    let whoami = peer
        .spec_kitty(&sandbox, &["auth", "whoami"])
        .expect_code(0);
    assert_eq!(whoami.stdout.trim(), OWNER);
    peer.spec_kitty(&sandbox, &["auth", "logout"])
        .expect_code(0);
    assert!(sandbox.session().is_none());
}

#[test]
fn python_delivers_into_our_teamspace_and_understands_its_answers() {
    let Some(peer) = Peer::cli() else { return };
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    log_in(&peer, &sandbox, &teamspace);
    // Captured here, never sent from here.
    let offline = sandbox.call(&["agent", "mission", "create", "user-auth", "--json"]);
    let offline = offline.env("SPEC_KITTY_SAAS_URL", "http://127.0.0.1:1");
    offline.run().expect_code(0);
    let envelopes: Vec<String> = sandbox
        .stored_events()
        .iter()
        .map(Value::to_string)
        .collect();
    assert_eq!(envelopes.len(), 3);
    let deliver =
        |lines: &[String]| peer.script_over(&sandbox, "delivery.py", &[teamspace.url()], lines);
    let all = |outcome: &str| json!(vec![outcome; envelopes.len()]);
    assert_eq!(deliver(&envelopes), all("success"));
    assert_eq!(teamspace.stored_of(OWNER).len(), envelopes.len());
    assert_eq!(deliver(&envelopes), all("duplicate"));
    let nameless = [envelopes[0].replace("\"build_id\":\"", "\"build_id\":null,\"was\":\"")];
    assert_ne!(
        nameless[0], envelopes[0],
        "the wire form of `build_id` changed"
    );
    assert_eq!(deliver(&nameless), json!(["rejected"]));
    assert_eq!(teamspace.stored_of(OWNER).len(), envelopes.len());
}
