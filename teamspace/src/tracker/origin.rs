//! `mission-origin/bind/`: the issue a mission began with.

use super::input::Input;
use super::scope::{Route, Scope};
use super::status::mission;
use crate::errors::ApiError;
use crate::state::State;
use crate::store::tracker::{self, Connection, NewOrigin};
use actix_web::http::StatusCode;
use serde_json::{Value, json};

/// The issue a mission began with, as a client says.
#[derive(Debug)]
pub(super) struct Origin {
    mission_id: String,
    mission_slug: Option<String>,
    issue_id: String,
    issue_key: String,
    issue_url: String,
    title: String,
    status: String,
}

impl Origin {
    /// Reads what a client says.
    pub(super) fn read(input: &Input) -> Result<Self, ApiError> {
        let text = |name: &str| input.required(name).map(str::to_owned);
        let optional = |name: &str| input.optional(name).map(|text| text.map(str::to_owned));
        Ok(Self {
            mission_id: text("mission_id")?,
            mission_slug: optional("mission_slug")?,
            issue_id: text("external_issue_id")?,
            issue_key: text("external_issue_key")?,
            issue_url: optional("external_issue_url")?.unwrap_or_default(),
            title: text("external_title")?,
            status: optional("external_status")?.unwrap_or_default(),
        })
    }

    /// Keeps it; the same issue once more changes nothing, another one is a conflict.
    pub(super) async fn keep(
        &self,
        connection: &mut Connection,
        state: &State,
        scope: &Scope,
        route: &Route,
    ) -> Result<Value, ApiError> {
        let team_id = scope.team.id.as_str();
        let binding = route.binding(connection, team_id).await?;
        let place = [binding.resource_id.as_str()];
        let issue = tracker::issue(connection, &place, &self.issue_id).await?;
        let issue = issue
            .filter(|issue| issue.issue_id == self.issue_id)
            .ok_or_else(|| {
                ApiError::not_found("issue_not_found", "the bound resource has no such issue")
            })?;
        let earlier = tracker::origin(connection, team_id, &self.mission_id).await?;
        let created = earlier.is_none();
        if let Some(earlier) = earlier {
            if earlier.issue_id != issue.issue_id || earlier.provider != route.provider.name() {
                let code = "origin_conflict";
                let message = format!("the mission began with {}; it stays", earlier.issue_key);
                let error = ApiError::new(StatusCode::CONFLICT, code, code, message);
                return Err(error.for_people());
            }
        } else {
            let new = NewOrigin {
                mission_id: &self.mission_id,
                mission_slug: self.mission_slug.as_deref(),
                provider: route.provider.name(),
                project_uuid: &binding.project_uuid,
                issue_id: &issue.issue_id,
                issue_key: &self.issue_key,
                issue_url: &self.issue_url,
                title: &self.title,
                status: &self.status,
            };
            let owner = (team_id, scope.account.id.as_str());
            tracker::insert_origin(connection, owner, &new, state.now()).await?;
        }
        let kept = tracker::origin(connection, team_id, &self.mission_id).await?;
        let mut body = mission(&kept.ok_or_else(ApiError::internal)?);
        body["status"] = json!("bound");
        body["created"] = json!(created);
        body["binding_ref"] = json!(binding.binding_ref);
        Ok(body)
    }
}
