//! The command line: every command and where it is handled.

use crate::commands;
use crate::commands::agent_status::AgentStatusCommand;
use crate::commands::agent_tasks::TasksCommand;
use crate::commands::auth::AuthCommand;
use crate::commands::canary::CanaryCommand;
use crate::commands::config::{ConfigCommand, ServerArgs};
use crate::commands::daemon_doctor::DaemonDoctorArgs;
use crate::commands::demo::{BurstArgs, DemoArgs};
use crate::commands::init::InitArgs;
use crate::commands::mission_accept::AcceptArgs;
use crate::commands::mission_create::MissionCreateArgs;
use crate::commands::mission_finalize_tasks::FinalizeTasksArgs;
use crate::commands::mission_merge::MergeArgs;
use crate::commands::mission_setup_plan::SetupPlanArgs;
use crate::commands::state_doctor::StateDoctorArgs;
use crate::commands::status::StatusArgs;
use crate::commands::sync_consent::ConsentArgs;
use crate::commands::sync_daemon::DaemonCommand;
use crate::commands::sync_diagnose::DiagnoseArgs;
use crate::commands::sync_doctor::SyncDoctorArgs;
use crate::commands::sync_inspect::{PreviewArgs, WhyArgs};
use crate::commands::sync_now::SyncNowArgs;
use crate::commands::sync_reconcile::SyncReconcileArgs;
use crate::commands::sync_status::SyncStatusArgs;
use crate::commands::teamspace::TeamspaceCommand;
use crate::commands::tracker::{IssueSearchArgs, TrackerCommand};
use crate::commands::upgrade::UpgradeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use kitty_runtime::consent::Consent;
use std::path::PathBuf;

/// The sync runtime of Spec Kitty: captures what happens in missions, keeps it through any crash, and
/// delivers it to your Teamspace when, and only when, this machine has opted in
#[derive(Debug, Parser)]
#[command(
    name = "spec-kitty",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Silences everything on stderr but errors
    #[arg(long, global = true)]
    pub quiet: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Accepts a mission whose work packages are all approved or done
    Accept(AcceptArgs),
    /// Commands for AI agents
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Logs in and out, and shows who is logged in
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Runs the identity-boundary canary and checks its evidence
    #[command(subcommand)]
    Canary(CanaryCommand),
    /// Reads and writes settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Carries real events all the way on this machine, kills itself on the way, and counts
    Demo(DemoArgs),
    /// Checks this machine's state
    #[command(subcommand)]
    Doctor(DoctorCommand),
    /// Makes a directory a project
    Init(InitArgs),
    /// Merges the lanes of a mission into its target branch and closes it
    Merge(MergeArgs),
    /// Checks this machine's state
    #[command(subcommand)]
    State(StateCommand),
    /// Shows the missions of this project
    Status(StatusArgs),
    /// Delivers events and shows how they stand
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Runs and administers a Teamspace of your own
    #[command(subcommand)]
    Teamspace(TeamspaceCommand),
    /// Takes over what earlier releases left: files of this project and queues of this machine
    Upgrade(UpgradeArgs),
    /// Prints the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Writes the manual pages into a directory
    Man {
        /// The directory
        directory: PathBuf,
    },
    /// Appends events until it is killed (used by `demo`)
    #[command(hide = true)]
    DemoBurst(BurstArgs),
    /// What exists only where hosted sync is on; `command_line` adds it to the description
    #[command(skip)]
    Hosted(HostedCommand),
}

/// The commands that do not exist on a machine that has not opted in.
#[derive(Debug, Subcommand)]
pub enum HostedCommand {
    /// Hosted SaaS tracker commands
    #[command(subcommand)]
    Tracker(TrackerCommand),
    /// Searches the issues of a tracker
    IssueSearch(IssueSearchArgs),
}

/// `agent …`
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Missions
    #[command(subcommand)]
    Mission(MissionCommand),
    /// The status log of a mission
    #[command(subcommand)]
    Status(AgentStatusCommand),
    /// Subtasks and work packages
    #[command(subcommand)]
    Tasks(TasksCommand),
}

/// `agent mission …`
#[derive(Debug, Subcommand)]
pub enum MissionCommand {
    /// Creates a mission below kitty-specs/ and commits its scaffold
    Create(Box<MissionCreateArgs>),
    /// Makes plan.md from a template, and commits it when it is written
    SetupPlan(SetupPlanArgs),
    /// Checks the work packages, gives them their first status and lanes, and commits them
    FinalizeTasks(FinalizeTasksArgs),
}

/// `doctor …`
#[derive(Debug, Subcommand)]
pub enum DoctorCommand {
    /// Shows every root and surface of state, and whether it is there
    StateRoots(StateDoctorArgs),
    /// Ends the registered daemon and starts it again as this release
    RestartDaemon(DaemonDoctorArgs),
    /// Shows daemons of this state root that nobody registers, and records of dead ones
    OrphanDaemons(DaemonDoctorArgs),
}

/// `state …`
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Shows every root and surface of state, and whether it is there
    Doctor(StateDoctorArgs),
}

/// `sync …`
#[derive(Debug, Subcommand)]
pub enum SyncCommand {
    /// Delivers everything that waits
    Now(SyncNowArgs),
    /// Delivers everything that waits, once, without the daemon
    Run(SyncNowArgs),
    /// Delivers in the background
    #[command(subcommand)]
    Daemon(DaemonCommand),
    /// Shows how the queue stands
    Status(SyncStatusArgs),
    /// Explains where one event is and why
    Why(WhyArgs),
    /// Shows exactly what would leave this machine
    Preview(PreviewArgs),
    /// Checks everything that waits against the contract, without sending it
    Diagnose(DiagnoseArgs),
    /// Names everything that keeps events here, with the next step
    Doctor(SyncDoctorArgs),
    /// Compares the missions' status logs with the events, and settles what was interrupted
    Reconcile(SyncReconcileArgs),
    /// Lets events of this project leave that are captured from now on
    OptIn(ConsentArgs),
    /// Keeps everything of this project on this machine
    OptOut(ConsentArgs),
    /// Shows or sets the server
    Server(ServerArgs),
}

impl Command {
    /// Tells whether a failure is to be printed as JSON on stdout.
    #[must_use]
    pub fn wants_json(&self) -> bool {
        match self {
            Self::Agent(AgentCommand::Mission(command)) => match command {
                MissionCommand::Create(args) => args.wants_json(),
                MissionCommand::SetupPlan(args) => args.json,
                MissionCommand::FinalizeTasks(args) => args.json,
            },
            Self::Agent(AgentCommand::Status(command)) => command.wants_json(),
            Self::Agent(AgentCommand::Tasks(command)) => command.wants_json(),
            Self::Accept(args) => args.json,
            Self::Merge(args) => args.json,
            Self::Doctor(DoctorCommand::StateRoots(args))
            | Self::State(StateCommand::Doctor(args)) => args.json,
            Self::Init(args) => args.json,
            Self::Doctor(
                DoctorCommand::RestartDaemon(args) | DoctorCommand::OrphanDaemons(args),
            ) => args.json,
            Self::Auth(command) => command.wants_json(),
            Self::Status(args) => args.json,
            Self::Upgrade(args) => args.json,
            Self::Sync(SyncCommand::Now(args) | SyncCommand::Run(args)) => args.json,
            Self::Sync(SyncCommand::Daemon(command)) => command.wants_json(),
            Self::Sync(SyncCommand::Status(args)) => args.json,
            Self::Sync(SyncCommand::Why(args)) => args.json,
            Self::Sync(SyncCommand::Preview(args)) => args.json,
            Self::Sync(SyncCommand::Diagnose(args)) => args.json,
            Self::Sync(SyncCommand::OptIn(args) | SyncCommand::OptOut(args)) => args.json,
            Self::Sync(SyncCommand::Doctor(args)) => args.json,
            Self::Sync(SyncCommand::Reconcile(args)) => args.json,
            Self::Canary(CanaryCommand::Run(args)) => args.json,
            Self::Canary(CanaryCommand::Verify(args)) => args.json,
            Self::Canary(CanaryCommand::Suite(args)) => args.json,
            Self::Canary(CanaryCommand::Gate(args)) => args.wants_json(),
            Self::Canary(CanaryCommand::Origin(args)) => args.json,
            Self::Config(ConfigCommand::List { json }) => *json,
            Self::Hosted(HostedCommand::Tracker(command)) => command.wants_json(),
            Self::Hosted(HostedCommand::IssueSearch(args)) => args.json,
            _ => false,
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(&self, invocation: &Invocation) -> Result<Exit, Failure> {
        match self {
            Self::Agent(AgentCommand::Mission(command)) => match command {
                MissionCommand::Create(args) => commands::mission_create::run(invocation, args),
                MissionCommand::SetupPlan(args) => {
                    commands::mission_setup_plan::run(invocation, args)
                }
                MissionCommand::FinalizeTasks(args) => {
                    commands::mission_finalize_tasks::run(invocation, args)
                }
            },
            Self::Agent(AgentCommand::Status(command)) => {
                commands::agent_status::run(invocation, command)
            }
            Self::Agent(AgentCommand::Tasks(command)) => {
                commands::agent_tasks::run(invocation, command)
            }
            Self::Accept(args) => commands::mission_accept::run(invocation, args),
            Self::Merge(args) => commands::mission_merge::run(invocation, args),
            Self::Auth(command) => commands::auth::run(invocation, command),
            Self::Canary(command) => commands::canary::run(invocation, command),
            Self::Config(command) => commands::config::run(invocation, command),
            Self::Demo(args) => commands::demo::run(invocation, args),
            Self::Doctor(DoctorCommand::StateRoots(args))
            | Self::State(StateCommand::Doctor(args)) => {
                commands::state_doctor::run(invocation, args)
            }
            Self::Init(args) => commands::init::run(invocation, args),
            Self::Doctor(DoctorCommand::RestartDaemon(args)) => {
                Ok(commands::daemon_doctor::restart(invocation, args))
            }
            Self::Doctor(DoctorCommand::OrphanDaemons(args)) => {
                Ok(commands::daemon_doctor::orphans(invocation, args))
            }
            Self::Status(args) => commands::status::run(invocation, args),
            Self::Sync(SyncCommand::Now(args) | SyncCommand::Run(args)) => {
                commands::sync_now::run(invocation, args)
            }
            Self::Sync(SyncCommand::Daemon(command)) => {
                commands::sync_daemon::run(invocation, command)
            }
            Self::Sync(SyncCommand::Status(args)) => commands::sync_status::run(invocation, args),
            Self::Sync(SyncCommand::Why(args)) => commands::sync_inspect::why(invocation, args),
            Self::Sync(SyncCommand::Preview(args)) => {
                commands::sync_inspect::preview(invocation, args)
            }
            Self::Sync(SyncCommand::Diagnose(args)) => {
                commands::sync_diagnose::run(invocation, args)
            }
            Self::Sync(SyncCommand::Doctor(args)) => commands::sync_doctor::run(invocation, args),
            Self::Sync(SyncCommand::Reconcile(args)) => {
                commands::sync_reconcile::run(invocation, args)
            }
            Self::Sync(SyncCommand::OptIn(args)) => {
                commands::sync_consent::decide(invocation, args, Consent::Granted)
            }
            Self::Sync(SyncCommand::OptOut(args)) => {
                commands::sync_consent::decide(invocation, args, Consent::Refused)
            }
            Self::Sync(SyncCommand::Server(args)) => commands::config::server(invocation, args),
            Self::Teamspace(command) => commands::teamspace::run(invocation, command),
            Self::Upgrade(args) => commands::upgrade::run(invocation, args),
            Self::Completions { shell } => crate::generated::completions(invocation, *shell),
            Self::Man { directory } => crate::generated::manual(invocation, directory),
            Self::DemoBurst(args) => commands::demo::burst(invocation, args),
            Self::Hosted(HostedCommand::Tracker(command)) => {
                commands::tracker::run(invocation, command)
            }
            Self::Hosted(HostedCommand::IssueSearch(args)) => {
                commands::tracker::issue_search(invocation, args)
            }
        }
    }
}
