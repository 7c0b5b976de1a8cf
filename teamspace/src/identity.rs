//! Who is calling: bearer tokens, and what a session may ask about itself.

use crate::accounts::Account;
use crate::errors::ApiError;
use crate::request::bearer;
use crate::routing;
use crate::state::State;
use crate::store::AccessState;
use crate::time::Moment;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

/// Declares the endpoints that answer about the caller.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::get("/api/v1/me", me))
        .service(routing::get("/api/v1/session-status", session_status));
}

/// An account whose access token is valid now.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) account: Account,
    pub(crate) session_id: String,
    pub(crate) refresh_expires_at: Moment,
}

impl Caller {
    /// Identifies the caller by the request's bearer token.
    ///
    /// Refuses with 401 and one of `token_missing`, `token_invalid`, `token_expired` (refresh it)
    /// and `session_invalid` (log in again).
    pub(crate) async fn identify(state: &State, request: &HttpRequest) -> Result<Self, ApiError> {
        let token = match bearer(request) {
            Some(Some(token)) => token,
            Some(None) => return Err(unknown()),
            None => {
                return Err(ApiError::unauthorized(
                    "token_missing",
                    "no access token was sent; log in and send it as a Bearer token",
                ));
            }
        };
        match state.store.access(token, state.now()).await? {
            AccessState::Valid {
                session_id,
                account_id,
                refresh_expires_at,
            } => {
                let account = state.store.account(&account_id).await?;
                Ok(Self {
                    account: account.ok_or_else(unknown)?,
                    session_id,
                    refresh_expires_at,
                })
            }
            AccessState::Expired => Err(ApiError::unauthorized(
                "token_expired",
                "the access token has expired; refresh it",
            )),
            AccessState::Revoked => Err(ApiError::unauthorized(
                "session_invalid",
                "the session was revoked; log in again",
            )),
            AccessState::Unknown => Err(unknown()),
        }
    }
}

fn unknown() -> ApiError {
    ApiError::unauthorized(
        "token_invalid",
        "the access token is not known; log in again",
    )
}

/// `GET /api/v1/me`: the account, its teams, and how long its session lasts.
async fn me(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let caller = Caller::identify(&state, &request).await?;
    Ok(HttpResponse::Ok().json(json!({
        "user_id": caller.account.id,
        "email": caller.account.email,
        "name": caller.account.name,
        "teams": caller.account.teams,
        "refresh_token_expires_at": caller.refresh_expires_at.iso(),
    })))
}

/// `GET /api/v1/session-status`: answers only to a session that is active.
async fn session_status(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let caller = Caller::identify(&state, &request).await?;
    Ok(HttpResponse::Ok().json(json!({"active": true, "session_id": caller.session_id})))
}
