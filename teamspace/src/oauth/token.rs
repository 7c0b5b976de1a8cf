//! `POST /oauth/token`: the three ways to tokens.

use super::{client, lifetimes, receive_form, required};
use crate::errors::OauthError;
use crate::request::Fields;
use crate::state::State;
use crate::store::{CodeExchange, DevicePoll, Rotation, TokenPair};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Exchanges a device code, an authorization code or a refresh token for a pair of tokens.
pub(super) async fn exchange(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, OauthError> {
    let form = receive_form(&state, &request, payload).await?;
    let pair = match required(&form, "grant_type")? {
        DEVICE_CODE => by_device_code(&state, &form).await?,
        "authorization_code" => by_authorization_code(&state, &form).await?,
        "refresh_token" => by_refresh_token(&state, &form).await?,
        _ => {
            return Err(OauthError::new(
                "unsupported_grant_type",
                "the grant types are authorization_code, refresh_token and device_code",
            ));
        }
    };
    Ok(HttpResponse::Ok().json(json!({
        "access_token": pair.access.expose(),
        "token_type": "Bearer",
        "expires_in": state.lifetimes.access_token.as_secs(),
        "refresh_token": pair.refresh.expose(),
        "refresh_token_expires_in": state.lifetimes.refresh_token.as_secs(),
        "scope": pair.scope,
        "session_id": pair.session_id,
        "generation": pair.generation,
    })))
}

async fn by_device_code(state: &State, form: &Fields) -> Result<TokenPair, OauthError> {
    let client = client(form)?;
    let code = required(form, "device_code")?;
    let interval = state.lifetimes.poll_interval;
    let polled = state
        .store
        .poll_device(code, client, interval, lifetimes(state), state.now())
        .await?;
    let (error, description) = match polled {
        DevicePoll::Granted(pair) => {
            tracing::info!(session_id = pair.session_id, "a device logged in");
            return Ok(pair);
        }
        DevicePoll::Pending => ("authorization_pending", "nobody has approved the login yet"),
        DevicePoll::TooFast => (
            "slow_down",
            "poll less often: add 5 seconds to the interval",
        ),
        DevicePoll::Denied => ("access_denied", "the login was denied"),
        DevicePoll::Expired => ("expired_token", "the device code has expired; log in again"),
        DevicePoll::Unknown => ("invalid_grant", "no login waits under this device code"),
    };
    Err(OauthError::new(error, description))
}

async fn by_authorization_code(state: &State, form: &Fields) -> Result<TokenPair, OauthError> {
    let exchange = CodeExchange {
        client_id: client(form)?,
        code: required(form, "code")?,
        redirect_uri: required(form, "redirect_uri")?,
        verifier: required(form, "code_verifier")?,
    };
    let pair = state
        .store
        .exchange_code(&exchange, lifetimes(state), state.now())
        .await?;
    if let Some(pair) = &pair {
        tracing::info!(
            session_id = pair.session_id,
            "a browser login was completed"
        );
    }
    pair.ok_or_else(|| {
        OauthError::new(
            "invalid_grant",
            "the code is unknown, used, expired, or does not belong to this client, redirect_uri \
             and code_verifier; log in again",
        )
    })
}

async fn by_refresh_token(state: &State, form: &Fields) -> Result<TokenPair, OauthError> {
    let client = client(form)?;
    let token = required(form, "refresh_token")?;
    let grace = state.lifetimes.replay_grace;
    let rotation = state
        .store
        .rotate(token, client, lifetimes(state), grace, state.now())
        .await?;
    Err(match rotation {
        Rotation::Rotated(pair) => return Ok(pair),
        Rotation::BenignReplay => OauthError::with_status(
            StatusCode::CONFLICT,
            "refresh_replay_benign_retry",
            "this refresh token was exchanged a moment ago; use the tokens of that exchange",
        ),
        Rotation::Replayed => {
            tracing::warn!("a rotated refresh token was used again; its session is revoked");
            OauthError::new(
                "invalid_grant",
                "this refresh token was exchanged before; its session is revoked, log in again",
            )
        }
        Rotation::Revoked => {
            OauthError::new("session_invalid", "the session was revoked; log in again")
        }
        Rotation::Expired => OauthError::new(
            "invalid_grant",
            "the refresh token has expired; log in again",
        ),
        Rotation::Unknown => OauthError::new(
            "invalid_grant",
            "the refresh token is not known; log in again",
        ),
    })
}
