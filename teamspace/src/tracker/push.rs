//! Changing issues: each item of a push succeeds, fails or changes nothing, for itself.

mod item;

use self::item::{Failure, Request, invalid};
use super::provider::Provider;
use super::view::{Summary, envelope};
use crate::errors::ApiError;
use crate::secret::identifier;
use crate::store::StoreError;
use crate::store::tracker::{self, Binding, Connection, Issue};
use crate::time::Moment;
use serde_json::{Map, Value, json};

/// How many keys are tried for a new issue.
const KEYS_TRIED: i64 = 1_000;

enum Outcome {
    Done(Issue),
    Unchanged(Issue),
}

/// Carries out all items in order.
pub(super) async fn carry_out(
    connection: &mut Connection,
    provider: Provider,
    team_id: &str,
    binding: &Binding,
    items: &[Value],
    now: Moment,
) -> Result<Value, ApiError> {
    let mut pushing = Pushing {
        connection,
        provider,
        team_id,
        binding,
        now,
    };
    let mut summary = Summary::default();
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        let mut result = Map::from_iter([
            (
                "ref".to_owned(),
                item.get("ref").cloned().unwrap_or_default(),
            ),
            (
                "action".to_owned(),
                item.get("action").cloned().unwrap_or_default(),
            ),
        ]);
        let (status, issue) = match pushing.item(item).await? {
            Ok(Outcome::Done(issue)) => {
                summary.succeeded += 1;
                ("succeeded", Some(issue))
            }
            Ok(Outcome::Unchanged(issue)) => {
                summary.skipped += 1;
                ("skipped", Some(issue))
            }
            Err((code, message)) => {
                summary.failed += 1;
                result.insert("error_code".to_owned(), json!(code));
                result.insert("message".to_owned(), json!(message));
                ("failed", None)
            }
        };
        result.insert("status".to_owned(), json!(status));
        if let Some(issue) = issue {
            result.insert("external_issue_id".to_owned(), json!(issue.issue_id));
            result.insert("external_issue_key".to_owned(), json!(issue.issue_key));
        }
        results.push(Value::Object(result));
    }
    let mut body = envelope(provider, binding);
    body.extend([
        ("status".to_owned(), json!(summary.status())),
        ("summary".to_owned(), summary.json()),
        ("items".to_owned(), json!(results)),
    ]);
    Ok(Value::Object(body))
}

struct Pushing<'a> {
    connection: &'a mut Connection,
    provider: Provider,
    team_id: &'a str,
    binding: &'a Binding,
    now: Moment,
}

impl Pushing<'_> {
    async fn item(&mut self, item: &Value) -> Result<Result<Outcome, Failure>, StoreError> {
        let request = match Request::read(item) {
            Ok(request) => request,
            Err(failure) => return Ok(Err(failure)),
        };
        let outcome = match request.action {
            "create" => self.create(&request).await?,
            _ => self.change(&request).await?,
        };
        if let (Ok(Outcome::Done(issue) | Outcome::Unchanged(issue)), Some(wp_id)) =
            (&outcome, request.wp_id)
        {
            let project = (
                self.team_id,
                self.provider.name(),
                &*self.binding.project_uuid,
            );
            let place = (&*issue.resource_id, &*issue.issue_id);
            tracker::map_package(self.connection, project, wp_id, place, self.now).await?;
        }
        Ok(outcome)
    }

    async fn create(
        &mut self,
        request: &Request<'_>,
    ) -> Result<Result<Outcome, Failure>, StoreError> {
        let resource_id = &self.binding.resource_id;
        let change = tracker::next_change(self.connection, resource_id).await?;
        let mut issue = Issue {
            resource_id: resource_id.clone(),
            issue_id: identifier("issue")?,
            issue_key: String::new(),
            title: String::new(),
            body: String::new(),
            status: "open".to_owned(),
            assignee: None,
            labels: "[]".to_owned(),
            url: String::new(),
            created_at: self.now.millis(),
            updated_at: self.now.millis(),
            change,
        };
        request.apply(&mut issue);
        if issue.title.is_empty() {
            return Ok(Err(invalid("'patch.title' is missing")));
        }
        let first = tracker::count_issues(self.connection, resource_id).await? + 1;
        for number in first..first + KEYS_TRIED {
            issue.issue_key = self.provider.issue_key(&self.binding.resource_key, number);
            if tracker::insert_issue(self.connection, &issue).await? {
                return Ok(Ok(Outcome::Done(issue)));
            }
        }
        Ok(Err((
            "no_free_key",
            "no key is free for a new issue".to_owned(),
        )))
    }

    async fn change(
        &mut self,
        request: &Request<'_>,
    ) -> Result<Result<Outcome, Failure>, StoreError> {
        let Some(named) = request.issue else {
            return Ok(Err(invalid("'ref' names no issue; send its id or key")));
        };
        let resource_id = self.binding.resource_id.as_str();
        let found = tracker::issue(self.connection, &[resource_id], named).await?;
        let Some(mut issue) = found else {
            let message = "the bound resource has no such issue".to_owned();
            return Ok(Err(("issue_not_found", message)));
        };
        if !request.apply(&mut issue) {
            return Ok(Ok(Outcome::Unchanged(issue)));
        }
        issue.change = tracker::next_change(self.connection, resource_id).await?;
        issue.updated_at = self.now.millis();
        tracker::change_issue(self.connection, &issue).await?;
        Ok(Ok(Outcome::Done(issue)))
    }
}
