//! `agent mission create`: a mission in git, its events stored, then one try to deliver them.
//!
//! The order is the promise: the events are fsynced, the scaffold is committed, the events are handed
//! over, the answer is printed, and only then is anything tried that could wait for somebody else.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::{Invocation, VERSION};
use crate::rows::{self, Writing};
use clap::Args;
use kitty_missions::create::{CreateError, CreatedMission, MissionOptions, Tools, create};
use kitty_missions::files::WorktreeFilesystem;
use kitty_missions::git::GitProgram;
use kitty_missions::project::Project;
use kitty_missions::row_witness::RowWitness;
use kitty_runtime::id::EventIds;
use std::path::PathBuf;

/// Creates a mission below kitty-specs/ and commits its scaffold
#[derive(Debug, Args)]
pub struct MissionCreateArgs {
    /// The slug, for example user-auth
    mission_slug: String,
    /// documentation, plan, research or software-dev
    #[arg(long)]
    mission_type: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
    /// The branch that completed work goes to; the current one if not given
    #[arg(long)]
    target_branch: Option<String>,
    /// The title for people
    #[arg(long)]
    friendly_name: Option<String>,
    /// What it is for, in one line
    #[arg(long)]
    purpose_tldr: Option<String>,
    /// What it is for, in a short paragraph
    #[arg(long)]
    purpose_context: Option<String>,
    /// Marks the mission as bound to a pull request
    #[arg(long, overrides_with = "no_pr_bound")]
    pr_bound: bool,
    /// Does not mark the mission as bound to a pull request
    #[arg(long)]
    no_pr_bound: bool,
    /// `single_branch` or lanes
    #[arg(long)]
    topology: Option<String>,
    /// already-confirmed skips the question about the branch
    #[arg(long)]
    branch_strategy: Option<String>,
    /// Creates or switches to this branch first
    #[arg(long)]
    start_branch: Option<String>,
    /// Accepted for compatibility; there is no coordination branch
    #[arg(long, hide = true)]
    force_recreate_coordination_branch: bool,
    /// The checkout that belongs to this call
    #[arg(long)]
    owned_checkout: Option<PathBuf>,
    /// Keeps the mission's branches after the merge
    #[arg(long)]
    retain_branches: bool,
    /// Keeps the mission's worktrees after the merge
    #[arg(long)]
    retain_worktrees: bool,
}

impl MissionCreateArgs {
    fn options(&self) -> MissionOptions {
        MissionOptions {
            slug: self.mission_slug.clone(),
            mission_type: self.mission_type.clone(),
            target_branch: self.target_branch.clone(),
            friendly_name: self.friendly_name.clone(),
            purpose_tldr: self.purpose_tldr.clone(),
            purpose_context: self.purpose_context.clone(),
            topology: self.topology.clone(),
            pr_bound: self.pr_bound,
            branch_strategy: self.branch_strategy.clone(),
            start_branch: self.start_branch.clone(),
            owned_checkout: self.owned_checkout.clone(),
            retain_branches: self.retain_branches,
            retain_worktrees: self.retain_worktrees,
        }
    }

    /// Tells whether the answer is to be JSON, also when the command fails.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        self.json
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]; then nothing of the mission is left behind, unless the message says what.
pub fn run(invocation: &Invocation, args: &MissionCreateArgs) -> Result<Exit, Failure> {
    let git = GitProgram::default();
    let project = Project::locate(
        &git,
        &invocation.directory,
        invocation.named_project_root().as_deref(),
    )
    .map_err(|error| Failure::from_error("not_a_project", error))?;
    let ids = EventIds::new(invocation.time.clone());
    let writing = Writing {
        invocation,
        project: &project,
        registers: Some(&ids),
    };
    let work = |witness: &dyn RowWitness| {
        let tools = Tools {
            filesystem: &WorktreeFilesystem,
            time: &*invocation.time,
            ids: &ids,
            version: VERSION,
            witness,
        };
        create(&project, &args.options(), &tools)
    };
    rows::write(
        &writing,
        work,
        |created| print(invocation, args, created),
        |created| created.directory.clone(),
    )
    .map_err(refused)?;
    Ok(Exit::Success)
}

fn refused(error: CreateError) -> Failure {
    let code = error.code().unwrap_or("mission_not_created");
    Failure::from_error(code, error)
}

fn print(invocation: &Invocation, args: &MissionCreateArgs, created: &CreatedMission) {
    if args.json {
        invocation.printer.json().finish(created);
        return;
    }
    let printer = invocation.printer;
    printer.line(format!("✓ Mission created: {}", created.mission_slug));
    printer.line(format!("  Directory: {}", created.directory.display()));
    printer.line(format!(
        "  Spec file: {}",
        created.directory.join("spec.md").display()
    ));
    printer.line("  Next: fill in spec.md and commit it.");
}
