//! Login by browser: the page that approves it and the way back to the command line.
//!
//! The request's parameters travel in the page's form and are checked again when it comes back, so
//! nothing is stored before a person has said yes.

use super::{CLIENT_ID, client, receive_form, redirect, required, scope};
use crate::approval::account_of_form;
use crate::errors::OauthError;
use crate::pages::{AuthorizeForm, Notice, authorize_page, page_refusal};
use crate::request::Fields;
use crate::secret::Secret;
use crate::state::State;
use crate::store::{AuthorizationCode, StoreError};
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use url::Url;

/// The longest `state` that is carried through.
const LONGEST_STATE: usize = 1_024;

/// The length of a SHA-256 in base64url without padding.
const CHALLENGE_LENGTH: usize = 43;

/// A request for a code that may be shown to a person.
struct Asked<'a> {
    redirect_uri: &'a str,
    scope: &'a str,
    state: Option<&'a str>,
    code_challenge: &'a str,
}

/// Why a request is refused, and whether the client may be told by redirect.
enum Unaskable {
    /// Client or address are wrong; the person is told on a page and nobody is redirected.
    Here(OauthError),
    /// Something else is wrong; the client is told.
    There(String),
}

/// `GET /oauth/authorize`: the page on which a person approves a login.
pub(super) async fn show(request: HttpRequest) -> HttpResponse {
    let fields = Fields::of_query(&request);
    match read(&fields) {
        Ok((asked, _)) => page(StatusCode::OK, &asked, "", &Notice::None),
        Err(unaskable) => refuse(unaskable),
    }
}

/// `POST /oauth/authorize`: the parameters again, and `email`, `approval_key`, `decision`.
///
/// Redirects (302) with `code` when approved and with `error=access_denied` when denied; answers
/// the page again with 400, 403, 404 or 429 when the form is not right.
pub(super) async fn decide(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let form = match receive_form(&state, &request, payload).await {
        Ok(form) => form,
        Err(error) => return page_refusal(&error),
    };
    let (asked, back) = match read(&form) {
        Ok(asked) => asked,
        Err(unaskable) => return refuse(unaskable),
    };
    let email = form.first("email");
    match &*form.first("decision") {
        "approve" => {}
        "deny" => {
            let denied = [("error", "access_denied")];
            return found(redirect::with_answer(back, &denied, asked.state));
        }
        _ => {
            let notice = Notice::Problem("Choose Approve or Deny.");
            return page(StatusCode::BAD_REQUEST, &asked, &email, &notice);
        }
    }
    let account = match account_of_form(&state, &request, &form).await {
        Ok(account) => account,
        Err(refused) => {
            let (status, notice) = (refused.status(), refused.to_string());
            return page(status, &asked, &email, &Notice::Problem(&notice));
        }
    };
    match issue_code(&state, &asked, &account.id).await {
        Ok(code) => {
            tracing::info!(account_id = account.id, "a browser login was approved");
            let answer = [("code", code.expose())];
            found(redirect::with_answer(back, &answer, asked.state))
        }
        Err(error) => page_refusal(&OauthError::from(error)),
    }
}

async fn issue_code(
    state: &State,
    asked: &Asked<'_>,
    account_id: &str,
) -> Result<Secret, StoreError> {
    let code = Secret::random("sktc_")?;
    let now = state.now();
    let record = AuthorizationCode {
        code_hash: code.digest(),
        client_id: CLIENT_ID,
        redirect_uri: asked.redirect_uri,
        code_challenge: asked.code_challenge,
        scope: asked.scope,
        account_id,
        expires_at: now.plus(state.lifetimes.authorization_code),
    };
    state.store.record_code(&record, now).await?;
    Ok(code)
}

fn read(fields: &Fields) -> Result<(Asked<'_>, Url), Unaskable> {
    client(fields).map_err(Unaskable::Here)?;
    let redirect_uri = required(fields, "redirect_uri").map_err(Unaskable::Here)?;
    let back = redirect::parse(redirect_uri).ok_or_else(|| {
        Unaskable::Here(OauthError::new(
            "invalid_request",
            "the redirect_uri is not http on a loopback address; begin the login again",
        ))
    })?;
    let state = fields.one("state").unwrap_or_default();
    match read_rest(fields, redirect_uri) {
        Ok(asked) => Ok((asked, back)),
        Err(error) => {
            let (name, description) = error.parts();
            let answer = [("error", name), ("error_description", description)];
            let state = state.filter(|state| state.len() <= LONGEST_STATE);
            Err(Unaskable::There(redirect::with_answer(
                back, &answer, state,
            )))
        }
    }
}

fn read_rest<'a>(fields: &'a Fields, redirect_uri: &'a str) -> Result<Asked<'a>, OauthError> {
    if required(fields, "response_type")? != "code" {
        return Err(OauthError::new(
            "unsupported_response_type",
            "the response_type is code",
        ));
    }
    let state = fields.one("state")?;
    if state.is_some_and(|state| state.len() > LONGEST_STATE) {
        return Err(OauthError::new(
            "invalid_request",
            format!("the state has more than {LONGEST_STATE} bytes"),
        ));
    }
    let code_challenge = required(fields, "code_challenge")?;
    let url_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if required(fields, "code_challenge_method")? != "S256"
        || code_challenge.len() != CHALLENGE_LENGTH
        || !code_challenge.bytes().all(url_safe)
    {
        return Err(OauthError::new(
            "invalid_request",
            "the code_challenge must be of method S256: 43 characters of base64url",
        ));
    }
    Ok(Asked {
        redirect_uri,
        scope: scope(fields)?,
        state,
        code_challenge,
    })
}

fn refuse(unaskable: Unaskable) -> HttpResponse {
    match unaskable {
        Unaskable::Here(error) => page_refusal(&error),
        Unaskable::There(location) => found(location),
    }
}

fn found(location: String) -> HttpResponse {
    HttpResponse::Found()
        .insert_header((LOCATION, location))
        .finish()
}

fn page(status: StatusCode, asked: &Asked<'_>, email: &str, notice: &Notice<'_>) -> HttpResponse {
    let form = AuthorizeForm {
        client_id: CLIENT_ID,
        redirect_uri: asked.redirect_uri,
        scope: asked.scope,
        state: asked.state,
        code_challenge: asked.code_challenge,
        email,
    };
    authorize_page(status, &form, notice)
}
