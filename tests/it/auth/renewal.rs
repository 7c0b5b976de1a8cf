//! Renewing the access token: once, whoever needs it, and never at the price of a newer session.

use crate::support::process::DEADLINE;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{Answer, BATCH, ScriptedServer, Step, TOKEN};
use crate::support::sessions::Seed;
use serde_json::json;
use std::sync::{Arc, Condvar, Mutex};

/// Holds whoever comes until it is opened.
#[derive(Clone, Default)]
struct Barrier(Arc<(Mutex<bool>, Condvar)>);

impl Barrier {
    fn wait(&self) {
        let (open, changed) = &*self.0;
        let guard = open.lock().unwrap();
        let (_guard, timeout) = changed
            .wait_timeout_while(guard, DEADLINE, |open| !*open)
            .unwrap();
        assert!(!timeout.timed_out(), "the barrier was never opened");
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

fn expired(server: &ScriptedServer) -> Sandbox {
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.create_mission("captured-logged-out");
    sandbox.seed(&Seed::private().access_expired().issued_by(&server.url()));
    sandbox
}

/// Answers a renewal only after the barrier is open, and as a server that accepts it.
fn renewed_after(barrier: &Barrier) -> Step {
    let barrier = barrier.clone();
    Step::with(move |_| {
        barrier.wait();
        Answer::json(
            200,
            &json!({
                "access_token": "s3cret-access-1", "refresh_token": "s3cret-refresh-1",
                "expires_in": 3600, "token_type": "Bearer", "generation": 1,
            }),
        )
    })
}

#[test]
fn fifty_processes_at_the_end_of_a_token_renew_it_once() {
    let server = ScriptedServer::start().without_private_team();
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.create_mission("captured-logged-out");
    // Each process has to ask for the teams, and so needs a token.
    sandbox.seed(
        &Seed::shared_only()
            .access_expired()
            .issued_by(&server.url()),
    );
    server.accept("s3cret-access-1");
    let barrier = Barrier::default();
    server.always(TOKEN, renewed_after(&barrier));
    let running: Vec<_> = (0..50)
        .map(|_| sandbox.call(&["sync", "now", "--json"]).start())
        .collect();
    barrier.open();
    for running in running {
        let run = running.finish().expect_code(3);
        assert_eq!(
            run.json()["blocked"]["reason"],
            "private_teamspace",
            "{run:?}"
        );
    }
    assert_eq!(server.count(TOKEN), 1, "fifty processes, one renewal");
    let session = sandbox.session().unwrap().session;
    assert_eq!(session.refresh_token.expose(), "s3cret-refresh-1");
}

#[test]
fn a_token_that_ended_is_renewed_and_the_delivery_goes_on() {
    let server = ScriptedServer::start();
    let sandbox = expired(&server);
    sandbox.run(&["sync", "now"]).expect_code(0);
    assert_eq!((server.count(TOKEN), server.stored_ids().len()), (1, 3));
    let session = sandbox.session().unwrap().session;
    assert_eq!(session.refresh_token.expose(), "s3cret-refresh-1");
    assert_eq!(
        session.session_id, "session-of-u-1",
        "the login is the same"
    );
}

#[test]
fn a_process_that_was_refused_never_deletes_a_session_that_came_meanwhile() {
    let server = ScriptedServer::start();
    let sandbox = expired(&server);
    let barrier = Barrier::default();
    let held = barrier.clone();
    server.script(
        TOKEN,
        [Step::with(move |_| {
            held.wait();
            Answer::json(400, &json!({"error": "invalid_grant"}))
        })],
    );
    let stale = sandbox.call(&["sync", "now"]).start();
    server.wait_until("the old token is refused", |server| {
        server.count(TOKEN) == 1
    });
    server.accept("s3cret-access-new");
    let mut newer = Seed::private()
        .with_access_token("s3cret-access-new")
        .issued_by(&server.url());
    newer.refresh_token = "s3cret-refresh-new".to_owned();
    sandbox.seed(&newer);
    barrier.open();
    stale.finish().expect_code(0);
    let session = sandbox.session().expect("the newer session stands").session;
    assert_eq!(session.refresh_token.expose(), "s3cret-refresh-new");
    let sent = server.requests_to(BATCH);
    assert!(
        sent.iter()
            .all(|request| request.token() == Some("s3cret-access-new"))
    );
}

#[test]
fn a_session_that_its_server_ended_is_deleted() {
    let server = ScriptedServer::start();
    let sandbox = expired(&server);
    server.always(TOKEN, Step::json(400, &json!({"error": "session_invalid"})));
    let run = sandbox.run(&["sync", "now"]);
    assert_ne!(run.code(), 0, "{run:?}");
    assert!(run.says("spec-kitty auth login"), "{run:?}");
    assert!(sandbox.session().is_none());
    assert_eq!(
        sandbox.waiting().len(),
        3,
        "no event is lost with the session"
    );
}

#[test]
fn a_logout_during_a_renewal_stays_a_logout() {
    let server = ScriptedServer::start();
    let sandbox = expired(&server);
    let barrier = Barrier::default();
    server.script(TOKEN, [renewed_after(&barrier)]);
    let renewing = sandbox.call(&["sync", "now"]).start();
    server.wait_until("the renewal is asked for", |server| {
        server.count(TOKEN) == 1
    });
    sandbox.run(&["auth", "logout"]).expect_code(0);
    barrier.open();
    let run = renewing.finish();
    assert_ne!(run.code(), 0, "{run:?}");
    assert!(sandbox.session().is_none(), "no session rises again");
    assert_eq!(server.stored_ids(), [""; 0]);
}

#[test]
fn a_server_that_is_away_costs_no_session() {
    let server = ScriptedServer::start();
    for step in [
        Step::Close,
        Step::json(503, &json!({"error": "away"})),
        Step::Raw(b"garbage".to_vec()),
    ] {
        let sandbox = expired(&server);
        server.always(TOKEN, step);
        let run = sandbox.run(&["sync", "now"]);
        assert_ne!(run.code(), 0, "{run:?}");
        let session = sandbox.session().expect("the session is kept").session;
        assert_eq!(session.refresh_token.expose(), "s3cret-refresh-0");
    }
}
