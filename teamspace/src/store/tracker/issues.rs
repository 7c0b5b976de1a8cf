//! Issues: reading them in pages, searching them, changing them.

use super::super::StoreError;
use super::{Connection, anywhere};
use crate::time::Moment;
use sqlx::{QueryBuilder, Sqlite};

/// One issue as it stands.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Issue {
    pub(crate) resource_id: String,
    pub(crate) issue_id: String,
    pub(crate) issue_key: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) status: String,
    pub(crate) assignee: Option<String>,
    /// A JSON list of texts.
    pub(crate) labels: String,
    pub(crate) url: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) change: i64,
}

/// Which issues of a resource a page holds.
#[derive(Debug, Default)]
pub(crate) struct IssueFilter {
    /// Only what changed after the change of this number.
    pub(crate) after: i64,
    pub(crate) status: Option<String>,
    pub(crate) assignee: Option<String>,
    pub(crate) updated_since: Option<Moment>,
    pub(crate) limit: i64,
}

const COLUMNS: &str = "SELECT resource_id, issue_id, issue_key, title, body, status, assignee, \
     labels, url, created_at, updated_at, change FROM tracker_issues WHERE ";

/// Returns a page of issues in the order of their last change.
pub(crate) async fn pulled_issues(
    connection: &mut Connection,
    resource_id: &str,
    filter: &IssueFilter,
) -> Result<Vec<Issue>, StoreError> {
    let mut statement: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    statement.push("resource_id = ").push_bind(resource_id);
    statement.push(" AND change > ").push_bind(filter.after);
    if let Some(status) = &filter.status {
        statement.push(" AND status = ").push_bind(status);
    }
    if let Some(assignee) = &filter.assignee {
        statement.push(" AND assignee = ").push_bind(assignee);
    }
    if let Some(since) = filter.updated_since {
        statement
            .push(" AND updated_at >= ")
            .push_bind(since.millis());
    }
    statement
        .push(" ORDER BY change LIMIT ")
        .push_bind(filter.limit);
    Ok(statement.build_query_as().fetch_all(connection).await?)
}

/// Returns the issues of some resources, the one that changed last first.
pub(crate) async fn recent_issues(
    connection: &mut Connection,
    resource_ids: &[&str],
    limit: i64,
) -> Result<Vec<Issue>, StoreError> {
    if resource_ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = within(resource_ids);
    statement
        .push(" ORDER BY updated_at DESC, issue_key LIMIT ")
        .push_bind(limit);
    Ok(statement.build_query_as().fetch_all(connection).await?)
}

/// Returns the issues whose key, title or body contains a text; titles go first.
pub(crate) async fn matching_issues(
    connection: &mut Connection,
    resource_ids: &[&str],
    text: &str,
    limit: i64,
) -> Result<Vec<Issue>, StoreError> {
    if resource_ids.is_empty() {
        return Ok(Vec::new());
    }
    let pattern = anywhere(text);
    let mut statement = within(resource_ids);
    statement
        .push(" AND (issue_key LIKE ")
        .push_bind(pattern.clone());
    statement
        .push(" ESCAPE '\\' OR title LIKE ")
        .push_bind(pattern.clone());
    statement
        .push(" ESCAPE '\\' OR body LIKE ")
        .push_bind(pattern.clone());
    statement
        .push(" ESCAPE '\\') ORDER BY title LIKE ")
        .push_bind(pattern);
    statement
        .push(" ESCAPE '\\' DESC, updated_at DESC, issue_key LIMIT ")
        .push_bind(limit);
    Ok(statement.build_query_as().fetch_all(connection).await?)
}

/// Finds an issue by its id or, whatever its case, by its key.
pub(crate) async fn issue(
    connection: &mut Connection,
    resource_ids: &[&str],
    id_or_key: &str,
) -> Result<Option<Issue>, StoreError> {
    if resource_ids.is_empty() {
        return Ok(None);
    }
    let mut statement = within(resource_ids);
    statement.push(" AND (issue_id = ").push_bind(id_or_key);
    statement.push(" OR issue_key = ").push_bind(id_or_key);
    statement
        .push(" COLLATE NOCASE) ORDER BY issue_id = ")
        .push_bind(id_or_key);
    statement.push(" DESC LIMIT 1");
    Ok(statement
        .build_query_as()
        .fetch_optional(connection)
        .await?)
}

/// Counts the issues of a resource.
pub(crate) async fn count_issues(
    connection: &mut Connection,
    resource_id: &str,
) -> Result<i64, StoreError> {
    let statement = "SELECT COUNT(*) FROM tracker_issues WHERE resource_id = $1";
    let count = sqlx::query_scalar(statement)
        .bind(resource_id)
        .fetch_one(connection)
        .await?;
    Ok(count)
}

/// Returns the number that the next change of a resource gets.
pub(crate) async fn next_change(
    connection: &mut Connection,
    resource_id: &str,
) -> Result<i64, StoreError> {
    let statement =
        "SELECT COALESCE(MAX(change), 0) + 1 FROM tracker_issues WHERE resource_id = $1";
    let next = sqlx::query_scalar(statement)
        .bind(resource_id)
        .fetch_one(connection)
        .await?;
    Ok(next)
}

/// Adds an issue; false when its id or key is taken.
pub(crate) async fn insert_issue(
    connection: &mut Connection,
    issue: &Issue,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO tracker_issues (resource_id, issue_id, issue_key, title, body, status, \
             assignee, labels, url, created_at, updated_at, change) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
    )
    .bind(&issue.resource_id)
    .bind(&issue.issue_id)
    .bind(&issue.issue_key)
    .bind(&issue.title)
    .bind(&issue.body)
    .bind(&issue.status)
    .bind(&issue.assignee)
    .bind(&issue.labels)
    .bind(&issue.url)
    .bind(issue.created_at)
    .bind(issue.updated_at)
    .bind(issue.change)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Writes what an issue has become; its id and key stay.
pub(crate) async fn change_issue(
    connection: &mut Connection,
    issue: &Issue,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE tracker_issues SET title = $3, body = $4, status = $5, assignee = $6, \
             labels = $7, url = $8, updated_at = $9, change = $10 \
         WHERE resource_id = $1 AND issue_id = $2",
    )
    .bind(&issue.resource_id)
    .bind(&issue.issue_id)
    .bind(&issue.title)
    .bind(&issue.body)
    .bind(&issue.status)
    .bind(&issue.assignee)
    .bind(&issue.labels)
    .bind(&issue.url)
    .bind(issue.updated_at)
    .bind(issue.change)
    .execute(connection)
    .await?;
    Ok(())
}

fn within(resource_ids: &[&str]) -> QueryBuilder<Sqlite> {
    let mut statement: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    statement.push("resource_id IN (");
    let mut list = statement.separated(", ");
    for id in resource_ids {
        list.push_bind((*id).to_owned());
    }
    statement.push(")");
    statement
}
