//! `tracker providers`: what can be bound to; asks nobody.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Args;
use serde_json::json;

/// The providers that are reached through the Teamspace, sorted.
pub const HOSTED: [&str; 4] = ["github", "gitlab", "jira", "linear"];
/// The providers that the Python CLI reaches without a Teamspace, sorted.
const LOCAL: [&str; 2] = ["beads", "fp"];
/// A provider that earlier releases knew.
const REMOVED: &str = "azure_devops";

/// Arguments of `tracker providers`.
#[derive(Debug, Args)]
pub struct ProvidersArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs `tracker providers`.
pub fn run(invocation: &Invocation, args: &ProvidersArgs) -> Exit {
    let printer = invocation.printer;
    if args.json {
        let document = json!({"saas": HOSTED, "local": LOCAL});
        printer.json().finish_indented(&document);
        return Exit::Success;
    }
    printer.line("Supported providers:");
    printer.line("");
    printer.line("  SaaS-backed (authenticate via spec-kitty auth login):");
    for provider in HOSTED {
        printer.line(format!("    - {provider}"));
    }
    printer.line("");
    printer.line("  Local (direct connectors; not supported by this program):");
    for provider in LOCAL {
        printer.line(format!("    - {provider}"));
    }
    Exit::Success
}

/// Checks and normalises the name of a provider: trimmed, lower case, hyphens as underscores.
///
/// # Errors
/// [`Failure`] that says why this provider cannot be used.
pub fn hosted(name: &str) -> Result<&'static str, Failure> {
    let wanted = name.trim().to_lowercase().replace('-', "_");
    if let Some(provider) = HOSTED.iter().find(|provider| **provider == wanted) {
        return Ok(provider);
    }
    let choose = format!("Choose one of {}.", HOSTED.join(", "));
    if LOCAL.contains(&wanted.as_str()) {
        return Err(Failure::new(
            "provider_not_supported",
            format!("Provider '{wanted}' has a local connector, which this program does not have."),
        )
        .next(choose));
    }
    if wanted == REMOVED {
        return Err(Failure::new(
            "provider_removed",
            format!("Provider '{wanted}' is no longer supported."),
        )
        .next(choose));
    }
    Err(Failure::new("unknown_provider", format!("Unknown provider '{wanted}'.")).next(choose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_and_every_other_provider_is_refused_by_name() {
        for (name, expected) in [
            ("linear", Ok("linear")),
            (" GitHub ", Ok("github")),
            ("beads", Err("provider_not_supported")),
            ("FP", Err("provider_not_supported")),
            ("azure-devops", Err("provider_removed")),
            ("trello", Err("unknown_provider")),
        ] {
            let outcome = hosted(name).map_err(|failure| failure.kind);
            assert_eq!(outcome, expected, "{name}");
        }
    }
}
