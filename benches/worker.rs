//! What this program does as another process.

use crate::events::Events;
use crate::place::scope;
use crate::{drain, gate, launch, place, sink};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::lamport::LamportClock;
use kitty_runtime::time::system_time;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Runs a worker's orders.
///
/// # Errors
/// Whatever went wrong; the one who started it reads the exit code.
pub fn work(orders: &[&str]) -> io::Result<()> {
    match orders {
        ["launch", program, arguments @ ..] => {
            let launched = launch::run(program, arguments)?;
            say(&serde_json::to_string(&launched)?)
        }
        ["sink"] => {
            let (url, _received) = sink::listen()?;
            say(&url)?;
            wait_for_ever()
        }
        ["append", state_root, first, count] => {
            append(Path::new(state_root), number(first)?, number(count)?)
        }
        ["gate-cold"] => say(&gate::first_check().to_string()),
        ["post", address, count] => {
            say(&drain::post_prepared(address, number(count)?)?.to_string())
        }
        _ => Err(io::Error::other(format!("unknown orders {orders:?}"))),
    }
}

fn number(word: &str) -> io::Result<u64> {
    word.parse().map_err(io::Error::other)
}

/// Says one line to the one who started this process.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Ends only when this process is ended: nothing is ever written to its stdin.
fn wait_for_ever() -> io::Result<()> {
    loop {
        if io::stdin().read(&mut [0])? == 0 {
            std::thread::park();
        }
    }
}

/// Appends events one by one, each with a value of the clock, as as many commands would.
fn append(state_root: &Path, first: u64, count: u64) -> io::Result<()> {
    let clock = LamportClock::new(os_filesystem(), system_time(), &place::file_map(state_root));
    let inbox = Inbox::new(os_filesystem(), scope(state_root).paths);
    let events = Events::new();
    for number in first..first + count {
        let event = events.event(number);
        let value = clock.tick(1).map_err(io::Error::other)?[0];
        inbox
            .append(value, &[event.record()])
            .map_err(io::Error::other)?;
    }
    Ok(())
}
