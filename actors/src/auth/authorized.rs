//! Sending with a token: once, and once more after a refresh.

use super::AuthActor;
use super::endpoints::{parse_revoke, revoke_request};
use super::error::AuthError;
use super::messages::{GetAccessToken, Revocation};
use super::secret::{AccessToken, Secret, TokenFingerprint};
use crate::supervise::Child;
use crate::transport::{HttpRequest, HttpResponse, Transport};
use kitty_config::ServerUrl;
use std::time::Duration;

/// How much longer than its own limit the actor may take to answer.
const GRACE: Duration = Duration::from_secs(1);

/// Asks the auth actor for a token.
///
/// # Errors
/// [`AuthError`], also when the actor is gone.
pub async fn access_token(
    auth: &Child<AuthActor>,
    rejected: Option<TokenFingerprint>,
    limit: Duration,
) -> Result<AccessToken, AuthError> {
    // The actor keeps the limit itself; the additional time is for an actor that does not.
    let answer = auth
        .ask(GetAccessToken { rejected, limit }, limit + GRACE)
        .await;
    answer.unwrap_or_else(|error| Err(AuthError::Unanswered(error)))
}

/// Sends a request with a bearer token; a 401 is answered with one refresh and one more try.
///
/// `limit` bounds each wait for a token; the request brings its own time. Every other status is the
/// caller's business.
///
/// # Errors
/// [`AuthError::AuthenticationExpired`] when the second try is a 401 too, and whatever kept the
/// token from being had or the request from being sent.
pub async fn send_authorized(
    auth: &Child<AuthActor>,
    transport: &dyn Transport,
    request: HttpRequest,
    limit: Duration,
) -> Result<HttpResponse, AuthError> {
    let mut rejected = None;
    for _ in 0..2 {
        let token = access_token(auth, rejected, limit).await?;
        let response = transport.send(token.authorize(request.clone())?).await;
        let response = response.map_err(AuthError::Transport)?;
        if response.status != 401 {
            return Ok(response);
        }
        rejected = Some(token.fingerprint());
    }
    Err(AuthError::AuthenticationExpired)
}

/// Tells a server to forget a refresh token and the session behind it.
///
/// May be called twice for one token: a server answers an unknown token like a revoked one.
pub async fn revoke(
    transport: &dyn Transport,
    server: &ServerUrl,
    refresh_token: &Secret,
) -> Revocation {
    match transport.send(revoke_request(server, refresh_token)).await {
        Err(error) => Revocation::NetworkError(error),
        Ok(response) => parse_revoke(&response),
    }
}
