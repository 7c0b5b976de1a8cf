//! Real processes, really killed: nothing acknowledged is lost, no Lamport value is given twice.
//!
//! Writers append and owners deliver, all at once, and every one of them is killed with SIGKILL at a
//! random moment and started again. The far side is a directory: a file named by an event's id is an
//! event that arrived. `SPEC_KITTY_STORM_KILLS` sets the number of kills (500; nightly 10,000).

use crate::support::pipeline::{Pipeline, target};
use crate::support::power_cut_fs::Random;
use crate::support::worker::{Worker, say};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::lease::OwnerLease;
use kitty_runtime::outcome::{DeliveryState, Outcome};
use kitty_runtime::owner::{BatchLimits, OwnerPorts, ScopeOwner, SledFactory};
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use kitty_runtime::time::system_time;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Runs a worker's orders.
pub fn work(words: &[&str]) {
    match words {
        ["write", root, name, count] => write(Path::new(root), name, count.parse().unwrap()),
        ["own", root] => own(Path::new(root)),
        _ => panic!("unknown orders {words:?}"),
    }
}

fn pipeline(root: &Path) -> Pipeline {
    let pipeline = Pipeline::new(os_filesystem(), &root.join("state"));
    Pipeline {
        segment_limit: 64 << 10,
        ..pipeline
    }
}

/// Appends events, one command each, and says the clock value before and the id after each.
fn write(root: &Path, name: &str, count: usize) {
    let pipeline = pipeline(root);
    let clock = pipeline.clock();
    let inbox = Inbox::new(pipeline.filesystem.clone(), pipeline.scope.paths.clone());
    for number in 0..count {
        let id = format!("{name}-{number}");
        let value = clock.tick(1).unwrap()[0];
        say(&format!("value {value}"));
        say(&format!("append {id}"));
        let record = RecordView {
            sequence: 0,
            kind: RecordKind::Event,
            captured_ms: 1,
            scope: CaptureScope::NOBODY,
            id: &id,
            payload: id.as_bytes(),
        };
        inbox.append(value, &[record]).unwrap();
        say(&format!("stored {id}"));
    }
}

/// Owns the scope again and again, and delivers what is open to the far side.
fn own(root: &Path) {
    let pipeline = pipeline(root);
    loop {
        let lease = OwnerLease::acquire(
            &pipeline.filesystem,
            &pipeline.scope.paths,
            &system_time(),
            "storm",
            Duration::from_secs(30),
        );
        let mut owner = open(&pipeline, lease.unwrap());
        say("opened");
        owner.ingest().unwrap();
        say("ingested");
        deliver(&mut owner, &root.join("far-side"));
        owner.compact(&target(), Duration::from_secs(3600)).unwrap();
        owner.release().unwrap();
        say("released");
    }
}

fn open(pipeline: &Pipeline, lease: OwnerLease) -> ScopeOwner {
    let ports = OwnerPorts {
        segment_limit: pipeline.segment_limit,
        ..OwnerPorts::new(pipeline.filesystem.clone(), system_time())
    };
    let factory = SledFactory::new(pipeline.filesystem.clone(), pipeline.scope.paths.mailbox());
    ScopeOwner::open(ports, pipeline.scope.clone(), lease, Box::new(factory)).unwrap()
}

fn deliver(owner: &mut ScopeOwner, far_side: &Path) {
    let limits = BatchLimits {
        records: 20,
        bytes: 1 << 16,
    };
    let mut cursor = owner.target(&target()).unwrap().low_water;
    while let Some(selection) = owner
        .select(&target(), RecordKind::Event, cursor, limits)
        .unwrap()
    {
        let outcomes: Vec<Outcome> = selection
            .selected
            .iter()
            .map(|selected| {
                let (id, payload) = selection.record(selected);
                assert_eq!(
                    id.as_bytes(),
                    payload,
                    "an event arrived with another's bytes"
                );
                File::create(far_side.join(id)).unwrap();
                Outcome {
                    sequence: selected.sequence,
                    state: DeliveryState::Delivered,
                    detail: None,
                }
            })
            .collect();
        if !outcomes.is_empty() {
            say("sent");
        }
        owner
            .record_outcomes(&target(), outcomes, Some(cursor..selection.next))
            .unwrap();
        cursor = selection.next;
    }
}

/// What all workers said.
#[derive(Default)]
struct Heard {
    attempted: BTreeSet<String>,
    acknowledged: BTreeSet<String>,
    values: Vec<u64>,
}

impl Heard {
    fn take(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("append", id)) => _ = self.attempted.insert(id.to_owned()),
            Some(("stored", id)) => _ = self.acknowledged.insert(id.to_owned()),
            Some(("value", value)) => self.values.push(value.parse().unwrap()),
            _ => {}
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.attempted.extend(other.attempted);
        self.acknowledged.extend(other.acknowledged);
        self.values.extend(other.values);
        self
    }

    fn check(&self, root: &Path) {
        let arrived: BTreeSet<String> = std::fs::read_dir(root.join("far-side"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let lost: Vec<_> = self.acknowledged.difference(&arrived).collect();
        assert!(
            lost.is_empty(),
            "{} acknowledged events were lost: {lost:?}",
            lost.len()
        );
        let foreign: Vec<_> = arrived.difference(&self.attempted).collect();
        assert!(
            foreign.is_empty(),
            "events arrived that nobody appended: {foreign:?}"
        );
        let mut values = self.values.clone();
        values.sort_unstable();
        values.dedup();
        assert_eq!(
            values.len(),
            self.values.len(),
            "a Lamport value was given twice"
        );
    }
}

/// Delivers what is left with nobody in the way.
fn settle(root: &Path) -> Vec<String> {
    let pipeline = pipeline(root);
    let lease = OwnerLease::acquire(
        &pipeline.filesystem,
        &pipeline.scope.paths,
        &system_time(),
        "settling",
        Duration::from_secs(30),
    );
    let mut owner = open(&pipeline, lease.unwrap());
    owner.ingest().unwrap();
    deliver(&mut owner, &root.join("far-side"));
    owner
        .damage()
        .iter()
        .map(|report| report.what.clone())
        .collect()
}

/// Kills a worker after a random number of lines and a random moment more.
fn kill_somewhere(worker: Worker, random: &mut Random, heard: &mut Heard) {
    for _ in 0..random.below(12) {
        match worker.line() {
            Some(line) => heard.take(&line),
            None => break,
        }
    }
    let moment = Instant::now() + Duration::from_micros(random.below(1500) as u64);
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
    worker.kill().iter().for_each(|line| heard.take(line));
}

/// Starts and kills one worker after the other until enough were killed.
fn storm_lane(lane: usize, root: &Path, started: &AtomicUsize, most: usize) -> Heard {
    let mut random = Random::new(u64::from(std::process::id()) + lane as u64);
    let mut heard = Heard::default();
    loop {
        let number = started.fetch_add(1, Ordering::Relaxed);
        if number >= most {
            return heard;
        }
        let orders = if lane.is_multiple_of(2) {
            format!("write {} w{number} 1000000", root.display())
        } else {
            format!("own {}", root.display())
        };
        kill_somewhere(Worker::start(&orders), &mut random, &mut heard);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the nightly run asks for more by a variable"
)]
fn kills() -> usize {
    std::env::var("SPEC_KITTY_STORM_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(500)
}

#[test]
fn a_storm_of_kills_loses_no_acknowledged_event_and_repeats_no_clock_value() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir_all(root.join("far-side")).unwrap();
    let started = AtomicUsize::new(0);
    let most = kills();
    // Three writers and three owners at any time; each is killed at its own moment.
    let heard = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..6)
            .map(|lane| {
                let started = &started;
                scope.spawn(move || storm_lane(lane, root, started, most))
            })
            .collect();
        let all = lanes.into_iter().map(|lane| lane.join().unwrap());
        all.reduce(Heard::and).unwrap()
    });
    let damage = settle(root);
    heard.check(root);
    assert!(!heard.acknowledged.is_empty());
    println!(
        "{most} kills, {} acknowledged, {} values, mailbox rebuilt {} times",
        heard.acknowledged.len(),
        heard.values.len(),
        damage
            .iter()
            .filter(|what| what.contains("rebuilt"))
            .count()
    );
}

#[test]
fn sixty_four_processes_append_at_once_without_an_error_and_without_a_loss() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir_all(root.join("far-side")).unwrap();
    let place = root.display();
    let workers: Vec<Worker> = (0..64)
        .map(|number| Worker::start(&format!("write {place} p{number} 20")))
        .collect();
    let mut heard = Heard::default();
    for worker in workers {
        worker.finish().iter().for_each(|line| heard.take(line));
    }
    assert_eq!(heard.acknowledged.len(), 64 * 20);
    assert!(settle(root).is_empty());
    heard.check(root);
    assert_eq!(
        std::fs::read_dir(root.join("far-side")).unwrap().count(),
        64 * 20
    );
}
