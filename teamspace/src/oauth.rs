//! Login: OAuth 2.0 for a native client, by device code (RFC 8628) or browser (RFC 6749, PKCE).
//!
//! There is one client, `cli_native`, and it has no secret; what protects a login is the person who
//! approves it with the server's approval key. Answers and errors have OAuth's form.

mod authorize;
mod device;
mod redirect;
mod revoke;
mod token;

use crate::errors::OauthError;
use crate::request::{BodyError, Fields, RawBody, RepeatedField};
use crate::routing;
use crate::state::State;
use crate::store::SessionLifetimes;
use actix_web::http::StatusCode;
use actix_web::web::{Payload, ServiceConfig};
use actix_web::{HttpRequest, web};

/// The one client that may log in: the command line on a person's machine.
pub(crate) const CLIENT_ID: &str = "cli_native";

/// What a client is granted when it asks for nothing.
const DEFAULT_SCOPE: &str = "offline_access";

/// More than this is no scope that this server knows.
const LONGEST_SCOPE: usize = 256;

/// Declares the endpoints of login.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::post("/oauth/device", device::start))
        .service(routing::form("/device", device::show, device::decide))
        .service(routing::form(
            "/oauth/authorize",
            authorize::show,
            authorize::decide,
        ))
        .service(routing::post("/oauth/token", token::exchange))
        .service(routing::post("/oauth/revoke", revoke::revoke));
}

/// The fields of a form that was posted to an OAuth endpoint.
async fn receive_form(
    state: &web::Data<State>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Fields, OauthError> {
    let most = state.limits.max_form_bytes;
    let body = RawBody::receive(request, payload, most, &state.limits).await;
    let content = body.and_then(|body| body.unpack(most));
    let content = content.map_err(|error| match error {
        BodyError::TooLarge(most) => OauthError::with_status(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request",
            format!("the form is larger than {most} bytes"),
        ),
        BodyError::TooSlow(_) => OauthError::with_status(
            StatusCode::REQUEST_TIMEOUT,
            "invalid_request",
            "the form did not arrive in time; send it again",
        ),
        BodyError::Broken | BodyError::UnknownEncoding | BodyError::NotGzip => {
            OauthError::new("invalid_request", "the form cannot be read")
        }
    })?;
    Ok(Fields::parse(&content))
}

/// Returns a field that must be there once.
fn required<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a str, OauthError> {
    fields.one(name)?.ok_or_else(|| {
        OauthError::new(
            "invalid_request",
            format!("the field '{name}' is missing; send it"),
        )
    })
}

/// Returns the client, if it is one that may log in.
fn client(fields: &Fields) -> Result<&'static str, OauthError> {
    if required(fields, "client_id")? == CLIENT_ID {
        return Ok(CLIENT_ID);
    }
    Err(OauthError::with_status(
        StatusCode::UNAUTHORIZED,
        "invalid_client",
        format!("this client is not known; the client_id is {CLIENT_ID}"),
    ))
}

/// Returns the scope that is granted: what was asked for, in OAuth's characters.
fn scope(fields: &Fields) -> Result<&str, OauthError> {
    let Some(scope) = fields.one("scope")? else {
        return Ok(DEFAULT_SCOPE);
    };
    let printable = |byte: u8| matches!(byte, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if scope.len() <= LONGEST_SCOPE && scope.bytes().all(printable) {
        Ok(scope)
    } else {
        Err(OauthError::new(
            "invalid_scope",
            format!("the scope has forbidden characters or more than {LONGEST_SCOPE}"),
        ))
    }
}

fn lifetimes(state: &State) -> SessionLifetimes {
    SessionLifetimes {
        access: state.lifetimes.access_token,
        refresh: state.lifetimes.refresh_token,
    }
}

impl From<RepeatedField> for OauthError {
    fn from(error: RepeatedField) -> Self {
        Self::new("invalid_request", error.to_string())
    }
}
