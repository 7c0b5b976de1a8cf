//! `canary origin`: where this program is from.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::{COMMIT, Invocation, VERSION};
use clap::Args;
use serde::Serialize;

/// Arguments of `canary origin`.
#[derive(Debug, Args)]
pub struct OriginArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct Origin {
    version: &'static str,
    commit: &'static str,
}

/// Runs `canary origin`.
pub(super) fn run(invocation: &Invocation, args: &OriginArgs) -> Result<Exit, Failure> {
    let commit = COMMIT.ok_or_else(|| {
        let message = "This program does not know the commit that it was built from.";
        Failure::new("no_embedded_commit", message)
            .next("Build it from a checkout, or with `SPEC_KITTY_COMMIT` set.")
    })?;
    if args.json {
        let version = VERSION;
        invocation
            .printer
            .json()
            .finish(&Origin { version, commit });
    } else {
        invocation.printer.line(commit);
    }
    Ok(Exit::Success)
}
