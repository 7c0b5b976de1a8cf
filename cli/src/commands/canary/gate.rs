//! `canary gate`: the release gate over the real outside.

mod answer;
mod ports;

use super::teamspace::Remote;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::printer::Printer;
use clap::{Args, Subcommand, ValueEnum};
use kitty_canary::gate::drive::{Driver, GateError};
use kitty_canary::gate::facts::{Effect, Question};
use kitty_canary::gate::plan::plan;
use kitty_canary::gate::verify::{Demand, verify as check};
use kitty_canary::gate::{GateConfig, Scratch, Site, Standing, State};
use kitty_canary::ports::{Unwatched, Watcher};
use kitty_canary::result::Scenario;
use kitty_runtime::crashsafe;
use kitty_runtime::fs::read_all;
use kitty_runtime::lock::FileLock;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `canary gate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct GateArgs {
    #[command(subcommand)]
    command: Option<GateCommand>,
    /// What the gate checks and runs; paths in it are relative to it
    #[arg(long, value_name = "FILE", default_value = "canary-gate.json")]
    config: PathBuf,
    /// Goes on from this state instead of where it stopped; never ahead of what it reached
    #[arg(long, value_name = "STATE")]
    from: Option<State>,
    /// Shows every step and every byte that would be posted, and does nothing
    #[arg(long)]
    dry_run: bool,
    /// Where the gate keeps its log, its evidence and its outbox
    #[arg(long, value_name = "DIR", default_value = "canary-gate")]
    dir: PathBuf,
    /// How issues are commented, closed and opened
    #[arg(long, value_enum, default_value = "files")]
    via: Via,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

impl GateArgs {
    /// Tells whether a failure is to be printed as JSON on stdout.
    #[must_use]
    pub fn wants_json(&self) -> bool {
        match &self.command {
            Some(GateCommand::Verify(args)) => args.json,
            None => self.json,
        }
    }
}

/// How what others see is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Via {
    /// Into the outbox, for a person
    Files,
    /// By `gh`
    Gh,
}

/// Judges a gate.
#[derive(Debug, Subcommand)]
enum GateCommand {
    /// Succeeds only for the directory of a gate that is complete for a commit
    Verify(GateVerifyArgs),
}

/// Arguments of `canary gate verify`.
#[derive(Debug, Args)]
struct GateVerifyArgs {
    /// The directory of the gate
    directory: PathBuf,
    /// The commit that is to be released
    #[arg(long, value_name = "SHA")]
    commit: String,
    /// Expects that the gate had this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Expects this digest of the log's last line, which `canary gate` printed
    #[arg(long, value_name = "SHA256")]
    head: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// The lock within the directory of a gate.
const LOCK: &str = "gate.lock";

/// Runs `canary gate`.
pub(super) fn run(invocation: &Invocation, args: &GateArgs) -> Result<Exit, Failure> {
    if let Some(GateCommand::Verify(args)) = &args.command {
        return verify(invocation, args);
    }
    let file = invocation.directory.join(&args.config);
    let config = read_config(invocation, &file)?;
    let directory = invocation.directory.join(&args.dir);
    if args.dry_run {
        return rehearse(invocation, args, &config, &directory);
    }
    let filesystem = &*invocation.filesystem;
    crashsafe::create_dir_all(filesystem, &directory).map_err(|error| cannot(&directory, error))?;
    let directory = directory
        .canonicalize()
        .map_err(|error| cannot(&directory, error))?;
    let lock = FileLock::try_acquire("the gate", &directory.join(LOCK));
    let Some(_lock) = lock.map_err(cannot_begin)? else {
        let message = format!("another process runs the gate of {}", directory.display());
        return Err(cannot_begin(message).next("Wait until it ends, or choose another `--dir`."));
    };
    let mut driver = Driver::open(filesystem, &directory, &config, invocation.time.clone())
        .map_err(cannot_begin)?;
    let server = server(invocation, &config, &file)?;
    let watcher = Told(invocation.printer);
    let mut site = site(invocation, args, &config, &file, &directory, &server)?;
    site.watcher = &watcher;
    driver.activate(args.from).map_err(cannot_begin)?;
    drive(invocation, &mut driver, &mut site)?;
    drop(site);
    answer::print(invocation, args.json, &driver, &directory)
}

/// Creates the failure of a gate that cannot begin (exit code 2).
fn cannot_begin(message: impl std::fmt::Display) -> Failure {
    let message = format!("The gate cannot begin: {message}");
    Failure::new("gate_cannot_begin", message).exit(Exit::Refused)
}

fn cannot(path: &Path, error: impl std::fmt::Display) -> Failure {
    cannot_begin(format!("{}: {error}", path.display()))
}

fn read_config(invocation: &Invocation, file: &Path) -> Result<GateConfig, Failure> {
    let next = "Correct the file; `docs/canary.md` describes every field.";
    let bytes = read_all(&*invocation.filesystem, file)
        .map_err(|error| cannot(file, error).next("Name the configuration with `--config`."))?;
    let text = String::from_utf8(bytes).map_err(|error| cannot(file, error).next(next))?;
    GateConfig::parse(&text).map_err(|why| cannot(file, why).next(next))
}

/// The directory that the paths of a configuration are relative to.
fn base(file: &Path) -> PathBuf {
    let parent = file.parent().unwrap_or(file);
    parent.canonicalize().unwrap_or_else(|_| parent.to_owned())
}

fn server(invocation: &Invocation, config: &GateConfig, file: &Path) -> Result<Remote, Failure> {
    let server = &config.server;
    let key = base(file).join(&server.approval_key_file);
    Remote::unknown(invocation, &server.url, Some(&key), &server.account)
}

fn site<'a>(
    invocation: &Invocation,
    args: &GateArgs,
    config: &GateConfig,
    file: &Path,
    directory: &Path,
    server: &'a Remote,
) -> Result<Site<'a>, Failure> {
    let base = base(file);
    let ports = ports::open(invocation, args.via, config, &base, directory)?;
    let fresh = tempfile::Builder::new()
        .prefix(Scratch::PREFIX)
        .tempdir()
        .map_err(|error| cannot_begin(format!("no temporary directory: {error}")))?;
    let scratch = Scratch::take(invocation.filesystem.clone(), directory, fresh.path());
    let scratch = scratch.map_err(cannot_begin)?;
    // From here on the gate removes it, or the gate's next process does.
    let _ = fresh.keep();
    let program = std::env::current_exe().map_err(cannot_begin)?;
    let map = &invocation.map;
    Ok(Site {
        filesystem: invocation.filesystem.clone(),
        time: invocation.time.clone(),
        base,
        directory: directory.to_owned(),
        scratch,
        search_path: super::search_path(invocation),
        runner: vec![
            program.display().to_string(),
            "canary".to_owned(),
            "run".to_owned(),
        ],
        watch: vec![
            map.legacy_queue(),
            map.legacy_queues(),
            map.projects(),
            map.daemon_owner(),
        ],
        tracker: ports.tracker,
        releases: ports.releases,
        server,
        watcher: &Unwatched,
    })
}

/// Tells a person which run begins.
#[derive(Debug)]
struct Told(Printer);

impl Watcher for Told {
    fn step(&self, _: u8, _: Option<Scenario>, step: &str) {
        self.0.note(format!("{:<18}  {step}", ""));
    }
}

/// Lets the gate run as far as it comes, and says where it is.
fn drive(
    invocation: &Invocation,
    driver: &mut Driver<'_>,
    site: &mut Site<'_>,
) -> Result<(), Failure> {
    let printer = invocation.printer;
    loop {
        let before = driver.gate().standing().clone();
        if let (Some(effect), Standing::At(state)) = (driver.gate().next(), &before) {
            printer.note(format!("{:<18}  {}", state.name(), doing(&effect)));
        }
        match driver.advance(site) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(error) => {
                let next = "The gate is where it was; run it again when that is mended.";
                let broken = matches!(error, GateError::Log(_));
                let failure = Failure::from_error("gate_interrupted", error);
                return Err(if broken { failure } else { failure.next(next) });
            }
        }
    }
}

/// Says what is done, for a person.
fn doing(effect: &Effect) -> String {
    let question = match effect {
        Effect::Do(act) => return format!("{}: {}", act.issue, act.verb),
        Effect::Ask(question) => question,
    };
    match question {
        Question::Blockers => "checks the blockers and runs the tests of their fixes".to_owned(),
        Question::Releases => "looks for a newer candidate".to_owned(),
        Question::Install => "installs the candidate into a fresh prefix".to_owned(),
        Question::Preflight => "asks the candidate and the server about themselves".to_owned(),
        Question::SingleRun => "runs the canary once".to_owned(),
        Question::FourRuns => "runs the canary four times".to_owned(),
        Question::Rows => "compares the historical rows".to_owned(),
        Question::Issue(issue) => format!("looks at {issue}"),
        Question::Suite => "runs the Teamspace suite four times".to_owned(),
    }
}

/// Shows what would be done; writes nothing and asks nobody.
fn rehearse(
    invocation: &Invocation,
    args: &GateArgs,
    config: &GateConfig,
    directory: &Path,
) -> Result<Exit, Failure> {
    let time = invocation.time.clone();
    let driver = Driver::read(&*invocation.filesystem, directory, config, time);
    let driver = driver.map_err(cannot_begin)?;
    if let Some(from) = args.from.filter(|from| *from > driver.reached()) {
        return Err(cannot_begin(GateError::Ahead(from)));
    }
    answer::print_plan(invocation, args.json, &plan(driver.gate(), args.from));
    Ok(Exit::Success)
}

/// The document of `canary gate verify --json`.
#[derive(Debug, Serialize)]
struct VerifyDocument {
    verified: bool,
    exit_code: u8,
    directory: String,
    commit: String,
    findings: Vec<String>,
}

fn verify(invocation: &Invocation, args: &GateVerifyArgs) -> Result<Exit, Failure> {
    let directory = invocation.directory.join(&args.directory);
    let config = args.config.as_deref();
    let config = config
        .map(|file| read_config(invocation, &invocation.directory.join(file)))
        .transpose()?;
    let demand = Demand {
        commit: &args.commit,
        config: config.as_ref(),
        head: args.head.as_deref(),
    };
    let time = invocation.time.clone();
    let findings = check(&*invocation.filesystem, &directory, demand, time);
    let (verified, exit) = match findings.as_slice() {
        [] => (true, Exit::Success),
        _ => (false, Exit::Failed),
    };
    if args.json {
        invocation.printer.json().finish(&VerifyDocument {
            verified,
            exit_code: exit.code(),
            directory: directory.display().to_string(),
            commit: args.commit.clone(),
            findings,
        });
        return Ok(exit);
    }
    if verified {
        let line = format!("GATE_COMPLETE for {}", args.commit);
        invocation.printer.line(line);
    }
    for finding in findings {
        invocation.printer.line(finding);
    }
    Ok(exit)
}
