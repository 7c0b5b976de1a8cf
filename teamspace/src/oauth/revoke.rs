//! `POST /oauth/revoke` (RFC 7009): the end of a session.

use super::{receive_form, required};
use crate::errors::OauthError;
use crate::state::State;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

/// Revokes the session of a token of either kind.
///
/// Answers `{"revoked": true}` after the commit; also for a token that is unknown or already
/// revoked, because what the client asked for is then true.
pub(super) async fn revoke(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, OauthError> {
    let form = receive_form(&state, &request, payload).await?;
    let token = required(&form, "token")?;
    let known = state.store.revoke_by_token(token, state.now()).await?;
    tracing::info!(known, "a session was revoked by its client");
    Ok(HttpResponse::Ok().json(json!({"revoked": true})))
}
