//! `issue-search/` and `list-tickets/`: looking for an issue, bound or not.

use super::input::Input;
use super::scope::{Route, Scope};
use super::view;
use crate::errors::ApiError;
use crate::state::State;
use crate::store::tracker::{self, Connection, Issue, Resource};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;

const LIMITS: RangeInclusive<i64> = 1..=200;
const DEFAULT_LIMIT: i64 = 20;

/// Where a request looks: in the bound resource, or in all that the team has at the provider.
struct Places {
    route: Route,
    resources: Vec<Resource>,
    answer: Map<String, Value>,
}

impl Places {
    async fn of(
        connection: &mut Connection,
        scope: &Scope,
        input: &Input,
    ) -> Result<Self, ApiError> {
        let route = Route::of_body(input)?;
        let provider = route.provider;
        let mut answer = Map::from_iter([("provider".to_owned(), json!(provider.name()))]);
        let mut resources = tracker::resources(connection, &scope.team.id, provider.name()).await?;
        if route.names_binding() {
            let binding = route.binding(connection, &scope.team.id).await?;
            resources.retain(|resource| resource.resource_id == binding.resource_id);
            answer.insert("binding_ref".to_owned(), json!(binding.binding_ref));
        }
        let only = match resources.as_slice() {
            [only] => only.resource_id.as_str(),
            _ => "",
        };
        answer.insert("resource_type".to_owned(), json!(provider.resource_type()));
        answer.insert("resource_id".to_owned(), json!(only));
        Ok(Self {
            route,
            resources,
            answer,
        })
    }

    fn ids(&self) -> Vec<&str> {
        self.resources
            .iter()
            .map(|resource| resource.resource_id.as_str())
            .collect()
    }

    fn view(&self, issue: &Issue) -> Value {
        let of = |resource: &&Resource| resource.resource_id == issue.resource_id;
        let resource = self.resources.iter().find(of);
        let team = resource.map_or(("", ""), |resource| {
            (&resource.resource_key, &resource.name)
        });
        view::issue(self.route.provider, team, issue)
    }

    fn answer(mut self, name: &str, list: Vec<Value>) -> HttpResponse {
        self.answer.insert(name.to_owned(), Value::Array(list));
        HttpResponse::Ok().json(self.answer)
    }
}

/// `POST issue-search/`: a key finds its issue alone; a text finds what contains it.
pub(super) async fn search(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let input = Input::receive(&state, &request, payload).await?;
    let limit = input.number("limit", &LIMITS, DEFAULT_LIMIT)?;
    let (key, text) = (input.optional("query_key")?, input.optional("query_text")?);
    let Some(query) = key.or(text) else {
        return Err(super::input::invalid_field(
            "send 'query_text' or 'query_key'",
        ));
    };
    let mut reading = state.store.reading().await?;
    let places = Places::of(&mut reading, &scope, &input).await?;
    let ids = places.ids();
    let exact = tracker::issue(&mut reading, &ids, query.trim()).await?;
    let (found, kind) = match exact {
        Some(issue) => (vec![issue], "exact"),
        None => {
            let text = text.unwrap_or(query).trim();
            (
                tracker::matching_issues(&mut reading, &ids, text, limit).await?,
                "text",
            )
        }
    };
    let candidates = found.iter().map(|issue| {
        let mut candidate = places.view(issue);
        candidate["match_type"] = json!(kind);
        candidate
    });
    let candidates = candidates.collect();
    Ok(places.answer("candidates", candidates))
}

/// `POST list-tickets/`: what changed last.
pub(super) async fn list(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let input = Input::receive(&state, &request, payload).await?;
    let limit = input.number("limit", &LIMITS, DEFAULT_LIMIT)?;
    let mut reading = state.store.reading().await?;
    let places = Places::of(&mut reading, &scope, &input).await?;
    let found = tracker::recent_issues(&mut reading, &places.ids(), limit).await?;
    let tickets = found.iter().map(|issue| places.view(issue)).collect();
    Ok(places.answer("tickets", tickets))
}
