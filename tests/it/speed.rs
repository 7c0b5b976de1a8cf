//! Speed, as ratios within one run: what would be noticed if it were lost.
//!
//! The sizes are small and the limits generous, because this is the unoptimised build on a machine
//! that others use; the figures themselves come from `cargo bench`. What is compared is done in turn,
//! and the smallest values are compared, which a busy machine disturbs the least.

use crate::support::pipeline::{PROJECT, Pipeline, target};
use kitty_contract::Gate;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::lease::OwnerLease;
use kitty_runtime::outcome::{DeliveryState, Outcome};
use kitty_runtime::owner::{BatchLimits, OwnerPorts, ScopeOwner, SledFactory};
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use kitty_runtime::status_file::StatusFile;
use kitty_runtime::time::system_time;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The documented limit of the gate.
const GATE_LIMIT: Duration = Duration::from_millis(5);

fn took(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn event(number: usize) -> (String, String) {
    let id = format!("01M7XAS67MT30DH0DY9E{number:06}");
    let filler = "the second run was clean too; ".repeat(20);
    let event = json!({"event_id": id, "project_uuid": PROJECT, "payload": {"reason": filler}});
    (id, event.to_string())
}

fn record<'a>(id: &'a str, payload: &'a str) -> RecordView<'a> {
    RecordView {
        sequence: 0,
        kind: RecordKind::Event,
        captured_ms: 1_795_000_000_000,
        scope: CaptureScope::NOBODY,
        id,
        payload: payload.as_bytes(),
    }
}

#[test]
fn nfr_003_the_gate_answers_within_five_milliseconds_and_about_as_fast_as_parsing() {
    let (_, payload) = event(1);
    let envelope = json!({
        "aggregate_id": "WP01", "event_id": "01M7XAS67MT30DH0DY9EW5WFQY", "event_type": "HistoryAdded",
        "payload": {"author": "claude", "entry_content": payload, "entry_type": "note", "wp_id": "WP01"},
    });
    let text = envelope.to_string();
    let gate = Gate::vendored();
    let check = || took(|| drop(std::hint::black_box(gate.check_event(text.as_bytes()))));
    let parse = || took(|| drop(std::hint::black_box(serde_json::from_str::<Value>(&text))));
    // The first check of the process is the cold one, unless another test was faster.
    assert!(check() < GATE_LIMIT);
    let (mut checked, mut parsed) = (Duration::MAX, Duration::MAX);
    for _ in 0..200 {
        checked = checked.min(check());
        parsed = parsed.min(parse());
    }
    assert!(checked < GATE_LIMIT);
    assert!(
        checked < parsed * 10,
        "{checked:?} to check, {parsed:?} to parse"
    );
}

#[test]
fn an_append_costs_little_more_than_what_the_disk_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::new(os_filesystem(), &directory.path().join("state"));
    let inbox = Inbox::new(os_filesystem(), pipeline.scope.paths.clone());
    let bare = directory.path().join("bare");
    std::fs::create_dir(&bare).unwrap();
    // The first append makes the directories, once for a project.
    let (id, payload) = event(0);
    inbox.append(1, &[record(&id, &payload)]).unwrap();
    let (mut ours, mut floor) = (Duration::MAX, Duration::MAX);
    for number in 1..60 {
        let (id, payload) = event(number);
        floor = floor.min(took(|| store_bare(&bare, &id, payload.as_bytes())));
        ours = ours.min(took(|| inbox.append(2, &[record(&id, &payload)]).unwrap()));
    }
    assert!(
        ours < floor * 3,
        "{ours:?} to append, {floor:?} on the bare disk"
    );
}

/// Writes, forces, renames, forces the directory: what durability costs at the least.
fn store_bare(directory: &Path, name: &str, bytes: &[u8]) {
    let temporary = directory.join("temporary");
    let mut file = File::create(&temporary).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_data().unwrap();
    std::fs::rename(&temporary, directory.join(name)).unwrap();
    File::open(directory).unwrap().sync_all().unwrap();
}

/// Queues events and delivers them to nobody; returns what delivering took.
fn deliver(count: usize) -> Duration {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::new(os_filesystem(), &directory.path().join("state"));
    fill(&pipeline, count);
    let mut owner = owner(&pipeline);
    let took = took(|| {
        let limits = BatchLimits {
            records: 1000,
            bytes: 1 << 20,
        };
        let mut cursor = owner.target(&target()).unwrap().low_water;
        let select = |owner: &mut ScopeOwner, cursor| {
            owner
                .select(&target(), RecordKind::Event, cursor, limits)
                .unwrap()
        };
        while let Some(selection) = select(&mut owner, cursor) {
            let outcomes = selection.selected.iter().map(|selected| Outcome {
                sequence: selected.sequence,
                state: DeliveryState::Delivered,
                detail: None,
            });
            let stretch = cursor..selection.next;
            owner
                .record_outcomes(&target(), outcomes.collect(), Some(stretch))
                .unwrap();
            cursor = selection.next;
        }
    });
    let status = owner.release().unwrap();
    assert_eq!(status.targets[0].row.counts.delivered, count as u64);
    took
}

fn fill(pipeline: &Pipeline, count: usize) {
    let inbox = Inbox::new(os_filesystem(), pipeline.scope.paths.clone());
    let events: Vec<(String, String)> = (0..count).map(event).collect();
    for events in events.chunks(1000) {
        let records: Vec<_> = events
            .iter()
            .map(|(id, payload)| record(id, payload))
            .collect();
        inbox.append(1, &records).unwrap();
    }
}

fn owner(pipeline: &Pipeline) -> ScopeOwner {
    let filesystem = os_filesystem();
    let paths = &pipeline.scope.paths;
    let patience = Duration::from_secs(30);
    let lease = OwnerLease::acquire(&filesystem, paths, &system_time(), "speed", patience).unwrap();
    let factory = Box::new(SledFactory::new(filesystem.clone(), paths.mailbox()));
    let ports = OwnerPorts::new(filesystem, system_time());
    let mut owner = ScopeOwner::open(ports, pipeline.scope.clone(), lease, factory).unwrap();
    owner.ingest().unwrap();
    owner
}

#[test]
fn delivering_four_times_as_many_events_takes_nowhere_near_sixteen_times_as_long() {
    let (mut small, mut large) = (Duration::MAX, Duration::MAX);
    for _ in 0..4 {
        small = small.min(deliver(5_000));
        large = large.min(deliver(20_000));
    }
    // A linear queue takes four times as long, a quadratic one sixteen times; disks are noisy.
    assert!(
        large < small * 10,
        "{small:?} for 5,000 events, {large:?} for 20,000"
    );
}

#[test]
fn a_process_that_dies_after_a_long_ingest_leaves_little_of_the_journal_for_readers_to_read() {
    const QUEUED: usize = 40_000;
    let directory = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::new(os_filesystem(), &directory.path().join("state"));
    fill(&pipeline, QUEUED);
    // Ended without the last word that a release is.
    drop(owner(&pipeline));
    let status = StatusFile::read(&*os_filesystem(), &pipeline.scope.paths.status());
    let known = status.expect("it was written on the way").meta.events;
    assert!(known > QUEUED as u64 / 4, "{known} of {QUEUED} are known");
    let whole = owner(&pipeline).release().unwrap();
    assert_eq!(whole.meta.events, QUEUED as u64);
}

/// Prepares the program to run in a machine of its own.
fn program(machine: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spec-kitty"));
    command
        .env_clear()
        .env("HOME", machine.join("home"))
        .env("SPEC_KITTY_HOME", machine.join("state"))
        .env("SPEC_KITTY_ENABLE_SAAS_SYNC", "1")
        .current_dir(machine.join("project"))
        .stdin(Stdio::null());
    command
}

fn machine(queued: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["home", "project/.kittify"] {
        std::fs::create_dir_all(directory.path().join(name)).unwrap();
    }
    let config = format!("project:\n  uuid: {PROJECT}\n  slug: demo\n");
    let mut file = File::create(directory.path().join("project/.kittify/config.yaml")).unwrap();
    file.write_all(config.as_bytes()).unwrap();
    let pipeline = Pipeline::new(os_filesystem(), &directory.path().join("state"));
    if queued > 0 {
        fill(&pipeline, queued);
        owner(&pipeline).release().unwrap();
    }
    directory
}

fn status(machine: &Path) -> (Output, Duration) {
    let started = Instant::now();
    let output = program(machine)
        .args(["sync", "status", "--json"])
        .output()
        .unwrap();
    (output, started.elapsed())
}

#[test]
fn status_takes_as_long_with_many_events_queued_as_with_none() {
    const QUEUED: usize = 30_000;
    let (empty, full) = (machine(0), machine(QUEUED));
    let (output, _) = status(full.path());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["events"], QUEUED, "{document}");
    let (mut with_none, mut with_many) = (Duration::MAX, Duration::MAX);
    for _ in 0..15 {
        with_none = with_none.min(status(empty.path()).1);
        with_many = with_many.min(status(full.path()).1);
    }
    // Reading the queue itself would take ten times as long.
    assert!(
        with_many < with_none * 3,
        "{with_none:?} with none, {with_many:?} with {QUEUED}"
    );
}

#[test]
fn the_version_opens_no_queue_and_no_socket() {
    let machine = machine(0);
    let traces = machine.path().join("trace");
    let mut traced = Command::new("strace");
    traced.args(["-f", "-o"]).arg(&traces);
    traced.args(["-e", "trace=openat,mkdir,socket,connect,clone,clone3"]);
    let command = program(machine.path());
    traced
        .arg(command.get_program())
        .arg("--version")
        .env_clear();
    for (name, value) in command.get_envs() {
        traced.env(name, value.unwrap_or_default());
    }
    let traced = traced
        .env("PATH", "/usr/bin:/bin")
        .current_dir(machine.path());
    if let Ok(output) = traced.output() {
        assert!(output.status.success(), "{output:?}");
        let trace = std::fs::read_to_string(traces).unwrap();
        assert!(
            !trace.contains("socket(") && !trace.contains("connect("),
            "{trace}"
        );
        assert!(
            !trace.contains("clone"),
            "a thread or a process was started: {trace}"
        );
        assert!(!trace.contains("mailbox"), "{trace}");
    } else {
        let output = program(machine.path()).arg("--version").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert!(
        !machine.path().join("state").exists(),
        "a state root was made"
    );
}
