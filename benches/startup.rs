//! Whole processes from start to reaping, beside the Python CLI.

use crate::Size;
use crate::launch::{Launched, launch};
use crate::measure::Samples;
use crate::place::Place;
use crate::report::{Report, Row, Target};
use kitty_config::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter of an environment that holds the Python CLI.
const PEER: &str = "SPEC_KITTY_PEER_CLI_PYTHON";
/// The release that the peer must be.
const PEER_RELEASE: &str = "3.2.7";
const MEBIBYTES: f64 = 1.0 / (1 << 20) as f64;

/// Measures whole processes.
///
/// # Errors
/// When a process fails.
pub fn measure(size: Size, report: &mut Report) -> io::Result<()> {
    let queued = size.pick(5_000, 100_000);
    let place = Place::new(crate::scratch())?;
    place.fill_journal(queued)?;
    let unowned = Place::new(crate::scratch())?;
    unowned.fill_inbox(queued, 1)?;
    let peer = Peer::find(&place);
    if let Err(why) = &peer {
        report.add(Row::skipped("startup", "beside the Python CLI", why));
    }
    let peer = peer.ok();
    let cases = [
        Case {
            name: "--version".to_owned(),
            words: &["--version"],
            hosted: false,
            time: Target::TimesBetter(300.0),
        },
        Case {
            name: format!("sync status, {queued} queued"),
            words: &["sync", "status", "--json"],
            hosted: true,
            time: Target::AtMost(20.0),
        },
        Case {
            name: "agent mission create".to_owned(),
            words: &["agent", "mission", "create", "SLUG", "--json"],
            hosted: false,
            time: Target::TimesBetter(40.0),
        },
    ];
    for case in &cases {
        case.measure(&place, peer.as_ref(), size, report)?;
    }
    let [_, status, _] = cases;
    let name = format!("{}, all in the inbox", status.name);
    Case { name, ..status }.measure(&unowned, None, size, report)
}

/// One command.
struct Case {
    name: String,
    words: &'static [&'static str],
    hosted: bool,
    time: Target,
}

impl Case {
    fn measure(
        &self,
        place: &Place,
        peer: Option<&Peer>,
        size: Size,
        report: &mut Report,
    ) -> io::Result<()> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut said = None;
        for round in 0..size.pick(5, 20) {
            let command = self.prepare(place.command(crate::program()), round, self.hosted);
            ours.push(launch(&command)?.expect_success()?);
            let Some(peer) = peer.filter(|_| round % 4 == 0 && said.is_none()) else {
                continue;
            };
            let command = self.prepare(peer.command(), round, false);
            match launch(&command)?.expect_success() {
                Ok(done) => theirs.push(done),
                Err(error) => said = Some(error.to_string()),
            }
        }
        let wall =
            |runs: &[Launched]| Samples::new(runs.iter().map(|run| run.wall * 1e3).collect());
        let peak = |runs: &[Launched]| {
            let peaks = runs
                .iter()
                .map(|run| u32::try_from(run.peak).unwrap_or(u32::MAX));
            Samples::new(peaks.map(|peak| f64::from(peak) * MEBIBYTES).collect())
        };
        let mut time = Row::new("startup", &self.name, "ms", &wall(&ours));
        let mut memory = Row::new(
            "startup",
            format!("{}, largest resident set", self.name),
            "MiB",
            &peak(&ours),
        );
        if !theirs.is_empty() {
            let name = format!("Python {PEER_RELEASE}");
            time = time.beside(&name, &wall(&theirs));
            memory = memory.beside(&name, &peak(&theirs));
        }
        if let Some(why) = said {
            time = time.note(format!("the Python CLI failed: {why}"));
        }
        report.add(time.target(self.time));
        report.add(memory.target(Target::AtMost(20.0)));
        Ok(())
    }

    /// Adds the words; hosted sync is off unless only the disk is read, so that no server is tried.
    fn prepare(&self, mut command: Command, round: usize, hosted: bool) -> Command {
        let slug = format!(
            "round-{}",
            ["a", "b", "c", "d"][round % 4].repeat(round / 4 + 1)
        );
        for word in self.words {
            command.arg(if *word == "SLUG" { slug.as_str() } else { word });
        }
        if !hosted {
            command.env_remove(env::SPEC_KITTY_ENABLE_SAAS_SYNC.name);
        }
        command
    }
}

/// The Python CLI with a machine of its own.
struct Peer {
    place: Place,
    python: PathBuf,
    script: PathBuf,
}

/// Finds the interpreter that holds the peer, or says why there is none.
///
/// # Errors
/// The reason, for the report.
pub fn interpreter(ours: &Place) -> Result<PathBuf, String> {
    let python = crate::variable(PEER).ok_or_else(|| format!("{PEER} is not set"))?;
    let python = PathBuf::from(python);
    let mut version = ours.command(&python);
    version.arg(script(&python)).arg("--version");
    version.env_remove(env::SPEC_KITTY_ENABLE_SAAS_SYNC.name);
    let said = launch(&version).map_err(|error| error.to_string())?;
    if !said.stdout.contains(PEER_RELEASE) {
        return Err(format!("{PEER} holds no release {PEER_RELEASE}"));
    }
    Ok(python)
}

/// The peer's program lies beside its interpreter.
fn script(python: &Path) -> PathBuf {
    python.with_file_name("spec-kitty")
}

impl Peer {
    /// Finds the peer, or says why there is none.
    fn find(ours: &Place) -> Result<Self, String> {
        let python = interpreter(ours)?;
        let script = script(&python);
        let place = Place::new(crate::scratch()).map_err(|error| error.to_string())?;
        Ok(Self {
            place,
            python,
            script,
        })
    }

    fn command(&self) -> Command {
        let mut command = self.place.command(&self.python);
        command.arg(&self.script);
        command
    }
}
