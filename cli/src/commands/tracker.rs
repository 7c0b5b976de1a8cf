//! `tracker …` and `issue-search`: the hosted issue tracker, through the Teamspace.
//!
//! These commands exist only where hosted sync is on (`command_line`). Each checks what it needs
//! (`kitty_actors::readiness`), then asks the server (`kitty_actors::tracker`). Providers that are
//! reached without a Teamspace (`beads`, `fp`) are not part of this program and are refused by name.

mod bind;
mod binding;
mod discover;
mod map;
mod outcome;
mod providers;
mod session;
mod status;
mod sync;
mod tickets;
mod unbind;

pub use self::tickets::IssueSearchArgs;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Subcommand;

/// `tracker …`
#[derive(Debug, Subcommand)]
pub enum TrackerCommand {
    /// Lists the supported providers
    Providers(providers::ProvidersArgs),
    /// Lists the resources of a provider that a project can be bound to
    Discover(discover::DiscoverArgs),
    /// Binds this project to a resource of a provider
    Bind(bind::BindArgs),
    /// Shows the binding and how its synchronisation stands
    Status(status::StatusArgs),
    /// Relates work packages to issues
    #[command(subcommand)]
    Map(map::MapCommand),
    /// Lists the visible tickets of a provider
    ListTickets(tickets::ListTicketsArgs),
    /// Synchronises with the provider
    #[command(subcommand)]
    Sync(sync::TrackerSyncCommand),
    /// Removes the binding of this project
    Unbind,
}

impl TrackerCommand {
    /// Tells whether a failure is to be printed as JSON on stdout.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Providers(args) => args.json,
            Self::Discover(args) => args.json,
            Self::Status(args) => args.json,
            Self::Map(command) => command.wants_json(),
            Self::ListTickets(args) => args.json,
            Self::Sync(command) => command.wants_json(),
            Self::Bind(_) | Self::Unbind => false,
        }
    }
}

/// Runs `tracker`.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, command: &TrackerCommand) -> Result<Exit, Failure> {
    match command {
        TrackerCommand::Providers(args) => Ok(providers::run(invocation, args)),
        TrackerCommand::Discover(args) => discover::run(invocation, args),
        TrackerCommand::Bind(args) => bind::run(invocation, args),
        TrackerCommand::Status(args) => status::run(invocation, args),
        TrackerCommand::Map(command) => map::run(invocation, command),
        TrackerCommand::ListTickets(args) => tickets::list(invocation, args),
        TrackerCommand::Sync(command) => sync::run(invocation, command),
        TrackerCommand::Unbind => unbind::run(invocation),
    }
}

/// Runs `issue-search`.
///
/// # Errors
/// [`Failure`].
pub fn issue_search(invocation: &Invocation, args: &IssueSearchArgs) -> Result<Exit, Failure> {
    tickets::search(invocation, args)
}
