//! The graph of actors. Reading this file shows who asks whom; it does nothing else.
//!
//! ```text
//!              DaemonSupervisor  (starts all, starts them again)
//!
//!   capture ──> Clock    drain ──> Ingress ──> Auth
//!           ──> Gate           ──> Queue (project)
//!           ──> Queue          ──> Gate
//!           ──> Auth           ──> Auth, transport, the WebSocket's line
//!
//!   dial  ──> Ingress, Auth, transport
//!
//!   revocation ──> Queue (machine), Clock, Auth
//! ```

use crate::auth::pause::SharedPauses;
use crate::auth::refresh_lock::RefreshLock;
use crate::auth::secret::Secret;
use crate::auth::store::SharedStore;
use crate::auth::{AuthActor, AuthListeners, AuthPorts};
use crate::capture::CapturePorts;
use crate::clock::ClockActor;
use crate::delivery::drain::DrainPorts;
use crate::gate::GateActor;
use crate::host_memory::HostMemories;
use crate::ingress::{IngressPorts, IngressResolverActor};
use crate::queue::QueueActor;
use crate::revocation::RevocationPorts;
use crate::supervise::{Child, ChildExited, ExitGuard};
use crate::supervisor::messages::{ChildHealth, GetHealth, ShutDown};
use crate::supervisor::{Adopt, DaemonSupervisor, Nursery};
use crate::transport::SharedTransport;
use crate::websocket::dial::DialPorts;
use actix::{Actor, Addr, Recipient, SyncArbiter};
use kitty_config::{FileMap, ServerUrl};
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::lamport::LamportClock;
use kitty_runtime::owner::{OwnerPorts, Scope};
use kitty_runtime::time::SharedTime;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long the actors have to finish when the program ends.
pub const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// Everything the actors are built from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where state lies.
    pub map: FileMap,
    /// Whether hosted sync is on.
    pub hosted_sync: bool,
    /// The configured server.
    pub server: Option<ServerUrl>,
    /// The token of the environment.
    pub environment_token: Option<Secret>,
    /// How many undelivered events a project may hold.
    pub max_queue_size: u64,
    /// The session store.
    pub store: SharedStore,
    /// Keeps other processes from refreshing.
    pub refresh_lock: RefreshLock,
    /// The network.
    pub transport: SharedTransport,
    /// The disk.
    pub filesystem: SharedFilesystem,
    /// The time.
    pub time: SharedTime,
    /// Pauses.
    pub pauses: SharedPauses,
}

/// The running actors of one process.
#[derive(Debug, Clone)]
pub struct ActorSystem {
    setup: Setup,
    supervisor: Addr<DaemonSupervisor>,
    auth: Child<AuthActor>,
    clock: Child<ClockActor>,
    gate: Child<GateActor>,
    ingress: Child<IngressResolverActor>,
    queues: Arc<Mutex<HashMap<String, Child<QueueActor>>>>,
}

impl ActorSystem {
    /// Starts the actors in the current actix system; touches no file and no network.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let supervisor = DaemonSupervisor::new(setup.time.clone()).start();
        let system = Self {
            supervisor,
            auth: Child::unborn("auth"),
            clock: Child::unborn("clock"),
            gate: Child::unborn("gate"),
            ingress: Child::unborn("ingress"),
            queues: Arc::default(),
            setup,
        };
        system.adopt_auth();
        system.adopt_clock();
        system.adopt(&system.gate, |guard| GateActor::new(guard).start());
        system.adopt_ingress();
        system
    }

    /// Returns the queue of a project; it is started when it is first asked for.
    #[must_use]
    pub fn project_queue(&self, project: ProjectUuid) -> Child<QueueActor> {
        let name = project.to_string();
        self.queue(
            "queue",
            Scope {
                paths: self.setup.map.project_scope(&name),
                name,
            },
        )
    }

    /// Returns the one queue of a scope that this process runs: a second would not know that the
    /// first owns the scope.
    fn queue(&self, name: &'static str, scope: Scope) -> Child<QueueActor> {
        let mut queues = self
            .queues
            .lock()
            .expect("nothing panics while the lock is held");
        queues
            .entry(scope.name.clone())
            .or_insert_with(|| {
                let queue = Child::unborn(name);
                self.adopt_queue(&queue, scope);
                queue
            })
            .clone()
    }

    /// Returns who captures events of a project.
    #[must_use]
    pub fn capture(&self, queue: &Child<QueueActor>) -> CapturePorts {
        CapturePorts {
            server: self.setup.server.clone(),
            auth: self.auth.clone(),
            clock: self.clock.clone(),
            gate: self.gate.clone(),
            queue: queue.clone(),
        }
    }

    /// Returns who delivers events of a project.
    #[must_use]
    pub fn drain(&self, project: ProjectUuid, queue: &Child<QueueActor>) -> DrainPorts {
        DrainPorts {
            server: self.setup.server.clone(),
            project,
            queue: queue.clone(),
            gate: self.gate.clone(),
            auth: self.auth.clone(),
            ingress: self.ingress.clone(),
            transport: self.setup.transport.clone(),
            memories: self.memories(),
            time: self.setup.time.clone(),
            pauses: self.setup.pauses.clone(),
            line: None,
        }
    }

    /// Returns who opens the WebSocket.
    #[must_use]
    pub fn dial(&self) -> DialPorts {
        DialPorts {
            server: self.setup.server.clone(),
            auth: self.auth.clone(),
            ingress: self.ingress.clone(),
            transport: self.setup.transport.clone(),
            time: self.setup.time.clone(),
        }
    }

    /// Returns who keeps and sends revocations in the machine's own queue.
    #[must_use]
    pub fn revocation(&self) -> RevocationPorts {
        let scope = Scope {
            paths: self.setup.map.machine_scope(),
            name: "machine".to_owned(),
        };
        RevocationPorts {
            auth: self.auth.clone(),
            clock: self.clock.clone(),
            machine: self.queue("machine queue", scope),
        }
    }

    /// Returns the session's actor.
    #[must_use]
    pub const fn auth(&self) -> &Child<AuthActor> {
        &self.auth
    }

    /// Returns the gate.
    #[must_use]
    pub const fn gate(&self) -> &Child<GateActor> {
        &self.gate
    }

    /// Returns what is remembered of servers.
    #[must_use]
    pub fn memories(&self) -> HostMemories {
        HostMemories::new(self.setup.filesystem.clone(), &self.setup.map)
    }

    /// Asks how the actors do.
    pub async fn health(&self) -> Vec<ChildHealth> {
        let answer = tokio::time::timeout(SHUTDOWN_LIMIT, self.supervisor.send(GetHealth)).await;
        answer.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Stops the actors; what they were told to store before is stored.
    pub async fn shut_down(&self) {
        self.shut_down_within(SHUTDOWN_LIMIT).await;
    }

    /// Stops the actors, or leaves them behind when they take longer.
    pub async fn shut_down_within(&self, limit: Duration) {
        let stopped = tokio::time::timeout(limit, self.supervisor.send(ShutDown)).await;
        if stopped.is_err() {
            tracing::warn!("the actors did not stop in time; nothing acknowledged is lost");
        }
    }

    fn adopt_auth(&self) {
        let (server, token) = (
            self.setup.server.clone(),
            self.setup.environment_token.clone(),
        );
        let ports = AuthPorts {
            store: self.setup.store.clone(),
            lock: self.setup.refresh_lock.clone(),
            transport: self.setup.transport.clone(),
            time: self.setup.time.clone(),
            pauses: self.setup.pauses.clone(),
        };
        self.adopt(&self.auth, move |guard| {
            let listeners = AuthListeners::default();
            let actor = AuthActor::new(server.clone(), token.clone(), ports.clone(), listeners);
            actor.with_guard(guard).start()
        });
    }

    fn adopt_clock(&self) {
        let (filesystem, time) = (self.setup.filesystem.clone(), self.setup.time.clone());
        let map = self.setup.map.clone();
        self.adopt(&self.clock, move |guard| {
            let counter = LamportClock::new(filesystem.clone(), time.clone(), &map);
            ClockActor::new(counter, guard).start()
        });
    }

    fn adopt_ingress(&self) {
        let ports = IngressPorts {
            hosted_sync: self.setup.hosted_sync,
            server: self.setup.server.clone(),
            auth: self.auth.clone(),
            memories: self.memories(),
            time: self.setup.time.clone(),
        };
        self.adopt(&self.ingress, move |guard| {
            IngressResolverActor::new(ports.clone(), guard).start()
        });
    }

    fn adopt_queue(&self, queue: &Child<QueueActor>, scope: Scope) {
        let ports = OwnerPorts::new(self.setup.filesystem.clone(), self.setup.time.clone());
        let (limit, id) = (self.setup.max_queue_size, queue.id());
        let reports: Recipient<ChildExited> = self.supervisor.clone().recipient();
        self.adopt_with(queue, move || {
            let (ports, scope, reports) = (ports.clone(), scope.clone(), reports.clone());
            SyncArbiter::start(1, move || {
                let guard = ExitGuard::new(id, reports.clone());
                QueueActor::new(ports.clone(), scope.clone(), limit, guard)
            })
        });
    }

    /// Starts a child that runs on this thread, and hands it over to the supervisor.
    fn adopt<A: Actor>(
        &self,
        child: &Child<A>,
        start: impl Fn(ExitGuard) -> Addr<A> + Send + 'static,
    ) {
        let reports: Recipient<ChildExited> = self.supervisor.clone().recipient();
        let id = child.id();
        self.adopt_with(child, move || start(ExitGuard::new(id, reports.clone())));
    }

    fn adopt_with<A: Actor>(&self, child: &Child<A>, start: impl Fn() -> Addr<A> + Send + 'static) {
        let crib = Crib {
            child: child.clone(),
            start,
        };
        crib.start();
        let adopt = Adopt {
            child: child.id(),
            nursery: Box::new(crib),
        };
        if self.supervisor.try_send(adopt).is_err() {
            tracing::error!(
                child = child.id().name,
                "the supervisor did not take a child over"
            );
        }
    }
}

/// Starts one kind of actor, again and again.
struct Crib<A: Actor, F> {
    child: Child<A>,
    start: F,
}

impl<A: Actor, F: Fn() -> Addr<A>> Nursery for Crib<A, F> {
    fn start(&self) {
        self.child.reborn((self.start)());
    }

    fn stop(&self) {
        self.child.gone();
    }
}
