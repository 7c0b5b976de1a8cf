//! `agent mission create`: a mission in git, its events stored, then one try to deliver them.
//!
//! The order is the promise: the scaffold is committed, the events are fsynced, the answer is
//! printed, and only then is anything tried that could wait for somebody else.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::final_sync::final_sync;
use crate::hosted::{Hosted, within_actors};
use crate::invocation::{Invocation, VERSION};
use clap::Args;
use kitty_actors::capture::CaptureError;
use kitty_config::EventSyncMode;
use kitty_missions::create::{
    CreateError, CreatedMission, LifecycleEvent, MissionOptions, Tools, create, roll_back_commit,
};
use kitty_missions::files::WorktreeFilesystem;
use kitty_missions::git::GitProgram;
use kitty_missions::identity::{self, ProjectIdentity};
use kitty_missions::project::Project;
use kitty_runtime::envelope::{Emitter, EventDraft};
use kitty_runtime::id::EventIds;
use kitty_runtime::time::parse_iso;
use serde_json::{Map, Value, json};
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
    let tools = Tools {
        filesystem: &WorktreeFilesystem,
        time: &*invocation.time,
        ids: &ids,
        version: VERSION,
    };
    let created = create(&project, &args.options(), &tools).map_err(refused)?;
    let settings = invocation.settings();
    if !invocation.hosted_sync() || settings.event_sync_mode() == EventSyncMode::OptOut {
        print(invocation, args, &created);
        return Ok(Exit::Success);
    }
    within_actors(async {
        let hosted = Hosted::start(invocation, &settings);
        let stored = store_events(invocation, &hosted, &project, &created, &ids).await;
        let identity = match stored {
            Ok(identity) => identity,
            Err(failure) => return Err(take_back(&created, &tools, failure)),
        };
        print(invocation, args, &created);
        final_sync(invocation, &settings, &hosted, identity.project_uuid).await;
        Ok(Exit::Success)
    })
}

fn refused(error: CreateError) -> Failure {
    let code = error.code().unwrap_or("mission_not_created");
    Failure::from_error(code, error)
}

/// Takes the mission back because its events could not be stored.
fn take_back(created: &CreatedMission, tools: &Tools<'_>, failure: Failure) -> Failure {
    let left = match roll_back_commit(created, tools) {
        Ok(true) => return failure,
        Ok(false) => "the branch has moved on, so the mission was kept".to_owned(),
        Err(error) => error.to_string(),
    };
    Failure {
        message: format!("{} ({left})", failure.message),
        ..failure
    }
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

/// Stores the events of the new mission; durable when it returns.
async fn store_events(
    invocation: &Invocation,
    hosted: &Hosted,
    project: &Project,
    created: &CreatedMission,
    ids: &EventIds,
) -> Result<ProjectIdentity, Failure> {
    let failed = |error: CaptureError| {
        Failure::new(
            "event_not_stored",
            format!("The mission's events could not be stored: {error}"),
        )
    };
    let config = project
        .config()
        .map_err(|error| Failure::from_error("project_config", error))?;
    let node_id = identity::node_id(&invocation.map.clock_json());
    let identity = identity::ensure(&*invocation.filesystem, project, &config, node_id)
        .map_err(|error| Failure::from_error("no_identity", error))?;
    let queue = hosted.queue(identity.project_uuid);
    let capture = hosted.system.capture(&queue);
    let attribution = capture
        .attribution()
        .await
        .map_err(|error| failed(error.into()))?;
    let emitter = emitter(project, &identity, created, attribution.team_id);
    let drafts = drafts(invocation, created, &emitter, ids);
    capture
        .capture(&drafts, &emitter, attribution.scope)
        .await
        .map_err(failed)?;
    Ok(identity)
}

fn emitter(
    project: &Project,
    identity: &ProjectIdentity,
    created: &CreatedMission,
    team_id: Option<String>,
) -> Emitter {
    let head = project
        .checkout
        .as_ref()
        .and_then(|checkout| checkout.head().ok());
    Emitter {
        project_uuid: identity.project_uuid,
        project_slug: Some(identity.project_slug.clone()),
        build_id: identity.build_id.to_string(),
        node_id: identity.node_id.clone(),
        repo_slug: identity.repo_slug.clone(),
        git_branch: head
            .as_ref()
            .and_then(|head| head.branch())
            .map(str::to_owned),
        head_commit_sha: Some(created.committed.commit.clone()),
        team_id,
    }
}

/// Builds the events: the checkout registers itself, then the mission's own two.
fn drafts(
    invocation: &Invocation,
    created: &CreatedMission,
    emitter: &Emitter,
    ids: &EventIds,
) -> Vec<EventDraft> {
    let mut drafts = vec![EventDraft {
        event_id: ids.next(),
        event_type: "BuildRegistered",
        aggregate_type: "Build",
        aggregate_id: emitter.build_id.clone(),
        payload: object(json!({
            "git_branch": emitter.git_branch,
            "head_commit_sha": emitter.head_commit_sha,
            "repo_slug": emitter.repo_slug,
        })),
        occurred_at: invocation.time.now(),
        caused_by: None,
    }];
    drafts.extend(
        created
            .events
            .iter()
            .map(|row| lifecycle_draft(invocation, row)),
    );
    drafts
}

/// Turns a row of the status log into the event that shares its id.
fn lifecycle_draft(invocation: &Invocation, row: &LifecycleEvent) -> EventDraft {
    let mut payload = row.payload.clone();
    // Paths of this checkout are nobody else's business (reference 1).
    payload.remove("artifact_path");
    EventDraft {
        event_id: row.event_id,
        event_type: row.event_type,
        aggregate_type: row.aggregate_type,
        aggregate_id: row.aggregate_id.clone(),
        payload,
        occurred_at: parse_iso(&row.timestamp).unwrap_or_else(|| invocation.time.now()),
        caused_by: None,
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
