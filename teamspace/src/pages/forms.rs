//! The pages on which a person approves a login.

use super::html::{Text, page};
use crate::errors::OauthError;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError as _};

/// What happened to the form that was sent before.
#[derive(Debug)]
pub(crate) enum Notice<'a> {
    /// Nothing was sent yet.
    None,
    /// It was not accepted.
    Problem(&'a str),
    /// It was accepted and nothing is left to do.
    Done(&'a str),
}

/// The parameters of a browser login, as they travel through the page.
#[derive(Debug)]
pub(crate) struct AuthorizeForm<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) state: Option<&'a str>,
    pub(crate) code_challenge: &'a str,
    pub(crate) email: &'a str,
}

/// Answers the page of the device flow.
pub(crate) fn device_page(
    status: StatusCode,
    user_code: &str,
    email: &str,
    notice: &Notice<'_>,
) -> HttpResponse {
    let title = "Approve a login";
    if let Notice::Done(done) = notice {
        return page(status, title, &told("status", done));
    }
    let user_code = Text(user_code);
    let form = format!(
        "<p>Approve only a login that you began yourself, and only when your terminal shows this \
         code.</p>\n<form method=\"post\" action=\"/device\">\n\
         <label for=\"user_code\">Code</label>\n\
         <input id=\"user_code\" name=\"user_code\" value=\"{user_code}\" required \
         autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\">\n{}</form>\n",
        credentials(email)
    );
    page(status, title, &(problem(notice) + &form))
}

/// Answers the page of the browser flow.
pub(crate) fn authorize_page(
    status: StatusCode,
    form: &AuthorizeForm<'_>,
    notice: &Notice<'_>,
) -> HttpResponse {
    let hidden: String = [
        ("client_id", Some(form.client_id)),
        ("redirect_uri", Some(form.redirect_uri)),
        ("response_type", Some("code")),
        ("scope", Some(form.scope)),
        ("state", form.state),
        ("code_challenge", Some(form.code_challenge)),
        ("code_challenge_method", Some("S256")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, Text(value?))))
    .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n"))
    .collect();
    let main = format!(
        "{}<p>The command line on this machine (<code>{}</code>) asks to log in. Approve only a \
         login that you began yourself.</p>\n\
         <form method=\"post\" action=\"/oauth/authorize\">\n{hidden}{}</form>\n",
        problem(notice),
        Text(form.redirect_uri),
        credentials(form.email),
    );
    page(status, "Approve a login", &main)
}

/// Answers a page for a request that cannot be shown a form.
pub(crate) fn page_refusal(error: &OauthError) -> HttpResponse {
    let (name, description) = error.parts();
    let notice = told("alert", description);
    let main = format!("{notice}<p>Error: <code>{}</code></p>\n", Text(name));
    page(error.status_code(), "This login cannot go on", &main)
}

/// The fields of who approves, and the two buttons.
fn credentials(email: &str) -> String {
    format!(
        "{}<button type=\"submit\" name=\"decision\" value=\"approve\">Approve</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"deny\" formnovalidate>Deny</button>\n",
        who(email)
    )
}

/// The fields that say who somebody is: an email, and the approval key as proof.
pub(super) fn who(email: &str) -> String {
    format!(
        "<label for=\"email\">Account email</label>\n\
         <input id=\"email\" name=\"email\" type=\"email\" value=\"{}\" required \
         autocomplete=\"username\">\n\
         <label for=\"approval_key\">Approval key</label>\n\
         <input id=\"approval_key\" name=\"approval_key\" type=\"password\" required \
         autocomplete=\"off\" aria-describedby=\"approval_key_hint\">\n\
         <p id=\"approval_key_hint\">It stands in the file <code>approval.key</code> of the \
         server's data directory.</p>\n",
        Text(email)
    )
}

pub(super) fn problem(notice: &Notice<'_>) -> String {
    match notice {
        Notice::Problem(problem) => told("alert", problem),
        Notice::None | Notice::Done(_) => String::new(),
    }
}

fn told(role: &str, text: &str) -> String {
    format!("<p class=\"notice\" role=\"{role}\">{}</p>\n", Text(text))
}
