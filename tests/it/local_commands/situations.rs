//! Servers that cost time, and a queue that is long.

use crate::support::sandbox::Sandbox;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::id::EventIds;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use kitty_runtime::time::system_time;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many records one file of the inbox gets.
const RECORDS_PER_FILE: usize = 1000;

/// A listener that nobody serves: the kernel takes connections and requests, and no answer ever comes.
pub fn silent_listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server that answers every connection with the same bytes, one a second.
pub struct Dripping {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Dripping {
    pub fn start(bytes: Vec<u8>) -> Self {
        let (listener, address) = silent_listener();
        let connections = Arc::new(AtomicUsize::new(0));
        let (bytes, counted) = (Arc::new(bytes), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let bytes = bytes.clone();
                std::thread::spawn(move || drip(stream, &bytes));
            }
        });
        Self {
            address,
            connections,
        }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Takes in what comes; whenever a second passed without anything, one byte goes out.
fn drip(mut stream: TcpStream, bytes: &[u8]) {
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut bytes = bytes.iter();
    let mut taken = [0; 4096];
    loop {
        match stream.read(&mut taken) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let Some(byte) = bytes.next() else { return };
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Puts events into the inbox, like the one that was captured there before.
pub fn fill_queue(sandbox: &Sandbox, count: usize) {
    let sample = sandbox.stored_events().remove(0);
    let text = sample.to_string();
    let own = sample["event_id"].as_str().unwrap();
    let ids = EventIds::new(system_time());
    let inbox = Inbox::new(
        os_filesystem(),
        sandbox.map().project_scope(&sandbox.project_uuid()),
    );
    for file in 0..count / RECORDS_PER_FILE {
        let ids: Vec<String> = (0..RECORDS_PER_FILE)
            .map(|_| ids.next().to_string())
            .collect();
        let events: Vec<String> = ids.iter().map(|id| text.replace(own, id)).collect();
        let records: Vec<RecordView<'_>> = ids
            .iter()
            .zip(&events)
            .map(|(id, event)| RecordView {
                sequence: 0,
                kind: RecordKind::Event,
                captured_ms: 1,
                scope: CaptureScope::NOBODY,
                id,
                payload: event.as_bytes(),
            })
            .collect();
        inbox.append(100 + file as u64, &records).unwrap();
    }
}
