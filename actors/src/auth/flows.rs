//! Logging in: with a code on another device, or in a browser.
//!
//! A login talks to a person and takes minutes, so it is a plain function that a command runs and
//! not a message to the actor. It proves that the store can be written before it asks anything of
//! anybody (user need 22), reports its progress through [`LoginProgress`], can be cancelled, and
//! has a total deadline. Nothing is stored before `/api/v1/me` has said who the user is; then the
//! session is written durably, bound to its server.

mod browser;
mod callback;
mod device;
mod pkce;

pub use browser::{Browser, log_in_with_browser};
pub use device::log_in_with_device;

use super::endpoints::{
    MeAnswer, SCOPE, TokenGrant, error_word, me_request, parse_grant, parse_me, snippet,
};
use super::pause::SharedPauses;
use super::secret::{AccessToken, ForeignServer, Secret};
use super::session::{AuthMethod, NewSession, StoredSession, to_microseconds};
use super::store::{SharedStore, StoreError, Stored};
use crate::transport::{HttpResponse, SharedTransport, TransportError};
use kitty_config::ServerUrl;
use kitty_runtime::time::SharedTime;
use std::pin::Pin;
use std::time::Duration;

/// What a login works with.
#[derive(Debug, Clone)]
pub struct LoginPorts {
    /// Where the session will be kept.
    pub store: SharedStore,
    /// Reaches the server.
    pub transport: SharedTransport,
    /// Tells the time.
    pub time: SharedTime,
    /// Lets time pass.
    pub pauses: SharedPauses,
}

/// One thing a person should see during a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginStep {
    /// The code to confirm on another device.
    Code {
        /// Where to confirm it.
        verification_uri: String,
        /// The same with the code filled in, if the server offers it.
        complete_uri: Option<String>,
        /// The code as people read it: `ABCD-1234`.
        user_code: String,
        /// How long the code can be confirmed.
        valid_for: Duration,
    },
    /// The address to log in at; it was opened in a browser, or a person has to open it.
    BrowserAddress {
        /// The server.
        server: ServerUrl,
        /// The address, with challenge and state.
        url: String,
        /// Whether a browser was started.
        opened: bool,
    },
    /// The server could not be asked just now; the login goes on.
    Retrying(TransportError),
    /// The person confirmed.
    Granted,
}

/// Shows the progress of a login; the command line prints, a test remembers.
pub trait LoginProgress: Send + Sync {
    /// Shows one step.
    fn show(&self, step: LoginStep);
}

/// Ends when the login is to be cancelled (control-C).
pub type Cancel = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A login did not end in a session; nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The person at the keyboard gave up.
    #[error("Login cancelled.")]
    Cancelled,
    /// The store cannot keep a session, or could not in the end.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The server could not be asked.
    #[error("HTTP transport error: {0}")]
    Transport(#[from] TransportError),
    /// The person at the other device or in the browser said no.
    #[error("The authorization request was denied. Run `spec-kitty auth login` to try again.")]
    Denied,
    /// The code was not confirmed in time.
    #[error("The code was not confirmed in time. Run `spec-kitty auth login` to try again.")]
    CodeExpired,
    /// The browser did not come back in time.
    #[error(
        "The browser did not return within {} s. Run `spec-kitty auth login` to try again, or \
         `spec-kitty auth login --headless` on a machine without a browser.", after.as_secs()
    )]
    BrowserTimeout {
        /// How long was waited.
        after: Duration,
    },
    /// The server ended the login with an error of its own.
    #[error("The server ended the login: {0}. Run `spec-kitty auth login` to try again.")]
    ServerSaid(String),
    /// The server answered with something else than was asked for.
    #[error("{request} failed: HTTP {status} - {body}")]
    Unexpected {
        /// What was asked.
        request: &'static str,
        /// The status of the answer.
        status: u16,
        /// Up to 500 characters of it, secrets removed.
        body: String,
    },
    /// The server's answer about the user cannot be used.
    #[error("/api/v1/me: {0}; report it to the operator of the server")]
    Membership(String),
    /// No port of this machine could be opened for the browser to return to.
    #[error("No port on 127.0.0.1 can be opened ({0}); use `spec-kitty auth login --headless`")]
    NoCallbackPort(String),
    /// The operating system gives no randomness.
    #[error("The operating system gives no random numbers ({0}); a login would not be safe")]
    NoRandomness(String),
    /// A token was about to leave for another server.
    #[error(transparent)]
    ForeignServer(#[from] ForeignServer),
}

/// Runs a login until it ends, is cancelled, or finds the store unusable.
async fn guarded<T>(
    ports: &LoginPorts,
    mut cancel: Cancel,
    login: impl Future<Output = Result<T, LoginError>>,
) -> Result<T, LoginError> {
    let work = async {
        super::on_blocking_thread(ports.store.clone(), |store| store.probe()).await?;
        login.await
    };
    tokio::select! {
        outcome = work => outcome,
        () = &mut cancel => Err(LoginError::Cancelled),
    }
}

/// Makes a stored session of granted tokens: asks who the user is, then writes.
async fn complete(
    server: &ServerUrl,
    ports: &LoginPorts,
    grant: TokenGrant,
    auth_method: AuthMethod,
) -> Result<StoredSession, LoginError> {
    let incomplete = |key: &str| LoginError::Unexpected {
        request: "the token request",
        status: 200,
        body: format!("the answer holds no {key}"),
    };
    let refresh_token = grant.refresh_token.clone();
    let refresh_token = refresh_token.ok_or_else(|| incomplete("refresh_token"))?;
    let session_id = grant.session_id.clone();
    let session_id = session_id.ok_or_else(|| incomplete("session_id"))?;
    let token = AccessToken::new(grant.access_token.clone(), server.clone());
    let response = ports.transport.send(me_request(&token)?).await?;
    let profile = match parse_me(&response) {
        MeAnswer::Member(profile) => *profile,
        MeAnswer::Unauthorized => {
            let reason = "the server rejected the token it had just granted";
            return Err(LoginError::Membership(reason.to_owned()));
        }
        MeAnswer::Unusable(reason) => return Err(LoginError::Membership(reason)),
    };
    let now = to_microseconds(ports.time.now());
    let refresh_end = grant.refresh_end;
    let session = NewSession {
        user_id: profile.user_id,
        email: profile.email,
        name: profile.name,
        teams: profile.teams,
        access_token_expires_at: grant.access_end(now),
        refresh_token_expires_at: refresh_end.resolve(now, profile.refresh_token_expires_at),
        access_token: grant.access_token,
        refresh_token,
        session_id,
        scope: grant.scope.unwrap_or_else(|| SCOPE.to_owned()),
        storage_backend: ports.store.backend(),
        auth_method,
        generation: grant.generation,
    };
    let next = Stored {
        session: session.into_stored(now),
        issuer: Some(server.clone()),
    };
    let written = next.clone();
    super::on_blocking_thread(ports.store.clone(), move |store| store.write(&written)).await?;
    Ok(next.session)
}

/// Reads granted tokens, or says what came instead.
fn granted(
    request: &'static str,
    response: &HttpResponse,
    secrets: &[&Secret],
) -> Result<TokenGrant, LoginError> {
    let unexpected = |body: String| LoginError::Unexpected {
        request,
        status: response.status,
        body,
    };
    if response.status == 200 {
        return parse_grant(response).map_err(|reason| unexpected(reason.to_owned()));
    }
    Err(match error_word(response).as_deref() {
        Some("access_denied") => LoginError::Denied,
        _ => unexpected(snippet(response, secrets)),
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
