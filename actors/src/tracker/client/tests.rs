//! The client with a real session and server, and pauses that take no time.

use super::*;
use crate::auth::pause::{Pauses, Pausing, TimerPauses};
use crate::auth::refresh_lock::RefreshLock;
use crate::auth::store::{SessionStore as _, Stored};
use crate::auth::testing::{TestRoot, session};
use crate::auth::{AuthListeners, AuthPorts};
use crate::tracker::{Route, RouteKey};
use crate::transport::HttpClient;
use crate::transport::loopback_server::{Answer, LoopbackServer, Received};
use actix::Actor as _;
use kitty_runtime::fs::os_filesystem;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Pauses that are written down and not waited for.
#[derive(Debug, Default)]
struct Written(Mutex<Vec<Duration>>);

impl Pauses for Written {
    fn pause(&self, duration: Duration) -> Pausing {
        self.0.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

/// Sends one run to a server and returns what came of it, and the pauses.
fn run(server: &LoopbackServer) -> (Result<Value, TrackerError>, Vec<Duration>) {
    let root = TestRoot::new();
    let stored = Stored {
        session: session("one"),
        issuer: None,
    };
    root.store().write(&stored).unwrap();
    let pauses = Arc::new(Written::default());
    let url = ServerUrl::parse(&server.base()).unwrap();
    let result = actix::System::new().block_on(async {
        let ports = AuthPorts {
            store: Arc::new(root.store()),
            lock: RefreshLock::new(&root.paths(), os_filesystem(), root.time(), "example-host"),
            transport: HttpClient::shared(),
            time: root.time(),
            pauses: Arc::new(TimerPauses),
        };
        let auth = Child::unborn("auth");
        let actor = AuthActor::new(Some(url.clone()), None, ports, AuthListeners::default());
        auth.reborn(actor.start());
        let client = TrackerClient::connect(TrackerPorts {
            server: url,
            auth,
            gate: Child::unborn("gate"),
            transport: HttpClient::shared(),
            pauses: pauses.clone(),
        });
        let route = Route {
            provider: "linear".to_owned(),
            key: Some(RouteKey::BindingRef("b-1".to_owned())),
        };
        let client = client.await?;
        client.call(&TrackerRequest::run(&route, 1)).await
    });
    let pauses = pauses.0.lock().unwrap().clone();
    (result, pauses)
}

fn answers(run: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> LoopbackServer {
    LoopbackServer::start(run)
}

#[test]
fn an_operation_that_never_ends_is_given_up_after_two_minutes_of_pauses() {
    let server = answers(|request| {
        if request.target.contains("/operations/") {
            Answer::json(200, &json!({"status": "running"}))
        } else {
            Answer::json(202, &json!({"operation_id": "op-1"}))
        }
    });
    let (result, pauses) = run(&server);
    let expected = TrackerError::OperationTimedOut {
        operation: "op-1".to_owned(),
        seconds: 120,
    };
    assert_eq!(result, Err(expected));
    let total: f64 = pauses.iter().map(Duration::as_secs_f64).sum();
    assert!(total < 120.0, "{pauses:?}");
    assert!((6..=9).contains(&pauses.len()), "{pauses:?}");
    assert!(pauses[0] < Duration::from_millis(1_201), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(36)));
}

#[test]
fn a_wait_that_the_server_names_is_kept_and_only_once() {
    let server =
        answers(|_| Answer::json(429, &json!({"retry_after_seconds": 7, "message": "Slow."})));
    let (result, pauses) = run(&server);
    assert_eq!(result.unwrap_err().to_string(), "Slow.");
    assert_eq!(pauses, [Duration::from_secs(7)]);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn what_the_transport_says_is_passed_on_and_not_tried_again() {
    let server = answers(|_| Answer::raw(Vec::new()));
    let (result, pauses) = run(&server);
    let error = result.unwrap_err().to_string();
    assert!(
        error.starts_with("HTTP transport error: the tracker sync run"),
        "{error}"
    );
    assert_eq!((server.requests().len(), pauses.len()), (1, 0));
}

#[test]
fn the_team_is_the_only_shared_one_beside_a_private_one() {
    let private = Team::new("t-private", "Mine", "owner", true);
    let shared = Team::new("t-shared", "Shared", "member", false);
    let other = Team::new("t-other", "Other", "member", false);
    let found = |teams: &[Team]| collaborative(teams).map(|team| team.id.clone());
    let expected = Some("t-shared".to_owned());
    assert_eq!(found(&[private.clone(), shared.clone()]), expected);
    assert_eq!(found(&[shared.clone(), private.clone()]), expected);
    assert_eq!(found(std::slice::from_ref(&shared)), None);
    assert_eq!(found(std::slice::from_ref(&private)), None);
    assert_eq!(found(&[private, shared, other]), None);
    assert_eq!(found(&[]), None);
}

#[test]
fn two_runs_of_one_operation_have_two_keys() {
    let request = TrackerRequest::resources("linear");
    let (one, two) = (
        operation_key(&request).unwrap(),
        operation_key(&request).unwrap(),
    );
    assert_ne!(one, two);
    let digits = one.strip_prefix("logical-operation:write:").unwrap();
    assert_eq!(digits.len(), 64);
}
