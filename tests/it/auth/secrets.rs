//! Secrets stay where they belong, and their key is derived only for commands that need it.

use crate::support::process::Run;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{REVOKE, ScriptedServer, Step};
use crate::support::sessions::Seed;
use crate::support::teamspace::Teamspace;
use crate::support::tree::Tree;
use serde_json::json;
use std::path::Path;

/// Fails unless only the owner may look at anything that belongs to the login.
#[track_caller]
fn assert_private(state: &Path) {
    let tree = Tree::of(&state.join("auth"));
    assert!(tree.files().next().is_some(), "there is a session");
    for (file, mode) in tree.files() {
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    for (directory, mode) in tree.directories() {
        assert_eq!(mode, 0o700, "{}", directory.display());
    }
}

fn everything(run: &Run) -> String {
    format!("{}{}", run.stdout, run.stderr)
}

#[test]
fn a_login_that_is_traced_shows_no_secret_and_keeps_it_encrypted_and_private() {
    let teamspace = Teamspace::start();
    let mut sandbox = Sandbox::hosted(teamspace.url());
    sandbox.set("SPEC_KITTY_LOG", "trace");
    sandbox.set("RUST_LOG", "trace");
    let mut said = everything(&teamspace.log_in(&sandbox));
    let session = sandbox.session().unwrap().session;
    assert_private(&sandbox.state());
    said += &everything(
        &sandbox
            .run(&["agent", "mission", "create", "traced"])
            .expect_code(0),
    );
    said += &everything(&sandbox.run(&["sync", "now"]).expect_code(0));
    said += &everything(&sandbox.run(&["auth", "status"]).expect_code(0));
    let tree = Tree::of(sandbox.base());
    said += &everything(&sandbox.run(&["auth", "logout"]).expect_code(0));
    assert!(said.lines().count() > 50, "nothing was traced: {said}");
    for secret in [&session.access_token, &session.refresh_token] {
        assert!(!said.contains(secret.expose()), "a token was shown");
        assert_eq!(tree.holding(secret.expose()), [""; 0], "a token lies open");
    }
}

#[test]
fn a_renewal_that_is_traced_shows_no_secret() {
    let server = ScriptedServer::start();
    let mut sandbox = Sandbox::hosted(&server.url());
    sandbox.set("SPEC_KITTY_LOG", "trace");
    sandbox.create_mission("traced");
    for step in [
        Step::json(
            400,
            &json!({"error": "temporarily", "echo": "s3cret-refresh-0"}),
        ),
        Step::Raw(b"s3cret-refresh-0".to_vec()),
        Step::Honest,
    ] {
        sandbox.seed(&Seed::private().access_expired().issued_by(&server.url()));
        server.script(crate::support::scripted_server::TOKEN, [step]);
        let run = sandbox.run(&["sync", "now"]);
        assert!(!run.says("s3cret"), "{run:?}");
    }
    assert_eq!(server.stored_ids().len(), 3);
    assert_eq!(Tree::of(sandbox.base()).holding("s3cret"), [""; 0]);
}

#[test]
fn a_revocation_that_waits_is_for_its_owner_only_and_is_gone_when_it_was_sent() {
    let server = ScriptedServer::start();
    server.always(REVOKE, Step::Close);
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    let logout = sandbox
        .call(&["auth", "logout"])
        .env("SPEC_KITTY_LOG", "trace")
        .run();
    assert!(!logout.expect_code(0).says("s3cret"));
    let tree = Tree::of(&sandbox.state());
    let holding = tree.holding("s3cret-refresh-0");
    assert!(!holding.is_empty(), "the revocation waits somewhere");
    for (file, mode) in tree.files() {
        if holding.contains(&file.display().to_string()) {
            assert_eq!(mode & 0o077, 0, "{}", file.display());
        }
    }
    assert_eq!(tree.holding("s3cret-access-0"), [""; 0]);
}

/// Tells whether a process asked for the memory that scrypt needs here: 16 MiB, in one piece.
fn pays_scrypt(sandbox: &Sandbox, arguments: &[&str], variables: &[(&str, &str)]) -> Option<bool> {
    let call = variables
        .iter()
        .fold(sandbox.call(arguments), |call, (name, value)| {
            call.env(name, value)
        });
    let trace = call.trace()?;
    assert_eq!(trace.run.code(), 0, "{:?}", trace.run);
    Some(trace.calls().iter().any(|call| {
        let mut words = call.line.split([',', '(']).map(str::trim);
        let length = words.nth(2).and_then(|length| length.parse::<u64>().ok());
        call.name == "mmap"
            && call
                .line
                .contains("PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1")
            && length.is_some_and(|length| (16 << 20..17 << 20).contains(&length))
    }))
}

#[test]
fn the_key_is_derived_only_by_commands_that_open_the_session() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    sandbox.create_mission("before");
    // Without hints and the kept key, whoever opens the session derives the key.
    let bare = [("SPEC_KITTY_DISABLE_SESSION_HOT_PATH", "1")];
    let Some(pays) = pays_scrypt(&sandbox, &["auth", "status"], &bare) else {
        return;
    };
    assert!(pays, "this test no longer sees what scrypt needs");
    for arguments in [
        &["--version"][..],
        &["--help"],
        &["status"],
        &["sync", "status"],
        &["config", "list"],
        &["state", "doctor"],
    ] {
        assert_eq!(
            pays_scrypt(&sandbox, arguments, &bare),
            Some(false),
            "{arguments:?}"
        );
    }
    // With them, nobody does: not even who uses the session.
    for arguments in [
        &["sync", "status"][..],
        &["auth", "status"],
        &["agent", "mission", "create", "after", "--json"],
        &["sync", "now"],
    ] {
        assert_eq!(
            pays_scrypt(&sandbox, arguments, &[]),
            Some(false),
            "{arguments:?}"
        );
    }
}
