//! `accept`: writes down that a mission is accepted, when every work package is approved or done.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::mission_desk::{CallError, MissionCall};
use clap::Args;
use kitty_missions::workflow::{self, Acceptance, WorkflowError};
use serde_json::json;

/// Arguments of `accept`.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// The mission: its slug, its id or the first eight characters of it
    #[arg(long)]
    mission: Option<String>,
    /// Who accepts
    #[arg(long, default_value = "user")]
    actor: String,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] outside a project.
pub fn run(invocation: &Invocation, args: &AcceptArgs) -> Result<Exit, Failure> {
    let call = MissionCall::begin(invocation)?;
    Ok(call.end(args.json, accept(&call, args)))
}

fn accept(call: &MissionCall<'_>, args: &AcceptArgs) -> Result<Exit, CallError> {
    let slug = call.mission(args.mission.as_deref())?.slug;
    let accepted = workflow::accept(&call.desk(), &slug, &args.actor, "local");
    let accepted = accepted.map_err(named)?;
    let Acceptance {
        mission,
        accepted_at,
        approved,
        done,
        step,
        writer,
    } = accepted;
    call.perform(&mission, writer, &step, || {
        let printer = call.invocation.printer;
        if args.json {
            let document = json!({
                "result": "success",
                "mission_slug": slug,
                "accepted": true,
                "accepted_at": accepted_at,
                "accepted_by": args.actor,
                "approved_wps": approved,
                "done_wps": done,
            });
            printer.json().finish(&document);
        } else {
            let count = approved.len() + done.len();
            printer.line(format!("✓ Accepted {slug}: {count} work package(s)"));
            printer.line(format!(
                "  Merge it with `spec-kitty merge --mission {slug}`."
            ));
        }
    })?;
    Ok(Exit::Success)
}

/// A person wants to know which work packages are left.
pub(super) fn named(error: WorkflowError) -> CallError {
    match error {
        WorkflowError::NotReady { incomplete } => CallError::Input(format!(
            "Mission has {} incomplete WP(s): {}",
            incomplete.len(),
            incomplete.join(", ")
        )),
        other => other.into(),
    }
}
