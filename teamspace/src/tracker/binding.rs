//! Finding the resource of a project: `bind-resolve` and `bind-validate`, and what confirms one.

use super::candidates;
use super::input::{Input, invalid_field};
use super::provider::Provider;
use super::scope::{Scope, Stale};
use super::view::{binding_context, iso};
use crate::errors::ApiError;
use crate::state::State;
use crate::store::tracker::{self, Binding, Connection, NewBinding, Resource, Routing};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use kitty_contract::{Context, Gate};
use serde_json::{Value, json};

/// The project a request is about, as the contract describes it.
#[derive(Debug)]
pub(super) struct Project {
    uuid: String,
    slug: String,
    repo_slug: Option<String>,
    /// What the client sent.
    identity: String,
}

impl Project {
    /// Reads `project_identity`, which the contract's gate has to let through.
    pub(super) fn of(input: &Input) -> Result<Self, ApiError> {
        let identity = input.value("project_identity");
        let identity = identity.ok_or_else(|| invalid_field("'project_identity' is missing"))?;
        Gate::vendored()
            .check(Context::TrackerBind, identity)
            .map_err(|violation| ApiError::invalid("contract_violation", violation.to_string()))?;
        let text = |name: &str| identity[name].as_str().map(str::to_owned);
        let (Some(uuid), Some(slug)) = (text("uuid"), text("slug")) else {
            return Err(invalid_field("'project_identity' names no project"));
        };
        Ok(Self {
            uuid: uuid.to_ascii_lowercase(),
            slug,
            repo_slug: text("repo_slug"),
            identity: identity.to_string(),
        })
    }

    /// Tells how well a resource fits.
    fn fit(&self, resource: &Resource) -> Fit {
        let mut names = vec![self.slug.as_str()];
        if let Some(repository) = &self.repo_slug {
            names.push(repository);
            names.extend(repository.rsplit('/').next());
        }
        let places = [resource.resource_key.as_str(), resource.name.as_str()];
        let same = |name: &str| {
            let name = plain(name);
            !name.is_empty() && places.iter().any(|place| plain(place) == name)
        };
        if names.iter().any(|name| same(name)) {
            return Fit::Same;
        }
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_alphanumeric())
                .filter(|word| word.len() > 2)
                .map(str::to_lowercase)
                .collect()
        };
        let theirs: Vec<String> = places.iter().flat_map(|place| words(place)).collect();
        let shares = names
            .iter()
            .flat_map(|name| words(name))
            .any(|word| theirs.contains(&word));
        if shares { Fit::SharesWord } else { Fit::None }
    }
}

fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Same,
    SharesWord,
    None,
}

impl Fit {
    const fn confidence(self) -> (&'static str, &'static str) {
        match self {
            Self::Same => ("high", "its name is the project's"),
            Self::SharesWord => ("medium", "its name shares a word with the project's"),
            Self::None => ("low", "it is connected to the team"),
        }
    }
}

/// `POST bind-resolve/`: `exact` with a binding or a candidate, `candidates`, or `none`.
pub(super) async fn resolve(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let input = Input::receive(&state, &request, payload).await?;
    let provider = Provider::requested(input.optional("provider")?)?;
    let project = Project::of(&input)?;
    let mut reading = state.store.reading().await?;
    let team_id = &scope.team.id;
    let name = provider.name();
    let bound = tracker::binding_of_project(&mut reading, team_id, name, &project.uuid).await?;
    if let Some(binding) = bound.filter(|binding| binding.disabled_at.is_none()) {
        return Ok(HttpResponse::Ok().json(json!({
            "match_type": "exact",
            "binding_ref": binding.binding_ref,
            "display_label": binding.name,
            "project_slug": binding.project_slug,
            "candidates": [],
        })));
    }
    let resources = tracker::resources(&mut reading, team_id, name).await?;
    let mut ranked: Vec<(Fit, &Resource)> = resources
        .iter()
        .map(|resource| (project.fit(resource), resource))
        .collect();
    // Stable, so that equal fits keep the order of the names.
    ranked.sort_by_key(|(fit, _)| *fit);
    let token = |resource: &Resource| candidates::token(&state, &scope, &resource.resource_id);
    let body = match ranked.as_slice() {
        [] => json!({"match_type": "none", "candidates": []}),
        [(Fit::Same, only), rest @ ..] if rest.first().is_none_or(|next| next.0 > Fit::Same) => {
            json!({
                "match_type": "exact",
                "candidate_token": token(only),
                "display_label": only.name,
                "project_slug": project.slug,
                "candidates": [],
            })
        }
        ranked => {
            let candidate = |(position, (fit, resource)): (usize, &(Fit, &Resource))| {
                let (confidence, reason) = fit.confidence();
                json!({
                    "candidate_token": token(resource),
                    "display_label": resource.name,
                    "confidence": confidence,
                    "match_reason": reason,
                    "sort_position": position,
                })
            };
            let list: Vec<Value> = ranked.iter().enumerate().map(candidate).collect();
            json!({"match_type": "candidates", "candidates": list})
        }
    };
    Ok(HttpResponse::Ok().json(body))
}

/// `POST bind-validate/`: whether a reference serves this project; 200 either way.
pub(super) async fn validate(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let input = Input::receive(&state, &request, payload).await?;
    let provider = Provider::requested(input.optional("provider")?)?;
    let reference = input.required("binding_ref")?;
    let project = Project::of(&input)?;
    let mut reading = state.store.reading().await?;
    let routing = Routing::Reference(reference);
    let found = tracker::binding(&mut reading, &scope.team.id, provider.name(), routing).await?;
    let verdict = match found {
        None => Err(Stale::NotFound),
        Some(binding) if binding.disabled_at.is_some() => Err(Stale::Disabled),
        Some(binding) if binding.project_uuid != project.uuid => Err(Stale::OtherProject),
        Some(binding) => Ok(binding),
    };
    Ok(HttpResponse::Ok().json(match verdict {
        Ok(binding) => json!({
            "valid": true,
            "binding_ref": binding.binding_ref,
            "display_label": binding.name,
            "provider": provider.name(),
            "provider_context": binding_context(provider, &binding),
            "project_slug": binding.project_slug,
        }),
        Err(stale) => json!({
            "valid": false,
            "binding_ref": reference,
            "reason": stale.code(),
            "guidance": stale.message(),
        }),
    }))
}

/// Binds a project to the resource of a candidate; the same resource again keeps the reference.
pub(super) async fn confirm(
    connection: &mut Connection,
    state: &State,
    scope: &Scope,
    provider: Provider,
    candidate_token: &str,
    project: &Project,
) -> Result<Value, ApiError> {
    let team_id = &scope.team.id;
    let resource_id = candidates::resource_id(state, scope, candidate_token);
    let resource_id = resource_id.ok_or_else(candidates::refused)?;
    let resource = tracker::resource(connection, team_id, &resource_id).await?;
    let resource = resource.filter(|resource| resource.provider == provider.name());
    let resource = resource.ok_or_else(candidates::refused)?;
    let find = async |connection: &mut Connection| {
        tracker::binding_of_project(connection, team_id, provider.name(), &project.uuid).await
    };
    let serves = |binding: &Binding| {
        binding.disabled_at.is_none() && binding.resource_id == resource.resource_id
    };
    let binding = match find(connection).await?.filter(serves) {
        Some(binding) => binding,
        None => {
            let new = NewBinding {
                team_id,
                account_id: &scope.account.id,
                provider: provider.name(),
                resource_id: &resource.resource_id,
                project_uuid: &project.uuid,
                project_slug: &project.slug,
                project_identity: project.identity.clone(),
            };
            tracker::bind(connection, &new, state.now()).await?;
            find(connection).await?.ok_or_else(ApiError::internal)?
        }
    };
    Ok(json!({
        "binding_ref": binding.binding_ref,
        "display_label": binding.name,
        "provider": provider.name(),
        "provider_context": binding_context(provider, &binding),
        "bound_at": iso(binding.bound_at),
        "project_slug": binding.project_slug,
    }))
}
