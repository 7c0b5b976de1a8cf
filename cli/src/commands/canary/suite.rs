//! `canary suite`: go-live, pulse and sync against a Teamspace.

use super::live::Watching;
use super::preflight;
use super::progress::Progress;
use super::subject::{Subject, SubjectArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Args;
use kitty_canary::result::Outcome;
use kitty_canary::suite::{CaseResult, PATIENCE, Suite, SuiteResult, junit};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::id::EventIds;
use kitty_runtime::time::iso;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `canary suite`.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    #[command(flatten)]
    subject: SubjectArgs,
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
    let subject = Subject::prepare(invocation, &args.subject)?;
    let bench = subject.bench(invocation);
    let (log, url) = (bench.log.clone(), bench.url.clone());
    let watcher = Progress::new(invocation.printer);
    let timestamp = iso(invocation.time.now());
    let machines = subject.machines();
    crashsafe::create_dir_all(&*invocation.filesystem, &machines).map_err(preflight)?;
    let suite = Suite {
        bench,
        work: machines,
        teamspace: &Watching::new(&subject.remote),
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
    let program = subject.program.display().to_string();
    drop(subject);
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
        cli_path: &program,
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
