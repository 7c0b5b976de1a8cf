//! The authorization code grant in a browser, with PKCE and a loopback return (RFC 8252).

use super::callback::CallbackListener;
use super::pkce::Pkce;
use super::{Cancel, LoginError, LoginPorts, LoginProgress, LoginStep, complete, granted, guarded};
use crate::auth::endpoints::{CLIENT_ID, SCOPE, code_request};
use crate::auth::session::{AuthMethod, StoredSession};
use crate::transport::form_body;
use kitty_config::ServerUrl;
use std::fmt::Debug;
use std::time::Duration;

/// How long the person may take in the browser.
const BROWSER_LIMIT: Duration = Duration::from_secs(300);

/// Opens an address in the person's browser; the command line brings the real one.
pub trait Browser: Debug + Send + Sync {
    /// Starts a browser and returns whether that worked; must not wait for it to be closed.
    fn open(&self, url: &str) -> bool;
}

/// Logs in through the person's browser.
///
/// Listens on 127.0.0.1 (ports 28888 to 28898, else any free one) for five minutes. A browser that
/// cannot be started is no error: the address is shown, and the person opens it.
///
/// # Errors
/// [`LoginError`]; nothing was stored.
pub async fn log_in_with_browser(
    server: &ServerUrl,
    ports: &LoginPorts,
    browser: &dyn Browser,
    progress: &dyn LoginProgress,
    cancel: Cancel,
) -> Result<StoredSession, LoginError> {
    guarded(ports, cancel, async {
        let pkce = Pkce::draw()?;
        let listener = CallbackListener::open().await?;
        let redirect_uri = listener.redirect_uri();
        let url = authorize_url(server, &pkce, &redirect_uri);
        let opened = browser.open(&url);
        progress.show(LoginStep::BrowserAddress {
            server: server.clone(),
            url,
            opened,
        });
        let code = tokio::select! {
            code = listener.wait(&pkce.state, &ports.pauses) => code?,
            () = ports.pauses.pause(BROWSER_LIMIT) => {
                return Err(LoginError::BrowserTimeout { after: BROWSER_LIMIT });
            }
        };
        progress.show(LoginStep::Granted);
        let request = code_request(server, &code, &redirect_uri, &pkce.verifier);
        let response = ports.transport.send(request).await?;
        let grant = granted("the token request", &response, &[&code, &pkce.verifier])?;
        complete(server, ports, grant, AuthMethod::AuthorizationCode).await
    })
    .await
}

fn authorize_url(server: &ServerUrl, pkce: &Pkce, redirect_uri: &str) -> String {
    let query = form_body(&[
        ("client_id", CLIENT_ID),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", SCOPE),
        ("code_challenge", &pkce.challenge()),
        ("code_challenge_method", "S256"),
        ("state", pkce.state.expose()),
    ]);
    format!("{}?{query}", server.endpoint("/oauth/authorize"))
}
