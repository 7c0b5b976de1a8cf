//! `canary verify` and `canary report`: evidence, checked and shown.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Args;
use kitty_canary::artifacts::{Finding, Protocol, manifest_digest, run_file, verify as check};
use kitty_canary::report::page;
use kitty_canary::result::{CanaryRunResult, RUN_NUMBERS};
use kitty_runtime::crashsafe::{self, Durability};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `canary verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The directory of the attempt
    attempt: PathBuf,
    /// Expects one run instead of four
    #[arg(long)]
    single: bool,
    /// Expects this digest, which `canary run` printed when it wrote the evidence
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `canary report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The directory of the attempt
    attempt: PathBuf,
    /// Where the page goes; beside the attempt without it, because an attempt is never changed
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct VerifyDocument {
    verified: bool,
    exit_code: u8,
    attempt: String,
    digest: Option<String>,
    findings: Vec<Finding>,
}

fn unreadable(error: kitty_canary::artifacts::ArtifactError) -> Failure {
    Failure::from_error("evidence_unreadable", error)
}

/// Runs `canary verify`; reads only.
pub(super) fn verify(invocation: &Invocation, args: &VerifyArgs) -> Result<Exit, Failure> {
    let attempt = invocation.directory.join(&args.attempt);
    let protocol = if args.single {
        Protocol::Single
    } else {
        Protocol::Four
    };
    let mut findings = check(&attempt, protocol).map_err(unreadable)?;
    let digest = manifest_digest(&attempt);
    if let Some(expected) = &args.digest
        && digest.as_ref() != Some(expected)
    {
        findings.push(Finding::manifest(format!(
            "does not have the digest {expected}"
        )));
    }
    let exit = if findings.is_empty() {
        Exit::Success
    } else {
        Exit::Failed
    };
    let printer = invocation.printer;
    if args.json {
        printer.json().finish(&VerifyDocument {
            verified: findings.is_empty(),
            exit_code: exit.code(),
            attempt: attempt.display().to_string(),
            digest,
            findings,
        });
        return Ok(exit);
    }
    if findings.is_empty() {
        printer.line(format!("Verified  {}", attempt.display()));
        printer.line(format!("Digest    {}", digest.unwrap_or_default()));
    }
    for finding in &findings {
        printer.line(finding.to_string());
    }
    Ok(exit)
}

/// Runs `canary report`.
pub(super) fn report(invocation: &Invocation, args: &ReportArgs) -> Result<Exit, Failure> {
    let attempt = invocation.directory.join(&args.attempt);
    let runs: Vec<CanaryRunResult> = RUN_NUMBERS.filter_map(|it| read(&attempt, it)).collect();
    let protocol = if runs.len() == 1 {
        Protocol::Single
    } else {
        Protocol::Four
    };
    let findings = check(&attempt, protocol).map_err(unreadable)?;
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let name = attempt
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let path = match &args.output {
        Some(path) => invocation.directory.join(path),
        None => attempt.with_file_name(format!("{name}.html")),
    };
    let page = page(&name, &runs, &findings);
    crashsafe::replace(
        &*invocation.filesystem,
        &path,
        page.as_bytes(),
        Durability::PowerCut,
    )
    .map_err(|error| {
        let message = format!("{} could not be written: {error}", path.display());
        Failure::new("report_not_written", message).next("Choose a file with `--output`.")
    })?;
    invocation
        .printer
        .line(format!("Report  {}", path.display()));
    Ok(Exit::Success)
}

/// Reads a run; what cannot be read is named by the verification.
fn read(attempt: &Path, number: u8) -> Option<CanaryRunResult> {
    let bytes = std::fs::read(attempt.join(run_file(number))).ok()?;
    serde_json::from_slice(&bytes).ok()
}
