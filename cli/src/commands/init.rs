//! `init`: makes a directory a project. Never touches git.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::{Invocation, VERSION};
use crate::project::project_identity;
use clap::Args;
use kitty_missions::git::GitProgram;
use kitty_missions::identity;
use kitty_missions::init::{Agent, InitTools, Initialised, init};
use kitty_missions::project::Project;
use std::path::{Path, PathBuf};

/// Makes a directory a Spec Kitty project; git is not touched and no file of yours is rewritten
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The directory, created if it is missing; the current one if not given
    #[arg(conflicts_with = "here")]
    path: Option<PathBuf>,
    /// Uses the current directory
    #[arg(long)]
    here: bool,
    /// The AI agents that work here, separated by commas, for example claude,codex
    #[arg(long)]
    ai: Option<String>,
    /// Accepted for scripts; this command never asks
    #[arg(long, alias = "yes")]
    non_interactive: bool,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]; what was written by then is complete and the next run goes on from it.
pub fn run(invocation: &Invocation, args: &InitArgs) -> Result<Exit, Failure> {
    let agents = match &args.ai {
        Some(list) => {
            Agent::parse_list(list).map_err(|error| Failure::from_error("unknown_agent", error))?
        }
        None => Vec::new(),
    };
    let root = match &args.path {
        Some(path) => invocation.directory.join(path),
        None => invocation.directory.clone(),
    };
    let tools = InitTools {
        time: &*invocation.time,
        git: &GitProgram::default(),
        version: VERSION,
    };
    let made = init(&root, &agents, &tools)
        .map_err(|error| Failure::from_error("not_initialized", error))?;
    if made.in_git && !made.already_initialized {
        record_identity(invocation, &root);
    }
    if args.json {
        invocation.printer.json().finish(&made);
    } else {
        print(invocation, &made);
    }
    Ok(Exit::Success)
}

/// Writes the identity of this checkout into the new configuration (document 4, FR-005).
///
/// The project is one without it: whoever captures makes what is missing.
fn record_identity(invocation: &Invocation, root: &Path) {
    let recorded = || -> Result<(), Failure> {
        let project = Project::locate(&GitProgram::default(), root, None)
            .map_err(|error| Failure::from_error("no_project", error))?;
        let identity = project_identity(invocation, &project)?;
        identity::persist(&project, &identity)
            .map(drop)
            .map_err(|error| Failure::from_error("identity_not_recorded", error))
    };
    if let Err(failure) = recorded() {
        tracing::warn!(%failure, "the identity is not in the configuration");
    }
}

fn print(invocation: &Invocation, made: &Initialised) {
    let printer = invocation.printer;
    let root = &made.project_root;
    if made.already_initialized {
        printer.line(format!("✓ Already a project: {root}"));
        return;
    }
    printer.line(format!("✓ Project: {root}"));
    for file in &made.changed_files {
        printer.line(format!("  {file}"));
    }
    printer.line(if made.in_git {
        "  Next: commit these files, then `spec-kitty agent mission create <slug>`."
    } else {
        "  Next: run `git init` there and commit; missions are kept in git."
    });
}
