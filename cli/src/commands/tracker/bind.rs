//! `tracker bind`: relates this project to a resource of a provider, at the server and here.
//!
//! The server gets exactly five fields of the project's identity, through the gate. Whoever is not at
//! a terminal says what to choose with `--select` or `--bind-ref`; nothing waits for an answer.

use super::binding::project_to_bind;
use super::providers;
use super::session::{Session, Verb, failed, text, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::project::project_identity;
use clap::Args;
use kitty_actors::tracker::binding::{
    Bound, Candidate, Resolution, confirmed, resolution, resources, validation,
};
use kitty_actors::tracker::{
    BindIdentity, GatedIdentity, TrackerClient, TrackerError, TrackerRequest,
};
use kitty_missions::identity::{self, ProjectIdentity};
use kitty_missions::project::Project;
use kitty_missions::project::tracker::{TrackerBinding, change};
use serde_json::Value;

/// Arguments of `tracker bind`.
#[derive(Debug, Args)]
pub struct BindArgs {
    /// The provider: github, gitlab, jira or linear; by default the bound or the only connected one
    #[arg(long)]
    provider: Option<String>,
    /// Binds to a known reference, after the server has validated it
    #[arg(long, value_name = "REF", conflicts_with = "select")]
    bind_ref: Option<String>,
    /// Chooses the Nth candidate
    #[arg(long, value_name = "N")]
    select: Option<usize>,
    /// Of local providers, which this program does not have
    #[arg(long, hide = true)]
    workspace: Option<String>,
    /// Of local providers, which this program does not have
    #[arg(long, hide = true)]
    ownership_mode: Option<String>,
    /// Of local providers, which this program does not have
    #[arg(long, hide = true, value_name = "FIELD=OWNER")]
    field_owner: Vec<String>,
    /// Of local providers, which this program does not have
    #[arg(long, hide = true, value_name = "KEY=VALUE")]
    credential: Vec<String>,
}

/// Runs `tracker bind`.
///
/// # Errors
/// [`Failure`]; then neither the project nor its files are changed.
pub fn run(invocation: &Invocation, args: &BindArgs) -> Result<Exit, Failure> {
    let provider = args
        .provider
        .as_deref()
        .map(providers::hosted)
        .transpose()?;
    refuse_local_options(args, provider)?;
    within(invocation, Verb::Bind, false, async |session| {
        let project = project_to_bind(invocation)?;
        if !may_replace(session, args)? {
            invocation.printer.line("Bind cancelled.");
            return Ok(Exit::Success);
        }
        let client = session.client().await?;
        let provider = match provider {
            Some(provider) => provider,
            None => the_provider(session, &client).await?,
        };
        let identity = project_identity(invocation, &project)?;
        let gated = client.gate(&sent(&identity)).await.map_err(failed)?;
        let bind = Bind {
            session,
            client: &client,
            provider,
            identity: gated,
        };
        let bound = match &args.bind_ref {
            Some(reference) => bind.validate(reference).await?,
            None => bind.resolve(args.select).await?,
        };
        let stored = bind.store(&project, bound)?;
        let printer = invocation.printer;
        if let Err(problem) = identity::persist(&project, &identity) {
            // The binding holds without it.
            printer.error(format!("The identity was not recorded: {problem}"));
        }
        printer.line("Tracker binding saved");
        printer.line(format!("- provider: {provider}"));
        let reference = stored.binding_ref.unwrap_or_default();
        printer.line(format!(
            "- binding_ref: {}",
            text(&reference.as_str().into())
        ));
        let label = stored.display_label.unwrap_or(reference);
        printer.line(format!("- display_label: {}", text(&label.into())));
        Ok(Exit::Success)
    })
}

fn refuse_local_options(args: &BindArgs, provider: Option<&str>) -> Result<(), Failure> {
    if !args.credential.is_empty() {
        let of = provider.unwrap_or("hosted providers");
        return Err(Failure::new(
            "credentials_not_supported",
            format!("Direct provider credentials are no longer supported for {of}."),
        )
        .next(
            "Run `spec-kitty auth login` to authenticate.\n\
             Then connect your provider in the Spec Kitty dashboard.",
        ));
    }
    let local = [
        ("--workspace", args.workspace.is_some()),
        ("--ownership-mode", args.ownership_mode.is_some()),
        ("--field-owner", !args.field_owner.is_empty()),
    ];
    match local.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::new(
            "local_option",
            format!("{name} belongs to local providers, which this program does not have."),
        )
        .next(format!("Leave {name} out."))),
        None => Ok(()),
    }
}

/// Asks before a binding is replaced, unless the arguments say what to replace it with.
fn may_replace(session: &Session<'_>, args: &BindArgs) -> Result<bool, Failure> {
    let binding = &session.binding;
    if args.bind_ref.is_some() || args.select.is_some() || !binding.is_bound() {
        return Ok(true);
    }
    let names = [
        &binding.display_label,
        &binding.binding_ref,
        &binding.project_slug,
    ];
    let label = names.into_iter().flatten().next();
    let label = text(&label.map_or("", String::as_str).into());
    let printer = session.invocation.printer;
    let question = format!("Existing binding: {label}\nReplace existing binding? (y/N): ");
    match printer.ask(&question) {
        Some(answer) => Ok(["y", "yes"].contains(&answer.to_lowercase().as_str())),
        None => Err(Failure::new(
            "already_bound",
            format!("This project is bound to '{label}', and there was no answer whether to replace that."),
        )
        .next("Run `spec-kitty tracker bind` with `--select N` or `--bind-ref REF` to replace it.")),
    }
}

/// Returns the bound provider, else the only one that the server has anything of.
async fn the_provider(
    session: &Session<'_>,
    client: &TrackerClient,
) -> Result<&'static str, Failure> {
    if let Some(bound) = &session.binding.provider {
        return providers::hosted(bound);
    }
    let mut found = Vec::new();
    for provider in providers::HOSTED {
        match client.call(&TrackerRequest::resources(provider)).await {
            Ok(answer) if !resources(&answer).map_err(failed)?.is_empty() => found.push(provider),
            // A provider that is not connected is refused by the server.
            Ok(_) | Err(TrackerError::Refused { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    match found.as_slice() {
        [provider] => Ok(provider),
        [] => Err(Failure::new(
            "nothing_to_bind",
            "No bindable resources found for any provider.",
        )
        .next("Verify the tracker is connected in the SaaS dashboard.")),
        several => Err(Failure::new(
            "several_providers",
            format!("Several providers are connected: {}.", several.join(", ")),
        )
        .next("Choose one with `--provider`.")),
    }
}

/// What the server learns of an identity.
fn sent(identity: &ProjectIdentity) -> BindIdentity {
    BindIdentity {
        uuid: identity.project_uuid.to_string(),
        slug: identity.project_slug.clone(),
        node_id: identity.node_id.clone(),
        repo_slug: identity.repo_slug.clone(),
        build_id: identity.build_id.to_string(),
    }
}

/// One bind under way.
struct Bind<'a> {
    session: &'a Session<'a>,
    client: &'a TrackerClient,
    provider: &'static str,
    identity: GatedIdentity,
}

impl Bind<'_> {
    async fn validate(&self, reference: &str) -> Result<Bound, Failure> {
        let request = TrackerRequest::bind_validate(self.provider, reference, &self.identity);
        let answer = self.client.call(&request).await.map_err(failed)?;
        let validation = validation(answer).map_err(failed)?;
        if !validation.valid {
            let reason = validation.reason.as_deref().unwrap_or("unknown reason");
            let message = format!("Binding ref '{reference}' is not valid: {reason}.");
            let advice = "Run `spec-kitty tracker discover` to see what can be bound.";
            let advice = validation.guidance.unwrap_or_else(|| advice.to_owned());
            return Err(Failure::new("binding_not_valid", message).next(advice));
        }
        Ok(Bound {
            binding_ref: reference.to_owned(),
            display_label: validation.display_label,
            provider_context: validation.provider_context,
            project_slug: None,
        })
    }

    /// Asks what fits and confirms it; a candidate that expired meanwhile is asked for once more.
    async fn resolve(&self, select: Option<usize>) -> Result<Bound, Failure> {
        let mut select = select;
        for is_last in [false, true] {
            let request = TrackerRequest::bind_resolve(self.provider, &self.identity);
            let answer = self.client.call(&request).await.map_err(failed)?;
            let token = match resolution(answer).map_err(failed)? {
                Resolution::Bound(bound) => return Ok(bound),
                Resolution::Confirm(token) => token,
                Resolution::Choose(candidates) => {
                    let number = match select {
                        Some(number) => number,
                        None => self.choose(&candidates)?,
                    };
                    select = Some(number);
                    chosen(&candidates, number)?
                }
                Resolution::Nothing => return Err(self.nothing()),
            };
            let request = TrackerRequest::bind_confirm(self.provider, &token, &self.identity);
            match self.client.call(&request).await {
                Ok(answer) => return confirmed(answer).map_err(failed),
                Err(error) if error.code() == Some("invalid_candidate_token") && !is_last => {}
                Err(error) if error.code() == Some("invalid_candidate_token") => break,
                Err(error) => return Err(failed(error)),
            }
        }
        Err(Failure::new(
            "candidate_expired",
            "Candidate token expired. Please retry the bind operation.",
        ))
    }

    fn nothing(&self) -> Failure {
        let message = format!(
            "No bindable resources found for provider '{}'.",
            self.provider
        );
        Failure::new("nothing_to_bind", message)
            .next("Verify the tracker is connected in the SaaS dashboard.")
    }

    /// Shows the candidates and asks for one of them.
    fn choose(&self, candidates: &[Candidate]) -> Result<usize, Failure> {
        if candidates.is_empty() {
            return Err(self.nothing());
        }
        let printer = self.session.invocation.printer;
        printer.error(format!(
            "Multiple resources found for provider '{}':",
            self.provider
        ));
        for (number, candidate) in (1..).zip(candidates) {
            let text = |field: &String| text(&field.as_str().into());
            let (label, confidence) = (text(&candidate.display_label), text(&candidate.confidence));
            printer.error(format!("  {number}. {label} ({confidence} confidence)"));
            printer.error(format!("     Reason: {}", text(&candidate.match_reason)));
        }
        let question = format!("Select resource (1-{}): ", candidates.len());
        match printer.ask(&question) {
            Some(answer) => answer
                .parse()
                .map_err(|_| Failure::new("invalid_selection", "Invalid selection.")),
            None => Err(Failure::new(
                "selection_needed",
                "Several resources fit, and there was no answer which one is meant.",
            )
            .next("Choose one with `--select N`.")),
        }
    }

    /// Stores the binding in the project's own file.
    fn store(&self, project: &Project, bound: Bound) -> Result<TrackerBinding, Failure> {
        let stored = change(project, |before| {
            let is_same = before.provider.as_deref() == Some(self.provider);
            let kept = |field: Option<String>| field.filter(|_| is_same);
            let context = bound.provider_context.into_iter();
            TrackerBinding {
                provider: Some(self.provider.to_owned()),
                binding_ref: Some(bound.binding_ref),
                project_slug: bound.project_slug.or_else(|| kept(before.project_slug)),
                display_label: bound.display_label.or_else(|| kept(before.display_label)),
                provider_context: context.filter_map(plain).collect(),
                workspace: before.workspace,
                egress: before.egress,
            }
        });
        stored.map_err(|error| Failure::from_error("tracker_binding_not_stored", error))
    }
}

fn chosen(candidates: &[Candidate], number: usize) -> Result<String, Failure> {
    let candidate = number
        .checked_sub(1)
        .and_then(|index| candidates.get(index));
    candidate
        .map(|candidate| candidate.candidate_token.clone())
        .ok_or_else(|| {
            let message = format!(
                "Selection {number} is out of range. Valid range: 1-{}.",
                candidates.len()
            );
            Failure::new("invalid_selection", message)
        })
}

/// Only text is stored.
fn plain((key, value): (String, Value)) -> Option<(String, String)> {
    match value {
        Value::String(text) => Some((key, text)),
        Value::Number(number) => Some((key, number.to_string())),
        _ => None,
    }
}
