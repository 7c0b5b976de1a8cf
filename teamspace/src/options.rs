//! What a server is started with.

use crate::limits::Limits;
use crate::time::{SharedTime, SystemTime};
use kitty_config::ServerUrl;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The port a server listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 8770;

/// The email of the account that the first start creates unless told otherwise.
pub const DEFAULT_OWNER_EMAIL: &str = "owner@teamspace.local";

/// Everything a server needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on; port 0 picks a free one.
    pub bind: SocketAddr,
    /// The directory of the database, the approval key and the lock; made (0700) when missing.
    pub data_dir: PathBuf,
    /// The address that browsers and clients use, when a proxy stands in front.
    ///
    /// Defaults to the bound address. Anything but loopback must be HTTPS, because tokens pass.
    pub public_url: Option<ServerUrl>,
    /// The number of threads that answer requests.
    pub workers: usize,
    /// The email of the account that the first start creates.
    pub owner_email: String,
    /// The name of the account that the first start creates.
    pub owner_name: String,
    /// How much a request may ask for.
    pub limits: Limits,
    /// How long what was handed out stays valid.
    pub lifetimes: Lifetimes,
    /// The clock that decides about expiry.
    pub time: SharedTime,
    /// The commit that this program was built from, for `/health/`; `None` when nobody knows.
    pub commit: Option<&'static str>,
}

impl Options {
    /// Returns the defaults for a data directory: loopback, port 8770, two workers.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            data_dir: data_dir.into(),
            public_url: None,
            workers: 2,
            owner_email: DEFAULT_OWNER_EMAIL.to_owned(),
            owner_name: "Owner".to_owned(),
            limits: Limits::default(),
            lifetimes: Lifetimes::default(),
            time: Arc::new(SystemTime),
            commit: None,
        }
    }
}

/// How long what the server hands out stays valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetimes {
    /// An access token: one hour.
    pub access_token: Duration,
    /// A refresh token, counted anew at every rotation: 30 days.
    pub refresh_token: Duration,
    /// How long a refresh token that was just rotated is answered with "retry" (409) instead of
    /// being taken for a theft that ends the session: 30 seconds.
    pub replay_grace: Duration,
    /// A device code and its user code: 15 minutes.
    pub device_code: Duration,
    /// The shortest time between two polls of one device code: 5 seconds.
    pub poll_interval: Duration,
    /// An authorization code of the browser flow: 60 seconds.
    pub authorization_code: Duration,
    /// A tracker resource that was offered for binding: 10 minutes.
    pub tracker_candidate: Duration,
    /// A token that opens a WebSocket: 5 minutes.
    pub websocket_token: Duration,
    /// The time between two pings of a WebSocket; one that answers none of three is closed: 30
    /// seconds.
    pub websocket_ping: Duration,
    /// A signed-in browser on the overview page: 8 hours.
    pub page_session: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            access_token: Duration::from_secs(3_600),
            refresh_token: Duration::from_secs(30 * 24 * 3_600),
            replay_grace: Duration::from_secs(30),
            device_code: Duration::from_secs(900),
            poll_interval: Duration::from_secs(5),
            authorization_code: Duration::from_secs(60),
            tracker_candidate: Duration::from_secs(600),
            websocket_token: Duration::from_secs(300),
            websocket_ping: Duration::from_secs(30),
            page_session: Duration::from_secs(8 * 3_600),
        }
    }
}
