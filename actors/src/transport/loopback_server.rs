//! A scripted HTTP server on loopback, for tests.
//!
//! It answers from a closure, so that a test is the whole script, and it counts what it received.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One received request.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.body.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// What is sent back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    head: Option<(u16, Vec<(String, String)>)>,
    hold_open: bool,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: body.into(),
            head: Some((status, Vec::new())),
            hold_open: false,
        }
    }

    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, value.to_string()).header("Content-Type", "application/json")
    }

    /// Sends these bytes as they are and closes the connection.
    pub(crate) fn raw(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            head: None,
            hold_open: false,
        }
    }

    /// Sends nothing until the client goes away.
    pub(crate) fn silence() -> Self {
        Self::raw(Vec::new()).hold_open()
    }

    /// Keeps the connection open until the client goes away.
    pub(crate) fn hold_open(mut self) -> Self {
        self.hold_open = true;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Some((_, headers)) = &mut self.head {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Some((status, headers)) = &self.head else {
            return self.bytes.clone();
        };
        let mut out = format!(
            "HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n",
            self.bytes.len()
        );
        for (name, value) in headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str("\r\n");
        [out.as_bytes(), &self.bytes].concat()
    }
}

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

#[derive(Default)]
struct Log {
    requests: Mutex<Vec<Received>>,
    connections: AtomicUsize,
}

/// The running server; its threads end with the test process.
pub(crate) struct LoopbackServer {
    address: SocketAddr,
    log: Arc<Log>,
}

impl LoopbackServer {
    pub(crate) fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let script: Arc<Script> = Arc::new(script);
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (script, log) = (Arc::clone(&script), Arc::clone(&shared));
                std::thread::spawn(move || serve(&stream, &script, &log));
            }
        });
        Self { address, log }
    }

    /// Returns an address on which nobody listens.
    pub(crate) fn unused_address() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn endpoint(&self, target: &str) -> String {
        format!("{}{target}", self.base())
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.log.requests.lock().unwrap().clone()
    }

    /// Counts the requests to one path.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.target == path)
            .count()
    }

    pub(crate) fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, script: &Arc<Script>, log: &Log) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader) {
        log.requests.lock().unwrap().push(request.clone());
        let answer = script(&request);
        if writer.write_all(&answer.to_bytes()).is_err() {
            return;
        }
        if answer.hold_open {
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
        if answer.head.is_none() {
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Received> {
    let mut line = String::new();
    // Anything that is not text is no HTTP; the script then decides what to say to it.
    match reader.read_line(&mut line) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(_) => {
            return Some(Received {
                method: String::new(),
                target: String::new(),
                headers: Vec::new(),
                body: String::new(),
            });
        }
    }
    let mut words = line.split_whitespace();
    let method = words.next()?.to_owned();
    let target = words.next()?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Received {
        method,
        target,
        headers,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Some(request)
}
