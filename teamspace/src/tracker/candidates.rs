//! Candidate tokens: a resource that was shown to somebody, for a few minutes.

use super::scope::Scope;
use crate::errors::ApiError;
use crate::state::State;
use crate::time::Moment;
use serde::{Deserialize, Serialize};

const KIND: &str = "trackercandidate";

/// What a token stands for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate {
    account_id: String,
    team_id: String,
    resource_id: String,
    expires_at: i64,
}

/// Makes the token of a resource.
pub(super) fn token(state: &State, scope: &Scope, resource_id: &str) -> String {
    let candidate = Candidate {
        account_id: scope.account.id.clone(),
        team_id: scope.team.id.clone(),
        resource_id: resource_id.to_owned(),
        expires_at: state.now().plus(state.lifetimes.tracker_candidate).millis(),
    };
    state.sealer.seal(KIND, &candidate)
}

/// Returns the resource a token stands for; `None` when it was not made for this caller, or has
/// expired.
pub(super) fn resource_id(state: &State, scope: &Scope, token: &str) -> Option<String> {
    let candidate: Candidate = state.sealer.open(KIND, token)?;
    let valid = candidate.account_id == scope.account.id
        && candidate.team_id == scope.team.id
        && state.now() < Moment::from_millis(candidate.expires_at);
    valid.then_some(candidate.resource_id)
}

/// Refuses a token; a client resolves the project anew, once.
pub(super) fn refused() -> ApiError {
    let code = "invalid_candidate_token";
    let status = actix_web::http::StatusCode::BAD_REQUEST;
    let message = "the candidate token has expired or is not yours; resolve the project again";
    ApiError::new(status, code, code, message)
}
