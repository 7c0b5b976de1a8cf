//! `sync opt-in` and `sync opt-out`: whether anything of this project may leave this machine.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::project;
use clap::Args;
use kitty_config::policy::DISABLED_MESSAGE;
use kitty_runtime::consent::Consent;
use serde::Serialize;

/// Arguments of `sync opt-in` and `sync opt-out`.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct ConsentDocument {
    project_uuid: String,
    consent: &'static str,
    changed: bool,
}

/// Runs both; the decision is durable when it is printed.
///
/// What is captured while a project is opted out is never sent, also not after it has opted in again.
///
/// # Errors
/// [`Failure`] when hosted sync is off, there is no project, or the decision cannot be stored.
pub fn decide(
    invocation: &Invocation,
    args: &ConsentArgs,
    consent: Consent,
) -> Result<Exit, Failure> {
    if !invocation.hosted_sync() {
        return Err(Failure::new("rollout_disabled", DISABLED_MESSAGE));
    }
    let project = project::current(invocation)?;
    // The decision needs a name to be kept under, also before anything was captured.
    let identity = project::project_identity(invocation, &project)?;
    let paths = project::scope(invocation, identity.project_uuid).paths;
    let changed = Consent::read(&*invocation.filesystem, &paths) != consent;
    if changed {
        consent
            .decide(&*invocation.filesystem, &invocation.time, &paths)
            .map_err(|error| {
                Failure::new(
                    "consent_not_stored",
                    format!(
                        "{} could not be written: {error}. The decision before still holds",
                        paths.consent().display()
                    ),
                )
                .next("Free some space or check the permissions, then run the command again.")
            })?;
    }
    let document = ConsentDocument {
        project_uuid: identity.project_uuid.to_string(),
        consent: consent.as_str(),
        changed,
    };
    if args.json {
        invocation.printer.json().finish(&document);
    } else {
        print(invocation, consent, changed);
    }
    Ok(Exit::Success)
}

fn print(invocation: &Invocation, consent: Consent, changed: bool) {
    invocation.printer.line(match (consent, changed) {
        (Consent::Granted, true) => {
            "✓ This project has opted in: what is captured from now on may leave. \
             What was captured while it was opted out stays here."
        }
        (Consent::Granted, false) => "This project is opted in already.",
        (Consent::Refused, true) => {
            "✓ This project has opted out: nothing of it leaves this machine."
        }
        (Consent::Refused, false) => "This project is opted out already.",
    });
}
