//! The Teamspace that the canary delivers to and reads back from: its operator's approval, and a reader
//! that logs in by itself.

mod view;

use super::preflight;
use crate::failure::Failure;
use crate::hosted::within_actors;
use crate::invocation::Invocation;
use crate::printer::Printer;
use kitty_actors::transport::{HttpClient, HttpRequest, HttpResponse, Method, Transport as _};
use kitty_canary::ports::{Teamspace, TeamspaceError};
use kitty_config::{ServerUrl, env};
use serde_json::Value;
use std::cell::RefCell;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long one question to the server may take (reference A2: 5 s, and a margin).
const QUESTION_LIMIT: Duration = Duration::from_secs(15);
/// How long a person may take to approve the reader's login.
const APPROVAL_LIMIT: Duration = Duration::from_secs(600);
/// The OAuth client that every command line of Spec Kitty is.
const CLIENT_ID: &str = "cli_native";
/// The most events that one page asks for.
const PAGE: &str = "500";

/// A Teamspace on this machine that ends with its owner.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
    url: String,
    data: PathBuf,
}

impl Served {
    /// Starts the server on loopback; it keeps its data in `base`.
    pub(super) fn start(base: &Path, account: &str) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(preflight)?;
        let data = base.join("data");
        let mut command = Command::new(program);
        command
            .args([
                "teamspace",
                "serve",
                "--bind",
                "127.0.0.1:0",
                "--device-poll",
                "1",
            ])
            .args(["--json", "--owner", account, "--data"])
            .arg(&data)
            .env_clear()
            .env(env::HOME.name, base)
            .env(env::SPEC_KITTY_HOME.name, base.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .map_err(|error| preflight(format!("the Teamspace cannot be started: {error}")))?;
        let mut served = Self {
            child,
            url: String::new(),
            data,
        };
        let mut line = String::new();
        if let Some(output) = served.child.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(preflight)?;
        }
        let listening: Value = serde_json::from_str(&line)
            .map_err(|_| preflight("the Teamspace did not say where it listens"))?;
        listening["url"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut served.url);
        Ok(served)
    }

    /// Logs the reader in.
    pub(super) fn remote(&self, invocation: &Invocation, account: &str) -> Result<Remote, Failure> {
        let key = self.data.join("approval.key");
        Remote::at(invocation, &self.url, Some(&key), account)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A server that has ended already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Teamspace over HTTP.
pub(super) struct Remote {
    server: ServerUrl,
    url: String,
    account: String,
    approval_key: Option<String>,
    access_token: RefCell<String>,
    printer: Printer,
}

/// Shows neither the key nor the token.
impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("url", &self.url)
            .field("account", &self.account)
            .field("approval_key", &"<redacted>")
            .field("access_token", &"<redacted>")
            .finish_non_exhaustive()
    }
}

fn unreachable(error: impl fmt::Display) -> TeamspaceError {
    TeamspaceError(error.to_string())
}

impl Remote {
    /// Logs the reader in at a server.
    pub(super) fn at(
        invocation: &Invocation,
        url: &str,
        approval_key_file: Option<&Path>,
        account: &str,
    ) -> Result<Self, Failure> {
        let remote = Self::unknown(invocation, url, approval_key_file, account)?;
        remote.log_in().map_err(preflight)?;
        Ok(remote)
    }

    /// A reader who logs in when something is asked that needs it.
    pub(super) fn unknown(
        invocation: &Invocation,
        url: &str,
        approval_key_file: Option<&Path>,
        account: &str,
    ) -> Result<Self, Failure> {
        let server = ServerUrl::parse(url).map_err(preflight)?;
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map(|key| key.trim().to_owned())
                .map_err(|error| preflight(format!("{}: {error}", path.display())))
        };
        Ok(Self {
            url: server.to_string().trim_end_matches('/').to_owned(),
            server,
            account: account.to_owned(),
            approval_key: approval_key_file.map(read).transpose()?,
            access_token: RefCell::default(),
            printer: invocation.printer,
        })
    }

    fn request(&self, name: &'static str, method: Method, path: &str) -> HttpRequest {
        HttpRequest::new(name, method, self.server.endpoint(path), QUESTION_LIMIT)
    }

    fn send(&self, request: HttpRequest) -> Result<HttpResponse, TeamspaceError> {
        within_actors(HttpClient::shared().send(request)).map_err(unreachable)
    }

    fn post(
        &self,
        name: &'static str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<Value, TeamspaceError> {
        let response = self.send(self.request(name, Method::Post, path).form(form))?;
        serde_json::from_slice(&response.body).map_err(|_| {
            TeamspaceError(format!("{name} was answered with HTTP {}", response.status))
        })
    }

    /// Logs the reader in by the device flow.
    fn log_in(&self) -> Result<(), TeamspaceError> {
        let form = [("client_id", CLIENT_ID), ("scope", "offline_access")];
        let begun = self.post("the reader's login", "/oauth/device", &form)?;
        let text = |key: &str| begun[key].as_str().unwrap_or_default().to_owned();
        self.approve(&text("user_code"))?;
        let device_code = text("device_code");
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &*device_code),
            ("client_id", CLIENT_ID),
        ];
        let deadline = Instant::now() + APPROVAL_LIMIT;
        let pause = Duration::from_secs(begun["interval"].as_u64().unwrap_or(5).clamp(1, 30));
        loop {
            let answer = self.post("the reader's token", "/oauth/token", &form)?;
            if let Some(token) = answer["access_token"].as_str() {
                token.clone_into(&mut self.access_token.borrow_mut());
                return Ok(());
            }
            let error = answer["error"].as_str().unwrap_or_default();
            let waits = ["authorization_pending", "slow_down"].contains(&error);
            if !waits || Instant::now() > deadline {
                return Err(TeamspaceError(format!(
                    "the reader's login failed: {answer}"
                )));
            }
            within_actors(tokio::time::sleep(pause));
        }
    }

    /// Asks as the reader; a session that has ended is begun anew, once.
    pub(super) fn ask(&self, name: &'static str, path: &str) -> Result<Value, TeamspaceError> {
        let missing = || TeamspaceError(format!("{name} was answered with HTTP 404"));
        self.find(name, path)?.ok_or_else(missing)
    }

    /// Asks for something that may not be there.
    pub(super) fn find(
        &self,
        name: &'static str,
        path: &str,
    ) -> Result<Option<Value>, TeamspaceError> {
        if self.access_token.borrow().is_empty() {
            self.log_in()?;
        }
        let mut response = self.send(self.authorized(name, path))?;
        if response.status == 401 {
            self.log_in()?;
            response = self.send(self.authorized(name, path))?;
        }
        if response.status == 404 {
            return Ok(None);
        }
        if !response.is_success() {
            return Err(TeamspaceError(format!(
                "{name} was answered with HTTP {}",
                response.status
            )));
        }
        serde_json::from_slice(&response.body)
            .map(Some)
            .map_err(unreachable)
    }

    /// Returns the server.
    pub(super) const fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// Returns the access token of the reader's session.
    pub(super) fn token(&self) -> String {
        self.access_token.borrow().clone()
    }

    fn authorized(&self, name: &'static str, path: &str) -> HttpRequest {
        let bearer = format!("Bearer {}", self.access_token.borrow());
        self.request(name, Method::Get, path)
            .header("Authorization", bearer)
    }
}

impl Teamspace for Remote {
    fn url(&self) -> &str {
        &self.url
    }

    fn approve(&self, user_code: &str) -> Result<(), TeamspaceError> {
        let Some(key) = &self.approval_key else {
            let page = format!("{}/device", self.url);
            self.printer.note(format!(
                "Approve the login of {} with the code {user_code} at {page}",
                self.account
            ));
            return Ok(());
        };
        let form = [
            ("user_code", user_code),
            ("email", &*self.account),
            ("approval_key", key),
            ("decision", "approve"),
        ];
        let request = self
            .request("the approval", Method::Post, "/device")
            .form(&form);
        let response = self.send(request)?;
        if response.is_success() {
            return Ok(());
        }
        let status = response.status;
        Err(TeamspaceError(format!(
            "the approval was answered with HTTP {status}"
        )))
    }

    fn events(&self) -> Result<Vec<Value>, TeamspaceError> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let path = format!("/api/v1/events?after={after}&limit={PAGE}");
            let page = self.ask("the list of events", &path)?;
            let items = page["events"].as_array();
            events.extend(
                items
                    .into_iter()
                    .flatten()
                    .map(|item| item["envelope"].clone()),
            );
            let next = page["next_after"].as_i64().unwrap_or(after);
            if page["has_more"] != true || next <= after {
                return Ok(events);
            }
            after = next;
        }
    }

    fn readiness(&self) -> Result<Value, TeamspaceError> {
        let response = self.send(self.request("the readiness", Method::Get, "/health/ready/"))?;
        if !response.is_success() {
            let status = response.status;
            return Err(TeamspaceError(format!(
                "/health/ready/ was answered with HTTP {status}"
            )));
        }
        serde_json::from_slice(&response.body).map_err(unreachable)
    }
}
