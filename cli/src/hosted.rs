//! The in-process actor system of a command that may use the network.

use crate::failure::Failure;
use crate::invocation::Invocation;
use kitty_actors::auth::environment_token;
use kitty_actors::auth::pause::{SharedPauses, TimerPauses};
use kitty_actors::auth::refresh_lock::RefreshLock;
use kitty_actors::auth::store::{HostIdentity, SharedStore, open_store};
use kitty_actors::queue::QueueActor;
use kitty_actors::supervise::Child;
use kitty_actors::system::{ActorSystem, Setup};
use kitty_actors::transport::{HttpClient, SharedTransport};
use kitty_config::Settings;
use kitty_runtime::id::ProjectUuid;
use std::sync::Arc;
use std::time::Duration;

/// Runs something inside an actix system of its own, on this thread.
pub fn within_actors<T>(work: impl Future<Output = T>) -> T {
    actix::System::new().block_on(work)
}

/// The actors of one command.
#[derive(Debug)]
pub struct Hosted {
    /// The actors.
    pub system: ActorSystem,
    /// The network; no connection is made before something is sent.
    pub transport: SharedTransport,
    /// The session store.
    pub store: SharedStore,
    /// Pauses of the wall clock.
    pub pauses: SharedPauses,
}

impl Hosted {
    /// Starts the actors; touches no file and no network.
    ///
    /// A session store that cannot be chosen is reported and replaced by the file store, so that
    /// capturing never depends on it.
    #[must_use]
    pub fn start(invocation: &Invocation, settings: &Settings) -> Self {
        let store = session_store(invocation).unwrap_or_else(|failure| {
            invocation.printer.note(failure.to_string());
            file_store(invocation)
        });
        Self::with_store(invocation, settings, store)
    }

    /// Starts the actors over a session store.
    #[must_use]
    pub fn with_store(invocation: &Invocation, settings: &Settings, store: SharedStore) -> Self {
        let transport: SharedTransport = HttpClient::shared();
        let pauses: SharedPauses = Arc::new(TimerPauses);
        let (filesystem, time) = (invocation.filesystem.clone(), invocation.time.clone());
        let host = HostIdentity::of_this_process();
        let setup = Setup {
            map: invocation.map.clone(),
            hosted_sync: invocation.hosted_sync(),
            server: invocation.server(settings),
            environment_token: environment_token(&invocation.environment),
            max_queue_size: settings.max_queue_size(),
            store: store.clone(),
            refresh_lock: RefreshLock::new(
                &invocation.map.auth(),
                filesystem.clone(),
                time.clone(),
                host.hostname,
            ),
            transport: transport.clone(),
            filesystem,
            time,
            pauses: pauses.clone(),
        };
        Self {
            system: ActorSystem::start(setup),
            transport,
            store,
            pauses,
        }
    }

    /// Returns the queue of a project.
    #[must_use]
    pub fn queue(&self, project: ProjectUuid) -> Child<QueueActor> {
        self.system.project_queue(project)
    }

    /// Stops the actors.
    pub async fn shut_down(&self) {
        self.system.shut_down().await;
    }

    /// Stops the actors, or leaves them behind when they take longer; nothing acknowledged is lost.
    pub async fn shut_down_within(&self, limit: Duration) {
        self.system.shut_down_within(limit).await;
    }
}

/// Opens the session store that the environment chooses.
///
/// # Errors
/// [`Failure`] when it names none, or one that this machine does not have.
pub fn session_store(invocation: &Invocation) -> Result<SharedStore, Failure> {
    open_store(
        &invocation.environment,
        invocation.map.auth(),
        invocation.filesystem.clone(),
        invocation.time.clone(),
    )
    .map_err(|error| Failure::from_error("session_store", error))
}

fn file_store(invocation: &Invocation) -> SharedStore {
    use kitty_actors::auth::store::FileSessionStore;
    let host = HostIdentity::of_this_process();
    Arc::new(FileSessionStore::new(
        invocation.map.auth(),
        invocation.filesystem.clone(),
        invocation.time.clone(),
        host,
    ))
}
