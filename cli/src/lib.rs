//! The command line of the sync runtime.
//!
//! A command collects what it needs in an `Invocation`, does its work through the other
//! crates, and returns an `Exit` or a `Failure`. Only `printer.rs` writes to stdout
//! and stderr, and only this function turns an outcome into an exit code.

#![expect(
    unreachable_pub,
    reason = "a program: every module is private, and `pub` marks its interface"
)]

mod age;
mod args;
mod auth_diagnosis;
mod boundary;
mod command_line;
mod commands;
mod daemon;
mod daemon_policy;
mod diagnosis;
mod dossier_step;
pub mod exit;
mod failure;
mod final_sync;
mod generated;
mod hosted;
mod invocation;
mod merge_step;
mod mission_desk;
mod mission_step;
mod ordered;
mod printer;
mod project;
mod rows;
mod schema_gate;

use clap::error::{ContextKind, ErrorKind};
use commands::orchestrator_api;
use exit::Exit;
use failure::Failure;
use invocation::Invocation;
use kitty_canary::result::schema_page;
use kitty_config::policy::HostedSync;
use kitty_config::{Environment, env};
use printer::Printer;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Runs the program and returns how it ended.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let environment = Environment::from_process();
    let quiet = environment.is_truthy(env::SPEC_KITTY_QUIET) || names(&arguments, "--quiet");
    let printer = Printer::new(quiet);
    printer::install_panic_line();
    let silent = quiet || names(&arguments, "--json");
    printer::install_log(environment.text(env::SPEC_KITTY_LOG), silent);
    if let Some(words) = orchestrator_api::words_of(&arguments) {
        return orchestrator_api::run(environment, printer, &words).into();
    }
    let cli = match command_line::parse(&arguments, HostedSync::decide(&environment)) {
        Ok(cli) => cli,
        Err(error) => return usage(printer, &error).into(),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let invocation = Invocation::new(environment, printer)?;
        match schema_gate::refuse(&invocation, &cli.command) {
            Some(exit) => Ok(exit),
            None => cli.command.run(&invocation),
        }
    }));
    let outcome = outcome.unwrap_or_else(|_| {
        Err(Failure::new(
            "internal_error",
            "This program failed inside; nothing acknowledged is lost.",
        )
        .exit(Exit::Internal)
        .next("Please report it with the line above."))
    });
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if cli.command.wants_json() {
                printer.json().finish(&failure.document());
            } else {
                printer.error(failure.to_string());
            }
            failure.exit.into()
        }
    }
}

fn names(arguments: &[OsString], flag: &str) -> bool {
    arguments.iter().skip(1).any(|argument| argument == flag)
}

/// Reports a command line that cannot be parsed; help and version are answers, not errors.
fn usage(printer: Printer, error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer.line(error.render().to_string().trim_end());
            Exit::Success
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            printer.error(error.render().to_string().trim_end());
            Exit::Refused
        }
        ErrorKind::InvalidSubcommand => {
            let name = error
                .get(ContextKind::InvalidSubcommand)
                .map(ToString::to_string);
            printer.error("Usage: spec-kitty [OPTIONS] COMMAND [ARGS]...");
            printer.error(format!("No such command '{}'.", name.unwrap_or_default()));
            Exit::Refused
        }
        _ => {
            printer.error(error.render().to_string().trim_end());
            Exit::Refused
        }
    }
}

/// Renders the pages of `docs/` that are generated, by file name.
#[must_use]
pub fn generated_pages() -> Vec<(&'static str, String)> {
    vec![
        ("environment.md", env::reference_page()),
        ("exit-codes.md", exit::reference_page()),
        (
            "orchestrator-cutover.md",
            commands::orchestrator_api::cutover_page(),
        ),
        ("canary-result.schema.json", schema_page()),
    ]
}
