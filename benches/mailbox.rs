//! The mailbox beside sled without its guard rails: no checksum, the same forced writes.

use crate::Size;
use crate::events::mix;
use crate::measure::{Samples, in_turn, seconds, try_seconds};
use crate::report::{Report, Row, Target};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::mailbox::{Changes, Key, MailboxStore as _, SledStore};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Rows per transaction.
const ROWS: u64 = 1000;

/// Measures the mailbox.
///
/// # Errors
/// The operating system's.
pub fn measure(size: Size, report: &mut Report) -> io::Result<()> {
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(crate::scratch())?;
    let mut ours = SledStore::open(&os_filesystem(), &directory.path().join("ours"))
        .map_err(io::Error::other)?;
    let raw = Raw::open(&directory.path().join("raw"))?;
    let rounds = size.pick(10, 60);
    let (mut committed, mut applied) = (0, 0);
    let commits = in_turn(
        rounds,
        || {
            committed += 1;
            try_seconds(|| ours.commit(&changes(committed)).map_err(io::Error::other))
        },
        || {
            applied += 1;
            try_seconds(|| raw.commit(applied))
        },
    )?;
    let row = |name: &str, (ours, floor): (Samples, Samples), factor| {
        Row::new("mailbox", name, "us", &ours.scaled(factor)).beside("sled", &floor.scaled(factor))
    };
    let name = format!("a transaction of {ROWS} rows, durable");
    report.add(row(&name, commits, 1e6).target(Target::RatioAtMost(1.5)));
    let gets = in_turn(
        rounds,
        || {
            Ok(seconds(|| {
                keys(rounds).all(|key| ours.get(&Key::Index(key)).is_ok())
            }))
        },
        || {
            Ok(seconds(|| {
                keys(rounds).all(|key| raw.database.get(key).is_ok())
            }))
        },
    )?;
    report.add(row("one row read", gets, 1e6 / 1e3).target(Target::RatioAtMost(1.5)));
    Ok(())
}

struct Raw {
    database: sled::Db,
    file: File,
}

impl Raw {
    fn open(path: &Path) -> io::Result<Self> {
        let database = sled::Config::new()
            .path(path)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(16 << 20)
            .flush_every_ms(None)
            .open()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path.join("db"))?;
        Ok(Self { database, file })
    }

    fn commit(&self, round: u64) -> io::Result<()> {
        let mut batch = sled::Batch::default();
        for row in rows(round) {
            batch.insert(row.into_bytes(), vec![7; 28]);
        }
        self.database.apply_batch(batch)?;
        self.database.flush()?;
        self.file.sync_data()
    }
}

fn changes(round: u64) -> Changes {
    let mut changes = Changes::default();
    for row in rows(round) {
        changes.put(&Key::Index(row), vec![7; 28]);
    }
    changes
}

fn rows(round: u64) -> impl Iterator<Item = String> {
    (0..ROWS).map(move |row| key(round * ROWS + row))
}

fn key(number: u64) -> String {
    format!("{number:010}-{:015x}", mix(number) >> 4)
}

/// A thousand keys in no order, of those that the rounds have stored.
fn keys(rounds: usize) -> impl Iterator<Item = String> {
    let stored = rounds as u64 * ROWS;
    (0..1000).map(move |number| key(ROWS + mix(number) % stored))
}
