//! The far side of a delivery: unpacks, parses, and says yes to every event by its id.
//!
//! It is what a server must do at the least. It does not store; what is measured is our side.

use flate2::read::GzDecoder;
use serde::Deserialize;
use std::fmt::Write as _;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the sink was sent so far.
#[derive(Debug, Default)]
pub struct Received {
    events: AtomicU64,
    /// The sum of a hash of every id: tells a lost or repeated event from a complete delivery.
    fingerprint: AtomicU64,
}

impl Received {
    /// Returns how many events came, and the sum of their ids' hashes.
    pub fn so_far(&self) -> (u64, u64) {
        (
            self.events.load(Ordering::SeqCst),
            self.fingerprint.load(Ordering::SeqCst),
        )
    }
}

/// Hashes an id for [`Received::so_far`].
pub fn fingerprint(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Listens on loopback; returns the address and what is received from then on.
///
/// # Errors
/// The operating system's.
pub fn listen() -> io::Result<(String, Arc<Received>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let received = Arc::new(Received::default());
    let shared = received.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let received = shared.clone();
            // A client that goes away ends its connection and nothing else.
            std::thread::spawn(move || serve(&stream, &received));
        }
    });
    Ok((url, received))
}

/// Asks a sink what it has received; see [`Received::so_far`].
///
/// # Errors
/// The network's.
pub fn received(url: &str) -> io::Result<(u64, u64)> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    stream.write_all(b"GET /received HTTP/1.1\r\n\r\n")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let numbers = answer
        .rsplit("\r\n")
        .next()
        .and_then(|body| body.split_once(' '));
    let parse = |text: &str| text.parse().map_err(io::Error::other);
    match numbers {
        Some((events, fingerprint)) => Ok((parse(events)?, parse(fingerprint)?)),
        None => Err(io::Error::other(format!("the sink answered {answer}"))),
    }
}

fn serve(stream: &TcpStream, received: &Received) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let (mut body, mut plain) = (Vec::new(), Vec::new());
    while let Some(head) = read_head(&mut reader)? {
        body.resize(head.length, 0);
        reader.read_exact(&mut body)?;
        let json = if head.gzip {
            plain.clear();
            GzDecoder::new(body.as_slice()).read_to_end(&mut plain)?;
            plain.as_slice()
        } else {
            body.as_slice()
        };
        let answer = if head.target == "/received" {
            let (events, fingerprint) = received.so_far();
            format!("{events} {fingerprint}")
        } else {
            answer(json, received)?
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        (&*stream).write_all(&[head.as_bytes(), answer.as_bytes()].concat())?;
    }
    Ok(())
}

struct Head {
    target: String,
    length: usize,
    gzip: bool,
}

fn read_head(reader: &mut impl io::BufRead) -> io::Result<Option<Head>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut head = Head {
        target: line.split(' ').nth(1).unwrap_or_default().to_owned(),
        length: 0,
        gzip: false,
    };
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            return Ok(Some(head));
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.trim().parse().unwrap_or(0),
            "content-encoding" => head.gzip = value.trim() == "gzip",
            _ => {}
        }
    }
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    events: Vec<Envelope<'a>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event_id: &'a str,
}

fn answer(json: &[u8], received: &Received) -> io::Result<String> {
    let batch: Batch<'_> = serde_json::from_slice(json)?;
    let mut answer = String::with_capacity(64 * batch.events.len() + 16);
    answer.push_str(r#"{"results":["#);
    for (number, event) in batch.events.iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        let id = event.event_id;
        write!(answer, r#"{comma}{{"event_id":"{id}","status":"success"}}"#)
            .expect("writing to a string cannot fail");
        received
            .fingerprint
            .fetch_add(fingerprint(id), Ordering::Relaxed);
    }
    answer.push_str("]}");
    received
        .events
        .fetch_add(batch.events.len() as u64, Ordering::SeqCst);
    Ok(answer)
}
