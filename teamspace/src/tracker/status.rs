//! `resources/`, `status/` and `mappings/`: what a team has connected and bound.

use super::candidates;
use super::provider::Provider;
use super::scope::{Route, Scope};
use super::view::{binding_context, envelope, iso, resource_context};
use crate::errors::ApiError;
use crate::request::Fields;
use crate::state::State;
use crate::store::tracker::{self, Binding, Mapping, Origin};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// `GET resources/?provider=`: what can be bound, with a candidate token each.
pub(super) async fn resources(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let query = Fields::of_query(&request);
    let provider = Provider::requested(query.one("provider")?)?;
    let mut reading = state.store.reading().await?;
    let resources = tracker::resources(&mut reading, &scope.team.id, provider.name()).await?;
    let bindings = tracker::bindings(&mut reading, &scope.team.id, provider.name()).await?;
    let list: Vec<Value> = resources
        .iter()
        .map(|resource| {
            let serves = |binding: &&Binding| {
                binding.resource_id == resource.resource_id && binding.disabled_at.is_none()
            };
            let bound = bindings.iter().find(serves);
            json!({
                "candidate_token": candidates::token(&state, &scope, &resource.resource_id),
                "display_label": resource.name,
                "provider": provider.name(),
                "provider_context": resource_context(provider, resource),
                "binding_ref": bound.map(|binding| &binding.binding_ref),
                "bound_project_slug": bound.map(|binding| &binding.project_slug),
                "bound_at": bound.map(|binding| iso(binding.bound_at)),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"provider": provider.name(), "resources": list})))
}

/// `GET status/`: of one binding, or of everything the team has at a provider.
pub(super) async fn show(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let route = Route::of_query(&request)?;
    let provider = route.provider;
    let mut reading = state.store.reading().await?;
    if !route.names_binding() {
        let resources = tracker::resources(&mut reading, &scope.team.id, provider.name()).await?;
        let bindings = tracker::bindings(&mut reading, &scope.team.id, provider.name()).await?;
        let list: Vec<Value> = bindings.iter().map(summary).collect();
        let operations = tracker::count_operations(&mut reading, &scope.team.id).await?;
        return Ok(HttpResponse::Ok().json(json!({
            "provider": provider.name(),
            "connected": !resources.is_empty(),
            "bindings": list,
            "resource_count": resources.len(),
            "operation_count": operations,
        })));
    }
    let binding = route.binding(&mut reading, &scope.team.id).await?;
    let project = Some(binding.project_uuid.as_str());
    let mapped = tracker::mappings(&mut reading, &scope.team.id, provider.name(), project).await?;
    let issues = tracker::count_issues(&mut reading, &binding.resource_id).await?;
    let mut body = envelope(provider, &binding);
    body.extend([
        ("configured".to_owned(), json!(true)),
        ("connected".to_owned(), json!(true)),
        ("sync_state".to_owned(), json!(sync_state(&binding))),
        (
            "last_synced_at".to_owned(),
            json!(binding.synced_at.map(iso)),
        ),
        ("bound_at".to_owned(), json!(iso(binding.bound_at))),
        ("issue_count".to_owned(), json!(issues)),
        ("mapping_count".to_owned(), json!(mapped.len())),
        (
            "provider_context".to_owned(),
            binding_context(provider, &binding),
        ),
    ]);
    Ok(HttpResponse::Ok().json(body))
}

fn sync_state(binding: &Binding) -> &'static str {
    if binding.synced_at.is_some() {
        "synced"
    } else {
        "never_synced"
    }
}

fn summary(binding: &Binding) -> Value {
    let status = if binding.disabled_at.is_some() {
        "disabled"
    } else {
        sync_state(binding)
    };
    json!({
        "provider": binding.provider,
        "project_slug": binding.project_slug,
        "binding_ref": binding.binding_ref,
        "display_label": binding.name,
        "status": status,
        "bound_at": iso(binding.bound_at),
    })
}

/// `GET mappings/`: the issues of work packages and missions, of one project or of the team.
pub(super) async fn mappings(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let route = Route::of_query(&request)?;
    let system = route.provider.name();
    let mut reading = state.store.reading().await?;
    let binding = match route.names_binding() {
        true => Some(route.binding(&mut reading, &scope.team.id).await?),
        false => None,
    };
    let project = binding
        .as_ref()
        .map(|binding| binding.project_uuid.as_str());
    let mapped = tracker::mappings(&mut reading, &scope.team.id, system, project).await?;
    let origins = tracker::origins(&mut reading, &scope.team.id, system, project).await?;
    let mapped: Vec<Value> = mapped
        .iter()
        .map(|mapping| package(system, mapping))
        .collect();
    let origins: Vec<Value> = origins.iter().map(mission).collect();
    Ok(HttpResponse::Ok().json(json!({
        "provider": system,
        "binding_ref": binding.map(|binding| binding.binding_ref),
        "mappings": mapped,
        "mission_origins": origins,
    })))
}

fn package(system: &str, mapping: &Mapping) -> Value {
    json!({
        "wp_id": mapping.wp_id,
        "system": system,
        "project_uuid": mapping.project_uuid,
        "external_id": mapping.issue_id,
        "external_key": mapping.issue_key,
        "external_url": mapping.url,
        "created_at": iso(mapping.created_at),
        "updated_at": iso(mapping.updated_at),
    })
}

/// Renders a mission's origin.
pub(super) fn mission(origin: &Origin) -> Value {
    json!({
        "mission_id": origin.mission_id,
        "mission_slug": origin.mission_slug,
        "provider": origin.provider,
        "external_issue_id": origin.issue_id,
        "external_issue_key": origin.issue_key,
        "external_issue_url": origin.issue_url,
        "external_title": origin.title,
        "external_status": origin.status,
        "bound_at": iso(origin.bound_at),
    })
}
