//! Daemons that have nothing to do: how much memory they hold and how often they wake up.
//!
//! Both run on the same machine over the same minute, each with a state root of its own, hosted sync
//! on and nobody logged in, so that neither has a server to talk to.

use crate::Size;
use crate::measure::Samples;
use crate::place::{Place, put};
use crate::report::{Report, Row, Target};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon may take to be ready.
const READY: Duration = Duration::from_secs(60);
/// How often a daemon that starts is asked whether it listens.
const ASK_AGAIN: Duration = Duration::from_millis(50);
const MEBIBYTES: f64 = 1.0 / 1024.0;

/// Measures both daemons.
///
/// # Errors
/// When ours cannot be started or measured.
pub fn measure(size: Size, report: &mut Report) -> io::Result<()> {
    if !Path::new("/proc/self/task").is_dir() {
        report.add(Row::skipped("idle", "daemon", "there is no /proc here"));
        return Ok(());
    }
    let place = Place::new(crate::scratch())?;
    let ours = Ours::start(&place)?;
    let foreign = Place::new(crate::scratch())?;
    let theirs = crate::startup::interpreter(&foreign)
        .and_then(|python| Theirs::start(&foreign, &python).map_err(|error| error.to_string()));
    let seconds = size.pick(5, 60);
    // What a start leaves to be done is not idling.
    let_pass(Duration::from_secs(size.pick(2, 20)));
    let before = (
        Seen::of(ours.pid)?,
        theirs.as_ref().ok().map(Theirs::see).transpose()?,
    );
    let_pass(Duration::from_secs(seconds));
    let after = (
        Seen::of(ours.pid)?,
        theirs.as_ref().ok().map(Theirs::see).transpose()?,
    );
    let rate = |before: Seen, after: Seen| {
        let woken = after.wakeups.saturating_sub(before.wakeups);
        Samples::new(vec![woken as f64 / seconds as f64])
    };
    let resident = |seen: Seen| Samples::new(vec![seen.resident_kib as f64 * MEBIBYTES]);
    let mut memory = Row::new("idle", "daemon, resident set", "MiB", &resident(after.0));
    let mut wakeups = Row::new("idle", "daemon, wake-ups", "/s", &rate(before.0, after.0));
    if let (Some(before), Some(after)) = (before.1, after.1) {
        memory = memory.beside("Python 3.2.7", &resident(after));
        wakeups = wakeups.beside("Python 3.2.7", &rate(before, after));
    }
    if let Err(why) = &theirs {
        memory = memory.note(format!("no Python daemon beside it: {why}"));
    }
    report.add(memory.target(Target::AtMost(20.0)));
    report.add(wakeups.note(format!(
        "voluntary context switches of all threads over {seconds} s"
    )));
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "time that passes while nothing happens is what is measured"
)]
fn let_pass(time: Duration) {
    std::thread::sleep(time);
}

/// What the kernel says of a process.
#[derive(Debug, Clone, Copy)]
struct Seen {
    resident_kib: u64,
    wakeups: u64,
}

impl Seen {
    fn of(pid: u32) -> io::Result<Self> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let resident_kib = field(&process.join("status"), "VmRSS:")?;
        let mut wakeups = 0;
        for thread in std::fs::read_dir(process.join("task"))? {
            // A thread that ended meanwhile counts no more.
            wakeups +=
                field(&thread?.path().join("status"), "voluntary_ctxt_switches:").unwrap_or(0);
        }
        Ok(Self {
            resident_kib,
            wakeups,
        })
    }
}

/// Reads one number of a status file.
fn field(path: &Path, name: &str) -> io::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("{} has no {name}", path.display())))
}

/// Our daemon; it is stopped with the value.
struct Ours<'a> {
    place: &'a Place,
    pid: u32,
}

impl<'a> Ours<'a> {
    fn start(place: &'a Place) -> io::Result<Self> {
        let mut start = place.command(crate::program());
        let output = start
            .args(["sync", "daemon", "start", "--json"])
            .stderr(Stdio::inherit())
            .output()?;
        let started: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let pid = started["pid"].as_u64().and_then(|pid| pid.try_into().ok());
        let pid =
            pid.ok_or_else(|| io::Error::other(format!("no daemon was started: {started}")))?;
        Ok(Self { place, pid })
    }
}

impl Drop for Ours<'_> {
    fn drop(&mut self) {
        let mut stop = self.place.command(crate::program());
        // It may have ended already.
        let _ = stop
            .args(["sync", "daemon", "stop"])
            .stdout(Stdio::null())
            .status();
    }
}

/// The Python CLI's daemon, in a process of this one; it ends with the value.
struct Theirs(Child);

impl Theirs {
    fn start(place: &Place, python: &Path) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let script = place.path().join("daemon.py");
        put(
            &script,
            "import sys\nfrom specify_cli.sync.daemon import run_sync_daemon\n\
             run_sync_daemon(int(sys.argv[1]), 'a' * 32)\n",
        )?;
        let mut command: Command = place.command(python);
        // Its own starter sets the first, which keeps most of the package from being loaded.
        let child = command
            .env("SPEC_KITTY_SYNC_MINIMAL_IMPORT", "1")
            .env("SPEC_KITTY_CLI_VERSION", "3.2.7")
            .arg(script)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut daemon = Self(child);
        daemon.until_ready(port)?;
        Ok(daemon)
    }

    fn until_ready(&mut self, port: u16) -> io::Result<()> {
        let deadline = Instant::now() + READY;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.0.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("it does not listen"));
            }
            let_pass(ASK_AGAIN);
        }
        Ok(())
    }

    fn see(&self) -> io::Result<Seen> {
        Seen::of(self.0.id())
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
