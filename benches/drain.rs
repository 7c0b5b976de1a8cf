//! Draining into a sink that is another process, beside posting prepared batches to the same sink.

use crate::Size;
use crate::events::Events;
use crate::launch::{Launched, Service, launch};
use crate::measure::{Samples, in_turn};
use crate::place::Place;
use crate::report::{Report, Row, Target};
use crate::sink::{fingerprint, received};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Events that one command stores, where the inbox is filled.
const PER_COMMAND: u64 = 10;
/// Events per batch, as the product sends them.
const PER_BATCH: u64 = 1000;
/// Batches that the floor posts again and again.
const PREPARED: u64 = 8;

/// Measures drains.
///
/// # Errors
/// When a process fails, or the sink has not got every event exactly once.
pub fn measure(size: Size, report: &mut Report) -> io::Result<()> {
    let counts: &[u64] = match size {
        Size::Quick => &[2_000, 10_000],
        Size::Usual => &[10_000, 100_000],
        Size::Full => &[10_000, 100_000, 1_000_000],
    };
    let mut per_event = Vec::new();
    for count in counts {
        let rounds = if *count > 100_000 { 1 } else { size.pick(1, 3) };
        per_event.push(drain(*count, rounds, report)?);
    }
    if let [first, .., last] = per_event.as_slice() {
        let name = format!(
            "time per event at {} beside {}",
            power(counts[counts.len() - 1]),
            power(counts[0])
        );
        report.add(
            Row::new("drain", name, "us", last)
                .beside("the fewest", first)
                .target(Target::RatioAtMost(1.5)),
        );
    }
    Ok(())
}

/// Drains a journal and an inbox; returns the microseconds per event of the journal's drains.
fn drain(count: u64, rounds: usize, report: &mut Report) -> io::Result<Samples> {
    let (mut peak, mut cpu) = (Vec::new(), Vec::new());
    let number = as_number(count);
    let (ours, floor) = in_turn(
        rounds,
        || {
            let done = sync_now(count, Place::fill_journal)?;
            peak.push(as_number(done.peak) / f64::from(1 << 20));
            cpu.push(done.cpu * 1e6 / number);
            Ok(number / done.wall)
        },
        || post(count.min(100_000)),
    )?;
    let name = power(count);
    report.add(
        Row::new("drain", format!("{name} events"), "events/s", &ours)
            .beside("posting prepared batches", &floor)
            .target(Target::AtLeast(100_000.0))
            .note("the whole `sync now`: opening, CRC, gate, gzip, answers stored"),
    );
    report.add(Row::new(
        "drain",
        format!("{name} events, processor time of the client"),
        "us/event",
        &Samples::new(cpu),
    ));
    report.add(
        Row::new(
            "drain",
            format!("{name} events, largest resident set"),
            "MiB",
            &Samples::new(peak),
        )
        .target(Target::AtMost(64.0)),
    );
    let whole = sync_now(count, |place, count| place.fill_inbox(count, PER_COMMAND))?;
    let whole_peak = Samples::new(vec![as_number(whole.peak) / f64::from(1 << 20)]);
    report.add(
        Row::new(
            "drain",
            format!("{name} events, from the inbox"),
            "events/s",
            &Samples::new(vec![number / whole.wall]),
        )
        .beside("from the journal", &ours)
        .note(format!(
            "{PER_COMMAND} events a command; ingest and drain in one process"
        )),
    );
    report.add(
        Row::new(
            "drain",
            format!("{name} events, from the inbox, largest resident set"),
            "MiB",
            &whole_peak,
        )
        .target(Target::AtMost(64.0)),
    );
    Ok(Samples::new(vec![1e6 / ours.median()]))
}

/// Fills a queue and lets the program deliver it; every event must arrive once.
fn sync_now(count: u64, fill: impl FnOnce(&Place, u64) -> io::Result<()>) -> io::Result<Launched> {
    let sink = Service::start(&["sink"])?;
    let mut place = Place::new(crate::scratch())?;
    place.log_in(&sink.said)?;
    fill(&place, count)?;
    let done = launch(
        place
            .command(crate::program())
            .args(["sync", "now", "--json"]),
    )?
    .expect_success()?;
    let got = received(&sink.said)?;
    if got != (count, expected(count)) || done.json()?["delivered"] != count {
        return Err(io::Error::other(format!(
            "of {count} events the sink got {got:?}: {}",
            done.stdout
        )));
    }
    Ok(done)
}

fn expected(count: u64) -> u64 {
    let events = Events::new();
    (0..count).fold(0, |sum: u64, number| {
        sum.wrapping_add(fingerprint(&events.event(number).id))
    })
}

/// Posts from a process of its own; returns events per second.
fn post(count: u64) -> io::Result<f64> {
    let sink = Service::start(&["sink"])?;
    let address = sink.said.trim_start_matches("http://");
    let output = Command::new(std::env::current_exe()?)
        .args(["worker", "post", address, &count.to_string()])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let took: f64 = text.trim().parse().map_err(io::Error::other)?;
    Ok(as_number(count) / took)
}

/// Compresses and posts batches that were made before, one after another; returns the seconds.
///
/// It is the least that a client must do: no disk, no gate, no account of the answers.
///
/// # Errors
/// The network's.
pub fn post_prepared(address: &str, count: u64) -> io::Result<f64> {
    let events = Events::new();
    let batches: Vec<Vec<u8>> = (0..PREPARED)
        .map(|batch| {
            let events = events.range(batch * PER_BATCH..(batch + 1) * PER_BATCH);
            let wires: Vec<&[u8]> = events.iter().map(|event| event.wire.as_slice()).collect();
            [b"{\"events\":[", wires.join(&b","[..]).as_slice(), b"]}"].concat()
        })
        .collect();
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(&stream);
    let started = Instant::now();
    for batch in batches
        .iter()
        .cycle()
        .take(usize::try_from(count.div_ceil(PER_BATCH)).unwrap_or(1))
    {
        let mut encoder = GzEncoder::new(Vec::with_capacity(batch.len() / 6), Compression::fast());
        encoder.write_all(batch)?;
        let body = encoder.finish()?;
        let head = format!(
            "POST /api/v1/events/batch/ HTTP/1.1\r\nHost: sink\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        (&stream).write_all(&[head.as_bytes(), &body].concat())?;
        read_answer(&mut reader)?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn read_answer(reader: &mut impl io::BufRead) -> io::Result<()> {
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(text) = line.strip_prefix("Content-Length: ") {
            length = text.trim().parse().map_err(io::Error::other)?;
        }
    }
    reader.read_exact(&mut vec![0; length])
}

fn power(count: u64) -> String {
    match count.checked_ilog10() {
        Some(digits) if 10_u64.pow(digits) == count => format!("10^{digits}"),
        _ => count.to_string(),
    }
}

const fn as_number(count: u64) -> f64 {
    count as f64
}
