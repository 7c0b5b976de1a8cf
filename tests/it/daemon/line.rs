//! The daemon's WebSocket: what goes over it, what is answered, and what happens when it is of no use.

use super::delivering::{LIMIT_TO_END, logged_in};
use crate::support::daemons::DaemonMachine;
use crate::support::process::signal;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{
    Answer, BATCH, ScriptedServer, ServerLine, Step, TOKEN, WS, WS_TOKEN,
};
use crate::support::sessions::Seed;
use crate::support::teamspace::Teamspace;
use crate::support::timing::shortest;
use serde_json::{Value, json};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn websocket(machine: &DaemonMachine) -> Value {
    machine.status()["health"]["websocket"].clone()
}

#[track_caller]
fn until_it_is(machine: &DaemonMachine, status: &str) {
    machine.until("it comes to pass", || {
        websocket(machine)["status"] == status
    });
}

fn captured(machine: &DaemonMachine) -> Vec<String> {
    let events = machine.stored_events();
    let id = |event: &Value| event["event_id"].as_str().unwrap().to_owned();
    events.iter().map(id).collect()
}

fn delivered(machine: &DaemonMachine) -> u64 {
    let status = machine.json(&["sync", "status", "--json"]);
    let target = &status["targets"][0];
    target["delivered"].as_u64().unwrap_or(0) + target["duplicate"].as_u64().unwrap_or(0)
}

/// A line that is acknowledged event by event; remembers what came.
fn honest(seen: &Arc<Mutex<Vec<String>>>) -> Step {
    let seen = seen.clone();
    Step::line(move |line| {
        line.snapshot();
        while let Some(id) = line.event() {
            seen.lock().unwrap().push(id.clone());
            line.say(&json!({"type": "ack", "event_id": id, "status": "accepted"}));
        }
    })
}

fn with_line(step: Step) -> (ScriptedServer, DaemonMachine) {
    let server = ScriptedServer::start();
    server.offer_line(&server.ws_url());
    server.always(WS, step);
    let machine = logged_in(&server);
    (server, machine)
}

#[test]
fn fresh_events_reach_a_real_teamspace_over_the_socket_and_again_after_it_was_killed() {
    let mut teamspace = Teamspace::start();
    let machine = DaemonMachine::of(Sandbox::hosted(teamspace.url()));
    teamspace.log_in(&machine);
    machine.start();
    until_it_is(&machine, "Connected");
    machine.create_mission("first");
    machine.until("it comes to pass", || machine.waiting().is_empty());
    assert_eq!(teamspace.stored_ids(), captured(&machine));
    let line = websocket(&machine);
    assert_eq!(
        (&line["told"], &line["answered"]),
        (&json!(3), &json!(3)),
        "{line}"
    );
    assert_eq!(delivered(&machine), 3);
    let why = machine.json(&["sync", "why", &captured(&machine)[0], "--json"]);
    assert!(why.to_string().contains("\"delivered\""), "{why}");
    let status = machine.json(&["sync", "status", "--json"]);
    assert_eq!(status["websocket"], "Connected", "{status}");
    let human = machine.run(&["sync", "daemon", "status"]).expect_code(0);
    assert!(human.says("WebSocket   Connected"), "{human:?}");

    teamspace.kill();
    until_it_is(&machine, "Reconnecting");
    teamspace.start_again();
    until_it_is(&machine, "Connected");
    machine.create_mission("second");
    machine.until("it comes to pass", || machine.waiting().is_empty());
    assert_eq!(teamspace.stored_ids(), captured(&machine));
    assert_eq!(websocket(&machine)["answered"], 6, "{:?}", machine.log());
}

#[test]
fn the_line_is_asked_for_as_the_private_team_and_carries_what_a_batch_would() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = heard.clone();
    let (server, machine) = with_line(Step::line(move |line: &mut ServerLine| {
        line.snapshot();
        while let Some(frame) = line.hear() {
            let id = frame["event"]["event_id"].clone();
            hearing.lock().unwrap().push(frame);
            line.say(&json!({"type": "ack", "event_id": id, "status": "accepted"}));
        }
    }));
    machine.start();
    until_it_is(&machine, "Connected");
    let ticket = &server.requests_to(WS_TOKEN)[0];
    assert_eq!(ticket.json(), json!({"team_id": "t-private"}));
    assert_eq!(ticket.token(), Some("s3cret-access-0"));
    let handshake = &server.requests_to(WS)[0];
    assert_eq!(handshake.token(), Some("s3cret-ws"));
    assert_eq!(handshake.header("x-spec-kitty-sync-protocol"), Some("2.0"));
    machine.create_mission("first");
    machine.until("it comes to pass", || machine.waiting().is_empty());
    assert_eq!(server.count(BATCH), 0);
    let preview = machine.stored_events();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 3);
    for (frame, stored) in heard.iter().zip(&preview) {
        let event = &frame["event"];
        assert_eq!(event["spec_kitty_delivery_identity"], stored["event_id"]);
        assert_eq!(event["admission_generation"], 1);
        assert_eq!(event["payload"], stored["payload"]);
    }
    let log = machine.log().join("\n");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_ping_is_answered_with_the_build_that_is_worked_in_unless_it_has_opted_out() {
    let pongs = Arc::new(Mutex::new(Vec::new()));
    let hearing = pongs.clone();
    let (opted_out, wait) = channel();
    let wait = Mutex::new(wait);
    let (server, machine) = with_line(Step::line(move |line: &mut ServerLine| {
        line.snapshot();
        let mut pinged = 0;
        while let Some(frame) = line.hear() {
            if frame["type"] == "pong" {
                hearing.lock().unwrap().push(frame);
                let all = hearing.lock().unwrap().len() == 3;
                if all && wait.lock().unwrap().recv().is_ok() {
                    line.say(&json!({"type": "ping", "timestamp": "again"}));
                }
                continue;
            }
            let id = &frame["event"]["event_id"];
            line.say(&json!({"type": "ack", "event_id": id, "status": "accepted"}));
            pinged += 1;
            line.say(&json!({"type": "ping", "timestamp": format!("t{pinged}")}));
        }
    }));
    machine.start();
    until_it_is(&machine, "Connected");
    machine.create_mission("first");
    machine.until("it comes to pass", || pongs.lock().unwrap().len() == 3);
    let build = machine.stored_events()[0]["build_id"].clone();
    let expected = json!({"type": "pong", "timestamp": "t1", "build_id": build});
    assert_eq!(pongs.lock().unwrap()[0], expected);
    machine.run(&["sync", "opt-out"]).expect_code(0);
    opted_out.send(()).unwrap();
    machine.until("it comes to pass", || pongs.lock().unwrap().len() == 4);
    let silent = json!({"type": "pong", "timestamp": "again"});
    assert_eq!(pongs.lock().unwrap()[3], silent);
    assert_eq!(server.count(BATCH), 0);
}

#[test]
fn what_a_server_rejects_over_the_socket_is_rejected_with_its_reason() {
    let (server, machine) = with_line(Step::line(|line: &mut ServerLine| {
        line.snapshot();
        let mut number = 0;
        while let Some(id) = line.event() {
            number += 1;
            line.say(&match number {
                1 => json!({"type": "ack", "event_id": id, "status": "duplicate"}),
                2 => json!({"type": "error", "event_id": id, "status": "rejected",
                            "error_category": "project_not_admitted", "message": "not here"}),
                _ => json!({"type": "ack", "event_id": id, "status": "accepted"}),
            });
        }
    }));
    machine.start();
    until_it_is(&machine, "Connected");
    machine.create_mission("first");
    machine.until("it comes to pass", || delivered(&machine) == 2);
    assert_eq!(server.count(BATCH), 0);
    let target = machine.json(&["sync", "status", "--json"])["targets"][0].clone();
    assert_eq!(
        [
            &target["delivered"],
            &target["duplicate"],
            &target["rejected"]
        ],
        [&json!(1), &json!(1), &json!(1)],
        "{target}"
    );
    let why = machine.json(&["sync", "why", &captured(&machine)[1], "--json"]);
    assert!(why.to_string().contains("not here"), "{why}");
}

#[test]
fn a_server_that_never_acknowledges_costs_one_wait_and_the_batch_delivers_in_order() {
    let (server, machine) = with_line(Step::line(|line: &mut ServerLine| {
        line.snapshot();
        while line.event().is_some() {}
    }));
    machine.start();
    until_it_is(&machine, "Connected");
    let begun = Instant::now();
    machine.create_mission("first");
    machine.until("it comes to pass", || machine.waiting().is_empty());
    assert!(
        begun.elapsed() >= Duration::from_secs(5),
        "it waited for the word"
    );
    assert_eq!(server.stored_ids(), captured(&machine));
    assert_eq!(
        server.batch_sizes(),
        [3],
        "one batch, and not one per event"
    );
    assert!(
        machine
            .log()
            .iter()
            .any(|line| line.contains("no acknowledgement"))
    );
}

#[test]
fn a_line_that_breaks_in_the_middle_leaves_the_rest_to_the_batch_without_loss_or_double_effect() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let breaking = seen.clone();
    let (server, machine) = with_line(Step::line(move |line: &mut ServerLine| {
        line.snapshot();
        let Some(first) = line.event() else { return };
        breaking.lock().unwrap().push(first.clone());
        line.say(&json!({"type": "ack", "event_id": first, "status": "accepted"}));
        line.event();
    }));
    machine.start();
    until_it_is(&machine, "Connected");
    machine.create_mission("first");
    machine.until("it comes to pass", || machine.waiting().is_empty());
    let all = captured(&machine);
    assert_eq!(*seen.lock().unwrap(), all[..1]);
    assert_eq!(
        server.stored_ids(),
        all[1..],
        "in order, and the first not again"
    );
    assert_eq!(delivered(&machine), 3);
}

#[test]
fn an_address_elsewhere_or_with_a_token_is_refused_by_name_before_a_byte_leaves() {
    let elsewhere = ScriptedServer::start();
    for (ws_url, why) in [
        (elsewhere.ws_url(), "and the session belongs to"),
        ("ws://192.0.2.1/ws".to_owned(), "is not encrypted"),
        ("{own}?ws_token=s3cret".to_owned(), "carries a token"),
    ] {
        let server = ScriptedServer::start();
        server.offer_line(&ws_url.replace("{own}", &server.ws_url()));
        let machine = logged_in(&server);
        machine.start();
        until_it_is(&machine, "OfflineBatchMode");
        let line = websocket(&machine);
        assert!(line["trouble"].as_str().unwrap().contains(why), "{line}");
        assert_eq!(line["diagnostic_code"], "sync.websocket_offline");
        assert_eq!((server.count(WS), elsewhere.requests().len()), (0, 0));
        assert!(!line.to_string().contains("s3cret"));
        machine.create_mission("first");
        machine.until("it comes to pass", || machine.waiting().is_empty());
        assert_eq!(server.stored_ids(), captured(&machine), "batches deliver");
    }
}

#[test]
fn a_redirected_handshake_is_not_followed() {
    let elsewhere = ScriptedServer::start();
    let target = elsewhere.url();
    let (server, machine) = with_line(Step::with(move |_| {
        Answer::new(302, "").header("Location", &target)
    }));
    machine.start();
    until_it_is(&machine, "OfflineBatchMode");
    assert_eq!((server.count(WS), elsewhere.requests().len()), (1, 0));
}

#[test]
fn a_token_that_ends_soon_is_renewed_before_the_line_is_opened() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let server = ScriptedServer::start();
    server.offer_line(&server.ws_url());
    server.always(WS, honest(&seen));
    let sandbox = Sandbox::hosted(&server.url());
    sandbox.seed(&Seed::private().issued_by(&server.url()).access_ends_in(200));
    let machine = DaemonMachine::of(sandbox);
    machine.start();
    until_it_is(&machine, "Connected");
    assert_eq!(server.count(TOKEN), 1);
    assert_ne!(
        server.requests_to(WS_TOKEN)[0].token(),
        Some("s3cret-access-0")
    );
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let server = ScriptedServer::start();
    let busy = Answer::new(429, "{}").header("Retry-After", "3600");
    server.always(WS_TOKEN, Step::with(move |_| busy.clone()));
    let machine = logged_in(&server);
    machine.start();
    until_it_is(&machine, "Reconnecting");
    machine.until("it comes to pass", || server.count(WS_TOKEN) == 1);
    for name in ["first", "second"] {
        machine.create_mission(name);
        machine.until("it comes to pass", || machine.waiting().is_empty());
    }
    assert_eq!(server.count(WS_TOKEN), 1, "{:?}", machine.log());
}

#[test]
fn without_a_session_or_a_private_team_nobody_is_asked_for_a_line() {
    let server = ScriptedServer::start();
    let machine = DaemonMachine::of(Sandbox::hosted(&server.url()));
    machine.start();
    machine.until("it comes to pass", || {
        websocket(&machine)["trouble"].is_string()
    });
    assert_eq!(websocket(&machine)["status"], "Offline");
    assert_eq!(server.connections(), 0);
    let shared = ScriptedServer::start().without_private_team();
    let sandbox = Sandbox::hosted(&shared.url());
    sandbox.seed(&Seed::shared_only().issued_by(&shared.url()));
    let machine = DaemonMachine::of(sandbox);
    machine.start();
    machine.until("it comes to pass", || {
        websocket(&machine)["trouble"].is_string()
    });
    assert_eq!(websocket(&machine)["status"], "Offline");
    assert_eq!(shared.count(WS_TOKEN), 0);
}

/// Ends a daemon by a signal while its line is open; returns what that took.
fn end_with_an_open_line() -> Duration {
    let goodbyes = Arc::new(Mutex::new(0));
    let counting = goodbyes.clone();
    let (server, machine) = with_line(Step::line(move |line: &mut ServerLine| {
        line.snapshot();
        while line.event().is_some() {}
        *counting.lock().unwrap() += usize::from(line.closed);
    }));
    let daemon = machine.start();
    until_it_is(&machine, "Connected");
    machine.create_mission("first");
    machine.until("it comes to pass", || websocket(&machine)["told"] == 1);
    let begun = Instant::now();
    signal("TERM", daemon.process.pid);
    machine.until_ended();
    let took = begun.elapsed();
    machine.until("it comes to pass", || *goodbyes.lock().unwrap() == 1);
    let target = machine.json(&["sync", "status", "--json"])["targets"][0].clone();
    assert_eq!(target["transient"], 1, "{target}");
    assert_eq!(server.count(BATCH), 0);
    machine.run(&["sync", "run"]).expect_code(0);
    assert_eq!(server.stored_ids(), captured(&machine));
    took
}

#[test]
fn a_signal_with_an_open_line_says_goodbye_and_notes_what_is_on_its_way_within_two_seconds() {
    let took = shortest(LIMIT_TO_END, end_with_an_open_line);
    assert!(took < LIMIT_TO_END, "{took:?}");
}

#[test]
fn nothing_more_leaves_over_the_line_once_the_project_has_opted_out() {
    let heard = Arc::new(Mutex::new(0));
    let counting = heard.clone();
    let (opted_out, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let (server, machine) = with_line(Step::line(move |line: &mut ServerLine| {
        line.snapshot();
        while let Some(id) = line.event() {
            *counting.lock().unwrap() += 1;
            let _ = wait.lock().unwrap().recv();
            line.say(&json!({"type": "ack", "event_id": id, "status": "accepted"}));
        }
    }));
    machine.start();
    until_it_is(&machine, "Connected");
    machine.create_mission("first");
    machine.until("it comes to pass", || *heard.lock().unwrap() == 1);
    machine.run(&["sync", "opt-out"]).expect_code(0);
    drop(opted_out);
    machine.until("it comes to pass", || delivered(&machine) == 1);
    machine.stop();
    machine.until_ended();
    assert_eq!((*heard.lock().unwrap(), server.count(BATCH)), (1, 0));
}

/// How often the process was woken so far: its voluntary context switches, over all its threads.
#[cfg(target_os = "linux")]
fn wakings(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let count = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    tasks.flatten().map(count).sum()
}

#[cfg(target_os = "linux")]
#[test]
fn an_open_line_that_is_silent_wakes_nobody() {
    let (ends, ended) = channel::<()>();
    let ends = Mutex::new(ends);
    let (_server, machine) = with_line(Step::line(move |line: &mut ServerLine| {
        line.snapshot();
        line.hear();
        let _ = ends.lock().unwrap().send(());
    }));
    let daemon = machine.start();
    until_it_is(&machine, "Connected");
    // The actors of the attempt end first. A timer of its own would wake it in every stretch.
    machine.until("it comes to pass", || {
        let before = wakings(daemon.process.pid);
        let ended = ended.recv_timeout(Duration::from_secs(2));
        assert!(ended.is_err(), "the line stays open: {:?}", machine.log());
        wakings(daemon.process.pid) == before
    });
}

#[test]
fn an_open_line_does_not_keep_a_daemon_that_nobody_needs() {
    let goodbyes = Arc::new(Mutex::new(0));
    let counting = goodbyes.clone();
    let server = ScriptedServer::start();
    server.offer_line(&server.ws_url());
    server.always(
        WS,
        Step::line(move |line: &mut ServerLine| {
            line.snapshot();
            line.hear();
            *counting.lock().unwrap() += usize::from(line.closed);
        }),
    );
    let mut sandbox = Sandbox::hosted(&server.url());
    sandbox.set("SPEC_KITTY_DAEMON_IDLE_SECONDS", "3");
    sandbox.seed(&Seed::private().issued_by(&server.url()));
    let machine = DaemonMachine::of(sandbox);
    machine.start();
    server.wait_until("the line is opened", |server| server.count(WS) == 1);
    machine.until_ended();
    machine.until("it comes to pass", || *goodbyes.lock().unwrap() == 1);
}
