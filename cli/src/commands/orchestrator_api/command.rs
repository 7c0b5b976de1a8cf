//! The command line of `orchestrator-api`: the ten verbs and their options.
//!
//! It is parsed apart from the rest of the program, because what cannot be parsed is answered with
//! an envelope. As with the Python CLI, an option takes the next word whatever it looks like, and of
//! an option given twice the last counts.

use clap::{Args, Parser, Subcommand};

/// The machine API of orchestrators
#[derive(Debug, Parser)]
#[command(
    name = "orchestrator-api",
    bin_name = "spec-kitty orchestrator-api",
    disable_help_subcommand = true,
    subcommand_required = true,
    args_override_self = true
)]
pub struct OrchestratorCommand {
    /// Silences everything on stderr but errors
    #[arg(long, global = true)]
    pub quiet: bool,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Tells the version of this contract
    ContractVersion(ContractVersionArgs),
    /// Tells where every work package stands
    MissionState(MissionArgs),
    /// Lists the work packages that can be started
    ListReady(MissionArgs),
    /// Tells where a work package is worked on, without making anything
    ResolveWorkspace(WorkPackageArgs),
    /// Claims a work package, makes its workspace and starts it
    StartImplementation(ActorArgs),
    /// Claims the review of a work package
    StartReview(StartReviewArgs),
    /// Moves a work package to another lane
    Transition(Box<TransitionArgs>),
    /// Adds a note to the history of a work package
    AppendHistory(AppendHistoryArgs),
    /// Accepts a mission whose work packages are all approved or done
    AcceptMission(AcceptMissionArgs),
    /// Merges the lanes of a mission into its target branch
    MergeMission(MergeMissionArgs),
}

impl Verb {
    /// Returns the verb as it is typed.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ContractVersion(_) => "contract-version",
            Self::MissionState(_) => "mission-state",
            Self::ListReady(_) => "list-ready",
            Self::ResolveWorkspace(_) => "resolve-workspace",
            Self::StartImplementation(_) => "start-implementation",
            Self::StartReview(_) => "start-review",
            Self::Transition(_) => "transition",
            Self::AppendHistory(_) => "append-history",
            Self::AcceptMission(_) => "accept-mission",
            Self::MergeMission(_) => "merge-mission",
        }
    }
}

/// Arguments of `contract-version`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct ContractVersionArgs {
    /// The version of the orchestrator that asks
    #[arg(long, allow_hyphen_values = true)]
    pub provider_version: Option<String>,
}

/// Arguments of the verbs that concern a whole mission and change nothing.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct MissionArgs {
    /// The slug, the ULID or the first eight letters of it
    #[arg(long, allow_hyphen_values = true)]
    pub mission: String,
    /// Accepted on every verb of a mission; checked when given
    #[arg(long, allow_hyphen_values = true)]
    pub policy: Option<String>,
}

/// Arguments that name a work package.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct WorkPackageArgs {
    /// The mission
    #[command(flatten)]
    pub of: MissionArgs,
    /// The work package, for example WP01
    #[arg(long, allow_hyphen_values = true)]
    pub wp: String,
}

/// Arguments that say who does something to a work package.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct ActorArgs {
    /// The work package
    #[command(flatten)]
    pub package: WorkPackageArgs,
    /// Who does it
    #[arg(long, allow_hyphen_values = true)]
    pub actor: String,
}

/// Arguments of `start-review`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct StartReviewArgs {
    /// Who reviews what
    #[command(flatten)]
    pub by: ActorArgs,
    /// What the reviewer calls this review
    #[arg(long, allow_hyphen_values = true)]
    pub review_ref: Option<String>,
}

/// Arguments of `transition`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct TransitionArgs {
    /// Who moves what
    #[command(flatten)]
    pub by: ActorArgs,
    /// The lane to move to
    #[arg(long, allow_hyphen_values = true)]
    pub to: String,
    /// The reason
    #[arg(long, allow_hyphen_values = true)]
    pub note: Option<String>,
    /// Moves although the lane or a guard forbids it; needs a note
    #[arg(long)]
    pub force: bool,
    /// The review that is referred to
    #[arg(long, allow_hyphen_values = true)]
    pub review_ref: Option<String>,
    /// The outcome of a review, as JSON
    #[arg(long, allow_hyphen_values = true)]
    pub review_result_json: Option<String>,
    /// The evidence of an approval, as JSON
    #[arg(long, allow_hyphen_values = true)]
    pub evidence_json: Option<String>,
    /// Says that every subtask is done
    #[arg(long)]
    pub subtasks_complete: bool,
    /// Says that the implementation can be looked at
    #[arg(long)]
    pub implementation_evidence_present: bool,
}

/// Arguments of `append-history`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct AppendHistoryArgs {
    /// Who notes it on what
    #[command(flatten)]
    pub by: ActorArgs,
    /// The note
    #[arg(long, allow_hyphen_values = true)]
    pub note: String,
}

/// Arguments of `accept-mission`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct AcceptMissionArgs {
    /// The mission
    #[command(flatten)]
    pub of: MissionArgs,
    /// Who accepts it
    #[arg(long, allow_hyphen_values = true)]
    pub actor: String,
}

/// Arguments of `merge-mission`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct MergeMissionArgs {
    /// The mission
    #[command(flatten)]
    pub of: MissionArgs,
    /// The branch to merge into; the mission's own if not given
    #[arg(long, allow_hyphen_values = true)]
    pub target: Option<String>,
    /// merge, squash or rebase
    #[arg(long, allow_hyphen_values = true, default_value = "merge")]
    pub strategy: String,
    /// Pushes the target branch afterwards
    #[arg(long)]
    pub push: bool,
}
