//! Starting and stopping.

use crate::administration::Administration;
use crate::data_directory::{DataDirectory, DataDirectoryError, DirectoryLock};
use crate::options::Options;
use crate::routing::not_found;
use crate::sealed::Sealer;
use crate::secret::{ApprovalKey, NoRandomness};
use crate::state::State;
use crate::store::{AccountDraft, Store, StoreError, StoreOpenError};
use crate::time::Moment;
use crate::{email, routes, tracker};
use actix_web::dev::ServerHandle;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer, web};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long requests that are being answered at a stop may still take, and then connections.
const GRACE: Duration = Duration::from_secs(1);

/// How long the head of a request may take to arrive.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// How long a client may take to go away, and to read an early refusal.
const DISCONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Threads per worker that unpack and judge batches.
const BLOCKING_THREADS: usize = 2;

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used, or another server uses it.
    #[error(transparent)]
    Directory(#[from] DataDirectoryError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The first account cannot be made.
    #[error("cannot make the first account in {}: {problem}", path.display())]
    FirstAccount {
        /// The database file.
        path: std::path::PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// The email of the first account is not one.
    #[error("'{0}' is not an email address; give one such as owner@example.com")]
    OwnerEmail(String),
    /// The operating system gave no random bytes.
    #[error("cannot make a key for this run: {0}")]
    Randomness(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another program using the port?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl From<NoRandomness> for StartError {
    fn from(error: NoRandomness) -> Self {
        Self::Randomness(error.to_string())
    }
}

/// A server that answers; stopped by [`RunningServer::stop`], or hard when it is dropped.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    url: String,
    state: Data<State>,
    handle: ServerHandle,
    serving: JoinHandle<io::Result<()>>,
    _lock: DirectoryLock,
}

/// Starts a server and returns when it answers.
///
/// Creates the data directory, the approval key, the database and the first account when they are
/// missing. Needs a Tokio runtime, also that of an actix `System`; the requests run on their own
/// `options.workers` threads. Installs no signal handler.
///
/// # Errors
/// [`StartError`]; each names the file or address and the next step. Nothing is left running.
pub async fn start(options: Options) -> Result<RunningServer, StartError> {
    let directory = DataDirectory::prepare(&options.data_dir)?;
    let lock = directory.lock()?;
    let approval_key = directory.approval_key()?;
    let store = Store::open(&directory, options.limits.store_deadline).await?;
    ensure_first_account(&store, &directory, &options).await?;
    let bind_failed = |source| StartError::Bind {
        address: options.bind,
        source,
    };
    let sealer = Sealer::random()?;
    let listener = TcpListener::bind(options.bind).map_err(bind_failed)?;
    let address = listener.local_addr().map_err(bind_failed)?;
    let url = format!("http://{}", reachable(address));
    let public_url = options
        .public_url
        .as_ref()
        .map(|url| url.as_str().to_owned());
    if !address.ip().is_loopback() && public_url.is_none() {
        tracing::warn!(
            %address,
            "listening beyond this machine without HTTPS; put a proxy in front and set the public URL"
        );
    }
    let public_url = public_url.unwrap_or_else(|| url.clone());
    let state = Data::new(State::new(
        store,
        approval_key,
        public_url,
        sealer,
        &options,
    ));
    let server = serve(listener, state.clone(), &options).map_err(bind_failed)?;
    let handle = server.handle();
    tokio::spawn(tracker::resume(state.clone().into_inner()));
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "the Teamspace server answers");
    Ok(RunningServer {
        address,
        url,
        state,
        handle,
        serving: tokio::spawn(server),
        _lock: lock,
    })
}

fn serve(
    listener: TcpListener,
    state: Data<State>,
    options: &Options,
) -> io::Result<actix_web::dev::Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(routes::observe))
            .wrap(NormalizePath::trim())
            .configure(routes::configure)
            .default_service(web::to(not_found))
    });
    Ok(server
        .workers(options.workers.clamp(1, 64))
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_connections(options.limits.max_connections)
        .client_request_timeout(REQUEST_DEADLINE)
        .client_disconnect_timeout(DISCONNECT_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(GRACE.as_secs())
        .disable_signals()
        .listen(listener)?
        .run())
}

async fn ensure_first_account(
    store: &Store,
    directory: &DataDirectory,
    options: &Options,
) -> Result<(), StartError> {
    let failed = |error: StoreError| StartError::FirstAccount {
        path: directory.database(),
        problem: error.to_string(),
    };
    if store.has_accounts().await.map_err(failed)? {
        return Ok(());
    }
    let email = email::normal(&options.owner_email)
        .ok_or_else(|| StartError::OwnerEmail(options.owner_email.clone()))?;
    let draft = AccountDraft {
        email,
        name: options.owner_name.clone(),
        private_team: true,
        shared_teams: Vec::new(),
    };
    let made = store
        .create_account(&draft, Moment::now(&options.time))
        .await;
    // An administrator's process may have been faster; then there is an account, which is enough.
    made.map_err(failed).map(drop)
}

/// Returns the address under which this machine reaches a listener, also one on all addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

impl RunningServer {
    /// Returns the address on this machine, such as `http://127.0.0.1:8770`, without a slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the socket address, with the port that was picked when 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the key with which a person approves logins.
    #[must_use]
    pub fn approval_key(&self) -> &ApprovalKey {
        &self.state.approval_key
    }

    /// Returns the handle for accounts, counts and exports.
    #[must_use]
    pub fn administration(&self) -> Administration {
        Administration::over(self.state.store.clone(), self.state.time())
    }

    /// Waits until the server ends, which it does after a stop or a fault.
    ///
    /// Dropping the future changes nothing; it may be awaited again.
    ///
    /// # Errors
    /// The fault.
    pub async fn wait(&mut self) -> io::Result<()> {
        if self.serving.is_finished() {
            return Ok(());
        }
        (&mut self.serving)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Stops: takes no new connections, finishes what is being answered within a second, closes
    /// the database and gives the data directory free. Takes less than two seconds.
    pub async fn stop(self) {
        self.handle.pause().await;
        self.state.stopping.send_replace(true);
        let finished = self.state.finish_requests(GRACE).await;
        // The workers still run, because it is they who hand connections back to the store.
        self.state.store.close().await;
        self.handle.stop(finished).await;
        tracing::info!(finished, "the Teamspace server has stopped");
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // The command is sent by the call; the future only tells when it was carried out.
        drop(self.handle.stop(false));
        self.serving.abort();
    }
}
