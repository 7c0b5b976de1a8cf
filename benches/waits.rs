//! What a server that never answers costs local commands, beside the same machine offline.

use crate::Size;
use crate::launch::launch;
use crate::measure::{Samples, in_turn};
use crate::place::Place;
use crate::report::{Report, Row, Target};
use kitty_actors::host_memory::HostMemories;
use kitty_config::ServerUrl;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::owner::now_ms;
use kitty_runtime::time::system_time;
use std::cell::Cell;
use std::io;
use std::net::TcpListener;

/// What the 99th percentile may be longer than offline, in milliseconds.
const LIMIT: f64 = 20.0;
/// Nobody listens there.
const OFFLINE: &str = "http://127.0.0.1:9";
const COMMANDS: [(&str, &[&str]); 3] = [
    (
        "agent mission create",
        &["agent", "mission", "create", "SLUG", "--json"],
    ),
    ("sync status", &["sync", "status", "--json"]),
    ("auth status", &["auth", "status"]),
];

/// One machine whose server is of no use.
struct Machine {
    place: Place,
    missions: Cell<usize>,
}

impl Machine {
    /// Makes a machine on which the first command has found that out.
    fn new(url: &str) -> io::Result<Self> {
        let mut place = Place::new(crate::scratch())?;
        place.log_in(url)?;
        let machine = Self {
            place,
            missions: Cell::new(0),
        };
        machine.run(COMMANDS[0].1)?;
        let memories = HostMemories::new(os_filesystem(), &machine.place.map());
        let server = ServerUrl::parse(url).map_err(io::Error::other)?;
        let now = now_ms(&system_time());
        if !memories.of(&server).rests(now) {
            return Err(io::Error::other("nothing was learnt of the server"));
        }
        // Known for as long as the measurement takes.
        for _ in 0..8 {
            memories.update(&server, |memory| memory.failed(now));
        }
        Ok(machine)
    }

    /// Runs a command and returns what it took, in milliseconds.
    fn run(&self, words: &[&str]) -> io::Result<f64> {
        let mission = self.missions.get();
        let mut command = self.place.command(crate::program());
        for word in words {
            if *word == "SLUG" {
                self.missions.set(mission + 1);
                let letter = ["a", "b", "c", "d"][mission % 4];
                command.arg(format!("wait-{}", letter.repeat(mission / 4 + 1)));
            } else {
                command.arg(word);
            }
        }
        Ok(launch(&command)?.expect_success()?.wall * 1e3)
    }
}

/// Measures the 99th percentiles of both.
///
/// # Errors
/// When a process fails.
pub fn measure(size: Size, report: &mut Report) -> io::Result<()> {
    let rounds = size.pick(20, 200);
    // The kernel takes connections; nobody answers them.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let silent = Machine::new(&format!("http://{}", listener.local_addr()?))?;
    let offline = Machine::new(OFFLINE)?;
    for (name, words) in COMMANDS {
        let (ours, floor) = in_turn(rounds, || silent.run(words), || offline.run(words))?;
        let more = ours.quantile(0.99) - floor.quantile(0.99);
        let name = format!("{name}, black-holed, p99 beyond offline");
        let note = format!(
            "p99 of {rounds}: {:.1} ms, offline {:.1} ms",
            ours.quantile(0.99),
            floor.quantile(0.99)
        );
        let row = Row::new("waits", name, "ms", &Samples::new(vec![more]));
        report.add(row.target(Target::AtMost(LIMIT)).note(note));
    }
    Ok(())
}
