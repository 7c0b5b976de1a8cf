//! `tracker discover`: what a project can be bound to.

use super::providers;
use super::session::{Session, Verb, failed, text, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Args;
use kitty_actors::tracker::TrackerRequest;
use kitty_actors::tracker::binding::{Resource, resources};
use serde_json::{Value, json};

/// Arguments of `tracker discover`.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// The provider: github, gitlab, jira or linear
    #[arg(long)]
    provider: String,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs `tracker discover`.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, args: &DiscoverArgs) -> Result<Exit, Failure> {
    let provider = providers::hosted(&args.provider)?;
    within(invocation, Verb::Discover, args.json, async |session| {
        show(session, provider, args.json).await
    })
}

async fn show(session: &Session<'_>, provider: &str, json: bool) -> Result<Exit, Failure> {
    let printer = session.invocation.printer;
    let answer = session.call(&TrackerRequest::resources(provider)).await?;
    let found = resources(&answer).map_err(failed)?;
    if json {
        let rows: Vec<Value> = (1..).zip(&found).map(document).collect();
        printer.json().finish_indented(&rows);
    } else if found.is_empty() {
        printer.line(format!(
            "No bindable resources found for provider '{provider}'."
        ));
        printer.line("Verify the tracker is connected in the SaaS dashboard.");
    } else {
        printer.line("Bindable Resources");
        for (number, resource) in (1..).zip(&found) {
            printer.line(row(number, resource));
        }
    }
    Ok(Exit::Success)
}

/// One row; its number is that of `tracker bind --select`.
fn row(number: usize, resource: &Resource) -> String {
    let workspace = resource.provider_context.get("workspace_name").map(text);
    let standing = if resource.binding_ref.is_some() {
        "bound"
    } else {
        "available"
    };
    format!(
        "{number:>3}. {}  {}  {}  {standing}",
        text(&resource.display_label.as_str().into()),
        text(&resource.provider.as_str().into()),
        workspace.as_deref().unwrap_or("-"),
    )
}

fn document((number, resource): (usize, &Resource)) -> Value {
    json!({
        "number": number,
        "candidate_token": resource.candidate_token,
        "display_label": resource.display_label,
        "provider": resource.provider,
        "provider_context": resource.provider_context,
        "binding_ref": resource.binding_ref,
        "bound_project_slug": resource.bound_project_slug,
        "bound_at": resource.bound_at,
        "is_bound": resource.binding_ref.is_some(),
    })
}
