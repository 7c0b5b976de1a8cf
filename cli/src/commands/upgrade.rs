//! `upgrade`: takes over what earlier releases left, and takes that back.
//!
//! The one command that calls the `migration` crate. Files of the project come first, then the queues
//! of the machine; either goes on where a killed run ended.

mod document;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::{Invocation, VERSION};
use crate::project;
use clap::Args;
use document::{Found, ProjectPart, dry_run, rolled_back, upgraded};
use kitty_actors::auth::messages::{GetSession, SessionDetail};
use kitty_migration::project::ProjectPlan;
use kitty_migration::queue::decide::{Account, Decisions};
use kitty_migration::queue::{QueuePorts, QueueReport};
use kitty_migration::rewrite::{RewriteFiles, Rewrites};
use kitty_missions::files::WorktreeFilesystem;
use kitty_missions::project::Project;
use kitty_missions::schema::{self, SchemaProblem};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::legacy_files::legacy_files;
use std::path::PathBuf;
use std::time::Duration;

/// How long the session may take to be read.
const LOCAL_LIMIT: Duration = Duration::from_secs(10);

/// Arguments of `upgrade`.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// Tells what would be done and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
    /// Takes a past upgrade back: every file byte by byte, and rows that were not handed to delivery
    #[arg(long, conflicts_with_all = ["dry_run", "adopt"])]
    rollback: bool,
    /// Leaves the queues of this machine alone
    #[arg(long)]
    project: bool,
    /// Delivers rows of this owner as yours, as the report names it; `all` for everybody
    #[arg(long, value_name = "OWNER")]
    adopt: Vec<String>,
    /// Writes the rows that cannot be delivered into a file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    export_quarantine: Option<PathBuf>,
    /// Accepted for scripts; this command never asks
    #[arg(long, alias = "yes", short_alias = 'y')]
    force: bool,
    /// Accepted for scripts
    #[arg(long, hide = true)]
    no_nag: bool,
    /// Accepted for scripts
    #[arg(long, hide = true)]
    no_worktrees: bool,
    /// Accepted for scripts
    #[arg(long, short, hide = true)]
    verbose: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]; what was taken over by then stays, and the next run goes on from there.
pub fn run(invocation: &Invocation, args: &UpgradeArgs) -> Result<Exit, Failure> {
    let project = match project::current(invocation) {
        Ok(project) => Some(project),
        Err(failure) if args.project => return Err(failure),
        // The queues belong to the machine and not to a project.
        Err(_) => None,
    };
    if let Some(project) = &project
        && let Err(problem @ SchemaProblem::TooNew { .. }) = schema::check(&project.root)
    {
        let failure = Failure::new("project_too_new", problem.to_string());
        return Err(failure.exit(Exit::TooNew));
    }
    let queues = QueuePorts {
        filesystem: invocation.filesystem.clone(),
        map: invocation.map.clone(),
        time: invocation.time.clone(),
    };
    if args.rollback {
        return roll_back(invocation, args, project.as_ref(), &queues);
    }
    let part = match &project {
        Some(project) => Some(upgrade_project(invocation, args, project)?),
        None => None,
    };
    let report = upgrade_queues(invocation, args, &queues)?;
    if let Some(file) = &args.export_quarantine {
        export(invocation, &queues, file)?;
    }
    let found = Found {
        project: project.as_ref(),
        part,
        queues: report,
    };
    Ok(answer(invocation, args, &found))
}

fn answer(invocation: &Invocation, args: &UpgradeArgs, found: &Found<'_>) -> Exit {
    let exit = if found.is_complete() || args.dry_run {
        Exit::Success
    } else {
        Exit::Failed
    };
    match (args.json, args.dry_run) {
        (true, true) => invocation.printer.json().finish_indented(&dry_run(found)),
        (true, false) => invocation.printer.json().finish(&upgraded(found)),
        (false, _) => document::print(invocation.printer, found, args.dry_run),
    }
    exit
}

/// The file systems of a rewrite: what git tracks has the modes of the user's umask.
fn files(invocation: &Invocation) -> RewriteFiles<'_> {
    RewriteFiles {
        tree: &WorktreeFilesystem,
        private: &*invocation.filesystem,
    }
}

fn upgrade_project(
    invocation: &Invocation,
    args: &UpgradeArgs,
    project: &Project,
) -> Result<ProjectPart, Failure> {
    let rewrites = Rewrites::new(files(invocation), project);
    let failed = |error| Failure::from_error("project_not_upgraded", error);
    let plan = ProjectPlan::of(project).map_err(|error| {
        let text = format!("{} cannot be read: {error}", project.root.display());
        Failure::new("project_not_upgraded", text)
    })?;
    let mut part = ProjectPart {
        manifest: rewrites.manifest_file(),
        ..ProjectPart::default()
    };
    if !args.dry_run {
        rewrites.apply(&plan).map_err(failed)?;
        match rewrites.commit(&message(&plan)) {
            Ok(paths) => part.committed = paths,
            Err(error) => part.warnings.push(format!(
                "the changes are not committed: {error}. Commit them yourself"
            )),
        }
        part.build_id = give_build_id(invocation, project, &mut part.warnings);
    }
    part.plan = plan;
    Ok(part)
}

fn message(plan: &ProjectPlan) -> String {
    format!(
        "chore: apply spec-kitty upgrade changes ({} file(s) -> {VERSION})",
        plan.changes.len()
    )
}

/// Gives a checkout of a project with an identity its build id, in its own git directory.
fn give_build_id(
    invocation: &Invocation,
    project: &Project,
    warnings: &mut Vec<String>,
) -> Option<String> {
    project.checkout.as_ref()?;
    let config = match project.config() {
        Ok(config) => config,
        Err(error) => {
            warnings.push(error.to_string());
            return None;
        }
    };
    config.project.uuid.as_ref()?;
    match project::project_identity(invocation, project) {
        Ok(identity) => Some(identity.build_id.to_string()),
        Err(failure) => {
            warnings.push(failure.to_string());
            None
        }
    }
}

fn upgrade_queues(
    invocation: &Invocation,
    args: &UpgradeArgs,
    queues: &QueuePorts,
) -> Result<Option<QueueReport>, Failure> {
    let failed = |error| Failure::from_error("queues_not_upgraded", error);
    let present = legacy_files(&*invocation.filesystem, &invocation.map).unwrap_or_default();
    if args.project || present.is_empty() {
        return Ok(None);
    }
    let decisions = Decisions {
        account: account(invocation)?,
        adopt: args.adopt.clone(),
    };
    if !args.adopt.is_empty() && decisions.account.is_none() {
        return Err(Failure::new(
            "not_logged_in",
            "Rows can be adopted only by somebody who is logged in",
        )
        .next("Run `spec-kitty auth login`, then this command again.")
        .exit(Exit::Blocked));
    }
    let report = if args.dry_run {
        queues.survey(&decisions)
    } else {
        queues.take_over(&decisions)
    };
    report.map(Some).map_err(failed)
}

/// Finds out who is logged in, without the network.
fn account(invocation: &Invocation) -> Result<Option<Account>, Failure> {
    let settings = invocation.settings();
    let server = invocation.server(&settings);
    let session = within_actors(async {
        let hosted = Hosted::start(invocation, &settings);
        let question = GetSession {
            detail: SessionDetail::Summary,
        };
        let session = hosted.system.auth().ask(question, LOCAL_LIMIT).await;
        hosted.shut_down().await;
        session
    });
    let session = session.map_err(|error| Failure::from_error("session", error))?;
    Ok(session.summary.and_then(|summary| {
        let server = server.or_else(|| summary.issuer.clone())?;
        // A session of another server says nothing about this one.
        if summary
            .issuer
            .as_ref()
            .is_some_and(|issuer| *issuer != server)
        {
            return None;
        }
        let team = summary.private_team();
        let names = team.map(|team| vec![team.id.clone(), team.slug.clone()]);
        Some(Account {
            server: server.to_string(),
            team: team.map(|team| team.id.clone()),
            team_names: names.unwrap_or_default(),
            user_id: summary.user_id,
            email: summary.email,
        })
    }))
}

fn export(invocation: &Invocation, queues: &QueuePorts, file: &PathBuf) -> Result<(), Failure> {
    let rows = queues
        .quarantined()
        .map_err(|error| Failure::from_error("quarantine_unreadable", error))?;
    let mut text = Vec::new();
    for row in &rows {
        serde_json::to_writer(&mut text, row).expect("a row is plain data");
        text.push(b'\n');
    }
    let target = invocation.directory.join(file);
    crashsafe::replace(
        &*invocation.filesystem,
        &target,
        &text,
        Durability::PowerCut,
    )
    .map_err(|error| {
        let text = format!("{} could not be written: {error}", target.display());
        Failure::new("quarantine_not_exported", text)
    })
}

fn roll_back(
    invocation: &Invocation,
    args: &UpgradeArgs,
    project: Option<&Project>,
    queues: &QueuePorts,
) -> Result<Exit, Failure> {
    let restored = match project {
        Some(project) => Rewrites::new(files(invocation), project)
            .roll_back()
            .map_err(|error| Failure::from_error("not_rolled_back", error))?,
        None => Default::default(),
    };
    let rows = if args.project {
        Default::default()
    } else {
        queues
            .roll_back()
            .map_err(|error| Failure::from_error("not_rolled_back", error))?
    };
    let exit = if restored.changed_since.is_empty() {
        Exit::Success
    } else {
        Exit::Failed
    };
    if args.json {
        let document = rolled_back(&restored, &rows);
        invocation.printer.json().finish(&document);
    } else {
        document::print_rollback(invocation.printer, &restored, &rows);
    }
    Ok(exit)
}
