//! A token is shown to the server that issued it: no command, no daemon and no redirect takes it elsewhere.

use crate::support::daemons::DaemonMachine;
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::{Answer, BATCH, ME, ScriptedServer, Step, TOKEN};
use crate::support::sessions::Seed;
use serde_json::json;

/// Every command that talks to a server with a token.
const SPEAKING: &[&[&str]] = &[
    &["agent", "mission", "create", "spoken", "--json"],
    &["sync", "now"],
    &["sync", "run"],
    &["tracker", "discover", "--provider", "linear"],
    &[
        "tracker",
        "bind",
        "--provider",
        "linear",
        "--bind-ref",
        "b-1",
    ],
    &["tracker", "status"],
    &["tracker", "map", "list"],
    &["tracker", "list-tickets", "--provider", "linear"],
    &["tracker", "sync", "pull"],
    &["tracker", "sync", "run"],
    &["issue-search", "--provider", "linear", "--query", "x"],
];

fn machine(configured: &ScriptedServer, seed: &Seed, issuer: &ScriptedServer) -> Sandbox {
    let sandbox = Sandbox::hosted(&configured.url());
    let binding = "tracker:\n  provider: linear\n  binding_ref: b-1\n";
    write(&sandbox.repo().join(".kittify/config.yaml"), binding);
    sandbox.seed(&seed.clone().issued_by(&issuer.url()));
    sandbox
}

/// Fails if a server was told anything of the session.
#[track_caller]
fn was_told_nothing(server: &ScriptedServer) {
    for request in server.requests() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
        let whole = format!("{} {:?} {}", request.query, request.headers, request.body);
        assert!(!whole.contains("s3cret"), "{request:?}");
    }
}

#[test]
fn no_command_and_no_daemon_shows_a_token_to_a_server_that_did_not_issue_it() {
    for seed in [
        Seed::private(),
        Seed::shared_only(),
        Seed::private().access_expired(),
    ] {
        let (issuer, other) = (ScriptedServer::start(), ScriptedServer::start());
        let machine = DaemonMachine::of(machine(&other, &seed, &issuer));
        for command in SPEAKING {
            machine.run(command);
        }
        machine.start();
        machine.create_mission("handed-over");
        let drained = || machine.status()["health"]["last_trouble"].is_string();
        machine.until("the daemon has tried", drained);
        machine.stop();
        was_told_nothing(&other);
        assert_eq!(issuer.connections(), 0, "it is not the configured one");
        assert!(machine.session().is_some(), "the session is kept");
    }
}

#[test]
fn a_redirect_takes_no_token_to_another_server() {
    for status in [301, 302, 303, 307, 308] {
        let (issuer, other) = (ScriptedServer::start(), ScriptedServer::start());
        for path in [
            BATCH,
            ME,
            TOKEN,
            "/api/v1/tracker/status/",
            "/api/v1/tracker/run/",
        ] {
            let elsewhere = format!("{}{path}", other.url());
            let answer = Answer::json(status, &json!({})).header("Location", &elsewhere);
            issuer.always(path, Step::Answer(answer));
        }
        for seed in [
            Seed::private(),
            Seed::shared_only(),
            Seed::private().access_expired(),
        ] {
            // A command of the tracker starts a daemon, which ends with its machine.
            let sandbox = DaemonMachine::of(machine(&issuer, &seed, &issuer));
            for command in SPEAKING {
                sandbox.run(command);
            }
            sandbox.run(&["auth", "logout"]);
        }
        assert!(issuer.count(BATCH) > 0 && issuer.count(ME) > 0 && issuer.count(TOKEN) > 0);
        assert_eq!(other.connections(), 0, "{status} was followed");
    }
}
