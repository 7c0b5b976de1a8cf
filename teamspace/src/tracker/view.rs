//! Resources, bindings and issues as clients read them.

use super::provider::Provider;
use crate::store::tracker::{Binding, Issue, Resource};
use crate::time::Moment;
use serde_json::{Map, Value, json};

/// Renders what a resource is; every value is a text.
pub(super) fn context(provider: Provider, id: &str, key: &str, workspace: &str) -> Value {
    json!({
        "workspace_name": workspace,
        "resource_type": provider.resource_type(),
        "resource_id": id,
        "resource_key": key,
    })
}

/// Renders what a resource is.
pub(super) fn resource_context(provider: Provider, resource: &Resource) -> Value {
    let Resource {
        resource_id,
        resource_key,
        workspace,
        ..
    } = resource;
    context(provider, resource_id, resource_key, workspace)
}

/// Renders the resource of a binding.
pub(super) fn binding_context(provider: Provider, binding: &Binding) -> Value {
    let Binding {
        resource_id,
        resource_key,
        workspace,
        ..
    } = binding;
    context(provider, resource_id, resource_key, workspace)
}

/// Renders what every answer about a bound project says.
pub(super) fn envelope(provider: Provider, binding: &Binding) -> Map<String, Value> {
    Map::from_iter([
        ("provider".to_owned(), json!(provider.name())),
        ("binding_ref".to_owned(), json!(binding.binding_ref)),
        ("project_slug".to_owned(), json!(binding.project_slug)),
        ("display_label".to_owned(), json!(binding.name)),
        ("resource_type".to_owned(), json!(provider.resource_type())),
        ("resource_id".to_owned(), json!(binding.resource_id)),
        (
            "identity_path".to_owned(),
            json!({
                "type": "teamspace",
                "provider": provider.name(),
                "workspace": binding.workspace,
                "resource": binding.resource_key,
            }),
        ),
    ])
}

/// What came of a number of items.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Summary {
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Summary {
    pub(super) fn json(self) -> Value {
        json!({
            "total": self.succeeded + self.failed + self.skipped,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "skipped": self.skipped,
        })
    }

    /// Returns `complete`, `partial` or `failed`.
    pub(super) const fn status(self) -> &'static str {
        match (self.failed, self.succeeded + self.skipped) {
            (0, _) => "complete",
            (_, 0) => "failed",
            _ => "partial",
        }
    }
}

/// Renders an issue.
pub(super) fn issue(provider: Provider, team: (&str, &str), issue: &Issue) -> Value {
    let (team_key, team_name) = team;
    let labels: Value = serde_json::from_str(&issue.labels).unwrap_or_else(|_| json!([]));
    json!({
        "ref": {
            "system": provider.name(),
            "workspace": team_key,
            "id": issue.issue_id,
            "key": issue.issue_key,
            "url": issue.url,
        },
        "external_issue_id": issue.issue_id,
        "external_issue_key": issue.issue_key,
        "identifier": issue.issue_key,
        "title": issue.title,
        "body": issue.body,
        "status": issue.status,
        "state": {"name": issue.status},
        "team": {"key": team_key, "name": team_name},
        "assignee": issue.assignee.as_ref().map(|name| json!({"id": name, "name": name})),
        "labels": labels,
        "url": issue.url,
        "created_at": iso(issue.created_at),
        "updated_at": iso(issue.updated_at),
    })
}

/// Renders a time column.
pub(super) fn iso(millis: i64) -> String {
    Moment::from_millis(millis).iso()
}
