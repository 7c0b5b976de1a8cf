//! Local commands never wait for anybody: whatever the server does, they take the time they take offline.
//!
//! Each situation is a machine of its own beside an offline twin: the same commands with the same
//! queue, and a server that is known to refuse connections. Every command is run on both in turn, each
//! first in every other round. Whatever else this machine does can only add to either, so the smallest
//! values are compared: a wait that the situation causes is in every run. That a command waits now and
//! then, and not always, shows in the p99 of many runs, which `cargo bench -- waits` measures.

pub mod situations;

use crate::support::process::Run;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{BATCH, ScriptedServer, Step, TOKEN};
use crate::support::sessions::Seed;
use kitty_actors::host_memory::HostMemories;
use kitty_config::ServerUrl;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::owner::now_ms;
use kitty_runtime::time::system_time;
use serde_json::json;
use situations::{Dripping, fill_queue, silent_listener};
use std::time::Duration;

/// What the server may cost a local command once it is known to be of no use.
const LIMIT: Duration = Duration::from_millis(20);
/// What the final sync may take.
const FINAL_SYNC: Duration = Duration::from_secs(2);
/// What a busy machine adds to a command that takes seconds; a client without limits waits for ever.
const SLACK: Duration = Duration::from_secs(3);
/// How often each command is run on either machine at least.
const ROUNDS: usize = 5;
/// How often at most: more runs can take away what the machine added, and not what the situation adds.
const MOST_ROUNDS: usize = 60;
/// The address of a server that refuses connections at once.
const NOBODY: &str = "http://127.0.0.1:1";

/// Every command that needs nobody else; `SLUG` and `EVENT` stand for a new name and a stored event.
const LOCAL: &[&[&str]] = &[
    &["agent", "mission", "create", "SLUG", "--json"],
    &["--version"],
    &["--help"],
    &["sync", "--help"],
    &["completions", "bash"],
    &["status"],
    &["sync", "status"],
    &["sync", "status", "--json"],
    &["sync", "status", "--check", "--json"],
    &["sync", "why", "EVENT"],
    &["sync", "doctor"],
    &["sync", "server"],
    &["sync", "opt-in"],
    &["sync", "daemon", "status"],
    &["sync", "daemon", "logs"],
    &["config", "list"],
    &["config", "get", "sync.max_queue_size"],
    &["config", "set", "sync.max_queue_size", "300000"],
    &["auth", "status"],
    &["auth", "whoami"],
    &["state", "doctor"],
    &["doctor", "state-roots", "--json"],
    &["tracker", "providers"],
];

/// One machine, and what is known on it.
struct Machine {
    sandbox: Sandbox,
    event: String,
    missions: usize,
}

impl Machine {
    /// Makes a machine that is logged in to a server and has never asked it anything.
    fn new(url: &str, seed: &Seed) -> Self {
        let sandbox = Sandbox::hosted(url).with_artifacts();
        sandbox
            .run(&["config", "set", "sync.max_queue_size", "300000"])
            .expect_code(0);
        sandbox.seed(&seed.clone().issued_by(url));
        let first = sandbox.call(&["demo-burst", "--count", "1"]).run();
        first.expect_code(0);
        let event = sandbox.waiting_or_stored();
        Self {
            sandbox,
            event,
            missions: 0,
        }
    }

    fn run(&mut self, command: &[&str]) -> Run {
        let slug = format!(
            "mission-{}",
            ["a", "b", "c", "d"][self.missions % 4].repeat(self.missions / 4 + 1)
        );
        let words: Vec<&str> = command
            .iter()
            .map(|word| match *word {
                "SLUG" => &*slug,
                "EVENT" => &*self.event,
                word => word,
            })
            .collect();
        self.missions += usize::from(command.contains(&"SLUG"));
        self.sandbox.run(&words)
    }

    /// Creates a mission, which must succeed whatever the server does.
    #[track_caller]
    fn create(&mut self) -> Run {
        let run = self.run(LOCAL[0]).expect_code(0);
        assert_eq!(run.json()["result"], "success", "{run:?}");
        run
    }

    /// Lets what the machine has learnt of a server hold for longer than this test takes.
    fn stay_informed(&self, url: &str) {
        let memories = HostMemories::new(os_filesystem(), &self.sandbox.map());
        let now = now_ms(&system_time());
        let url = ServerUrl::parse(url).unwrap();
        assert!(
            memories.of(&url).rests(now),
            "{url} is known to be of no use"
        );
        for _ in 0..8 {
            memories.update(&url, |memory| memory.failed(now));
        }
    }
}

impl Sandbox {
    fn waiting_or_stored(&self) -> String {
        let event = self.stored_events().remove(0);
        event["event_id"].as_str().unwrap().to_owned()
    }
}

/// Runs every local command on both machines in turn, and compares.
#[track_caller]
fn assert_as_fast_as_offline(machine: &mut Machine, offline: &mut Machine) {
    let mut slow = Vec::new();
    for command in LOCAL {
        let (mut quickest, mut offline_quickest) = (Duration::MAX, Duration::MAX);
        for round in 0..MOST_ROUNDS {
            let (ours, theirs) = if round % 2 == 0 {
                let ours = machine.run(command);
                (ours, offline.run(command))
            } else {
                let theirs = offline.run(command);
                (machine.run(command), theirs)
            };
            if command == &LOCAL[0] {
                assert_eq!((ours.code(), theirs.code()), (0, 0), "{ours:?} {theirs:?}");
            }
            quickest = quickest.min(ours.took);
            offline_quickest = offline_quickest.min(theirs.took);
            if round + 1 >= ROUNDS && quickest <= offline_quickest + LIMIT {
                break;
            }
        }
        if quickest > offline_quickest + LIMIT {
            slow.push((command, quickest, offline_quickest));
        }
    }
    assert!(slow.is_empty(), "slower than offline: {slow:#?}");
}

/// The whole story of one situation: the first command learns, the others know.
#[track_caller]
fn never_waits(url: &str, seed: &Seed, prepare: impl Fn(&Machine)) {
    let (mut machine, mut offline) = (Machine::new(url, seed), Machine::new(NOBODY, seed));
    prepare(&machine);
    prepare(&offline);
    // What is learnt first holds for five seconds only, and a busy machine may need them.
    let learning = machine.create();
    machine.stay_informed(url);
    let without = offline.create();
    offline.stay_informed(NOBODY);
    assert!(
        learning.took < without.took + FINAL_SYNC + SLACK,
        "{learning:?}, offline {:?}",
        without.took
    );
    assert_as_fast_as_offline(&mut machine, &mut offline);
}

#[test]
fn with_a_black_holed_host_they_take_the_time_they_take_offline() {
    let (_listener, address) = silent_listener();
    never_waits(&format!("http://{address}"), &Seed::private(), |_| ());
}

#[test]
fn with_a_server_that_sends_one_byte_a_second_they_take_the_time_they_take_offline() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    let server = Dripping::start([answer.as_bytes(), &[b' '; 1000]].concat());
    never_waits(
        &format!("http://{}", server.address),
        &Seed::private(),
        |_| (),
    );
    assert!(server.connections() > 0, "it was asked");
}

#[test]
fn with_a_tls_handshake_that_never_ends_they_take_the_time_they_take_offline() {
    // The head of a handshake record of 16 KiB, and then nothing but its beginning.
    let record = [&[0x16, 0x03, 0x03, 0x40, 0x00, 0x02][..], &[0; 1000]].concat();
    let server = Dripping::start(record);
    never_waits(
        &format!("https://{}", server.address),
        &Seed::private(),
        |_| (),
    );
    assert!(server.connections() > 0, "it was asked");
}

#[test]
fn with_a_hundred_thousand_events_they_take_the_time_they_take_offline() {
    let server = ScriptedServer::start();
    // It says nothing to a batch: the backlog outlasts the test.
    server.always(BATCH, Step::Hang);
    never_waits(&server.url(), &Seed::private(), |machine| {
        fill_queue(&machine.sandbox, 100_000);
    });
    // The first command may have used its time up before it came to send anything.
    assert!(server.count(BATCH) <= 1, "only the first command asks");
}

#[test]
fn with_an_expired_session_they_take_the_time_they_take_offline() {
    let server = ScriptedServer::start();
    server.always(TOKEN, Step::json(500, &json!({"error": "inside"})));
    never_waits(&server.url(), &Seed::private().access_expired(), |_| ());
    assert_eq!(server.connections(), 1, "a dead session is not tried again");
}

/// A way in which a session can be dead.
struct Dead {
    what: &'static str,
    seed: Seed,
    /// What the server says instead of what an honest one says.
    step: Option<(&'static str, Step)>,
    /// How often it may be asked until that is known.
    asked: usize,
}

fn dead_sessions() -> Vec<Dead> {
    let refusal = |path, status| {
        let answer = json!({"error": if status == 400 { "invalid_grant" } else { "refused" }});
        Some((path, Step::json(status, &answer)))
    };
    vec![
        Dead {
            what: "nobody need be asked",
            seed: Seed::private().refresh_expired(),
            step: None,
            asked: 0,
        },
        Dead {
            what: "the server ended it",
            seed: Seed::private().access_expired(),
            step: refusal(TOKEN, 400),
            asked: 1,
        },
        Dead {
            what: "the server cannot renew it",
            seed: Seed::private().access_expired(),
            step: refusal(TOKEN, 503),
            asked: 1,
        },
        Dead {
            what: "every token is refused, also a renewed one",
            seed: Seed::private(),
            step: refusal(BATCH, 401),
            asked: 3,
        },
    ]
}

#[test]
fn a_session_that_is_dead_is_tried_by_the_first_command_and_by_no_other() {
    for dead in dead_sessions() {
        let server = ScriptedServer::start();
        if let Some((path, step)) = dead.step {
            server.always(path, step);
        }
        let sandbox = Sandbox::hosted(&server.url());
        sandbox.seed(&dead.seed.issued_by(&server.url()));
        for slug in ["first", "second", "third"] {
            sandbox.create_mission(slug);
            let asked = server.requests().len();
            assert_eq!(asked, dead.asked, "{}: {slug}", dead.what);
        }
    }
}
