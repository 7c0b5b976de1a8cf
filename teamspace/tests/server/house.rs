//! A server for one test, and the client that talks to it.

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use kitty_teamspace::{Options, RunningServer, TimeSource, start};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const OWNER: &str = "owner@teamspace.local";

/// A clock that moves only when told to.
#[derive(Debug)]
pub(crate) struct ManualTime(AtomicI64);

impl ManualTime {
    pub(crate) fn pass(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl TimeSource for ManualTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub(crate) struct House {
    pub(crate) server: RunningServer,
    pub(crate) time: Arc<ManualTime>,
    pub(crate) directory: TempDir,
    pub(crate) client: awc::Client,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// Asserts the status and returns the body.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self.json()
    }

    /// Asserts status and error code of a refusal.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, error: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["error"], error, "{body}");
        body
    }
}

pub(crate) fn client() -> awc::Client {
    awc::Client::builder()
        .disable_redirects()
        .timeout(Duration::from_secs(60))
        .finish()
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts with changed options.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let time = Arc::new(ManualTime(AtomicI64::new(1_800_000_000_000)));
        let mut options = Self::options(&directory, &time);
        change(&mut options);
        Self {
            server: start(options).await.unwrap(),
            time,
            directory,
            client: client(),
        }
    }

    fn options(directory: &TempDir, time: &Arc<ManualTime>) -> Options {
        let mut options = Options::new(directory.path().join("data"));
        options.bind.set_port(0);
        options.workers = 1;
        options.time = time.clone();
        options
    }

    /// Stops the server and starts another on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.server.stop().await;
        let options = Self::options(&self.directory, &self.time);
        Self {
            server: start(options).await.unwrap(),
            client: client(),
            time: self.time,
            directory: self.directory,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    pub(crate) fn key(&self) -> String {
        self.server.approval_key().expose().to_owned()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        send(&self.client, method, &self.url(path), headers, body).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.send("GET", path, &[("authorization", &bearer)], Vec::new())
            .await
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let form = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &form, body.into_bytes()).await
    }

    /// Posts a batch as the Python CLI does: gzip, bearer, protocol 2.0.
    pub(crate) async fn batch(&self, token: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("x-spec-kitty-sync-protocol", "2.0"),
        ];
        self.send("POST", "/api/v1/events/batch/", &headers, gzip(body))
            .await
    }

    /// Posts events and returns the results.
    pub(crate) async fn deliver(&self, token: &str, events: &[String]) -> Vec<Value> {
        let answer = self.batch(token, &batch_of(events)).await.expect(200);
        answer["results"].as_array().unwrap().clone()
    }

    pub(crate) async fn begin_device(&self) -> Value {
        let fields = [("client_id", "cli_native"), ("scope", "offline_access")];
        self.form("/oauth/device", &fields).await.expect(200)
    }

    pub(crate) async fn decide(
        &self,
        user_code: &str,
        email: &str,
        key: &str,
        decision: &str,
    ) -> Answer {
        let fields = [
            ("user_code", user_code),
            ("email", email),
            ("approval_key", key),
            ("decision", decision),
        ];
        self.form("/device", &fields).await
    }

    pub(crate) async fn poll(&self, device_code: &str) -> Answer {
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device_code),
            ("client_id", "cli_native"),
        ];
        self.form("/oauth/token", &fields).await
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        refresh(&self.client, &self.url("/oauth/token"), refresh_token).await
    }

    /// Logs an account in and returns its tokens.
    pub(crate) async fn login(&self, email: &str) -> Value {
        let begun = self.begin_device().await;
        let user_code = begun["user_code"].as_str().unwrap();
        let approved = self.decide(user_code, email, &self.key(), "approve").await;
        assert_eq!(approved.status, 200, "{}", approved.text());
        let device_code = begun["device_code"].as_str().unwrap();
        self.poll(device_code).await.expect(200)
    }

    /// Logs an account in and returns its access token.
    pub(crate) async fn token(&self, email: &str) -> String {
        text(&self.login(email).await["access_token"])
    }
}

pub(crate) async fn refresh(client: &awc::Client, url: &str, refresh_token: &str) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", refresh_token)
        .append_pair("client_id", "cli_native")
        .finish();
    send(client, "POST", url, &[], body.into_bytes()).await
}

pub(crate) async fn send(
    client: &awc::Client,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    try_send(client, method, url, headers, body).await.unwrap()
}

pub(crate) async fn try_send(
    client: &awc::Client,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Answer, String> {
    let mut request = client.request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.insert_header((*name, *value));
    }
    let mut response = request
        .send_body(body)
        .await
        .map_err(|error| error.to_string())?;
    let headers = response.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    });
    let headers = headers.collect();
    let body = response.body().limit(64 * 1024 * 1024).await;
    Ok(Answer {
        status: response.status().as_u16(),
        headers,
        body: body.map_err(|error| error.to_string())?.to_vec(),
    })
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn batch_of(events: &[String]) -> Vec<u8> {
    format!("{{\"events\":[{}]}}", events.join(",")).into_bytes()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The id of the numbered event.
pub(crate) fn id(number: usize) -> String {
    format!("01M7XAS67MT30DH0DY{number:08}")
}

pub(crate) const PROJECT: &str = "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4";

/// A valid event as the wire carries it, to be changed by the test.
pub(crate) fn event(number: usize) -> Value {
    let id = id(number);
    json!({
        "aggregate_id": "WP01", "aggregate_type": "WorkPackage",
        "build_id": "c4ad781d-049b-5533-a459-64c1ad68b1ce", "causation_id": null,
        "correlation_id": id, "event_id": id, "event_type": "WPStatusChanged",
        "git_branch": "work", "head_commit_sha": "42d9c2bc1828a81a033e245ae357e5702ccf97fc",
        "lamport_clock": number + 1, "node_id": "b805cd5cee74",
        "payload": {
            "actor": "claude", "execution_mode": "worktree", "force": false,
            "from_lane": "planned", "mission_slug": "third-thing-01M7XAND",
            "to_lane": "claimed", "wp_id": "WP01"
        },
        "project_slug": "demo-repo", "project_uuid": PROJECT, "repo_slug": "acme/demo-repo",
        "schema_version": "3.0.0", "team_slug": null,
        "timestamp": "2026-11-20T20:00:00+00:00", "type": "event",
        "spec_kitty_delivery_identity": id
    })
}

/// The text of a valid event.
pub(crate) fn wire(number: usize) -> String {
    event(number).to_string()
}
