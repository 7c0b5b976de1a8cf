//! One session store, two programs: what either writes the other reads.

use super::Peer;
use crate::support::sandbox::Sandbox;
use crate::support::sessions::Seed;
use serde_json::json;

#[test]
fn a_session_that_python_wrote_is_ours() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::empty();
    let email = "grace@example.invalid";
    peer.script(
        &sandbox,
        "session.py",
        &["write", email, "access-1", "refresh-1"],
    );
    let stored = sandbox.session().expect("there is a session");
    let session = &stored.session;
    assert_eq!(session.email, email);
    assert_eq!(session.access_token.expose(), "access-1");
    assert_eq!(session.refresh_token.expose(), "refresh-1");
    assert_eq!(session.session_id, "session-of-python");
    let private = session.private_team().expect("a private team");
    assert_eq!(
        (private.id.as_str(), private.name.as_str()),
        ("t-private", "Café Private")
    );
    assert!(stored.issuer.is_none(), "Python does not say who issued it");
    let whoami = sandbox.run(&["auth", "whoami"]).expect_code(0);
    assert_eq!(whoami.stdout.trim(), email);
}

#[test]
fn a_session_that_we_wrote_is_pythons() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::new();
    let seed = Seed::private().with_access_token("access-of-ours");
    sandbox.seed(&seed);
    assert_eq!(
        peer.script(&sandbox, "session.py", &["read"]),
        json!({
            "email": seed.email, "user_id": seed.user_id, "scope": "offline_access",
            "session_id": format!("session-of-{}", seed.user_id),
            "access": "access-of-ours", "refresh": seed.refresh_token,
            "teams": [["t-shared", false], ["t-private", true]],
        })
    );
    let whoami = peer
        .spec_kitty(&sandbox, &["auth", "whoami"])
        .expect_code(0);
    assert_eq!(whoami.stdout.trim(), seed.email);
}

#[test]
fn tokens_that_python_refreshed_are_ours_and_the_issuer_stays_known() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::empty();
    sandbox.seed(&Seed::private().issued_by("https://teamspace.example.invalid"));
    peer.script(&sandbox, "session.py", &["rotate", "access-2", "refresh-2"]);
    let stored = sandbox.session().expect("there is a session");
    assert_eq!(stored.session.access_token.expose(), "access-2");
    assert_eq!(stored.session.refresh_token.expose(), "refresh-2");
    let issuer = stored.issuer.expect("the binding is of this session");
    assert_eq!(issuer.as_str(), "https://teamspace.example.invalid");
}

#[test]
fn a_logout_here_is_a_logout_there() {
    let Some(peer) = Peer::cli() else { return };
    let sandbox = Sandbox::empty();
    peer.script(
        &sandbox,
        "session.py",
        &["write", "grace@example.invalid", "access-1", "refresh-1"],
    );
    sandbox.run(&["auth", "logout"]).expect_code(0);
    assert!(peer.script(&sandbox, "session.py", &["read"]).is_null());
}
