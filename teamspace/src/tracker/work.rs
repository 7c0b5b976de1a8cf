//! What `push/` and `run/` do, at once or later.

use super::input::{Input, invalid_field};
use super::provider::Provider;
use super::pull::{DEFAULT_LIMIT, LIMITS, cursor};
use super::push;
use super::scope::Stale;
use super::view::{Summary, envelope};
use crate::errors::ApiError;
use crate::limits::Limits;
use crate::store::tracker::{self, Binding, Connection, IssueFilter, Routing};
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is to be done for a binding.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum Work {
    /// Changes issues as a client says.
    Push { items: Vec<Value> },
    /// Takes in what has changed since the last run.
    Run { pull_first: bool, limit: i64 },
}

impl Work {
    /// Reads a push.
    pub(super) fn push(input: &Input, limits: &Limits) -> Result<Self, ApiError> {
        let items = match input.value("items") {
            Some(Value::Array(items)) => items.clone(),
            _ => return Err(invalid_field("'items' must be a list of push items")),
        };
        let most = limits.max_tracker_items;
        if items.len() > most {
            let message = format!("more than {most} items; send fewer at a time");
            return Err(ApiError::too_large(message, limits.advertised()));
        }
        Ok(Self::Push { items })
    }

    /// Reads a run.
    pub(super) fn run(input: &Input) -> Result<Self, ApiError> {
        Ok(Self::Run {
            pull_first: input.flag("pull_first", true)?,
            limit: input.number("limit", &LIMITS, DEFAULT_LIMIT)?,
        })
    }

    /// Tells how many issues it touches at most.
    pub(super) async fn size(
        &self,
        connection: &mut Connection,
        binding: &Binding,
    ) -> Result<usize, ApiError> {
        Ok(match self {
            Self::Push { items } => items.len(),
            Self::Run {
                pull_first: false, ..
            } => 0,
            Self::Run { limit, .. } => {
                let issues = tracker::count_issues(connection, &binding.resource_id).await?;
                usize::try_from(issues.min(*limit)).unwrap_or(usize::MAX)
            }
        })
    }

    /// Does it within a transaction.
    pub(super) async fn carry_out(
        &self,
        connection: &mut Connection,
        provider: Provider,
        team_id: &str,
        binding: &Binding,
        now: Moment,
    ) -> Result<Value, ApiError> {
        match self {
            Self::Push { items } => {
                push::carry_out(connection, provider, team_id, binding, items, now).await
            }
            Self::Run { pull_first, limit } => {
                run(connection, provider, binding, *pull_first, *limit, now).await
            }
        }
    }
}

async fn run(
    connection: &mut Connection,
    provider: Provider,
    binding: &Binding,
    pull_first: bool,
    limit: i64,
    now: Moment,
) -> Result<Value, ApiError> {
    let mut change = binding.pulled_change;
    let mut summary = Summary::default();
    let mut has_more = false;
    if pull_first {
        let filter = IssueFilter {
            after: change,
            limit: limit + 1,
            ..IssueFilter::default()
        };
        let mut issues = tracker::pulled_issues(connection, &binding.resource_id, &filter).await?;
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        has_more = issues.len() > page;
        issues.truncate(page);
        summary.succeeded = issues.len();
        change = issues.last().map_or(change, |issue| issue.change);
    }
    tracker::note_pull(connection, &binding.binding_ref, change, now).await?;
    let mut body = envelope(provider, binding);
    body.extend([
        ("status".to_owned(), json!(summary.status())),
        ("summary".to_owned(), summary.json()),
        ("pull".to_owned(), summary.json()),
        // What a project changes is pushed by itself, so a run has nothing left to send.
        ("push".to_owned(), Summary::default().json()),
        ("has_more".to_owned(), json!(has_more)),
        (
            "next_cursor".to_owned(),
            json!(has_more.then(|| cursor(change))),
        ),
    ]);
    Ok(Value::Object(body))
}

/// Work, and the binding it is for: what an operation keeps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignment {
    provider: String,
    binding_ref: String,
    work: Work,
}

impl Assignment {
    /// Assigns work to a binding.
    pub(super) fn new(provider: Provider, binding: &Binding, work: Work) -> Self {
        Self {
            provider: provider.name().to_owned(),
            binding_ref: binding.binding_ref.clone(),
            work,
        }
    }

    /// Does the work, if the binding still serves.
    pub(super) async fn carry_out(
        &self,
        connection: &mut Connection,
        team_id: &str,
        now: Moment,
    ) -> Result<Value, ApiError> {
        let provider = Provider::requested(Some(&self.provider))?;
        let routing = Routing::Reference(&self.binding_ref);
        let binding = tracker::binding(connection, team_id, provider.name(), routing).await?;
        let binding = binding.ok_or_else(|| Stale::NotFound.error())?;
        if binding.disabled_at.is_some() {
            return Err(Stale::Disabled.error());
        }
        self.work
            .carry_out(connection, provider, team_id, &binding, now)
            .await
    }
}
