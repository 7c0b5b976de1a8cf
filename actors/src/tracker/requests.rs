//! Every request to the tracker, as a value.
//!
//! A project's identity goes out only as a [`GatedIdentity`]: what the gate has not let pass does
//! not compile (document 4, FR-012).

use super::identity::GatedIdentity;
use crate::transport::Method;
use serde_json::{Map, Value};

/// What identifies the resource that a project is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteKey {
    /// The server's reference; preferred.
    BindingRef(String),
    /// The older form: the project's slug at the server.
    ProjectSlug(String),
}

/// A provider and the bound resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The provider.
    pub provider: String,
    /// The resource; `None` asks about the whole provider.
    pub key: Option<RouteKey>,
}

impl Route {
    /// Names a whole provider.
    #[must_use]
    pub fn provider(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            key: None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![("provider", self.provider.as_str())];
        match &self.key {
            Some(RouteKey::BindingRef(reference)) => fields.push(("binding_ref", reference)),
            Some(RouteKey::ProjectSlug(slug)) => fields.push(("project_slug", slug)),
            None => {}
        }
        fields
    }

    fn body(&self) -> Map<String, Value> {
        let fields = self.fields().into_iter();
        fields
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }
}

/// One request, without address, token and team.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerRequest {
    /// What it is for, as errors name it.
    pub name: &'static str,
    /// The verb.
    pub method: Method,
    /// The path and query.
    pub target: String,
    /// The JSON body.
    pub body: Option<Value>,
    /// Whether it changes something, so that it carries an idempotency key.
    pub writes: bool,
    /// The stored reference that it relies on and the server may call stale.
    pub binding: Option<(String, String)>,
}

const ROOT: &str = "/api/v1/tracker/";

impl TrackerRequest {
    fn get(name: &'static str, endpoint: &str, fields: &[(&str, &str)]) -> Self {
        let mut target = format!("{ROOT}{endpoint}");
        if !fields.is_empty() {
            target.push('?');
            target.push_str(&crate::transport::form_body(fields));
        }
        Self {
            name,
            method: Method::Get,
            target,
            body: None,
            writes: false,
            binding: None,
        }
    }

    fn post(name: &'static str, endpoint: &str, body: Map<String, Value>, writes: bool) -> Self {
        Self {
            name,
            method: Method::Post,
            target: format!("{ROOT}{endpoint}"),
            body: Some(Value::Object(body)),
            writes,
            binding: None,
        }
    }

    fn bound_by(mut self, route: &Route) -> Self {
        if let Some(RouteKey::BindingRef(reference)) = &route.key {
            self.binding = Some((reference.clone(), route.provider.clone()));
        }
        self
    }

    /// Lists what a project can be bound to.
    #[must_use]
    pub fn resources(provider: &str) -> Self {
        Self::get(
            "the tracker resources",
            "resources/",
            &[("provider", provider)],
        )
    }

    /// Asks how a binding, or a whole provider, stands.
    #[must_use]
    pub fn status(route: &Route) -> Self {
        Self::get("the tracker status", "status/", &route.fields()).bound_by(route)
    }

    /// Lists mappings.
    #[must_use]
    pub fn mappings(route: &Route) -> Self {
        Self::get("the tracker mappings", "mappings/", &route.fields()).bound_by(route)
    }

    /// Pulls issues.
    #[must_use]
    pub fn pull(route: &Route, limit: u32) -> Self {
        let mut body = route.body();
        body.insert("limit".to_owned(), limit.into());
        Self::post("the tracker pull", "pull/", body, true).bound_by(route)
    }

    /// Pushes changes.
    #[must_use]
    pub fn push(route: &Route, items: Vec<Value>) -> Self {
        let mut body = route.body();
        body.insert("items".to_owned(), items.into());
        Self::post("the tracker push", "push/", body, true).bound_by(route)
    }

    /// Pulls and pushes.
    #[must_use]
    pub fn run(route: &Route, limit: u32) -> Self {
        let mut body = route.body();
        body.insert("pull_first".to_owned(), true.into());
        body.insert("limit".to_owned(), limit.into());
        Self::post("the tracker sync run", "run/", body, true).bound_by(route)
    }

    /// Asks what a project can be bound to.
    #[must_use]
    pub fn bind_resolve(provider: &str, identity: &GatedIdentity) -> Self {
        let body = bind_body(provider, identity);
        Self::post("the tracker bind", "bind-resolve/", body, true)
    }

    /// Binds to a candidate.
    #[must_use]
    pub fn bind_confirm(provider: &str, candidate: &str, identity: &GatedIdentity) -> Self {
        let mut body = bind_body(provider, identity);
        body.insert("candidate_token".to_owned(), candidate.into());
        Self::post("the tracker bind", "bind-confirm/", body, true)
    }

    /// Asks whether a known reference is valid for this project.
    #[must_use]
    pub fn bind_validate(provider: &str, reference: &str, identity: &GatedIdentity) -> Self {
        let mut body = bind_body(provider, identity);
        body.insert("binding_ref".to_owned(), reference.into());
        Self::post("the tracker bind", "bind-validate/", body, false)
    }

    /// Searches issues by key (when the text looks like one) and by text.
    #[must_use]
    pub fn issue_search(route: &Route, query: &str, limit: u32) -> Self {
        let mut body = route.body();
        body.insert("limit".to_owned(), limit.into());
        if looks_like_a_key(query) {
            body.insert("query_key".to_owned(), query.trim().into());
        }
        body.insert("query_text".to_owned(), query.into());
        Self::post("the issue search", "issue-search/", body, false).bound_by(route)
    }

    /// Lists the visible tickets.
    #[must_use]
    pub fn list_tickets(route: &Route, limit: u32) -> Self {
        let mut body = route.body();
        body.insert("limit".to_owned(), limit.into());
        Self::post("the ticket list", "list-tickets/", body, false).bound_by(route)
    }

    /// Asks how an operation stands that the server went on with.
    #[must_use]
    pub fn operation(id: &str) -> Self {
        Self::get("the tracker operation", &format!("operations/{id}/"), &[])
    }
}

fn bind_body(provider: &str, identity: &GatedIdentity) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("provider".to_owned(), provider.into());
    body.insert("project_identity".to_owned(), identity.json());
    body
}

/// Tells whether a text is an issue key, like `ENG-42`.
fn looks_like_a_key(query: &str) -> bool {
    let Some((project, number)) = query.trim().rsplit_once('-') else {
        return false;
    };
    project.starts_with(|first: char| first.is_ascii_alphabetic())
        && project
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bound(key: RouteKey) -> Route {
        Route {
            provider: "linear".to_owned(),
            key: Some(key),
        }
    }

    #[test]
    fn a_route_names_the_reference_or_else_the_slug() {
        let by_reference = bound(RouteKey::BindingRef("b/1 2".to_owned()));
        let by_slug = bound(RouteKey::ProjectSlug("demo".to_owned()));
        assert_eq!(
            TrackerRequest::status(&by_reference).target,
            "/api/v1/tracker/status/?provider=linear&binding_ref=b%2F1+2"
        );
        assert_eq!(
            TrackerRequest::mappings(&by_slug).target,
            "/api/v1/tracker/mappings/?provider=linear&project_slug=demo"
        );
        assert_eq!(
            TrackerRequest::status(&Route::provider("jira")).target,
            "/api/v1/tracker/status/?provider=jira"
        );
        assert_eq!(
            TrackerRequest::run(&by_reference, 7).body.unwrap(),
            json!({"provider": "linear", "binding_ref": "b/1 2", "pull_first": true, "limit": 7})
        );
        assert!(TrackerRequest::run(&by_slug, 7).binding.is_none());
        assert!(TrackerRequest::pull(&by_reference, 7).binding.is_some());
    }

    #[test]
    fn only_what_looks_like_a_key_is_searched_as_one() {
        for (text, is_key) in [
            ("ENG-42", true),
            (" a_1-7 ", true),
            ("ENG-", false),
            ("-42", false),
            ("1X-42", false),
            ("fix the ENG-42", false),
            ("login", false),
        ] {
            let request = TrackerRequest::issue_search(&Route::provider("jira"), text, 20);
            let body = request.body.unwrap();
            assert_eq!(body.get("query_key").is_some(), is_key, "{text}");
            assert_eq!(body["query_text"], text);
        }
    }
}
