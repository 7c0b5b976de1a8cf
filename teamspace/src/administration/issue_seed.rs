//! Issues for the tracker: an operator puts them there, because nothing else does.

use super::{Administration, AdministrationError};
use crate::secret::{digest, identifier};
use crate::store::StoreError;
use crate::store::tracker::{self, Connection, Issue};
use crate::time::Moment;
use crate::tracker::Provider;
use serde::Deserialize;

/// Issues to begin with: a few per provider.
const SAMPLE: &str = include_str!("sample_issues.json");

/// The longest text that names something, in bytes.
const LONGEST_NAME: usize = 500;

/// The longest body of an issue, in bytes.
const LONGEST_BODY: usize = 256 * 1024;

/// Resources and issues to be put into a team's tracker.
///
/// As JSON: `{"resources": [{"provider", "key", "name"?, "workspace"?, "issues": [{"key"?, "id"?,
/// "title", "body"?, "status"?, "assignee"?, "labels"?, "url"?, "created_at"?, "updated_at"?}]}]}`.
/// Times are RFC 3339. An issue without a key gets the next of its resource, one without an id gets
/// one that follows from its key, so that the same seed twice changes nothing twice.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueSeed {
    resources: Vec<SeedResource>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedResource {
    provider: String,
    key: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    workspace: Option<String>,
    #[serde(default)]
    issues: Vec<SeedIssue>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedIssue {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    key: Option<String>,
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    url: String,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
}

/// What a seed has put into a tracker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// The resources it names.
    pub resources: usize,
    /// The issues that were added.
    pub added: usize,
    /// The issues that were there and were brought up to date.
    pub changed: usize,
}

impl IssueSeed {
    /// Reads a seed.
    ///
    /// # Errors
    /// [`AdministrationError::Seed`] when the text is not JSON of this form, names an unknown
    /// provider, or holds a text that is empty or too long, or a time that is none.
    pub fn parse(json: &str) -> Result<Self, AdministrationError> {
        let seed: Self = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        for resource in &seed.resources {
            resource.check()?;
        }
        Ok(seed)
    }

    /// Returns a small seed: one resource and three issues for each provider.
    ///
    /// # Errors
    /// Never; the type is that of [`IssueSeed::parse`].
    pub fn sample() -> Result<Self, AdministrationError> {
        Self::parse(SAMPLE)
    }
}

impl SeedResource {
    fn check(&self) -> Result<(), AdministrationError> {
        if Provider::named(&self.provider).is_none() {
            let message = format!(
                "'{}' is none of linear, jira, github, gitlab",
                self.provider
            );
            return Err(wrong(message));
        }
        name(&self.key, "the key of a resource")?;
        for text in [&self.name, &self.workspace].into_iter().flatten() {
            name(text, "a name")?;
        }
        for issue in &self.issues {
            name(&issue.title, "the title of an issue")?;
            let texts = [&issue.id, &issue.key, &issue.status, &issue.assignee];
            for text in texts.into_iter().flatten().chain(&issue.labels) {
                name(text, "a text of an issue")?;
            }
            if issue.body.len() > LONGEST_BODY || issue.url.len() > LONGEST_BODY {
                return Err(wrong(format!("the body of '{}' is too long", issue.title)));
            }
            for time in [&issue.created_at, &issue.updated_at].into_iter().flatten() {
                if Moment::parse(time).is_none() {
                    return Err(wrong(format!("'{time}' is not an RFC 3339 time")));
                }
            }
        }
        Ok(())
    }
}

fn name(text: &str, what: &str) -> Result<(), AdministrationError> {
    if text.trim().is_empty() || text.len() > LONGEST_NAME {
        return Err(wrong(format!("{what} must have 1 to {LONGEST_NAME} bytes")));
    }
    Ok(())
}

fn wrong(message: impl Into<String>) -> AdministrationError {
    AdministrationError::Seed(message.into())
}

impl Administration {
    /// Puts issues into the tracker of a shared team, named by id or slug; all of them or nothing.
    /// Durable when it returns.
    ///
    /// # Errors
    /// When there is no such team, a key or id belongs to another issue, or the store fails.
    pub async fn seed_issues(
        &self,
        team: &str,
        seed: &IssueSeed,
    ) -> Result<SeedReport, AdministrationError> {
        let team_id = self.team_id(team).await?;
        let now = self.now();
        let mut report = SeedReport::default();
        let mut writing = self.store.write().await?;
        for resource in &seed.resources {
            let key = resource.key.as_str();
            let names = (
                resource.name.as_deref().unwrap_or(key),
                resource.workspace.as_deref().unwrap_or("Teamspace"),
            );
            let provider = resource.provider.as_str();
            let place = (provider, key);
            let id = tracker::put_resource(&mut writing, &team_id, place, names, now).await?;
            report.resources += 1;
            for issue in &resource.issues {
                match issue.put(&mut writing, resource, &id, now).await? {
                    Put::Added => report.added += 1,
                    Put::Changed => report.changed += 1,
                    Put::Taken(key) => {
                        return Err(wrong(format!("the id or key of {key} is another issue's")));
                    }
                }
            }
        }
        tracker::commit(writing).await?;
        Ok(report)
    }

    /// Switches a binding of a team off, so that clients are told to bind anew. Durable when it
    /// returns.
    ///
    /// # Errors
    /// When there is no such team or binding, or the store fails.
    pub async fn disable_binding(
        &self,
        team: &str,
        binding_ref: &str,
    ) -> Result<(), AdministrationError> {
        let team_id = self.team_id(team).await?;
        let mut writing = self.store.write().await?;
        let now = self.now();
        if !tracker::disable_binding(&mut writing, &team_id, binding_ref, now).await? {
            return Err(AdministrationError::UnknownBinding(binding_ref.to_owned()));
        }
        Ok(tracker::commit(writing).await?)
    }
}

enum Put {
    Added,
    Changed,
    Taken(String),
}

impl SeedIssue {
    async fn put(
        &self,
        connection: &mut Connection,
        resource: &SeedResource,
        resource_id: &str,
        now: Moment,
    ) -> Result<Put, StoreError> {
        let change = tracker::next_change(connection, resource_id).await?;
        let key = self.key.clone().or_else(|| {
            let provider = Provider::named(&resource.provider)?;
            Some(provider.issue_key(&resource.key, change))
        });
        let key = key.unwrap_or_default();
        let id = match (&self.id, &self.key) {
            (Some(id), _) => id.clone(),
            (None, Some(_)) => format!("issue_{}", &digest(&key)[..24]),
            (None, None) => identifier("issue")?,
        };
        let time = |text: &Option<String>| text.as_deref().and_then(Moment::parse);
        let created = time(&self.created_at).unwrap_or(now);
        let issue = Issue {
            resource_id: resource_id.to_owned(),
            issue_id: id,
            issue_key: key,
            title: self.title.clone(),
            body: self.body.clone(),
            status: self.status.clone().unwrap_or_else(|| "open".to_owned()),
            assignee: self.assignee.clone(),
            labels: serde_json::Value::from(self.labels.clone()).to_string(),
            url: self.url.clone(),
            created_at: created.millis(),
            updated_at: time(&self.updated_at).unwrap_or(created).millis(),
            change,
        };
        if tracker::insert_issue(connection, &issue).await? {
            return Ok(Put::Added);
        }
        let there = tracker::issue(connection, &[resource_id], &issue.issue_id).await?;
        if there.is_none_or(|there| there.issue_id != issue.issue_id) {
            return Ok(Put::Taken(issue.issue_key));
        }
        tracker::change_issue(connection, &issue).await?;
        Ok(Put::Changed)
    }
}
