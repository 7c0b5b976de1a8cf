//! `sync diagnose`: what the gate will say of everything that waits, before anything is sent.
//!
//! The same primitive, the same contract and the same project as at egress (document 4, FR-012 and
//! NFR-002); the keys of the document are those of the Python CLI.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::project;
use clap::Args;
use kitty_actors::gate::core::{GateCore, Input};
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::snapshot::open_events;
use serde::Serialize;
use serde_json::Value;

/// Arguments of `sync diagnose`.
#[derive(Debug, Args)]
pub struct DiagnoseArgs {
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Diagnosis {
    total: usize,
    valid: usize,
    invalid: usize,
    results: Vec<Checked>,
}

/// What the gate says of one record.
#[derive(Debug, Serialize)]
struct Checked {
    event_id: String,
    event_type: String,
    valid: bool,
    errors: Vec<String>,
    error_category: String,
}

/// Runs `sync diagnose`; reads only. Exit code 1 when something would not be sent.
///
/// # Errors
/// [`Failure`] outside of a project, or when the queue cannot be read.
pub fn run(invocation: &Invocation, args: &DiagnoseArgs) -> Result<Exit, Failure> {
    let diagnosis = match project::known_identity(invocation)? {
        Some(project) => diagnose(invocation, project)?,
        None => Diagnosis::default(),
    };
    let exit = if diagnosis.invalid > 0 {
        Exit::Failed
    } else {
        Exit::Success
    };
    if args.json {
        invocation.printer.json().finish(&diagnosis);
    } else {
        print(invocation, &diagnosis);
    }
    Ok(exit)
}

fn diagnose(invocation: &Invocation, project: ProjectUuid) -> Result<Diagnosis, Failure> {
    let scope = project::scope(invocation, project);
    let waiting = open_events(&invocation.filesystem, &scope, None, usize::MAX);
    let waiting = waiting.map_err(|error| {
        let message = format!("the queue could not be read: {error}");
        Failure::new("queue_unreadable", message)
            .next("Check the permissions of the state root; `spec-kitty state doctor` shows it.")
    })?;
    let gate = GateCore::default();
    let results: Vec<Checked> = waiting
        .into_iter()
        .map(|(event_id, json)| check(&gate, project, event_id, &json))
        .collect();
    let valid = results.iter().filter(|checked| checked.valid).count();
    Ok(Diagnosis {
        total: results.len(),
        valid,
        invalid: results.len() - valid,
        results,
    })
}

fn check(gate: &GateCore, project: ProjectUuid, event_id: String, json: &[u8]) -> Checked {
    let refused = gate.step(&Input::Egress(&project, json)).detail();
    let event_type = serde_json::from_slice::<Value>(json)
        .ok()
        .and_then(|event| Some(event.get("event_type")?.as_str()?.to_owned()));
    Checked {
        event_id,
        event_type: event_type.unwrap_or_default(),
        valid: refused.is_none(),
        error_category: refused
            .as_ref()
            .and_then(|detail| detail.category.clone())
            .unwrap_or_default(),
        errors: refused.into_iter().map(|detail| detail.message).collect(),
    }
}

fn print(invocation: &Invocation, diagnosis: &Diagnosis) {
    let printer = invocation.printer;
    if diagnosis.total == 0 {
        printer.line("Nothing waits.");
        return;
    }
    printer.line(format!(
        "Checked {} event(s): {} valid, {} invalid",
        diagnosis.total, diagnosis.valid, diagnosis.invalid
    ));
    for checked in diagnosis.results.iter().filter(|checked| !checked.valid) {
        let what = format!("{} {}", checked.event_id, checked.event_type);
        printer.line(format!("✗ {}", what.trim_end()));
        for error in &checked.errors {
            printer.line(format!("    {error}"));
        }
    }
    if diagnosis.invalid > 0 {
        printer.line(
            "What is invalid is kept and never sent; `spec-kitty sync why <id>` explains it.",
        );
    }
}
