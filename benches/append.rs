//! Append beside what the disk asks for at the least, and 64 writers beside one.

use crate::Size;
use crate::events::Events;
use crate::measure::{Samples, in_turn, try_seconds};
use crate::place::Place;
use crate::report::{Report, Row, Target};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::lamport::LamportClock;
use kitty_runtime::time::system_time;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const MILLISECONDS: f64 = 1e3;
const WRITERS: u64 = 64;

/// Measures appends.
///
/// # Errors
/// The operating system's.
pub fn measure(size: Size, report: &mut Report) -> io::Result<()> {
    let rounds = size.pick(40, 400);
    let ours = one_by_one(rounds, false)?;
    let row = |name: &str, (ours, floor): (Samples, Samples)| {
        Row::new("append", name, "ms", &ours.scaled(MILLISECONDS)).beside(
            "write, fsync, rename, fsync of the directory",
            &floor.scaled(MILLISECONDS),
        )
    };
    report.add(row("one event, durable", ours).target(Target::RatioAtMost(1.5)));
    let ticked = one_by_one(rounds, true)?;
    report.add(row("one event with its Lamport tick", ticked));
    writers(size, report)
}

fn one_by_one(rounds: usize, tick: bool) -> io::Result<(Samples, Samples)> {
    let place = Place::new(crate::scratch())?;
    let events = Events::new();
    let inbox = Inbox::new(os_filesystem(), place.scope().paths);
    let clock = LamportClock::new(os_filesystem(), system_time(), &place.map());
    // Directories and clock are made by the first append of a project, once.
    let first = clock.tick(1).map_err(io::Error::other)?[0];
    inbox
        .append(first, &[events.event(0).record()])
        .map_err(io::Error::other)?;
    let bare = place.path().join("bare");
    for name in ["tmp", "new"] {
        std::fs::create_dir_all(bare.join(name))?;
    }
    let (mut ours, mut floor) = (0, 0);
    in_turn(
        rounds,
        || {
            ours += 1;
            let event = events.event(ours);
            try_seconds(|| {
                let value = if tick {
                    clock.tick(1).map_err(io::Error::other)?[0]
                } else {
                    ours
                };
                inbox
                    .append(value, &[event.record()])
                    .map_err(io::Error::other)
            })
        },
        || {
            floor += 1;
            let event = events.event(floor);
            try_seconds(|| bare_append(&bare, floor, &event.wire))
        },
    )
}

fn bare_append(directory: &Path, number: u64, bytes: &[u8]) -> io::Result<()> {
    let name = format!("{number:020}.rec");
    let temporary = directory.join("tmp").join(&name);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    drop(file);
    let new = directory.join("new");
    std::fs::rename(&temporary, new.join(name))?;
    File::open(new)?.sync_all()
}

/// The same number of events by 64 processes at once and by one.
fn writers(size: Size, report: &mut Report) -> io::Result<()> {
    let each = size.pick(2, 8);
    let mut lost = 0;
    let mut run = |writers: u64| -> io::Result<f64> {
        let place = Place::new(crate::scratch())?;
        let per_writer = each * WRITERS / writers;
        let took = try_seconds(|| {
            let children =
                (0..writers).map(|writer| start(&place, writer * per_writer, per_writer));
            let children: Vec<Child> = children.collect::<io::Result<_>>()?;
            children
                .into_iter()
                .try_for_each(|mut child| match child.wait()? {
                    status if status.success() => Ok(()),
                    status => Err(io::Error::other(format!("a writer failed: {status}"))),
                })
        })?;
        let inbox = Inbox::new(os_filesystem(), place.scope().paths);
        lost += each * WRITERS - inbox.waiting()?.len() as u64;
        Ok(took)
    };
    let mut samples = (Vec::new(), Vec::new());
    for _ in 0..size.pick(1, 3) {
        samples.0.push(run(WRITERS)?);
        samples.1.push(run(1)?);
    }
    let (many, one) = (Samples::new(samples.0), Samples::new(samples.1));
    let name = format!("{} events by {WRITERS} processes at once", each * WRITERS);
    report.add(
        Row::new("append", name, "ms", &many.scaled(MILLISECONDS))
            .beside("by one process", &one.scaled(MILLISECONDS))
            .note("the start of the processes included"),
    );
    let lost = Samples::new(vec![f64::from(u32::try_from(lost).unwrap_or(u32::MAX))]);
    report.add(
        Row::new("append", "acknowledged and lost by them", "events", &lost)
            .target(Target::AtMost(0.0)),
    );
    Ok(())
}

fn start(place: &Place, first: u64, count: u64) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["worker", "append"])
        .arg(place.state_root())
        .args([first.to_string(), count.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
}
