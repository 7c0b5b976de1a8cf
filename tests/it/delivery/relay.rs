//! A server between the program and a real Teamspace: it passes everything on, and knows the moments
//! at which a process is killed.

use crate::support::process::{DEADLINE, signal};
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{Answer, BATCH, ME, Received, ScriptedServer, Step, TOKEN};
use crate::support::teamspace::Teamspace;
use kitty_actors::auth::store::{FileSessionStore, HostIdentity, SessionStore as _, Stored};
use kitty_config::ServerUrl;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::time::system_time;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

/// Events that the relay takes at once.
const LARGEST: usize = 40;

/// When the process that sends is killed, within one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The Teamspace has not seen the batch.
    BeforeTheTeamspace,
    /// The Teamspace has stored the batch, and its answer never arrives.
    BeforeTheAnswer,
}

/// A process that is to be killed.
struct Plan {
    batch: usize,
    moment: Moment,
    process: Receiver<u32>,
}

/// A Teamspace and the relay in front of it.
pub struct Relay {
    pub teamspace: Teamspace,
    pub server: ScriptedServer,
    most_at_once: Arc<AtomicUsize>,
    plan: Arc<Mutex<Option<Plan>>>,
}

impl Relay {
    /// Starts both. Large batches are refused, so that a delivery takes many requests.
    pub fn start() -> Self {
        let relay = Self {
            teamspace: Teamspace::start(),
            server: ScriptedServer::start(),
            most_at_once: Arc::default(),
            plan: Arc::default(),
        };
        for path in [ME, TOKEN] {
            let url = relay.teamspace.url().to_owned();
            let step = Step::with(move |request| pass_on(&url, request));
            relay.server.always(path, step);
        }
        relay.server.always(BATCH, relay.batches());
        relay
    }

    fn batches(&self) -> Step {
        let url = self.teamspace.url().to_owned();
        let (most, plan) = (self.most_at_once.clone(), self.plan.clone());
        let (under_way, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Step::with(move |batch| {
            most.fetch_max(
                under_way.fetch_add(1, Ordering::SeqCst) + 1,
                Ordering::SeqCst,
            );
            let number = seen.fetch_add(1, Ordering::SeqCst) + 1;
            let answer = if is_killed(&plan, number, Moment::BeforeTheTeamspace) {
                Answer::new(503, "")
            } else if batch.events().len() > LARGEST {
                Answer::json(413, &json!({"limits": {"max_events_per_batch": 2}}))
            } else {
                pass_on(&url, batch)
            };
            is_killed(&plan, number, Moment::BeforeTheAnswer);
            under_way.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }

    /// Logs a sandbox in at the Teamspace, and lets it find the Teamspace at the relay.
    pub fn log_in(&self, sandbox: &mut Sandbox) {
        sandbox.host(self.teamspace.url());
        self.teamspace.log_in(sandbox);
        sandbox.host(&self.server.url());
        let store = FileSessionStore::new(
            sandbox.map().auth(),
            os_filesystem(),
            system_time(),
            HostIdentity::of_this_process(),
        );
        let moved = Stored {
            issuer: Some(ServerUrl::parse(&self.server.url()).unwrap()),
            ..sandbox.session().unwrap()
        };
        store.write(&moved).unwrap();
    }

    /// Runs `sync now` and kills it at a moment of its nth batch.
    #[track_caller]
    pub fn kill_delivery(&self, sandbox: &Sandbox, batch: usize, moment: Moment) {
        let (sender, process) = channel();
        *self.plan.lock().unwrap() = Some(Plan {
            batch: self.server.batches().len() + batch,
            moment,
            process,
        });
        let running = sandbox.call(&["sync", "now"]).start();
        sender.send(running.id()).unwrap();
        let run = running.finish();
        assert_eq!(run.status.code(), None, "it was not killed: {run:?}");
    }

    /// The most batches that were under way at the same time.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

/// Kills the process of the plan if this is its moment.
fn is_killed(plan: &Mutex<Option<Plan>>, number: usize, moment: Moment) -> bool {
    let mut plan = plan.lock().unwrap();
    let due = plan.take_if(|plan| plan.batch == number && plan.moment == moment);
    due.is_some_and(|plan| {
        signal("KILL", plan.process.recv_timeout(DEADLINE).unwrap());
        true
    })
}

/// Asks the Teamspace what the program asked, byte for byte: the program's own client sends only
/// what its gate let pass.
fn pass_on(url: &str, request: &Received) -> Answer {
    let host = url.strip_prefix("http://").unwrap();
    let mut onward = TcpStream::connect(host).unwrap();
    onward.set_read_timeout(Some(DEADLINE)).unwrap();
    // An answer in HTTP/1.0 ends with the connection and is in one piece.
    let mut head = format!("{} {} HTTP/1.0\r\n", request.method, request.path);
    for name in [
        "Authorization",
        "Content-Encoding",
        "Content-Type",
        "X-Spec-Kitty-Sync-Protocol",
    ] {
        if let Some(value) = request.header(name) {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
    }
    write!(head, "Content-Length: {}\r\n\r\n", request.raw.len()).unwrap();
    onward.write_all(head.as_bytes()).unwrap();
    onward.write_all(&request.raw).unwrap();
    let mut answer = Vec::new();
    onward.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer::new(status, answer[end + 4..].to_vec()).header("Content-Type", "application/json")
}
