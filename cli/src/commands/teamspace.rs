//! `teamspace serve` and `teamspace account`: the self-hosted Teamspace.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::within_actors;
use crate::invocation::{COMMIT, Invocation};
use clap::{Args, Subcommand};
use kitty_config::ServerUrl;
use kitty_teamspace::{
    Account, Administration, DEFAULT_OWNER_EMAIL, DEFAULT_PORT, IssueSeed, NewAccount, Options,
    start,
};
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs and administers a Teamspace of your own.
#[derive(Debug, Subcommand)]
pub enum TeamspaceCommand {
    /// Runs the server until it is stopped (control-C or SIGTERM)
    Serve(ServeArgs),
    /// Adds and lists the accounts of a server that is not running or runs on this machine
    #[command(subcommand)]
    Account(AccountCommand),
    /// Prints every stored envelope of an account's Private Teamspace, one a line
    Export(ExportArgs),
    /// Puts issues into a shared team, from a JSON file or a built-in sample
    SeedIssues(SeedIssuesArgs),
    /// Switches a project's binding off, so that it has to bind anew
    Unbind(UnbindArgs),
}

/// Arguments of `teamspace unbind`.
#[derive(Debug, Args)]
pub struct UnbindArgs {
    /// The directory that holds the database
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The shared team, by id or slug
    #[arg(long)]
    team: String,
    /// The binding, as the list of all bindings names it
    #[arg(long, value_name = "REF")]
    binding_ref: String,
}

/// Arguments of `teamspace seed-issues`.
#[derive(Debug, Args)]
pub struct SeedIssuesArgs {
    /// The directory that holds the database
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The shared team, by id or slug
    #[arg(long)]
    team: String,
    /// The JSON file with resources and issues; the built-in sample without it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Arguments of `teamspace serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The address to listen on
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)))]
    bind: SocketAddr,
    /// The directory that holds the database
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The address that people reach the server at, behind a proxy
    #[arg(long)]
    public_url: Option<String>,
    /// The email address of the first account
    #[arg(long, default_value = DEFAULT_OWNER_EMAIL)]
    owner: String,
    /// How many seconds a device login waits between two questions
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=60))]
    device_poll: u64,
    /// Prints one JSON document with the address when the server listens
    #[arg(long)]
    json: bool,
}

/// Adds and lists accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Adds an account with a Private Teamspace
    Add {
        /// Its email address
        email: String,
        /// The directory that holds the database
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The name of its owner
        #[arg(long)]
        name: Option<String>,
        /// The slug of a shared team that it joins; repeat for several
        #[arg(long = "team")]
        teams: Vec<String>,
        /// Without a Private Teamspace
        #[arg(long)]
        shared_only: bool,
    },
    /// Lists the accounts
    List {
        /// The directory that holds the database
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

/// Arguments of `teamspace export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The directory that holds the database
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The account's email address
    #[arg(long, default_value = DEFAULT_OWNER_EMAIL)]
    account: String,
}

#[derive(Debug, Serialize)]
struct Listening<'a> {
    url: &'a str,
    approval_key_file: String,
    data_directory: String,
    pid: u32,
}

/// Runs `teamspace`.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, command: &TeamspaceCommand) -> Result<Exit, Failure> {
    within_actors(async {
        match command {
            TeamspaceCommand::Serve(args) => serve(invocation, args).await,
            TeamspaceCommand::Account(command) => account(invocation, command).await,
            TeamspaceCommand::Export(args) => export(invocation, args).await,
            TeamspaceCommand::SeedIssues(args) => seed_issues(invocation, args).await,
            TeamspaceCommand::Unbind(args) => unbind(invocation, args).await,
        }
    })
}

async fn serve(invocation: &Invocation, args: &ServeArgs) -> Result<Exit, Failure> {
    let mut options = Options::new(&args.data);
    options.bind = args.bind;
    options.owner_email.clone_from(&args.owner);
    options.commit = COMMIT;
    options.lifetimes.poll_interval = Duration::from_secs(args.device_poll);
    options.public_url = args
        .public_url
        .as_deref()
        .map(ServerUrl::parse)
        .transpose()
        .map_err(|error| Failure::from_error("invalid_public_url", error))?;
    let mut server = start(options)
        .await
        .map_err(|error| Failure::from_error("teamspace_not_started", error))?;
    let listening = Listening {
        url: server.url(),
        approval_key_file: args.data.join("approval.key").display().to_string(),
        data_directory: args.data.display().to_string(),
        pid: std::process::id(),
    };
    if args.json {
        invocation.printer.json().finish(&listening);
    } else {
        let printer = invocation.printer;
        printer.line(format!("Teamspace listens at {}", listening.url));
        printer.line(format!("  Data          {}", listening.data_directory));
        printer.line(format!("  Approval key  {}", listening.approval_key_file));
        printer.line(format!(
            "  Log in with   SPEC_KITTY_ENABLE_SAAS_SYNC=1 SPEC_KITTY_SAAS_URL={} spec-kitty auth login",
            listening.url
        ));
    }
    tokio::select! {
        ended = server.wait() => {
            ended.map_err(|error| Failure::new("teamspace_ended", format!("the server ended: {error}")))?;
        }
        () = stopped() => server.stop().await,
    }
    Ok(Exit::Success)
}

/// Ends when the process is asked to stop.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

async fn open(data: &Path) -> Result<Administration, Failure> {
    Administration::open(data)
        .await
        .map_err(|error| Failure::from_error("teamspace_unreadable", error))
}

async fn account(invocation: &Invocation, command: &AccountCommand) -> Result<Exit, Failure> {
    let failed = |error| Failure::from_error("teamspace_account", error);
    match command {
        AccountCommand::Add {
            email,
            data,
            name,
            teams,
            shared_only,
        } => {
            let administration = open(data).await?;
            let mut new = NewAccount::new(email, name.as_deref().unwrap_or(email));
            if !*shared_only {
                new = new.with_private_team();
            }
            for team in teams {
                new = new.shared_team(team, team);
            }
            let account = administration.create_account(new).await.map_err(failed)?;
            print_account(invocation, &account);
            administration.close().await;
        }
        AccountCommand::List { data } => {
            let administration = open(data).await?;
            for account in administration.accounts().await.map_err(failed)? {
                print_account(invocation, &account);
            }
            administration.close().await;
        }
    }
    Ok(Exit::Success)
}

async fn seed_issues(invocation: &Invocation, args: &SeedIssuesArgs) -> Result<Exit, Failure> {
    let failed = |error| Failure::from_error("teamspace_seed_issues", error);
    let seed = match &args.file {
        None => IssueSeed::sample(),
        Some(path) => {
            let json = std::fs::read_to_string(path).map_err(|error| {
                let message = format!("{} cannot be read: {error}", path.display());
                Failure::new("seed_file_unreadable", message)
            })?;
            IssueSeed::parse(&json)
        }
    };
    let seed = seed.map_err(failed)?;
    let administration = open(&args.data).await?;
    let report = administration
        .seed_issues(&args.team, &seed)
        .await
        .map_err(failed)?;
    administration.close().await;
    invocation.printer.line(format!(
        "{} resources, {} issues added, {} brought up to date",
        report.resources, report.added, report.changed
    ));
    Ok(Exit::Success)
}

async fn unbind(invocation: &Invocation, args: &UnbindArgs) -> Result<Exit, Failure> {
    let administration = open(&args.data).await?;
    administration
        .disable_binding(&args.team, &args.binding_ref)
        .await
        .map_err(|error| Failure::from_error("teamspace_unbind", error))?;
    administration.close().await;
    let reference = &args.binding_ref;
    invocation
        .printer
        .line(format!("Binding {reference} is switched off"));
    Ok(Exit::Success)
}

fn print_account(invocation: &Invocation, account: &Account) {
    invocation
        .printer
        .line(format!("{}  {}", account.email, account.name));
    for team in &account.teams {
        let kind = if team.is_private_teamspace {
            "private"
        } else {
            "shared"
        };
        invocation
            .printer
            .line(format!("  {} {} ({kind})", team.id, team.name));
    }
}

async fn export(invocation: &Invocation, args: &ExportArgs) -> Result<Exit, Failure> {
    let failed = |error| Failure::from_error("teamspace_export", error);
    let administration = open(&args.data).await?;
    let accounts = administration.accounts().await.map_err(failed)?;
    let account = accounts
        .iter()
        .find(|account| account.email == args.account)
        .ok_or_else(|| {
            Failure::new(
                "unknown_account",
                format!("There is no account {}.", args.account),
            )
            .next("Run `spec-kitty teamspace account list --data DIR`.")
        })?;
    for team in account
        .teams
        .iter()
        .filter(|team| team.is_private_teamspace)
    {
        let mut lines = Vec::new();
        administration
            .export_events(&team.id, &mut lines)
            .await
            .map_err(failed)?;
        invocation
            .printer
            .line(String::from_utf8_lossy(&lines).trim_end_matches('\n'));
    }
    administration.close().await;
    Ok(Exit::Success)
}
