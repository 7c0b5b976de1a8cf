//! `POST pull/`: the issues of a bound project, a page at a time.

use super::input::{Input, invalid_field};
use super::scope::{Route, Scope};
use super::view::{self, Summary, envelope};
use crate::errors::ApiError;
use crate::state::State;
use crate::store::tracker::{self, IssueFilter};
use crate::time::Moment;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// How many issues a request may ask for.
pub(super) const LIMITS: RangeInclusive<i64> = 1..=10_000;

/// How many it gets when it does not say.
pub(super) const DEFAULT_LIMIT: i64 = 100;

const CURSOR: &str = "change:";

/// Renders the cursor of the page after a change.
pub(super) fn cursor(change: i64) -> String {
    format!("{CURSOR}{change}")
}

/// Answers with the issues in the order of their last change; `next_cursor` continues.
pub(super) async fn pull(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let input = Input::receive(&state, &request, payload).await?;
    let route = Route::of_body(&input)?;
    let limit = input.number("limit", &LIMITS, DEFAULT_LIMIT)?;
    let mut filter = filter(&input)?;
    // One more than asked for tells whether there is more.
    filter.limit = limit + 1;
    let mut reading = state.store.reading().await?;
    let binding = route.binding(&mut reading, &scope.team.id).await?;
    let mut issues = tracker::pulled_issues(&mut reading, &binding.resource_id, &filter).await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = issues.len() > page;
    issues.truncate(page);
    let next = issues
        .last()
        .filter(|_| has_more)
        .map(|issue| cursor(issue.change));
    let team = (binding.resource_key.as_str(), binding.name.as_str());
    let items: Vec<Value> = issues
        .iter()
        .map(|issue| view::issue(route.provider, team, issue))
        .collect();
    let summary = Summary {
        succeeded: items.len(),
        ..Summary::default()
    };
    let mut body = envelope(route.provider, &binding);
    body.extend([
        ("status".to_owned(), json!(summary.status())),
        ("summary".to_owned(), summary.json()),
        ("items".to_owned(), json!(items)),
        ("has_more".to_owned(), json!(has_more)),
        ("next_cursor".to_owned(), json!(next)),
    ]);
    Ok(HttpResponse::Ok().json(body))
}

fn filter(input: &Input) -> Result<IssueFilter, ApiError> {
    let mut filter = IssueFilter::default();
    if let Some(cursor) = input.optional("cursor")? {
        let change = cursor
            .strip_prefix(CURSOR)
            .and_then(|change| change.parse().ok());
        let invalid = "'cursor' is the next_cursor of an earlier page";
        filter.after = change
            .filter(|change| *change >= 0)
            .ok_or_else(|| ApiError::invalid("invalid_cursor", invalid))?;
    }
    let Some(filters) = input.value("filters") else {
        return Ok(filter);
    };
    let invalid = |message: String| ApiError::invalid("invalid_filter", message);
    let filters = filters
        .as_object()
        .ok_or_else(|| invalid_field("'filters' must be an object"))?;
    for (name, value) in filters {
        let text = value.as_str();
        let text = text.ok_or_else(|| invalid(format!("the filter '{name}' must be a text")))?;
        match name.as_str() {
            "status" => filter.status = Some(text.to_owned()),
            "assignee" => filter.assignee = Some(text.to_owned()),
            "updated_since" => {
                let since = Moment::parse(text);
                let wrong = || invalid("'updated_since' must be an RFC 3339 time".to_owned());
                filter.updated_since = Some(since.ok_or_else(wrong)?);
            }
            _ => {
                let known = "status, assignee and updated_since";
                return Err(invalid(format!("there is no such filter; use {known}")));
            }
        }
    }
    Ok(filter)
}
