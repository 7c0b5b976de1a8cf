//! The whole actor: real files, real locks, a real server on loopback.

use super::messages::{EndReason, Rehydrate, SessionDetail, SessionEnded};
use super::pause::TimerPauses;
use super::refresh_lock::RefreshLock;
use super::session::StoredSession;
use super::store::{Presence, SessionStore, Stored};
use super::testing::{TestRoot, session};
use super::*;
use crate::supervise::Child;
use crate::transport::loopback_server::{Answer as Scripted, LoopbackServer, Received};
use crate::transport::{HttpClient, HttpRequest, Method};
use actix::Addr;
use kitty_config::env;
use kitty_runtime::fs::os_filesystem;
use serde_json::json;
use std::sync::Mutex;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

fn run<T>(work: impl Future<Output = T>) -> T {
    actix::System::new().block_on(work)
}

fn ports(root: &TestRoot) -> AuthPorts {
    AuthPorts {
        store: Arc::new(root.store()),
        lock: RefreshLock::new(&root.paths(), os_filesystem(), root.time(), "example-host"),
        transport: HttpClient::shared(),
        time: root.time(),
        pauses: Arc::new(TimerPauses),
    }
}

fn url(server: &LoopbackServer) -> ServerUrl {
    ServerUrl::parse(&server.base()).unwrap()
}

fn start(root: &TestRoot, server: &LoopbackServer) -> Addr<AuthActor> {
    let listeners = AuthListeners::default();
    AuthActor::new(Some(url(server)), None, ports(root), listeners).start()
}

fn child(address: Addr<AuthActor>) -> Child<AuthActor> {
    let child = Child::unborn("auth");
    child.reborn(address);
    child
}

fn put(root: &TestRoot, session: StoredSession) {
    let stored = Stored {
        session,
        issuer: None,
    };
    root.store().write(&stored).unwrap();
}

fn stored(root: &TestRoot) -> Option<StoredSession> {
    let stored = root.store().read(ReadPurpose::Inspect).unwrap();
    stored.map(|stored| stored.session)
}

fn tokens(name: &str) -> Scripted {
    let body = json!({
        "access_token": format!("access-{name}"),
        "refresh_token": format!("refresh-{name}"),
        "expires_in": 3600,
    });
    Scripted::json(200, &body)
}

fn oauth_error(status: u16, word: &str) -> Scripted {
    Scripted::json(status, &json!({"error": word}))
}

fn ask(rejected: Option<TokenFingerprint>) -> GetAccessToken {
    GetAccessToken {
        rejected,
        limit: LIMIT,
    }
}

fn token(server: &LoopbackServer, name: &str) -> AccessToken {
    AccessToken::new(Secret::new(format!("access-{name}")), url(server))
}

#[test]
fn an_expired_token_is_refreshed_once_for_all_askers_and_stored() {
    let root = TestRoot::new();
    put(&root, session("old").expiring_at(0));
    let server = LoopbackServer::start(|_| tokens("new"));
    run(async {
        let auth = start(&root, &server);
        let answers = tokio::join!(auth.send(ask(None)), auth.send(ask(None)));
        assert_eq!(answers.0.unwrap(), Ok(token(&server, "new")));
        assert_eq!(answers.1.unwrap(), Ok(token(&server, "new")));
    });
    assert_eq!(server.count("/oauth/token"), 1);
    let form = |name| server.requests()[0].field(name);
    assert_eq!(form("refresh_token").as_deref(), Some("refresh-old"));
    let found = root.store().read(ReadPurpose::Inspect).unwrap().unwrap();
    assert_eq!(found.session.refresh_token, Secret::new("refresh-new"));
    assert_eq!(found.issuer, Some(url(&server)));
    let lock = std::fs::read(root.paths().refresh_lock()).unwrap();
    assert_eq!(lock, b"", "the lock's record is gone");
}

#[test]
fn fifty_processes_that_find_an_ended_token_refresh_once() {
    let root = Arc::new(TestRoot::new());
    put(&root, session("old").expiring_at(0));
    let server = Arc::new(LoopbackServer::start(|_| tokens("new")));
    let workers: Vec<_> = (0..50)
        .map(|_| {
            let (root, server) = (Arc::clone(&root), Arc::clone(&server));
            std::thread::spawn(move || run(async { start(&root, &server).send(ask(None)).await }))
        })
        .collect();
    for worker in workers {
        assert_eq!(worker.join().unwrap().unwrap(), Ok(token(&server, "new")));
    }
    assert_eq!(server.count("/oauth/token"), 1);
}

#[test]
fn a_rejected_pair_is_deleted_and_the_listeners_are_told() {
    struct Listener(Arc<Mutex<Vec<SessionEnded>>>);
    impl Actor for Listener {
        type Context = Context<Self>;
    }
    impl Handler<SessionEnded> for Listener {
        type Result = ();
        fn handle(&mut self, event: SessionEnded, _: &mut Context<Self>) {
            self.0.lock().unwrap().push(event);
        }
    }
    let root = TestRoot::new();
    put(&root, session("old").expiring_at(0));
    let server = LoopbackServer::start(|_| oauth_error(400, "invalid_grant"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    run(async {
        let listener = Listener(Arc::clone(&heard)).start();
        let listeners = AuthListeners {
            refreshed: Vec::new(),
            ended: vec![listener.clone().recipient()],
        };
        let auth = AuthActor::new(Some(url(&server)), None, ports(&root), listeners).start();
        let error = auth.send(ask(None)).await.unwrap().unwrap_err();
        assert_eq!(error, AuthError::RefreshTokenExpired);
        assert!(listener.connected());
        tokio::task::yield_now().await;
    });
    assert_eq!(root.files(), ["refresh.lock", "session.lock"]);
    let expected = SessionEnded {
        session_id: Some("s-1".to_owned()),
        reason: EndReason::RefreshTokenExpired,
    };
    assert_eq!(*heard.lock().unwrap(), [expected]);
}

/// A server that lets another program log in while it answers.
fn server_with_login(root: &Arc<TestRoot>, answer: fn() -> Scripted) -> LoopbackServer {
    let root = Arc::clone(root);
    LoopbackServer::start(move |_| {
        let mut login = session("login");
        login.session_id = "s-2".to_owned();
        put(&root, login);
        answer()
    })
}

#[test]
fn a_login_during_a_refresh_survives_whatever_the_server_says_to_the_old_pair() {
    let answers: [fn() -> Scripted; 5] = [
        || oauth_error(400, "invalid_grant"),
        || oauth_error(401, "session_invalid"),
        || oauth_error(409, "refresh_replay_benign_retry"),
        || tokens("new"),
        || Scripted::new(500, "kaboom"),
    ];
    for answer in answers {
        let root = Arc::new(TestRoot::new());
        put(&root, session("old").expiring_at(0));
        let server = server_with_login(&root, answer);
        let result = run(async { start(&root, &server).send(ask(None)).await.unwrap() });
        match result {
            Ok(found) => assert_eq!(found, token(&server, "login")),
            Err(error) => assert!(matches!(error, AuthError::RefreshFailed { .. }), "{error}"),
        }
        assert_eq!(stored(&root).unwrap().session_id, "s-2");
        assert_eq!(
            stored(&root).unwrap().access_token,
            Secret::new("access-login")
        );
    }
}

#[test]
fn a_silent_server_costs_the_asker_its_limit_and_not_more() {
    let root = TestRoot::new();
    put(&root, session("old").expiring_at(0));
    let server = LoopbackServer::start(|_| Scripted::silence());
    let error = run(async {
        let limit = Duration::from_millis(100);
        let message = GetAccessToken {
            rejected: None,
            limit,
        };
        start(&root, &server)
            .send(message)
            .await
            .unwrap()
            .unwrap_err()
    });
    assert_eq!(
        error.to_string(),
        "the access token was not available within 100 ms; retry in a moment"
    );
    assert!(stored(&root).is_some());
}

#[test]
fn the_session_is_described_without_secrets_and_a_broken_one_counts_as_none() {
    let root = TestRoot::new();
    put(&root, session("one"));
    let server = LoopbackServer::start(|_| tokens("unused"));
    let described = |detail| {
        run(async {
            start(&root, &server)
                .send(GetSession { detail })
                .await
                .unwrap()
        })
    };
    let answer = described(SessionDetail::Summary);
    let summary = answer.summary.clone().unwrap();
    assert!(answer.is_authenticated());
    assert_eq!(summary.email, "a@b.co");
    assert_eq!(summary.private_team().unwrap().id, "t-private");
    assert!(!format!("{answer:?}").contains("access-one"));
    assert!(described(SessionDetail::Presence).is_authenticated());

    std::fs::remove_file(root.paths().hot_path()).unwrap();
    std::fs::remove_file(root.paths().salt()).unwrap();
    for detail in [SessionDetail::Presence, SessionDetail::Summary] {
        let answer = described(detail);
        assert_eq!(answer.presence, Presence::Absent);
        let diagnostic = answer.diagnostic.unwrap();
        assert_eq!(diagnostic.code, UNUSABLE_SESSION);
        assert!(
            diagnostic.message.contains("session.salt is missing"),
            "{diagnostic}"
        );
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_renamed_host_is_recognisable_in_the_diagnostic() {
    let root = TestRoot::new();
    put(&root, session("one"));
    let renamed: Arc<dyn SessionStore> = Arc::new(root.store_on("renamed"));
    let answer = describe(
        renamed.as_ref(),
        SessionDetail::Summary,
        super::testing::later(0),
    );
    let message = answer.diagnostic.unwrap().message;
    assert!(
        message.contains("written on another host/user or is damaged"),
        "{message}"
    );
    assert!(message.contains("host 'example-host'"), "{message}");
}

#[test]
fn the_token_of_the_environment_leaves_no_file_behind() {
    let root = TestRoot::new();
    let environment = root
        .environment()
        .with(env::SPEC_KITTY_ACCESS_TOKEN, " ci ");
    let teams = json!([{"id": "p", "name": "P", "role": "owner", "is_private_teamspace": true}]);
    let me = json!({"user_id": "u", "email": "e@x", "name": "N", "teams": teams});
    let server = LoopbackServer::start(move |_| Scripted::json(200, &me));
    run(async {
        let secret = environment_token(&environment);
        let listeners = AuthListeners::default();
        let auth = AuthActor::new(Some(url(&server)), secret, ports(&root), listeners).start();
        let found = auth.send(ask(None)).await.unwrap().unwrap();
        assert_eq!(found, AccessToken::new(Secret::new("ci"), url(&server)));
        let message = GetMembership {
            rehydrate: true,
            limit: LIMIT,
        };
        let membership = auth.send(message).await.unwrap().unwrap();
        assert_eq!(membership.rehydrate, Rehydrate::Found);
        assert_eq!(membership.private_team().unwrap().id, "p");
        let detail = SessionDetail::Presence;
        let answer = auth.send(GetSession { detail }).await.unwrap();
        assert_eq!(answer.origin, messages::SessionOrigin::Environment);
        let error = auth
            .send(ask(Some(found.fingerprint())))
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error, AuthError::EnvironmentTokenRejected);
    });
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some("Bearer ci")
    );
    assert!(!root.directory.path().join("root").exists());
}

fn me_answer(request: &Received, teams: &serde_json::Value) -> Scripted {
    match request.target.as_str() {
        "/api/v1/me" => {
            let me = json!({"user_id": "u-1", "email": "a@b.co", "name": "Z", "teams": teams});
            Scripted::json(200, &me)
        }
        _ => tokens("new"),
    }
}

#[test]
fn a_private_team_that_was_made_after_the_login_is_found_and_stored() {
    let root = TestRoot::new();
    put(&root, session("one").with_shared_team_only());
    let private = json!([
        {"id": "t-shared", "name": "Shared", "role": "member"},
        {"id": "p", "name": "P", "role": "owner", "is_private_teamspace": true, "slug": "mine"},
    ]);
    let server = LoopbackServer::start(move |request| me_answer(request, &private));
    run(async {
        let auth = start(&root, &server);
        for expected in [Rehydrate::Found, Rehydrate::NotNeeded] {
            let message = GetMembership {
                rehydrate: true,
                limit: LIMIT,
            };
            let membership = auth.send(message).await.unwrap().unwrap();
            assert_eq!(membership.rehydrate, expected);
            assert_eq!(membership.private_team().unwrap().slug, "mine");
        }
    });
    let after = stored(&root).unwrap();
    assert_eq!(
        (after.default_team_id.as_str(), after.teams.len()),
        ("p", 2)
    );
    assert_eq!(after.access_token, Secret::new("access-one"));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_membership_request_that_fails_leaves_the_store_byte_for_byte() {
    let root = TestRoot::new();
    put(&root, session("one").with_shared_team_only());
    let before = std::fs::read(root.paths().session()).unwrap();
    let server = LoopbackServer::start(|_| Scripted::new(200, "{\"teams\": []}"));
    run(async {
        let message = GetMembership {
            rehydrate: true,
            limit: LIMIT,
        };
        let membership = start(&root, &server).send(message).await.unwrap().unwrap();
        assert!(membership.rehydrate.attempted());
        assert_eq!(membership.private_team(), None);
        assert_eq!(membership.teams.len(), 1);
    });
    assert_eq!(std::fs::read(root.paths().session()).unwrap(), before);
}

#[test]
fn a_logout_knows_what_to_revoke_and_leaves_only_the_lock() {
    let root = TestRoot::new();
    put(&root, session("one"));
    let server = LoopbackServer::start(|_| Scripted::json(200, &json!({"revoked": true})));
    run(async {
        let auth = start(&root, &server);
        let command = auth.send(GetRevocation).await.unwrap().unwrap();
        assert_eq!(auth.send(command).await.unwrap(), Revocation::Confirmed);
        assert_eq!(
            auth.send(Logout).await.unwrap(),
            Ok(LoggedOut::SessionDeleted)
        );
        assert_eq!(
            auth.send(Logout).await.unwrap(),
            Ok(LoggedOut::NothingStored)
        );
        assert_eq!(auth.send(GetRevocation).await.unwrap(), None);
        let error = auth.send(ask(None)).await.unwrap().unwrap_err();
        assert_eq!(error, AuthError::NoSession);
    });
    assert_eq!(root.files(), ["session.lock"]);
    assert_eq!(
        server.requests()[0].field("token").as_deref(),
        Some("refresh-one")
    );
}

#[test]
fn a_request_that_meets_a_401_is_sent_once_more_with_a_new_token() {
    let root = TestRoot::new();
    put(&root, session("old"));
    let server = LoopbackServer::start(|request| match request.target.as_str() {
        "/oauth/token" => tokens("new"),
        _ if request.header("authorization") == Some("Bearer access-new") => {
            Scripted::new(200, "welcome")
        }
        _ => Scripted::new(401, ""),
    });
    run(async {
        let auth = child(start(&root, &server));
        let transport = HttpClient::default();
        let request = HttpRequest::new("the test", Method::Get, server.endpoint("/x"), LIMIT);
        let response = send_authorized(&auth, &transport, request, LIMIT)
            .await
            .unwrap();
        assert_eq!(&response.body[..], b"welcome");
        let elsewhere = HttpRequest::new("the test", Method::Get, "https://b.example/", LIMIT);
        let error = send_authorized(&auth, &transport, elsewhere, LIMIT)
            .await
            .unwrap_err();
        assert!(matches!(error, AuthError::ForeignServer(_)), "{error}");
    });
    assert_eq!((server.count("/x"), server.count("/oauth/token")), (2, 1));
}

#[test]
fn a_request_that_meets_401_twice_says_that_authentication_expired() {
    let root = TestRoot::new();
    put(&root, session("old"));
    let server = LoopbackServer::start(|request| match request.target.as_str() {
        "/oauth/token" => tokens("new"),
        _ => Scripted::new(401, ""),
    });
    let error = run(async {
        let auth = child(start(&root, &server));
        let request = HttpRequest::new("the test", Method::Get, server.endpoint("/x"), LIMIT);
        send_authorized(&auth, &HttpClient::default(), request, LIMIT)
            .await
            .unwrap_err()
    });
    assert_eq!(
        error.to_string(),
        "Authentication expired. Run `spec-kitty auth login` to re-authenticate."
    );
}

#[test]
fn a_session_bound_to_one_server_sends_nothing_to_another() {
    let root = TestRoot::new();
    let issuer = LoopbackServer::start(|_| tokens("new"));
    let other = LoopbackServer::start(|_| oauth_error(400, "invalid_grant"));
    put(&root, session("old").expiring_at(0));
    run(async {
        start(&root, &issuer)
            .send(ask(None))
            .await
            .unwrap()
            .unwrap()
    });
    root.clock.advance(7200);
    let error = run(async {
        start(&root, &other)
            .send(ask(None))
            .await
            .unwrap()
            .unwrap_err()
    });
    assert!(matches!(error, AuthError::OtherIssuer { .. }), "{error}");
    assert!(other.requests().is_empty());
    assert!(stored(&root).is_some());
}

#[test]
fn a_store_that_works_is_what_the_environment_asks_for() {
    let root = TestRoot::new();
    let open = |value: &str| {
        let environment = root.environment().with(env::SPEC_KITTY_AUTH_STORE, value);
        store::open_store(&environment, root.paths(), os_filesystem(), root.time())
    };
    assert_eq!(open("").unwrap().backend(), "file");
    assert_eq!(open("file").unwrap().backend(), "file");
    assert_eq!(open("keyring").unwrap().backend(), "keyring");
    let error = open("plain").unwrap_err();
    assert!(
        error.to_string().contains("use `file` or `keyring`"),
        "{error}"
    );
}
