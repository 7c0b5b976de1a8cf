//! The device authorization grant: a code that is confirmed on another device (RFC 8628).

use super::{Cancel, LoginError, LoginPorts, LoginProgress, LoginStep, complete, granted, guarded};
use crate::auth::endpoints::{
    TokenGrant, device_poll_request, device_request, error_word, snippet,
};
use crate::auth::secret::Secret;
use crate::auth::session::{AuthMethod, StoredSession};
use jiff::{SignedDuration, Timestamp};
use kitty_config::ServerUrl;
use serde::Deserialize;
use std::time::Duration;

/// The longest pause between two questions, also after the server asked for more.
const LONGEST_INTERVAL: u64 = 10;

/// The pause when the server names none.
const DEFAULT_INTERVAL: u64 = 5;

/// What `slow_down` adds.
const SLOWER_BY: u64 = 5;

/// How long a code lives when the server does not say, and at most.
const DEFAULT_LIFETIME: u64 = 900;
const LONGEST_LIFETIME: u64 = 3600;

#[derive(Deserialize)]
struct DeviceAnswer {
    device_code: Secret,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: Option<u64>,
    interval: Option<u64>,
}

/// Logs in with a code that a person confirms on any device (`auth login --headless`).
///
/// Asks the server at the pace it wants (first after one pause, every ten seconds at least) until
/// the code ends; an answer that is lost on the way costs one pause and not the login.
///
/// # Errors
/// [`LoginError`]; nothing was stored.
pub async fn log_in_with_device(
    server: &ServerUrl,
    ports: &LoginPorts,
    progress: &dyn LoginProgress,
    cancel: Cancel,
) -> Result<StoredSession, LoginError> {
    guarded(ports, cancel, async {
        let answer = request_code(server, ports).await?;
        let valid_for = answer.expires_in.unwrap_or(DEFAULT_LIFETIME);
        let valid_for = Duration::from_secs(valid_for.clamp(1, LONGEST_LIFETIME));
        progress.show(LoginStep::Code {
            user_code: readable(&answer.user_code),
            verification_uri: answer.verification_uri.clone(),
            complete_uri: answer.verification_uri_complete.clone(),
            valid_for,
        });
        let grant = poll(server, ports, progress, &answer, valid_for).await?;
        progress.show(LoginStep::Granted);
        complete(server, ports, grant, AuthMethod::DeviceCode).await
    })
    .await
}

async fn request_code(server: &ServerUrl, ports: &LoginPorts) -> Result<DeviceAnswer, LoginError> {
    let response = ports.transport.send(device_request(server)).await?;
    let unexpected = |body: String| LoginError::Unexpected {
        request: "the device code request",
        status: response.status,
        body,
    };
    if response.status != 200 {
        return Err(unexpected(snippet(&response, &[])));
    }
    serde_json::from_slice(&response.body)
        .map_err(|_| unexpected("the answer holds no usable device code".to_owned()))
}

async fn poll(
    server: &ServerUrl,
    ports: &LoginPorts,
    progress: &dyn LoginProgress,
    answer: &DeviceAnswer,
    valid_for: Duration,
) -> Result<TokenGrant, LoginError> {
    let end = end_of(ports.time.now(), valid_for);
    let interval = answer.interval.unwrap_or(DEFAULT_INTERVAL);
    let mut interval = interval.clamp(1, LONGEST_INTERVAL);
    loop {
        ports.pauses.pause(Duration::from_secs(interval)).await;
        if ports.time.now() >= end {
            return Err(LoginError::CodeExpired);
        }
        let request = device_poll_request(server, &answer.device_code);
        let response = match ports.transport.send(request).await {
            Ok(response) => response,
            Err(error) => {
                progress.show(LoginStep::Retrying(error));
                continue;
            }
        };
        match (response.status, error_word(&response).as_deref()) {
            (200, _) => return granted("the device code poll", &response, &[&answer.device_code]),
            (500.., _) | (_, Some("authorization_pending")) => {}
            (_, Some("slow_down")) => interval = (interval + SLOWER_BY).min(LONGEST_INTERVAL),
            (_, Some("access_denied")) => return Err(LoginError::Denied),
            (_, Some("expired_token")) => return Err(LoginError::CodeExpired),
            (_, Some(other)) => return Err(LoginError::ServerSaid(other.to_owned())),
            (_, None) => {
                return granted("the device code poll", &response, &[&answer.device_code]);
            }
        }
    }
}

fn end_of(now: Timestamp, lifetime: Duration) -> Timestamp {
    SignedDuration::try_from(lifetime)
        .ok()
        .and_then(|lifetime| now.checked_add(lifetime).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Splits eight characters in the middle, which people copy with fewer errors.
fn readable(code: &str) -> String {
    match code.char_indices().nth(4) {
        Some((middle, _))
            if code.chars().count() == 8 && code.chars().all(char::is_alphanumeric) =>
        {
            format!("{}-{}", &code[..middle], &code[middle..])
        }
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn a_code_of_eight_characters_is_split_and_every_other_is_left_alone() {
        assert_eq!(readable("ABCD1234"), "ABCD-1234");
        for code in ["ABCD-1234", "ABC", "ABCDEFGHI", "ABC-1234", ""] {
            assert_eq!(readable(code), code);
        }
    }
}
