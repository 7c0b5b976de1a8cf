//! A server on loopback that does what a test wants, and remembers everything it was asked.
//!
//! Without a script it is an honest Teamspace in memory: it stores events once per id, in order, and
//! knows one account. A script says for the next requests to a path what happens instead.
//!
//! Long because the account, the script and the HTTP that both travel in are one server.

mod account;
mod line;

use account::Account;
use flate2::read::GzDecoder;
pub use line::ServerLine;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Where batches arrive.
pub const BATCH: &str = "/api/v1/events/batch/";
/// Where the contents of artifacts arrive.
pub const CONTENT: &str = "/api/dossier/push-content/";
/// Where the account's teams are asked for.
pub const ME: &str = "/api/v1/me";
/// Where the ticket of a WebSocket is asked for.
pub const WS_TOKEN: &str = "/api/v1/ws-token";
/// Where WebSockets are opened.
pub const WS: &str = "/api/v1/ws";
/// Where tokens are renewed.
pub const TOKEN: &str = "/oauth/token";
/// Where tokens are revoked.
pub const REVOKE: &str = "/oauth/revoke";

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub raw: Vec<u8>,
    /// The body, unpacked.
    pub body: String,
    pub at: Instant,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The bearer token.
    pub fn token(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// A field of a form.
    pub fn field(&self, name: &str) -> Option<String> {
        self.body.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| value.to_owned())
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The events of a batch, byte for byte.
    pub fn events(&self) -> Vec<String> {
        #[derive(serde::Deserialize)]
        struct Batch<'a> {
            #[serde(borrow)]
            events: Vec<&'a RawValue>,
        }
        let batch: Batch<'_> = serde_json::from_str(&self.body).unwrap();
        batch
            .events
            .iter()
            .map(|event| event.get().to_owned())
            .collect()
    }

    /// The ids of the events of a batch.
    pub fn ids(&self) -> Vec<String> {
        let id = |event: &String| super::sandbox::event_id(event);
        self.events().iter().map(id).collect()
    }
}

/// What is sent back.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn json(status: u16, value: &Value) -> Self {
        Self::new(status, value.to_string()).header("Content-Type", "application/json")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn to_bytes(&self) -> Vec<u8> {
        let length = self.body.len();
        let mut head = format!(
            "HTTP/1.1 {} Scripted\r\nContent-Length: {length}\r\n",
            self.status
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

type Custom = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;
type Talk = Arc<dyn Fn(&mut ServerLine) + Send + Sync>;
type Exception = Arc<dyn Fn(&Received) -> Option<Answer> + Send + Sync>;

/// What happens to one request.
#[derive(Clone)]
pub enum Step {
    /// The honest Teamspace answers.
    Honest,
    /// This is the answer.
    Answer(Answer),
    /// The answer depends on the request.
    With(Custom),
    /// The honest Teamspace answers, unless this has another answer.
    Unless(Exception),
    /// The honest Teamspace acts, and the connection ends before its answer is sent.
    LoseTheAnswer,
    /// The connection ends.
    Close,
    /// These bytes are sent and the connection ends.
    Raw(Vec<u8>),
    /// Nothing is sent until the client goes away.
    Hang,
    /// A WebSocket is opened and this is said over it; then the connection ends.
    Line(Talk),
}

impl Step {
    pub fn json(status: u16, value: &Value) -> Self {
        Self::Answer(Answer::json(status, value))
    }

    pub fn with(answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::With(Arc::new(answer))
    }

    pub fn unless(answer: impl Fn(&Received) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self::Unless(Arc::new(answer))
    }

    /// Opens a WebSocket; the function says what is said over it, the snapshot included.
    pub fn line(talk: impl Fn(&mut ServerLine) + Send + Sync + 'static) -> Self {
        Self::Line(Arc::new(talk))
    }

    /// Answers 200 with a result per event; the function names its status, or none.
    pub fn per_event(
        result: impl Fn(usize, &str) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        Self::with(move |request| {
            let ids = request.ids();
            let results = ids.iter().enumerate().filter_map(|(index, id)| {
                let mut entry = result(index, id)?;
                entry["event_id"] = json!(id);
                Some(entry)
            });
            let results: Vec<Value> = results.collect();
            Answer::json(200, &json!({"results": results}))
        })
    }
}

#[derive(Default)]
struct Memory {
    requests: Vec<Received>,
    connections: usize,
    scripts: HashMap<String, VecDeque<Step>>,
    always: HashMap<String, Step>,
    stored: Vec<String>,
    contents: BTreeSet<String>,
    of_dossiers: BTreeSet<String>,
    account: Option<Account>,
}

struct Shared {
    memory: Mutex<Memory>,
    changed: Condvar,
}

impl Shared {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }
}

/// The server; its threads end with the test process.
#[derive(Clone)]
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl ScriptedServer {
    /// Starts a server that knows the account of [`super::sessions::Seed::private`].
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let team = |id: &str, private: bool| json!({"id": id, "name": id, "role": "member", "slug": id, "is_private_teamspace": private});
        let account = Account {
            user_id: "u-1".to_owned(),
            teams: vec![team("t-shared", false), team("t-private", true)],
            access_tokens: BTreeSet::from(["s3cret-access-0".to_owned()]),
            refresh_token: "s3cret-refresh-0".to_owned(),
            renewals: 0,
            revoked: Vec::new(),
        };
        let memory = Memory {
            account: Some(account),
            ..Memory::default()
        };
        let shared = Arc::new(Shared {
            memory: Mutex::new(memory),
            changed: Condvar::new(),
        });
        let server = Self { address, shared };
        let accepting = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepting.shared.memory().connections += 1;
                accepting.shared.changed.notify_all();
                let serving = accepting.clone();
                std::thread::spawn(move || serving.serve(&stream));
            }
        });
        server
    }

    /// Lets the account have a shared team only.
    pub fn without_private_team(self) -> Self {
        if let Some(account) = &mut self.shared.memory().account {
            account.teams.truncate(1);
        }
        self
    }

    /// Accepts this access token as well.
    pub fn accept(&self, access_token: &str) {
        if let Some(account) = &mut self.shared.memory().account {
            account.access_tokens.insert(access_token.to_owned());
        }
    }

    /// Forgets every access token: the next use of one is answered 401.
    pub fn expire_access_tokens(&self) {
        if let Some(account) = &mut self.shared.memory().account {
            account.access_tokens.clear();
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says what happens to the next requests to a path, one step each.
    pub fn script(&self, path: &str, steps: impl IntoIterator<Item = Step>) {
        let mut memory = self.shared.memory();
        memory
            .scripts
            .entry(path.to_owned())
            .or_default()
            .extend(steps);
    }

    /// Says what happens to every request to a path that no script is left for.
    pub fn always(&self, path: &str, step: Step) {
        self.shared.memory().always.insert(path.to_owned(), step);
    }

    /// Says that a path is served honestly again, whatever was scripted.
    pub fn be_honest(&self, path: &str) {
        let mut memory = self.shared.memory();
        memory.always.remove(path);
        memory.scripts.remove(path);
    }

    /// Hands out tickets for a WebSocket at this address.
    pub fn offer_line(&self, ws_url: &str) {
        let ticket = json!({"ws_token": "s3cret-ws", "ws_url": ws_url, "expires_in": 300, "session_id": "ws-1"});
        self.always(WS_TOKEN, Step::json(200, &ticket));
    }

    /// The address of its own WebSocket.
    pub fn ws_url(&self) -> String {
        format!("ws://{}{WS}", self.address)
    }

    /// Everything that was asked.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.memory().requests.clone()
    }

    /// What was asked at one path.
    pub fn requests_to(&self, path: &str) -> Vec<Received> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == path);
        requests
    }

    pub fn count(&self, path: &str) -> usize {
        self.requests_to(path).len()
    }

    /// The batches that arrived.
    pub fn batches(&self) -> Vec<Received> {
        self.requests_to(BATCH)
    }

    /// How many events each batch held, in order.
    pub fn batch_sizes(&self) -> Vec<usize> {
        self.batches()
            .iter()
            .map(|batch| batch.events().len())
            .collect()
    }

    pub fn connections(&self) -> usize {
        self.shared.memory().connections
    }

    /// The ids of the events that the honest Teamspace stored, in order of arrival; those of dossiers
    /// apart.
    pub fn stored_ids(&self) -> Vec<String> {
        let memory = self.shared.memory();
        let mut stored = memory.stored.clone();
        stored.retain(|id| !memory.of_dossiers.contains(id));
        stored
    }

    /// The refresh tokens that were revoked.
    pub fn revoked(&self) -> Vec<String> {
        let memory = self.shared.memory();
        memory
            .account
            .as_ref()
            .map(|account| account.revoked.clone())
            .unwrap_or_default()
    }

    /// Waits until something is true of the server.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + super::process::DEADLINE;
        while !is_true(self) {
            assert!(Instant::now() < deadline, "not reached in time: {what}");
            let memory = self.shared.memory();
            // Woken at every request; the limit only guards against one that came in between.
            let woken = self
                .shared
                .changed
                .wait_timeout(memory, Duration::from_millis(100));
            drop(woken);
        }
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        while let Some(request) = read_request(&mut reader) {
            let step = self.next_step(&request);
            self.shared.changed.notify_all();
            let bytes = match step {
                Step::Honest => self.honest(&request).to_bytes(),
                Step::Answer(answer) => answer.to_bytes(),
                Step::With(custom) => custom(&request).to_bytes(),
                Step::Unless(exception) => exception(&request)
                    .unwrap_or_else(|| self.honest(&request))
                    .to_bytes(),
                Step::LoseTheAnswer => {
                    self.honest(&request);
                    return;
                }
                Step::Close => return,
                Step::Raw(bytes) => {
                    let _ = writer.write_all(&bytes);
                    let _ = stream.shutdown(Shutdown::Write);
                    let _ = reader.read_to_end(&mut Vec::new());
                    return;
                }
                Step::Line(talk) => {
                    if let Some(mut line) = ServerLine::accept(stream, &request) {
                        talk(&mut line);
                    }
                    return;
                }
                Step::Hang => {
                    let _ = reader.read_to_end(&mut Vec::new());
                    return;
                }
            };
            if writer.write_all(&bytes).is_err() {
                return;
            }
        }
    }

    fn next_step(&self, request: &Received) -> Step {
        let mut memory = self.shared.memory();
        memory.requests.push(request.clone());
        let scripted = memory
            .scripts
            .get_mut(&request.path)
            .and_then(VecDeque::pop_front);
        scripted
            .or_else(|| memory.always.get(&request.path).cloned())
            .unwrap_or(Step::Honest)
    }

    fn honest(&self, request: &Received) -> Answer {
        let mut memory = self.shared.memory();
        let Some(mut account) = memory.account.clone() else {
            return Answer::new(500, "");
        };
        let answer = match request.path.as_str() {
            TOKEN => account.renew(request),
            REVOKE => account.revoke(request),
            "/" => Answer::new(200, ""),
            _ if !account.knows(request) => Answer::json(401, &json!({"error": "token_invalid"})),
            ME => Answer::json(
                200,
                &json!({
                    "user_id": account.user_id, "email": "ada@example.invalid", "name": "Ada",
                    "teams": account.teams,
                }),
            ),
            BATCH => {
                let events = request.events();
                let of_dossiers = events
                    .iter()
                    .filter(|event| super::sandbox::is_of_a_dossier(event))
                    .map(|event| super::sandbox::event_id(event));
                memory.of_dossiers.extend(of_dossiers);
                take_batch(&mut memory.stored, request)
            }
            CONTENT => take_content(&mut memory.contents, request),
            _ => Answer::json(404, &json!({"error": "not_found"})),
        };
        memory.account = Some(account);
        answer
    }
}

fn take_batch(stored: &mut Vec<String>, request: &Received) -> Answer {
    let results: Vec<Value> = request
        .ids()
        .into_iter()
        .map(|id| {
            let status = if stored.contains(&id) {
                "duplicate"
            } else {
                stored.push(id.clone());
                "success"
            };
            json!({"event_id": id, "status": status})
        })
        .collect();
    Answer::json(200, &json!({"results": results}))
}

fn take_content(stored: &mut BTreeSet<String>, request: &Received) -> Answer {
    let body = request.json();
    let key = [
        "project_uuid",
        "mission_slug",
        "artifact_path",
        "content_hash",
    ]
    .map(|key| body[key].as_str().unwrap().to_owned())
    .join("\0");
    let (status, word) = match stored.insert(key) {
        true => (201, "stored"),
        false => (200, "already_exists"),
    };
    content_answer(request, status, word)
}

/// An answer that names the content it is about.
pub fn content_answer(request: &Received, status: u16, word: &str) -> Answer {
    let body = request.json();
    Answer::json(
        status,
        &json!({
            "status": word,
            "artifact_path": body["artifact_path"],
            "content_hash": body["content_hash"],
        }),
    )
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let method = words.next()?.to_owned();
    let target = words.next()?.to_owned();
    let mut request = Received {
        method,
        path: target.split('?').next().unwrap_or_default().to_owned(),
        query: target
            .split_once('?')
            .map_or(String::new(), |(_, query)| query.to_owned()),
        headers: Vec::new(),
        raw: Vec::new(),
        body: String::new(),
        at: Instant::now(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        request
            .headers
            .push((name.to_owned(), value.trim().to_owned()));
    }
    let length = request
        .header("content-length")
        .and_then(|length| length.parse().ok());
    request.raw = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut request.raw).ok()?;
    let mut plain = Vec::new();
    if request.header("content-encoding") == Some("gzip") {
        GzDecoder::new(request.raw.as_slice())
            .read_to_end(&mut plain)
            .ok()?;
    } else {
        plain.clone_from(&request.raw);
    }
    request.body = String::from_utf8(plain).ok()?;
    Some(request)
}
