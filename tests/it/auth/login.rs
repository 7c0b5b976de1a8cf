//! Logging in, with a code on another device and through a browser.

use crate::support::process::{Run, Talking, skip, variable};
use crate::support::sandbox::{Sandbox, write_script};
use crate::support::scripted_server::ScriptedServer;
use crate::support::sessions::Seed;
use crate::support::teamspace::{OWNER, Teamspace, send};
use kitty_actors::auth::session::AuthMethod;
use kitty_actors::transport::{HttpRequest, HttpResponse, Method};
use std::time::Duration;
use url::Url;

const LIMIT: Duration = Duration::from_secs(60);

fn get(url: &str) -> HttpResponse {
    send(HttpRequest::new("the page", Method::Get, url, LIMIT))
}

/// Asserts what a person sees who is logged in by a method.
#[track_caller]
fn assert_logged_in(sandbox: &Sandbox, method: &str) {
    let status = sandbox.run(&["auth", "status"]).expect_code(0);
    assert!(
        status.stdout.starts_with("+ Authenticated (access valid "),
        "{status:?}"
    );
    for line in [
        format!("  User:           {OWNER} (Owner)"),
        format!("  Auth method:    {method}"),
        "  Teams:".to_owned(),
    ] {
        assert!(
            status.stdout.lines().any(|candidate| candidate == line),
            "{line}: {status:?}"
        );
    }
    assert!(
        status.stdout.contains(" (private, not shareable, default)"),
        "{status:?}"
    );
    let whoami = sandbox.run(&["auth", "whoami"]).expect_code(0);
    assert_eq!((whoami.stdout.trim_end(), &*whoami.stderr), (OWNER, ""));
    assert_eq!(
        sandbox.json(&["sync", "status", "--json"])["authenticated"],
        true
    );
}

#[test]
fn a_code_that_was_approved_on_another_device_logs_in() {
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    let login = teamspace.log_in(&sandbox);
    let lines: Vec<&str> = login.stdout.lines().collect();
    assert!(lines.contains(&"+ Authorization granted"), "{login:?}");
    assert!(
        lines.contains(&format!("+ Authenticated as {OWNER}").as_str()),
        "{login:?}"
    );
    assert!(
        lines.last().unwrap().ends_with(" [Private Teamspace]"),
        "{login:?}"
    );
    assert_eq!(login.stderr, "");
    assert_logged_in(&sandbox, "Headless (Device Authorization Grant)");
    let stored = sandbox.session().unwrap();
    assert_eq!(
        stored.issuer.unwrap().as_str(),
        teamspace.url(),
        "bound to its server"
    );
    assert_eq!(stored.session.auth_method, AuthMethod::DeviceCode);
}

#[test]
fn a_code_that_was_denied_leaves_nothing_behind() {
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    let login = sandbox
        .call(&["auth", "login", "--headless"])
        .start()
        .lines();
    let code = login.line_after("Code:");
    assert_eq!(teamspace.decide(&code, OWNER, "deny").status, 200);
    let login = login.finish().expect_code(1);
    assert!(login.stderr.contains("denied"), "{login:?}");
    assert!(sandbox.session().is_none());
    sandbox.run(&["auth", "whoami"]).expect_code(1);
}

/// Starts a browser login on a machine where no browser can be started.
fn without_browser(sandbox: &Sandbox) -> (Talking, Url) {
    let nowhere = sandbox.base().join("no-programs");
    let login = sandbox
        .call(&["auth", "login"])
        .env("PATH", &nowhere)
        .start()
        .lines();
    let address = login.line_after("No browser could be started. Visit:");
    (login, address.parse().unwrap())
}

/// Sends the form of the approval page, as the owner who pressed a button.
fn press(teamspace: &Teamspace, page: &Url, decision: &str) -> HttpResponse {
    assert_eq!(get(page.as_str()).status, 200, "the approval page");
    let asked: Vec<(String, String)> = page.query_pairs().into_owned().collect();
    let key = teamspace.approval_key();
    let mut form: Vec<(&str, &str)> = asked
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    form.extend([
        ("email", OWNER),
        ("approval_key", &*key),
        ("decision", decision),
    ]);
    let action = format!("{}/oauth/authorize", teamspace.url());
    send(HttpRequest::new("the decision", Method::Post, action, LIMIT).form(&form))
}

/// Follows the redirect back to the program, as a browser does.
fn come_back(answer: &HttpResponse) -> HttpResponse {
    assert_eq!(answer.status, 302);
    let location = answer.headers.get("location").unwrap();
    assert!(location.starts_with("http://127.0.0.1:"), "{location}");
    get(location)
}

#[test]
fn a_browser_that_comes_back_with_a_code_logs_in() {
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    let (login, page) = without_browser(&sandbox);
    let callback = come_back(&press(&teamspace, &page, "approve"));
    assert_eq!(callback.status, 200);
    let login = login.finish().expect_code(0);
    assert!(
        login
            .stdout
            .contains(&format!("+ Authenticated as {OWNER}")),
        "{login:?}"
    );
    assert_logged_in(&sandbox, "Browser (Authorization Code + PKCE)");
}

#[test]
fn a_browser_that_comes_back_with_a_no_or_with_a_foreign_state_does_not_log_in() {
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    let (login, page) = without_browser(&sandbox);
    let query: Vec<_> = page.query_pairs().into_owned().collect();
    let callback = &query
        .iter()
        .find(|(name, _)| name == "redirect_uri")
        .unwrap()
        .1;
    // Somebody else's request neither ends the wait nor logs in.
    assert_eq!(
        get(&format!("{callback}?code=stolen&state=guessed")).status,
        400
    );
    come_back(&press(&teamspace, &page, "deny"));
    let login = login.finish().expect_code(1);
    assert!(login.stderr.contains("denied"), "{login:?}");
    assert!(sandbox.session().is_none());
}

#[test]
fn the_browser_of_the_machine_is_started_with_the_address() {
    if !cfg!(target_os = "linux") {
        return skip("only here is the program that starts a browser known");
    }
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    let (programs, address) = (
        sandbox.base().join("programs"),
        sandbox.base().join("address"),
    );
    // The person's browser: it fetches nothing, and tells through a pipe what it was started with.
    let pipe = std::process::Command::new("mkfifo").arg(&address).status();
    assert!(pipe.unwrap().success());
    let script = format!("#!/bin/sh\nprintf '%s' \"$1\" > '{}'\n", address.display());
    write_script(&programs.join("xdg-open"), &script);
    let path = [programs.into_os_string(), variable("PATH").unwrap()].join(":".as_ref());
    let login = sandbox
        .call(&["auth", "login"])
        .env("PATH", path)
        .start()
        .lines();
    assert_eq!(login.line_after("SaaS:"), teamspace.url());
    let page: Url = read_with_deadline(address).parse().unwrap();
    assert!(
        page.as_str()
            .starts_with(&format!("{}/oauth/authorize?", teamspace.url()))
    );
    come_back(&press(&teamspace, &page, "approve"));
    let login: Run = login.finish().expect_code(0);
    assert!(
        !login.stdout.contains("No browser could be started"),
        "{login:?}"
    );
}

/// Reads what is written into a pipe; opening one waits for its writer.
fn read_with_deadline(pipe: std::path::PathBuf) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(std::fs::read_to_string(pipe).unwrap()));
    receiver.recv_timeout(LIMIT).expect("a browser is started")
}

#[test]
fn who_is_logged_in_already_is_told_so_and_force_logs_in_again() {
    let teamspace = Teamspace::start();
    let sandbox = Sandbox::hosted(teamspace.url());
    teamspace.log_in(&sandbox);
    let first = sandbox.session().unwrap().session.session_id;
    let again = sandbox.run(&["auth", "login", "--headless"]).expect_code(0);
    insta::assert_snapshot!(again.stdout, @r"
    + Already logged in as owner@teamspace.local
    Run spec-kitty auth login --force to re-authenticate, or spec-kitty auth logout first.
    ");
    assert_eq!(sandbox.session().unwrap().session.session_id, first);
    teamspace.log_in_as(&sandbox, OWNER, &["--force"]);
    assert_ne!(sandbox.session().unwrap().session.session_id, first);
}

#[test]
fn without_hosted_sync_or_a_server_a_login_says_what_is_missing_and_does_nothing() {
    let mut sandbox = Sandbox::new();
    let off = sandbox.run(&["auth", "login", "--headless"]).expect_code(1);
    assert!(
        off.stderr.contains("SPEC_KITTY_ENABLE_SAAS_SYNC=1"),
        "{off:?}"
    );
    sandbox.set("SPEC_KITTY_ENABLE_SAAS_SYNC", "1");
    let nowhere = sandbox.run(&["auth", "login", "--headless"]).expect_code(1);
    assert!(
        nowhere
            .stdout
            .starts_with("X No sync server is configured."),
        "{nowhere:?}"
    );
    assert!(!sandbox.state().exists());
}

#[test]
fn nobody_and_a_session_that_ended_are_told_apart() {
    let sandbox = Sandbox::new();
    let nobody = sandbox.run(&["auth", "status"]).expect_code(0);
    insta::assert_snapshot!(nobody.stdout, @r"
    X Not authenticated (no active session)
      Run spec-kitty auth login to authenticate.
    ");
    sandbox.seed(&Seed::private().refresh_expired());
    let ended = sandbox.run(&["auth", "status"]).expect_code(0);
    insta::assert_snapshot!(ended.stdout, @r"
    X Not authenticated (refresh token expired 1d ago)
      Run spec-kitty auth login to re-authenticate.
    ");
    let whoami = sandbox.run(&["auth", "whoami"]).expect_code(1);
    assert_eq!((&*whoami.stdout, &*whoami.stderr), ("", ""));
}

#[test]
fn asking_who_is_logged_in_reaches_no_server() {
    let server = ScriptedServer::start();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().access_expired().issued_by(&server.url()));
    let status = sandbox.run(&["auth", "status"]).expect_code(0);
    assert!(
        status
            .stdout
            .starts_with("? Cannot verify (access token expired;"),
        "{status:?}"
    );
    sandbox.run(&["auth", "whoami"]).expect_code(0);
    assert_eq!(server.connections(), 0);
}
