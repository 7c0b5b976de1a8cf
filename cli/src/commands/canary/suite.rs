//! `canary suite`: go-live, pulse and sync against a Teamspace.

use super::live::Watching;
use super::progress::Progress;
use super::teamspace::{Remote, Served};
use super::{preflight, runnable, search_path};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Args;
use kitty_canary::machine::Bench;
use kitty_canary::ports::Teamspace as _;
use kitty_canary::protocol::new_log;
use kitty_canary::result::Outcome;
use kitty_canary::suite::{CaseResult, PATIENCE, Suite, SuiteResult, junit};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::id::EventIds;
use kitty_runtime::time::iso;
use kitty_teamspace::DEFAULT_OWNER_EMAIL;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `canary suite`.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// The Teamspace; without it one is started on this machine and ended afterwards
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The file with the approval key of that Teamspace; without it a person approves each login
    #[arg(long, value_name = "FILE", requires = "server")]
    approval_key_file: Option<PathBuf>,
    /// The account that the suite logs in as; it must own its Private Teamspace
    #[arg(long, value_name = "EMAIL", default_value = DEFAULT_OWNER_EMAIL)]
    account: String,
    /// The binary under test; this program without it
    #[arg(long, value_name = "PATH")]
    cli: Option<PathBuf>,
    /// Writes a JUnit report
    #[arg(long, value_name = "FILE")]
    xml: Option<PathBuf>,
    /// Writes every call and its answer
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// How long the Teamspace has to show what was delivered
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct SuiteDocument<'a> {
    outcome: Outcome,
    exit_code: u8,
    timestamp: &'a str,
    cli_path: &'a str,
    saas_url: &'a str,
    duration_ms: u64,
    cases: &'a [CaseResult],
}

/// Runs `canary suite`.
pub(super) fn suite(invocation: &Invocation, args: &SuiteArgs) -> Result<Exit, Failure> {
    let program = match &args.cli {
        Some(path) => runnable(&invocation.directory.join(path))?,
        None => std::env::current_exe().map_err(preflight)?,
    };
    let work = tempfile::Builder::new()
        .prefix("spec-kitty-suite-")
        .tempdir()
        .map_err(|error| preflight(format!("no temporary directory: {error}")))?;
    let base = work.path().canonicalize().map_err(preflight)?;
    let (served, remote) = teamspace(invocation, args, &base)?;
    let (log, url) = (new_log(), remote.url().to_owned());
    let watcher = Progress::new(invocation.printer);
    let timestamp = iso(invocation.time.now());
    let machines = base.join("machines");
    crashsafe::create_dir_all(&*invocation.filesystem, &machines).map_err(preflight)?;
    let suite = Suite {
        bench: Bench {
            program: program.clone(),
            search_path: search_path(invocation),
            url: url.clone(),
            log: log.clone(),
            filesystem: invocation.filesystem.clone(),
        },
        work: machines,
        teamspace: &Watching::new(&remote),
        watcher: &watcher,
        patience: Duration::from_secs(args.patience),
        mark: EventIds::new(invocation.time.clone())
            .next()
            .to_string()
            .to_lowercase(),
    };
    let result = suite.run(|case| {
        if !args.json {
            print_case(invocation, case);
        }
    });
    watcher.finish();
    drop(served);
    let log = log.text();
    if let Some(path) = &args.xml {
        write(invocation, path, &junit(&result, &timestamp, &log))?;
    }
    if let Some(path) = &args.log {
        write(invocation, path, &log)?;
    }
    let document = SuiteDocument {
        outcome: result.outcome,
        exit_code: exit_of(&result).code(),
        timestamp: &timestamp,
        cli_path: &program.display().to_string(),
        saas_url: &url,
        duration_ms: result.duration_ms,
        cases: &result.cases,
    };
    if args.json {
        invocation.printer.json().finish(&document);
    } else {
        print_outcome(invocation, &result);
    }
    Ok(exit_of(&result))
}

const fn exit_of(result: &SuiteResult) -> Exit {
    match result.outcome {
        Outcome::Pass => Exit::Success,
        Outcome::Fail => Exit::Failed,
    }
}

/// Starts a Teamspace, or logs in at the one that is named.
fn teamspace(
    invocation: &Invocation,
    args: &SuiteArgs,
    base: &Path,
) -> Result<(Option<Served>, Remote), Failure> {
    let account = &args.account;
    if let Some(server) = &args.server {
        let key = args.approval_key_file.as_deref();
        return Ok((None, Remote::at(invocation, server, key, account)?));
    }
    let served = Served::start(&base.join("teamspace"), account)?;
    let remote = served.remote(invocation, account)?;
    Ok((Some(served), remote))
}

fn write(invocation: &Invocation, path: &Path, text: &str) -> Result<(), Failure> {
    let path = invocation.directory.join(path);
    let (filesystem, bytes) = (&*invocation.filesystem, text.as_bytes());
    crashsafe::replace(filesystem, &path, bytes, Durability::PowerCut).map_err(|error| {
        let message = format!("{} could not be written: {error}", path.display());
        Failure::new("report_not_written", message).next("Choose another file.")
    })
}

fn print_case(invocation: &Invocation, case: &CaseResult) {
    let printer = invocation.printer;
    let word = if case.status == Outcome::Pass {
        "pass"
    } else {
        "FAIL"
    };
    printer.line(format!(
        "{word}  {:<8} {:<55}{:>4} events {:>7} ms",
        case.name.name(),
        case.title,
        case.events,
        case.duration_ms
    ));
    if let (Some(mode), Some(details)) = (case.failure_mode, &case.details) {
        printer.line(format!("      {mode}: {details}"));
    }
}

fn print_outcome(invocation: &Invocation, result: &SuiteResult) {
    let passed = |it: &&CaseResult| it.status == Outcome::Pass;
    let passed = result.cases.iter().filter(passed).count();
    invocation.printer.line(format!(
        "{passed} of {} cases passed in {} ms",
        result.cases.len(),
        result.duration_ms
    ));
}
