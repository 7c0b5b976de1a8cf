//! `tracker map add|list`: which issue a work package is.

use super::session::{Session, Verb, text, within};
use super::status::upgrade_line;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::{Args, Subcommand};
use kitty_actors::tracker::{Route, TrackerRequest};
use serde_json::{Value, json};

/// `tracker map …`
#[derive(Debug, Subcommand)]
pub enum MapCommand {
    /// Relates a work package to an issue (local providers; hosted ones have their dashboard)
    Add(MapAddArgs),
    /// Lists the relations that the server knows
    List(MapListArgs),
}

/// Arguments of `tracker map add`.
#[derive(Debug, Args)]
pub struct MapAddArgs {
    /// The work package, for example WP01
    #[arg(long)]
    wp_id: String,
    /// The id at the provider
    #[arg(long)]
    external_id: String,
    /// The key at the provider
    #[arg(long)]
    external_key: Option<String>,
    /// The address
    #[arg(long)]
    external_url: Option<String>,
}

/// Arguments of `tracker map list`.
#[derive(Debug, Args)]
pub struct MapListArgs {
    /// Lists the relations of a provider, also when this project is not bound
    #[arg(long)]
    provider: Option<String>,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

impl MapCommand {
    /// Tells whether a failure is to be printed as JSON on stdout.
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Add(_) => false,
            Self::List(args) => args.json,
        }
    }
}

/// Runs `tracker map`.
///
/// # Errors
/// [`Failure`]; `add` always, because hosted relations are made in the dashboard.
pub fn run(invocation: &Invocation, command: &MapCommand) -> Result<Exit, Failure> {
    match command {
        MapCommand::Add(args) => within(invocation, Verb::MapAdd, false, async |_| {
            tracing::debug!(
                wp_id = args.wp_id,
                external_id = args.external_id,
                external_key = args.external_key,
                external_url = args.external_url,
                "a relation was not made"
            );
            Err(Failure::new(
                "mappings_are_hosted",
                "Mappings for SaaS-backed providers are managed in the Spec Kitty dashboard. \
                 Use the web interface to create or edit mappings.",
            ))
        }),
        MapCommand::List(args) => {
            let verb = if args.provider.is_some() {
                Verb::Browse
            } else {
                Verb::MapList
            };
            within(invocation, verb, args.json, async |session| {
                list(session, args).await
            })
        }
    }
}

async fn list(session: &Session<'_>, args: &MapListArgs) -> Result<Exit, Failure> {
    let printer = session.invocation.printer;
    let route = match &args.provider {
        Some(provider) => Route::provider(super::providers::hosted(provider)?),
        None => session.route()?,
    };
    let answer = session.call(&TrackerRequest::mappings(&route)).await?;
    let mappings = answer.get("mappings").and_then(Value::as_array);
    let mappings = mappings.map_or(&[][..], Vec::as_slice);
    let upgrade = match args.provider {
        Some(_) => None,
        None => session.pending_upgrade(&answer),
    };
    if args.json {
        let document = json!({"mappings": mappings, "pending_binding_upgrade": upgrade});
        printer.json().finish_indented(&document);
        return Ok(Exit::Success);
    }
    printer.line(if mappings.is_empty() {
        "No mappings found"
    } else {
        "Mappings"
    });
    for row in mappings {
        let key = row.get("external_key").filter(|key| !key.is_null());
        printer.line(format!(
            "- {}: {}:{}",
            text(&row["wp_id"]),
            text(&row["system"]),
            text(key.unwrap_or(&row["external_id"])),
        ));
    }
    if let Some(reference) = upgrade {
        printer.line(upgrade_line(&reference));
    }
    Ok(Exit::Success)
}
