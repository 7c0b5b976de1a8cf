//! The Teamspace as the suite watches it: its missions, its live events, and ways to it that can be closed.

use super::teamspace::Remote;
use super::uplink;
use crate::hosted::within_actors;
use kitty_actors::transport::HttpClient;
use kitty_actors::websocket::live::{LiveError, LiveEvents};
use kitty_canary::ports::{Live, LiveTeamspace, Subscription, Teamspace, TeamspaceError, Uplink};
use kitty_config::ServerUrl;
use serde_json::Value;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a subscription may take to begin.
const BEGIN_LIMIT: Duration = Duration::from_secs(60);
/// How long a goodbye may take.
const GOODBYE_LIMIT: Duration = Duration::from_millis(200);

/// A Teamspace that is watched.
#[derive(Debug)]
pub(super) struct Watching<'a>(&'a Remote);

impl<'a> Watching<'a> {
    pub(super) const fn new(remote: &'a Remote) -> Self {
        Self(remote)
    }
}

impl Teamspace for Watching<'_> {
    fn url(&self) -> &str {
        self.0.url()
    }

    fn approve(&self, user_code: &str) -> Result<(), TeamspaceError> {
        self.0.approve(user_code)
    }

    fn events(&self) -> Result<Vec<Value>, TeamspaceError> {
        self.0.events()
    }

    fn readiness(&self) -> Result<Value, TeamspaceError> {
        self.0.readiness()
    }
}

impl LiveTeamspace for Watching<'_> {
    fn mission(&self, slug: &str) -> Result<Option<Value>, TeamspaceError> {
        let path = format!("/api/v1/missions/{slug}");
        self.0.find("the mission", &path)
    }

    fn failed_rows(&self) -> Result<u64, TeamspaceError> {
        let snapshot = self.0.ask("the counts", "/api/v1/admin/snapshot")?;
        let unreadable = || TeamspaceError("the counts cannot be read".to_owned());
        snapshot["failures"].as_u64().ok_or_else(unreadable)
    }

    fn subscribe(&self) -> Result<Box<dyn Subscription>, TeamspaceError> {
        let me = self.0.ask("the account", "/api/v1/me")?;
        let teams = me["teams"].as_array().into_iter().flatten();
        let private = |team: &&Value| team["is_private_teamspace"] == true;
        let team = teams.clone().find(private);
        let team = team
            .and_then(|team| team["id"].as_str())
            .ok_or_else(|| TeamspaceError("the account has no Private Teamspace".to_owned()))?;
        let line = LiveLine::open(self.0.server().clone(), self.0.token(), team.to_owned())?;
        Ok(Box::new(line))
    }

    fn uplink(&self) -> Result<Box<dyn Uplink>, TeamspaceError> {
        uplink::to(self.0.server())
    }
}

/// A subscription; it lives on a thread with an actor system of its own until it is dropped.
#[derive(Debug)]
struct LiveLine {
    heard: Receiver<Result<Live, LiveError>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn failed(error: impl std::fmt::Display) -> TeamspaceError {
    TeamspaceError(error.to_string())
}

impl LiveLine {
    /// Returns when the subscription has begun.
    fn open(server: ServerUrl, token: String, team: String) -> Result<Self, TeamspaceError> {
        let (sender, heard) = channel();
        let (begun, beginning) = channel();
        let (stop, stopping) = oneshot::channel();
        let thread = thread::spawn(move || {
            within_actors(listen(server, token, team, begun, sender, stopping));
        });
        let line = Self {
            heard,
            stop: Some(stop),
            thread: Some(thread),
        };
        match beginning.recv_timeout(BEGIN_LIMIT) {
            Ok(Ok(())) => Ok(line),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(failed("the subscription did not begin in time")),
        }
    }
}

async fn listen(
    server: ServerUrl,
    token: String,
    team: String,
    begun: Sender<Result<(), LiveError>>,
    heard: Sender<Result<Live, LiveError>>,
    mut stopping: oneshot::Receiver<()>,
) {
    let transport = HttpClient::shared();
    let mut line = match LiveEvents::open(&*transport, &server, &token, &team, None).await {
        Ok(line) => line,
        Err(error) => {
            // Nobody listens any more when the time was over.
            let _ = begun.send(Err(error));
            return;
        }
    };
    let _ = begun.send(Ok(()));
    loop {
        let event = tokio::select! {
            _ = &mut stopping => break,
            event = line.next() => event,
        };
        let ended = event.is_err();
        let event = event.map(|event| Live {
            sequence: event.sequence,
            envelope: event.envelope,
        });
        if heard.send(event).is_err() || ended {
            break;
        }
    }
    line.close(GOODBYE_LIMIT).await;
}

impl Subscription for LiveLine {
    fn next(&mut self, limit: Duration) -> Result<Option<Live>, TeamspaceError> {
        match self.heard.recv_timeout(limit) {
            Ok(event) => event.map(Some).map_err(failed),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(failed("the subscription has ended")),
        }
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A line that has ended already is what was wanted.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
