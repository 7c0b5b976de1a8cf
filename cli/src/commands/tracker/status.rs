//! `tracker status`: the binding, and how its synchronisation stands.

use super::session::{Session, Verb, text, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Args;
use kitty_actors::tracker::{Route, TrackerRequest};
use serde_json::Value;

/// Arguments of `tracker status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Shows every binding of the provider, not only this project's
    #[arg(long)]
    all: bool,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs `tracker status`.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, args: &StatusArgs) -> Result<Exit, Failure> {
    within(invocation, Verb::Status, args.json, async |session| {
        show(session, args).await
    })
}

async fn show(session: &Session<'_>, args: &StatusArgs) -> Result<Exit, Failure> {
    let printer = session.invocation.printer;
    let bound = session.route()?;
    let route = if args.all {
        Route::provider(&bound.provider)
    } else {
        bound.clone()
    };
    let mut answer = session.call(&TrackerRequest::status(&route)).await?;
    if !args.all {
        answer["pending_binding_upgrade"] = session.pending_upgrade(&answer).into();
    }
    if args.json {
        printer.json().finish_indented(&answer);
    } else if args.all {
        printer.line("Installation-wide tracker status");
        printer.line(format!("- provider: {}", bound.provider));
        installation(&answer)
            .iter()
            .for_each(|line| printer.line(line));
    } else {
        printer.line("Tracker status");
        printer.line(format!("- provider: {}", bound.provider));
        if let Some(label) = &session.binding.display_label {
            printer.line(format!("- display_label: {}", text(&label.as_str().into())));
        }
        if let Some(path) = answer.get("identity_path") {
            printer.line(format!("- type: {}", text(&path["type"])));
        }
        printer.line(format!("- sync_state: {}", text(&answer["sync_state"])));
        if let Some(reference) = answer["pending_binding_upgrade"].as_str() {
            printer.line(upgrade_line(reference));
        }
    }
    Ok(Exit::Success)
}

fn installation(answer: &Value) -> Vec<String> {
    let connected = answer.get("connected").or_else(|| answer.get("status"));
    let mut lines = vec![format!(
        "- connected: {}",
        text(connected.unwrap_or(&Value::Null))
    )];
    if let Some(count) = answer.get("resource_count") {
        lines.push(format!("- resources: {}", text(count)));
    }
    match answer.get("bindings") {
        Some(Value::Array(bindings)) => {
            lines.push(format!("- bindings: {}", bindings.len()));
            lines.extend(bindings.iter().map(|binding| {
                let of = |names: &[&str]| {
                    let mut found = names.iter().filter_map(|name| binding.get(*name));
                    text(found.find(|value| !value.is_null()).unwrap_or(&Value::Null))
                };
                format!(
                    "  - {}: {}",
                    of(&[
                        "project_name",
                        "project_slug",
                        "project",
                        "slug",
                        "name",
                        "display_label"
                    ]),
                    of(&["status", "sync_state", "binding_ref"]),
                )
            }));
        }
        Some(count) => lines.push(format!("- bindings: {}", text(count))),
        None => {}
    }
    lines
}

/// Says that the server offers another reference; only `tracker bind` stores one.
pub fn upgrade_line(reference: &str) -> String {
    format!(
        "Tracker binding upgrade available: {}. Run `spec-kitty tracker bind` to apply.",
        text(&reference.into())
    )
}
