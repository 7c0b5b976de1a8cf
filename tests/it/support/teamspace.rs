//! A real Teamspace in a process of its own.

use super::process::{Run, Talking, program, run};
use super::sandbox::Sandbox;
use kitty_actors::transport::{HttpClient, HttpRequest, HttpResponse, Method, Transport as _};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The account that a new Teamspace has.
pub const OWNER: &str = kitty_teamspace::DEFAULT_OWNER_EMAIL;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A Teamspace that runs; its process ends with it.
pub struct Teamspace {
    directory: TempDir,
    process: Option<Talking>,
    url: String,
}

impl Teamspace {
    /// Starts one and returns when it listens.
    pub fn start() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("spec-kitty-teamspace-")
            .tempdir()
            .unwrap();
        let (process, url) = serve(directory.path(), "127.0.0.1:0");
        Self {
            directory,
            process: Some(process),
            url,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    fn data(&self) -> PathBuf {
        data(self.directory.path())
    }

    /// Ends the process at once; the address stays the Teamspace's.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it again at the same address over the same data.
    pub fn start_again(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        let (process, url) = serve(self.directory.path(), &address);
        assert_eq!(url, self.url);
        self.process = Some(process);
    }

    fn administrate(&self, arguments: &[&str]) -> Run {
        let mut command = command(self.directory.path());
        run(command.args(arguments).arg("--data").arg(self.data()))
    }

    /// Adds an account that can use the tracker: a Private Teamspace and one shared team.
    pub fn add_member(&self, email: &str, team: &str) {
        let add = ["teamspace", "account", "add", email, "--team", team];
        self.administrate(&add).expect_code(0);
    }

    /// Puts resources and issues into a shared team.
    pub fn seed_issues(&self, team: &str, seed: &Value) -> Run {
        let file = self.directory.path().join("issues.json");
        super::sandbox::write(&file, seed.to_string());
        let file = file.to_str().unwrap();
        let seed = ["teamspace", "seed-issues", "--team", team, "--file", file];
        self.administrate(&seed).expect_code(0)
    }

    /// Drops a binding on the server's side.
    pub fn drop_binding(&self, team: &str, reference: &str) -> Run {
        self.administrate(&[
            "teamspace",
            "unbind",
            "--team",
            team,
            "--binding-ref",
            reference,
        ])
    }

    /// The stored envelopes of an account, byte for byte, in order of arrival; those of dossiers apart.
    pub fn stored_of(&self, email: &str) -> Vec<String> {
        let mut stored = self.all_stored_of(email);
        stored.retain(|event| !super::sandbox::is_of_a_dossier(event));
        stored
    }

    /// All stored envelopes of an account, byte for byte, in order of arrival.
    pub fn all_stored_of(&self, email: &str) -> Vec<String> {
        let export = self.administrate(&["teamspace", "export", "--account", email]);
        let export = export.expect_code(0);
        let lines = export.stdout.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }

    /// The ids of what is stored for the first account, in order of arrival.
    pub fn stored_ids(&self) -> Vec<String> {
        let id = |line: &String| super::sandbox::event_id(line);
        self.stored_of(OWNER).iter().map(id).collect()
    }

    /// Logs a sandbox in by the device flow; this function plays the person with the other device.
    pub fn log_in(&self, sandbox: &Sandbox) -> Run {
        self.log_in_as(sandbox, OWNER, &[])
    }

    pub fn log_in_as(&self, sandbox: &Sandbox, email: &str, more: &[&str]) -> Run {
        let mut arguments = vec!["auth", "login", "--headless"];
        arguments.extend(more);
        let login = sandbox.call(&arguments).start().lines();
        let code = login.line_after("Code:");
        assert_eq!(self.decide(&code, email, "approve").status, 200);
        login.finish().expect_code(0)
    }

    /// Approves or denies a login that waits.
    pub fn decide(&self, user_code: &str, email: &str, decision: &str) -> HttpResponse {
        let key = self.approval_key();
        let request = HttpRequest::new(
            "the decision",
            Method::Post,
            format!("{}/device", self.url),
            LIMIT,
        );
        send(request.form(&[
            ("user_code", user_code),
            ("email", email),
            ("approval_key", &key),
            ("decision", decision),
        ]))
    }

    /// The database, which the running server has open.
    pub(super) fn database(&self) -> PathBuf {
        self.data().join("teamspace.db")
    }

    /// The file of the approval key.
    pub fn approval_key_file(&self) -> PathBuf {
        self.data().join("approval.key")
    }

    /// The secret with which the server's operator approves logins.
    pub fn approval_key(&self) -> String {
        let key = std::fs::read_to_string(self.approval_key_file());
        key.unwrap().trim().to_owned()
    }

    /// Asks something as the holder of an access token.
    pub fn get(&self, path: &str, access_token: &str) -> HttpResponse {
        send(self.question(path, access_token))
    }

    /// Asks something about a shared team.
    pub fn get_of_team(&self, path: &str, access_token: &str, team: &str) -> HttpResponse {
        send(
            self.question(path, access_token)
                .header("X-Team-Slug", team),
        )
    }

    /// Uploads a content by hand.
    pub fn push_content(&self, body: &Value, access_token: &str) -> HttpResponse {
        let url = format!("{}/api/dossier/push-content/", self.url);
        let request = HttpRequest::new("the content", Method::Post, url, LIMIT)
            .header("Authorization", format!("Bearer {access_token}"))
            .header("X-Spec-Kitty-Sync-Protocol", "2.0")
            .json(&kitty_actors::gate::gated::request(body).unwrap());
        send(request)
    }

    fn question(&self, path: &str, access_token: &str) -> HttpRequest {
        let url = format!("{}{path}", self.url);
        let request = HttpRequest::new("the question", Method::Get, url, LIMIT);
        request.header("Authorization", format!("Bearer {access_token}"))
    }
}

fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory.join("home"))
        .env("SPEC_KITTY_HOME", directory.join("state"));
    command
}

fn serve(directory: &Path, address: &str) -> (Talking, String) {
    let mut command = command(directory);
    command
        .args([
            "teamspace",
            "serve",
            "--bind",
            address,
            "--device-poll",
            "1",
            "--json",
        ])
        .arg("--data")
        .arg(data(directory));
    let process = super::process::Running::start(&mut command).lines();
    let Some(line) = process.line() else {
        panic!("the Teamspace does not listen: {:?}", process.finish())
    };
    let listening: Value = serde_json::from_str(&line).unwrap();
    let url = listening["url"].as_str().unwrap().to_owned();
    (process, url)
}

/// Sends one request.
pub fn send(request: HttpRequest) -> HttpResponse {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(HttpClient::default().send(request));
    answer.unwrap_or_else(|error| panic!("{error}"))
}
