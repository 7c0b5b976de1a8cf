//! `config get|set|list` and `sync server`.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::{Args, Subcommand};
use kitty_config::{InvalidServerUrl, SETTING_KEYS, ServerUrl, SettingError, SettingsDocument};
use kitty_runtime::crashsafe::{self, Durability};
use serde_json::{Map, Value};

/// Reads and writes settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Prints the value of a setting; nothing when it is unset
    Get {
        /// The setting, for example sync.server_url
        key: String,
    },
    /// Sets a setting; everything else in the file stays as it is
    Set {
        /// The setting, for example sync.background_daemon
        key: String,
        /// Its value
        value: String,
    },
    /// Prints all settings that this release knows
    List {
        /// Prints one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `sync server`.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// The server's address; without it, the current one is shown
    url: Option<String>,
}

/// Runs `config`.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Get { key } => get(invocation, key),
        ConfigCommand::Set { key, value } => {
            write(invocation, key, value, "The setting")?;
            Ok(Exit::Success)
        }
        ConfigCommand::List { json } => list(invocation, *json),
    }
}

fn open(invocation: &Invocation) -> Result<SettingsDocument, Failure> {
    let path = invocation.map.config_toml();
    SettingsDocument::open(&path).map_err(|failure| {
        Failure::new(
            "settings_unreadable",
            format!("The settings could not be read: {}", failure.detail),
        )
        .next(format!("Repair {} and try again.", path.display()))
    })
}

fn get(invocation: &Invocation, key: &str) -> Result<Exit, Failure> {
    match open(invocation)?.get(key).map_err(invalid)? {
        Some(value) => {
            invocation.printer.line(value);
            Ok(Exit::Success)
        }
        None => Ok(Exit::Failed),
    }
}

fn list(invocation: &Invocation, json: bool) -> Result<Exit, Failure> {
    let document = open(invocation)?;
    let mut values = Map::new();
    for key in SETTING_KEYS {
        let value = document.get(key).map_err(invalid)?;
        if !json {
            invocation
                .printer
                .line(format!("{key} = {}", value.as_deref().unwrap_or("<unset>")));
        }
        values.insert(key.to_owned(), value.map_or(Value::Null, Value::String));
    }
    if json {
        invocation.printer.json().finish(&values);
    }
    Ok(Exit::Success)
}

fn invalid(error: SettingError) -> Failure {
    Failure::from_error("invalid_setting", error)
}

/// Changes one setting on disk; a file that cannot be read as a whole is never overwritten.
fn write(invocation: &Invocation, key: &str, value: &str, what: &str) -> Result<(), Failure> {
    let path = invocation.map.config_toml();
    let mut document = SettingsDocument::open(&path).map_err(|failure| {
        Failure::new(
            "settings_unreadable",
            format!("{what} was not recorded. Refusing to write: {failure}"),
        )
    })?;
    document.set(key, value).map_err(invalid)?;
    crashsafe::replace(
        &*invocation.filesystem,
        &path,
        document.text().as_bytes(),
        Durability::PowerCut,
    )
    .map_err(|error| {
        Failure::new(
            "settings_not_written",
            format!("{what} was not recorded: {}: {error}", path.display()),
        )
        .next("Free some space or check the permissions.")
    })
}

/// Runs `sync server`: shows or sets the server.
///
/// # Errors
/// [`Failure`].
pub fn server(invocation: &Invocation, args: &ServerArgs) -> Result<Exit, Failure> {
    let printer = invocation.printer;
    let Some(url) = &args.url else {
        let document = open(invocation)?;
        let url = document
            .get("sync.server_url")
            .map_err(invalid)?
            .filter(|url| !url.trim().is_empty());
        printer.line(format!(
            "Server URL: {}",
            url.as_deref().unwrap_or("<unset>")
        ));
        printer.line(format!(
            "Config File: {}",
            invocation.map.config_toml().display()
        ));
        return Ok(Exit::Success);
    };
    let url = ServerUrl::parse(url)
        .map_err(|error: InvalidServerUrl| Failure::from_error("invalid_server_url", error))?;
    write(
        invocation,
        "sync.server_url",
        url.as_str(),
        "The sync server URL",
    )?;
    printer.line(format!("✓ Sync server set to {url}"));
    printer.line(
        "If you switched environments, run 'spec-kitty auth login --force' to refresh credentials.",
    );
    Ok(Exit::Success)
}
