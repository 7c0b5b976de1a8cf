//! `canary`: the identity-boundary canary, its evidence, and the page about it.

mod evidence;
mod gate;
mod live;
mod origin;
mod progress;
mod subject;
mod suite;
mod teamspace;
mod uplink;

pub use evidence::{ReportArgs, VerifyArgs};
pub use gate::GateArgs;
pub use origin::OriginArgs;
pub use suite::SuiteArgs;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::{Args, Subcommand};
use kitty_canary::artifacts::Attempt;
use kitty_canary::protocol::{Release, Setup};
use kitty_canary::result::{CanaryRunResult, Outcome};
use kitty_config::env;
use progress::Progress;
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;
use subject::{Subject, SubjectArgs};

/// Runs the identity-boundary canary and checks its evidence.
#[derive(Debug, Subcommand)]
pub enum CanaryCommand {
    /// Runs the four scenarios against a Teamspace and writes the evidence
    Run(RunArgs),
    /// Runs go-live, pulse and sync against a Teamspace
    Suite(SuiteArgs),
    /// Checks that evidence is complete, follows, and was not changed since it was written
    Verify(VerifyArgs),
    /// Writes a page with the table of the runs, timings and failures
    Report(ReportArgs),
    /// Runs the release gate: a candidate goes out only when it is complete
    Gate(GateArgs),
    /// Prints the commit that this program was built from
    Origin(OriginArgs),
}

/// Arguments of `canary run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The position in the four-run protocol
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=4))]
    run_number: u8,
    /// Runs the four runs in order, without a retry; the first that fails is the last
    #[arg(long, conflicts_with = "run_number")]
    four: bool,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Where the evidence goes
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    artifacts: PathBuf,
    /// What the attempts are named after; `v<version of the binary>` without it
    #[arg(long)]
    tag: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct RunDocument<'a> {
    outcome: Outcome,
    exit_code: u8,
    evidence: String,
    digest: &'a str,
    runs: &'a [CanaryRunResult],
}

/// Runs `canary`.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, command: &CanaryCommand) -> Result<Exit, Failure> {
    match command {
        CanaryCommand::Run(args) => run_canary(invocation, args),
        CanaryCommand::Suite(args) => suite::suite(invocation, args),
        CanaryCommand::Verify(args) => evidence::verify(invocation, args),
        CanaryCommand::Report(args) => evidence::report(invocation, args),
        CanaryCommand::Gate(args) => gate::run(invocation, args),
        CanaryCommand::Origin(args) => origin::run(invocation, args),
    }
}

/// Creates the failure of a run that could not begin (exit code 2, reference A1).
fn preflight(message: impl std::fmt::Display) -> Failure {
    Failure::new(
        "canary_preflight",
        format!("The canary cannot begin: {message}"),
    )
    .exit(Exit::Refused)
}

fn run_canary(invocation: &Invocation, args: &RunArgs) -> Result<Exit, Failure> {
    let subject = Subject::prepare(invocation, &args.subject)?;
    let watcher = Progress::new(invocation.printer);
    let setup = Setup {
        bench: subject.bench(invocation),
        work: subject.machines(),
        teamspace: &subject.remote,
        watcher: &watcher,
        time: invocation.time.clone(),
    };
    let release = setup.release().map_err(preflight)?;
    let results = run_all(invocation, args, &setup, &release)?;
    watcher.finish();
    drop(subject);
    finish(invocation, args, &results)
}

/// What was found and where it lies.
struct Evidence {
    results: Vec<CanaryRunResult>,
    directory: PathBuf,
    digest: String,
}

fn run_all(
    invocation: &Invocation,
    args: &RunArgs,
    setup: &Setup<'_>,
    release: &Release,
) -> Result<Evidence, Failure> {
    let failed = |error| Failure::from_error("canary_evidence", error);
    let tag = args.tag.clone();
    let tag = tag.unwrap_or_else(|| format!("v{}", release.cli_version));
    let artifacts = invocation.directory.join(&args.artifacts);
    let mut attempt = Attempt::begin(&*invocation.filesystem, &artifacts, &tag).map_err(failed)?;
    let mut unwritten = None;
    let mut keep = |result: &CanaryRunResult| {
        if let Err(error) = attempt.write_run(result) {
            unwritten.get_or_insert(error);
        }
        if !args.json {
            print_run(invocation, result);
        }
    };
    let results = if args.four {
        setup.run_four(release, keep)
    } else {
        let result = setup.run(release, args.run_number);
        keep(&result);
        vec![result]
    };
    if let Some(error) = unwritten {
        return Err(failed(error));
    }
    let log = setup.bench.log.text();
    attempt
        .write("canary.log", log.as_bytes())
        .map_err(failed)?;
    let sealed = attempt.seal().map_err(failed)?;
    Ok(Evidence {
        results,
        directory: sealed.directory,
        digest: sealed.digest,
    })
}

fn finish(invocation: &Invocation, args: &RunArgs, found: &Evidence) -> Result<Exit, Failure> {
    let expected = if args.four { 4 } else { 1 };
    let passed = found.results.len() == expected
        && found.results.iter().all(|it| it.outcome == Outcome::Pass);
    let (outcome, exit) = if passed {
        (Outcome::Pass, Exit::Success)
    } else {
        (Outcome::Fail, Exit::Failed)
    };
    let printer = invocation.printer;
    if args.json {
        printer.json().finish(&RunDocument {
            outcome,
            exit_code: exit.code(),
            evidence: found.directory.display().to_string(),
            digest: &found.digest,
            runs: &found.results,
        });
    } else {
        printer.line(format!("Evidence  {}", found.directory.display()));
        printer.line(format!("Digest    {}", found.digest));
    }
    Ok(exit)
}

fn print_run(invocation: &Invocation, result: &CanaryRunResult) {
    let printer = invocation.printer;
    let word = |outcome| {
        if outcome == Outcome::Pass {
            "pass"
        } else {
            "FAIL"
        }
    };
    printer.line(format!(
        "Run {}  {}  {} ms  {}",
        result.run_number,
        word(result.outcome),
        result.duration_ms,
        result.run_id
    ));
    for scenario in &result.scenarios {
        printer.line(format!(
            "  {} {}  {:<42}{:>7} ms",
            scenario.id,
            word(scenario.status),
            scenario.name,
            scenario.duration_ms
        ));
        if let (Some(mode), Some(details)) = (scenario.failure_mode, &scenario.details) {
            printer.line(format!("      {mode}: {details}"));
        }
    }
}

fn search_path(invocation: &Invocation) -> OsString {
    invocation.environment.raw(env::PATH).map_or_else(
        || OsString::from("/usr/local/bin:/usr/bin:/bin"),
        ToOwned::to_owned,
    )
}
