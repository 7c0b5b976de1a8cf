//! Which protocol a client speaks and which team receives what it sends.

use crate::accounts::{Account, Team};
use crate::errors::ApiError;
use crate::request::header;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use serde_json::json;

const PROTOCOL_HEADER: &str = "x-spec-kitty-sync-protocol";
const TEAM_HEADER: &str = "x-team-slug";

/// The version of the sync protocol this server speaks.
const PROTOCOL: &str = "2.0";
const PROTOCOL_MAJOR: &str = "2";

const UPGRADE_GUIDANCE: &str = "Use a client that speaks sync protocol 2: the spec-kitty runtime, \
     or spec-kitty-cli 3.2.6 or newer.";

/// The category under which clients know that an account has no Private Teamspace.
const MISSING_PRIVATE_TEAM: &str = "direct_ingress_missing_private_team";

/// Refuses a client whose protocol has another major version, or that does not tell (412).
pub(crate) fn require_protocol(request: &HttpRequest) -> Result<(), ApiError> {
    let version = header(request, PROTOCOL_HEADER).unwrap_or_default();
    let mut numbers = version.split('.');
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if numbers.next() == Some(PROTOCOL_MAJOR) && numbers.all(numeric) {
        return Ok(());
    }
    let description = if version.is_empty() {
        "the request names no sync protocol version"
    } else {
        "the request names a sync protocol version that this server does not speak"
    };
    let error = ApiError::new(
        StatusCode::PRECONDITION_FAILED,
        "sync_protocol_unsupported",
        "protocol",
        format!("{description}. {UPGRADE_GUIDANCE}"),
    );
    Err(error.with("error_description", json!(description)).with(
        "sync_protocol",
        json!({"supported": PROTOCOL, "upgrade_guidance": UPGRADE_GUIDANCE}),
    ))
}

/// Returns the Private Teamspace of an account; only that one receives events (403 without).
pub(crate) fn receiving_team<'a>(
    request: &HttpRequest,
    account: &'a Account,
) -> Result<&'a Team, ApiError> {
    let team = private_team(account)?;
    let named = request.headers().get(TEAM_HEADER);
    let matches = named.is_none_or(|named| {
        let named = named.to_str().unwrap_or_default().trim();
        team.is_named(named)
    });
    if matches {
        return Ok(team);
    }
    Err(team_mismatch())
}

/// Returns the Private Teamspace of an account (403 without).
pub(crate) fn private_team(account: &Account) -> Result<&Team, ApiError> {
    account.private_team().ok_or_else(|| {
        ApiError::new(
            StatusCode::FORBIDDEN,
            MISSING_PRIVATE_TEAM,
            MISSING_PRIVATE_TEAM,
            "this account has no Private Teamspace, and shared teams receive no events; have the \
             server's operator make one",
        )
    })
}

/// Refuses a client that means another team than the Private Teamspace of its account.
pub(crate) fn team_mismatch() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "team_mismatch",
        "team_mismatch",
        "the request does not name this account's Private Teamspace; leave X-Team-Slug out, or \
         log in to the account that the events belong to",
    )
}
