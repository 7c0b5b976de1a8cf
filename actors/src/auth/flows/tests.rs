use super::*;
use crate::auth::pause::{Pauses, Pausing, TimerPauses};
use crate::auth::store::{ReadPurpose, SessionStore as _};
use crate::auth::testing::{TestClock, TestRoot, later, put};
use crate::transport::HttpClient;
use crate::transport::loopback_server::{Answer, LoopbackServer, Received};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Pauses that take no time but move the clock, and are remembered.
#[derive(Debug)]
struct Leaps {
    clock: Arc<TestClock>,
    seconds: Mutex<Vec<u64>>,
}

impl Pauses for Leaps {
    fn pause(&self, duration: Duration) -> Pausing {
        self.clock
            .advance(i64::try_from(duration.as_secs()).unwrap());
        self.seconds.lock().unwrap().push(duration.as_secs());
        Box::pin(std::future::ready(()))
    }
}

#[derive(Default)]
struct Shown(Mutex<Vec<LoginStep>>);

impl LoginProgress for Shown {
    fn show(&self, step: LoginStep) {
        self.0.lock().unwrap().push(step);
    }
}

fn never() -> Cancel {
    Box::pin(std::future::pending())
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

fn ports(root: &TestRoot, pauses: SharedPauses) -> LoginPorts {
    LoginPorts {
        store: Arc::new(root.store()),
        transport: HttpClient::shared(),
        time: root.time(),
        pauses,
    }
}

fn url(server: &LoopbackServer) -> ServerUrl {
    ServerUrl::parse(&server.base()).unwrap()
}

fn device_code() -> Answer {
    let body = json!({
        "device_code": "s3cret-device", "user_code": "ABCD1234", "expires_in": 900, "interval": 8,
        "verification_uri": "https://a.example/v",
    });
    Answer::json(200, &body)
}

fn tokens() -> Answer {
    let body = json!({
        "access_token": "at", "refresh_token": "rt", "expires_in": 1800, "session_id": "s-9",
        "generation": 3,
    });
    Answer::json(200, &body)
}

fn me() -> Answer {
    let teams = json!([
        {"id": "s", "name": "Shared", "role": "member"},
        {"id": "p", "name": "Mine", "role": "owner", "is_private_teamspace": true},
    ]);
    let body = json!({
        "user_id": "u", "email": "e@x", "name": "N", "teams": teams,
        "refresh_token_expires_at": "2026-02-02T03:04:05+00:00",
    });
    Answer::json(200, &body)
}

fn pending(word: &str) -> Answer {
    Answer::json(400, &json!({"error": word}))
}

/// A server whose answers to the polls are scripted; the last one is repeated.
fn device_server(polls: Vec<fn() -> Answer>) -> LoopbackServer {
    let count = AtomicUsize::new(0);
    LoopbackServer::start(move |request: &Received| match request.target.as_str() {
        "/oauth/device" => device_code(),
        "/oauth/token" => {
            let poll = count.fetch_add(1, Ordering::SeqCst);
            polls[poll.min(polls.len() - 1)]()
        }
        _ => me(),
    })
}

struct DeviceLogin {
    root: TestRoot,
    pauses: Arc<Leaps>,
    shown: Shown,
    result: Result<StoredSession, LoginError>,
}

fn log_in_with(server: &LoopbackServer) -> DeviceLogin {
    let root = TestRoot::new();
    let pauses = Arc::new(Leaps {
        clock: Arc::clone(&root.clock),
        seconds: Mutex::default(),
    });
    let shown = Shown::default();
    let ports = ports(&root, Arc::clone(&pauses) as SharedPauses);
    let result = run(log_in_with_device(&url(server), &ports, &shown, never()));
    DeviceLogin {
        root,
        pauses,
        shown,
        result,
    }
}

#[test]
fn a_device_login_waits_at_the_servers_pace_and_stores_a_bound_session() {
    let server = device_server(vec![
        || pending("authorization_pending"),
        || pending("slow_down"),
        || Answer::new(503, ""),
        tokens,
    ]);
    let login = log_in_with(&server);
    let session = login.result.unwrap();
    assert_eq!(*login.pauses.seconds.lock().unwrap(), [8, 8, 10, 10]);
    assert_eq!(
        (session.email.as_str(), session.default_team_id.as_str()),
        ("e@x", "p")
    );
    assert_eq!(session.access_token_expires_at, later(36 + 1800));
    let end = "2026-02-02T03:04:05Z".parse().unwrap();
    assert_eq!(session.refresh_token_expires_at, Some(end));
    assert_eq!(
        (session.generation, session.auth_method.as_str()),
        (Some(3), "device_code")
    );
    assert_eq!(
        (session.scope.as_str(), session.storage_backend.as_str()),
        ("offline_access", "file")
    );
    let stored = login
        .root
        .store()
        .read(ReadPurpose::Inspect)
        .unwrap()
        .unwrap();
    assert_eq!(stored.session, session);
    assert_eq!(stored.issuer, Some(url(&server)));
    let shown = login.shown.0.into_inner().unwrap();
    let LoginStep::Code { user_code, .. } = &shown[0] else {
        panic!("the code comes first");
    };
    assert_eq!(
        (user_code.as_str(), &shown[1..]),
        ("ABCD-1234", &[LoginStep::Granted][..])
    );
}

#[test]
fn a_device_login_ends_when_it_is_denied_expires_or_is_refused() {
    type Reply = fn() -> Answer;
    let cases: [(Reply, LoginError); 3] = [
        (|| pending("access_denied"), LoginError::Denied),
        (|| pending("expired_token"), LoginError::CodeExpired),
        (
            || pending("invalid_grant"),
            LoginError::ServerSaid("invalid_grant".to_owned()),
        ),
    ];
    for (answer, expected) in cases {
        let login = log_in_with(&device_server(vec![answer]));
        assert_eq!(login.result, Err(expected));
        assert_eq!(login.root.files(), ["session.lock"]);
    }
}

#[test]
fn a_code_that_nobody_confirms_ends_after_its_lifetime() {
    let server = device_server(vec![|| pending("authorization_pending")]);
    let login = log_in_with(&server);
    assert_eq!(login.result, Err(LoginError::CodeExpired));
    assert_eq!(server.count("/oauth/token"), 112);
}

#[test]
fn a_lost_answer_costs_a_pause_and_not_the_login() {
    let server = device_server(vec![|| Answer::raw(b"garbage\r\n\r\n".to_vec()), tokens]);
    let login = log_in_with(&server);
    assert!(login.result.is_ok());
    let shown = login.shown.0.into_inner().unwrap();
    assert!(matches!(
        shown[1],
        LoginStep::Retrying(TransportError::Broken { .. })
    ));
}

#[test]
fn an_answer_without_the_needed_keys_is_named_and_shows_no_secret() {
    type Reply = fn() -> Answer;
    let cases: [(Reply, &str); 4] = [
        (
            || Answer::json(200, &json!({"access_token": "at", "session_id": "s"})),
            "the answer holds no refresh_token",
        ),
        (
            || Answer::json(200, &json!({"access_token": "at", "refresh_token": "rt"})),
            "the answer holds no session_id",
        ),
        (
            || Answer::new(200, "{}"),
            "the answer holds no access_token",
        ),
        (
            || Answer::new(403, "no s3cret-device for you"),
            "HTTP 403 - no <redacted> for you",
        ),
    ];
    for (answer, expected) in cases {
        let error = log_in_with(&device_server(vec![answer]))
            .result
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_unusable_store_is_found_before_anything_is_asked() {
    let root = TestRoot::new();
    put(&root.directory.path().join("root"), b"a file", 0o600);
    let server = device_server(vec![tokens]);
    let ports = ports(&root, Arc::new(TimerPauses));
    let error = run(log_in_with_device(
        &url(&server),
        &ports,
        &Shown::default(),
        never(),
    ));
    assert!(matches!(error, Err(LoginError::Store(_))), "{error:?}");
    assert!(server.requests().is_empty());
}

#[test]
fn a_login_ends_when_it_is_cancelled() {
    let root = TestRoot::new();
    let server = LoopbackServer::start(|_| Answer::silence());
    let ports = ports(&root, Arc::new(TimerPauses));
    let cancel = Box::pin(tokio::task::yield_now());
    let url = url(&server);
    let login = log_in_with_device(&url, &ports, &NoProgress, cancel);
    assert_eq!(run(login), Err(LoginError::Cancelled));
}

struct NoProgress;

impl LoginProgress for NoProgress {
    fn show(&self, _: LoginStep) {}
}

/// A browser that visits addresses of its own choice instead of showing a page.
#[derive(Debug)]
struct Robot {
    /// From the authorize address to the queries that are visited, in order.
    visits: fn(&str) -> Vec<String>,
    pages: Arc<Mutex<Vec<String>>>,
}

impl Robot {
    fn new(visits: fn(&str) -> Vec<String>) -> Self {
        Self {
            visits,
            pages: Arc::default(),
        }
    }
}

fn parameter(address: &str, name: &str) -> String {
    let address = url::Url::parse(address).unwrap();
    let mut pairs = address.query_pairs();
    pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
}

impl Browser for Robot {
    fn open(&self, address: &str) -> bool {
        let redirect = url::Url::parse(&parameter(address, "redirect_uri")).unwrap();
        let (targets, pages) = ((self.visits)(address), Arc::clone(&self.pages));
        std::thread::spawn(move || {
            // A connection that is opened and never used must not block the others.
            let authority = (
                redirect.host_str().unwrap().to_owned(),
                redirect.port().unwrap(),
            );
            let _unused = TcpStream::connect(authority.clone());
            for target in targets {
                let mut stream = TcpStream::connect(authority.clone()).unwrap();
                write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
                let mut page = String::new();
                stream.read_to_string(&mut page).unwrap();
                pages.lock().unwrap().push(page);
            }
        });
        true
    }
}

fn browser_login(server: &LoopbackServer, robot: &Robot) -> Result<StoredSession, LoginError> {
    let root = TestRoot::new();
    let ports = ports(&root, Arc::new(TimerPauses));
    let url = url(server);
    let login = log_in_with_browser(&url, &ports, robot, &NoProgress, never());
    let result = run(login);
    let stored = root.store().read(ReadPurpose::Inspect).unwrap();
    assert_eq!(stored.map(|stored| stored.session), result.clone().ok());
    result
}

fn browser_server() -> LoopbackServer {
    LoopbackServer::start(|request| match request.target.as_str() {
        "/oauth/token" => tokens(),
        _ => me(),
    })
}

#[test]
fn a_browser_login_proves_state_and_verifier() {
    let server = browser_server();
    let robot = Robot::new(|address| {
        let state = parameter(address, "state");
        assert_eq!(parameter(address, "scope"), "offline_access");
        assert_eq!(parameter(address, "code_challenge_method"), "S256");
        vec![
            "/favicon.ico".to_owned(),
            "/callback?code=evil&state=guessed".to_owned(),
            format!("/callback?code=good&state={state}"),
        ]
    });
    let session = browser_login(&server, &robot).unwrap();
    assert_eq!(session.auth_method.as_str(), "authorization_code");
    let request = &server.requests()[0];
    assert_eq!(request.field("code").as_deref(), Some("good"));
    assert_eq!(request.field("code_verifier").unwrap().len(), 43);
    assert!(
        request
            .field("redirect_uri")
            .unwrap()
            .ends_with("/callback")
    );
}

#[test]
fn a_login_refused_in_the_browser_ends_with_the_reason() {
    for (word, expected) in [
        ("access_denied", LoginError::Denied),
        (
            "server_error",
            LoginError::ServerSaid("server_error".to_owned()),
        ),
    ] {
        let visits: fn(&str) -> Vec<String> = if word == "access_denied" {
            |address| {
                vec![format!(
                    "/callback?error=access_denied&state={}",
                    parameter(address, "state")
                )]
            }
        } else {
            |address| {
                vec![format!(
                    "/callback?error=server_error&state={}",
                    parameter(address, "state")
                )]
            }
        };
        let server = browser_server();
        assert_eq!(browser_login(&server, &Robot::new(visits)), Err(expected));
        assert!(server.requests().is_empty());
    }
}

#[test]
fn a_browser_that_does_not_return_is_given_up_after_five_minutes() {
    let root = TestRoot::new();
    let leaps = Leaps {
        clock: Arc::clone(&root.clock),
        seconds: Mutex::default(),
    };
    let ports = ports(&root, Arc::new(leaps));
    let robot = Robot::new(|_| Vec::new());
    let server = browser_server();
    let url = url(&server);
    let login = log_in_with_browser(&url, &ports, &robot, &NoProgress, never());
    let after = Duration::from_secs(300);
    assert_eq!(run(login), Err(LoginError::BrowserTimeout { after }));
}

#[test]
fn a_code_that_the_server_does_not_honour_stores_nothing() {
    let server = LoopbackServer::start(|_| Answer::json(400, &json!({"error": "invalid_grant"})));
    let robot = Robot::new(|address| {
        vec![format!(
            "/callback?code=good&state={}",
            parameter(address, "state")
        )]
    });
    let error = browser_login(&server, &robot).unwrap_err().to_string();
    assert!(
        error.starts_with("the token request failed: HTTP 400"),
        "{error}"
    );
}

/// A browser whose callback is slow, beside a connection that is closed without a word.
#[derive(Debug)]
struct Hesitant;

impl Browser for Hesitant {
    fn open(&self, address: &str) -> bool {
        let redirect = url::Url::parse(&parameter(address, "redirect_uri")).unwrap();
        let target = format!("/callback?code=good&state={}", parameter(address, "state"));
        std::thread::spawn(move || {
            let authority = ("127.0.0.1", redirect.port().unwrap());
            let mut slow = TcpStream::connect(authority).unwrap();
            write!(slow, "GET {target} HTTP/1.1\r\n").unwrap();
            for _ in 0..20 {
                let stray = TcpStream::connect(authority).unwrap();
                stray.shutdown(std::net::Shutdown::Both).unwrap();
            }
            write!(slow, "\r\n").unwrap();
            // Reset instead of a polite end: the answer cannot be delivered.
            drop(slow);
        });
        true
    }
}

#[test]
fn a_login_survives_stray_connections_and_a_browser_that_does_not_read_its_page() {
    let root = TestRoot::new();
    let (server, ports) = (browser_server(), ports(&root, Arc::new(TimerPauses)));
    let url = url(&server);
    let login = log_in_with_browser(&url, &ports, &Hesitant, &NoProgress, never());
    assert!(run(login).is_ok());
}
