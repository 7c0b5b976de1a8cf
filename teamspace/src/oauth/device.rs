//! Login by device code: the endpoint that begins it and the page that approves it.

use super::{client, receive_form, scope};
use crate::approval::{Refused, account_of_form, sender};
use crate::errors::OauthError;
use crate::pages::{Notice, device_page, page_refusal};
use crate::request::Fields;
use crate::secret::{NoRandomness, Secret};
use crate::state::State;
use crate::store::{DeviceAnswer, DeviceDraft, DeviceVerdict, StoreError};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

/// Letters that spell no words and are not mistaken for digits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Digits that are not mistaken for letters.
const DIGITS: &[u8; 8] = b"23456789";

/// How often another user code is tried when one is in use.
const TRIES: usize = 5;

/// `POST /oauth/device`: begins a login (RFC 8628, 3.1).
pub(super) async fn start(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, OauthError> {
    let form = receive_form(&state, &request, payload).await?;
    let (client_id, scope) = (client(&form)?, scope(&form)?);
    let now = state.now();
    let device_code = Secret::random("sktd_").map_err(StoreError::from)?;
    for _ in 0..TRIES {
        let user_code = random_user_code().map_err(StoreError::from)?;
        let draft = DeviceDraft {
            device_code_hash: device_code.digest(),
            user_code: &user_code,
            client_id,
            scope,
            expires_at: now.plus(state.lifetimes.device_code),
        };
        let most = state.limits.max_pending_devices;
        match state.store.record_device(&draft, most, now).await? {
            DeviceAnswer::Recorded => return Ok(begun(&state, &device_code, &user_code)),
            DeviceAnswer::UserCodeTaken => {}
            DeviceAnswer::TooManyPending => break,
        }
    }
    let pause = state.limits.retry_after_max_seconds;
    Err(OauthError::with_status(
        StatusCode::TOO_MANY_REQUESTS,
        "temporarily_unavailable",
        "too many logins wait for approval; try again later",
    )
    .retry_after(pause))
}

fn begun(state: &State, device_code: &Secret, user_code: &str) -> HttpResponse {
    let verification_uri = state.address("/device");
    HttpResponse::Ok().json(json!({
        "device_code": device_code.expose(),
        "user_code": user_code,
        "verification_uri_complete": format!("{verification_uri}?user_code={user_code}"),
        "verification_uri": verification_uri,
        "expires_in": state.lifetimes.device_code.as_secs(),
        "interval": state.lifetimes.poll_interval.as_secs(),
    }))
}

/// `GET /device`: the page on which a person approves a login.
pub(super) async fn show(request: HttpRequest) -> HttpResponse {
    let fields = Fields::of_query(&request);
    let user_code = normal_user_code(&fields.first("user_code")).unwrap_or_default();
    device_page(StatusCode::OK, &user_code, "", &Notice::None)
}

/// `POST /device`: fields `user_code`, `email`, `approval_key`, `decision` (`approve` or `deny`).
///
/// Answers a page: 200 when the decision is recorded, 400 for an incomplete form, 403 for a wrong
/// key, 404 for a code that does not wait or an unknown account, 429 after too many failures.
pub(super) async fn decide(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let form = match receive_form(&state, &request, payload).await {
        Ok(form) => form,
        Err(error) => return page_refusal(&error),
    };
    let typed = form.first("user_code");
    let email = form.first("email");
    let answer = |status, notice: Notice<'_>| device_page(status, &typed, &email, &notice);
    let Some(user_code) = normal_user_code(&typed) else {
        return answer(
            StatusCode::BAD_REQUEST,
            Notice::Problem("The code has the form ABCD-2345. Type it as your terminal shows it."),
        );
    };
    let outcome = match &*form.first("decision") {
        "approve" => approve(&state, &request, &form, &user_code).await,
        "deny" => deny(&state, &request, &user_code).await,
        _ => {
            return answer(
                StatusCode::BAD_REQUEST,
                Notice::Problem("Choose Approve or Deny."),
            );
        }
    };
    match outcome {
        Ok(Some(done)) => answer(StatusCode::OK, Notice::Done(done)),
        Ok(None) => {
            state.attempts.failed(sender(&request), state.now());
            answer(
                StatusCode::NOT_FOUND,
                Notice::Problem(
                    "No login waits under this code. Check the code; after 15 minutes begin again.",
                ),
            )
        }
        Err(refused) => {
            let (status, notice) = (refused.status(), refused.to_string());
            answer(status, Notice::Problem(&notice))
        }
    }
}

async fn approve(
    state: &State,
    request: &HttpRequest,
    form: &Fields,
    user_code: &str,
) -> Result<Option<&'static str>, Refused> {
    let account = account_of_form(state, request, form).await?;
    let verdict = DeviceVerdict::Approve {
        account_id: &account.id,
    };
    let decided = state
        .store
        .decide_device(user_code, verdict, state.now())
        .await?;
    if decided {
        tracing::info!(account_id = account.id, "a device login was approved");
    }
    Ok(decided.then_some("Approved. You can close this page; your terminal goes on by itself."))
}

/// Denying needs no key: who sees the code may stop the login it belongs to.
async fn deny(
    state: &State,
    request: &HttpRequest,
    user_code: &str,
) -> Result<Option<&'static str>, Refused> {
    let now = state.now();
    if let Some(seconds) = state.attempts.blocked(sender(request), now) {
        return Err(Refused::TooManyAttempts(seconds));
    }
    let decided = state
        .store
        .decide_device(user_code, DeviceVerdict::Deny, now)
        .await?;
    Ok(decided.then_some("Denied. Nobody was logged in."))
}

fn random_user_code() -> Result<String, NoRandomness> {
    let mut code = String::with_capacity(9);
    while code.len() < 4 {
        push_random(&mut code, LETTERS)?;
    }
    code.push('-');
    while code.len() < 9 {
        push_random(&mut code, DIGITS)?;
    }
    Ok(code)
}

/// Appends one character, each with the same chance: bytes beyond the last multiple are dropped.
fn push_random(code: &mut String, alphabet: &[u8]) -> Result<(), NoRandomness> {
    let mut byte = [0_u8; 1];
    getrandom::fill(&mut byte)?;
    let drawn = usize::from(byte[0]);
    let fair = 256 - 256 % alphabet.len();
    if drawn < fair {
        code.push(char::from(alphabet[drawn % alphabet.len()]));
    }
    Ok(())
}

/// Reads a code however it was typed: `abcd 2345` is `ABCD-2345`.
fn normal_user_code(typed: &str) -> Option<String> {
    if typed.len() > 64 {
        return None;
    }
    let plain: String = typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    (plain.len() == 8).then(|| format!("{}-{}", &plain[..4], &plain[4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_code_has_four_letters_and_four_digits_and_survives_typing() {
        for _ in 0..200 {
            let code = random_user_code().unwrap();
            assert_eq!(code.len(), 9);
            assert!(
                code.bytes().take(4).all(|byte| LETTERS.contains(&byte)),
                "{code}"
            );
            assert!(
                code.bytes().skip(5).all(|byte| DIGITS.contains(&byte)),
                "{code}"
            );
            let typed = format!(" {} ", code.to_lowercase().replace('-', " "));
            assert_eq!(normal_user_code(&typed), Some(code));
        }
        assert_eq!(normal_user_code("ABC"), None);
        assert_eq!(normal_user_code(&"\u{e9}".repeat(8)), None);
    }
}
