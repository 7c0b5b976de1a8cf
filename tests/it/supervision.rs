//! Actors fail, and the program goes on: a panic costs one answer, never an event.

use crate::support::faulty_fs::{Fault, FaultyFilesystem};
use crate::support::pipeline::{PROJECT, file_map, target};
use kitty_actors::auth::messages::{Revocation, RevokeToken};
use kitty_actors::auth::pause::TimerPauses;
use kitty_actors::auth::refresh_lock::RefreshLock;
use kitty_actors::auth::secret::Secret;
use kitty_actors::auth::store::{FileSessionStore, HostIdentity};
use kitty_actors::queue::QueueActor;
use kitty_actors::queue::messages::{
    AppendEvents, BeginWork, GetBacklog, GetTarget, NewRecord, QueueError, WorkBegun,
};
use kitty_actors::supervise::{AskError, Child};
use kitty_actors::supervisor::messages::{ChildHealth, ChildState};
use kitty_actors::system::{ActorSystem, SHUTDOWN_LIMIT, Setup};
use kitty_actors::transport::{
    HttpClient, HttpRequest, Opening, Sending, SharedTransport, Transport,
};
use kitty_config::ServerUrl;
use kitty_runtime::fs::{SharedFilesystem, os_filesystem};
use kitty_runtime::inbox::Inbox;
use kitty_runtime::record::{CaptureScope, RecordKind};
use kitty_runtime::time::system_time;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(10);

/// A transport with a bug.
#[derive(Debug)]
struct PanickingTransport;

impl Transport for PanickingTransport {
    fn send(&self, _: HttpRequest) -> Sending {
        Box::pin(async { panic!("a bug in the transport") })
    }

    fn open_web_socket(&self, _: HttpRequest) -> Opening {
        Box::pin(async { panic!("a bug in the transport") })
    }
}

fn start(root: &Path, filesystem: SharedFilesystem, transport: SharedTransport) -> ActorSystem {
    let (map, time, host) = (
        file_map(root),
        system_time(),
        HostIdentity::of_this_process(),
    );
    let lock = RefreshLock::new(
        &map.auth(),
        filesystem.clone(),
        time.clone(),
        host.hostname.clone(),
    );
    let store = FileSessionStore::new(map.auth(), filesystem.clone(), time.clone(), host);
    ActorSystem::start(Setup {
        map,
        hosted_sync: true,
        server: Some(server()),
        environment_token: None,
        max_queue_size: 100_000,
        store: Arc::new(store),
        refresh_lock: lock,
        transport,
        filesystem,
        time,
        pauses: Arc::new(TimerPauses),
    })
}

fn server() -> ServerUrl {
    ServerUrl::parse("http://127.0.0.1:9").unwrap()
}

fn within_actors<T>(test: impl Future<Output = T>) -> T {
    actix::System::new().block_on(test)
}

fn append(number: usize) -> AppendEvents {
    AppendEvents {
        lamport: number as u64 + 1,
        scope: CaptureScope::NOBODY,
        records: vec![NewRecord {
            kind: RecordKind::Event,
            id: format!("event-{number}"),
            bytes: b"{}".to_vec(),
        }],
    }
}

fn waiting(root: &Path) -> usize {
    let paths = file_map(root).project_scope(PROJECT);
    Inbox::new(os_filesystem(), paths).waiting().unwrap().len()
}

fn of<'a>(health: &'a [ChildHealth], child: &str) -> &'a ChildHealth {
    health.iter().find(|health| health.child == child).unwrap()
}

/// Waits until the supervisor sees a child as it should be.
async fn until(system: &ActorSystem, child: &str, is_so: impl Fn(&ChildHealth) -> bool) {
    let started = Instant::now();
    loop {
        let health = system.health().await;
        if is_so(of(&health, child)) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{health:?}");
        tokio::task::yield_now().await;
    }
}

/// Makes the queue panic while it handles an append.
async fn panic_once(queue: &Child<QueueActor>, number: usize) {
    let error = queue.ask(append(number), LIMIT).await.unwrap_err();
    let expected = [
        AskError::Panicked {
            actor: "queue",
            message: "AppendEvents",
        },
        AskError::Unavailable { actor: "queue" },
    ];
    assert!(expected.contains(&error), "{error:?}");
}

#[test]
fn a_panic_in_a_sync_handler_costs_one_answer_and_the_queue_is_started_again() {
    let root = tempfile::tempdir().unwrap();
    let faulty = FaultyFilesystem::new(0, Fault::Panic);
    within_actors(async {
        let system = start(root.path(), faulty.clone(), HttpClient::shared());
        let queue = system.project_queue(PROJECT.parse().unwrap());
        panic_once(&queue, 0).await;
        until(&system, "queue", |queue| {
            queue.restarts == 1 && queue.state == ChildState::Running
        })
        .await;
        queue.ask(append(1), LIMIT).await.unwrap().unwrap();
        assert_eq!(waiting(root.path()), 1);
        for child in ["auth", "clock", "gate", "ingress"] {
            assert_eq!(of(&system.health().await, child).restarts, 0, "{child}");
        }
        system.shut_down().await;
    });
}

#[test]
fn a_panic_of_an_owner_gives_the_lease_back() {
    let healthy = FaultyFilesystem::new(usize::MAX, Fault::Panic);
    assert_eq!(panics_while_beginning(&healthy), 0);
    // As many calls as there are places to fail at.
    let calls = healthy.calls();
    let mut panics = 0;
    for fail_at in (0..calls).step_by(4) {
        panics += panics_while_beginning(&FaultyFilesystem::new(fail_at, Fault::Panic));
    }
    assert!(panics > 5, "{panics} panics at {calls} calls");
}

/// Appends an event and begins work until both are done; returns how often the queue panicked.
fn panics_while_beginning(faulty: &Arc<FaultyFilesystem>) -> u32 {
    let root = tempfile::tempdir().unwrap();
    let begin = BeginWork {
        purpose: "test".into(),
        // Nothing is waited for: whoever panicked may hold the lease no longer.
        patience: Duration::ZERO,
    };
    within_actors(async {
        let system = start(root.path(), faulty.clone(), HttpClient::shared());
        let queue = system.project_queue(PROJECT.parse().unwrap());
        let mut panics = 0;
        while queue.ask(append(0), LIMIT).await.is_err() {
            panics += 1;
            restarted(&system, panics).await;
        }
        let begun = loop {
            match queue.ask(begin.clone(), LIMIT).await {
                Ok(begun) => break begun.unwrap(),
                Err(_) => panics += 1,
            }
            restarted(&system, panics).await;
        };
        assert!(matches!(begun, WorkBegun::Owner(_)), "{begun:?}");
        // Stored once or, where the panic came behind the storing, twice; counted once.
        if let Ok(backlog) = queue.ask(GetBacklog, LIMIT).await {
            let backlog = backlog.unwrap();
            assert_eq!((backlog.events, backlog.waiting_in_inbox), (1, 0));
        }
        system.shut_down().await;
        panics
    })
}

async fn restarted(system: &ActorSystem, times: u32) {
    until(system, "queue", |queue| {
        queue.restarts == times && queue.state == ChildState::Running
    })
    .await;
}

#[test]
fn a_panic_in_a_response_future_costs_that_reply_and_the_actor_lives_on() {
    let root = tempfile::tempdir().unwrap();
    within_actors(async {
        let system = start(root.path(), os_filesystem(), Arc::new(PanickingTransport));
        let command = RevokeToken {
            server: server(),
            refresh_token: Secret::new("r"),
        };
        for _ in 0..3 {
            let answer = system.auth().ask(command.clone(), LIMIT).await.unwrap();
            assert!(matches!(answer, Revocation::NetworkError(_)), "{answer:?}");
        }
        let health = system.health().await;
        assert_eq!(of(&health, "auth").restarts, 0);
        assert_eq!(of(&health, "auth").state, ChildState::Running);
        system.shut_down().await;
    });
}

#[test]
fn an_actor_that_ends_six_times_in_a_minute_stays_down_and_says_so_at_once() {
    let root = tempfile::tempdir().unwrap();
    within_actors(async {
        let faulty = FaultyFilesystem::new(0, Fault::PanicForever);
        let system = start(root.path(), faulty, HttpClient::shared());
        let queue = system.project_queue(PROJECT.parse().unwrap());
        for number in 0..6 {
            panic_once(&queue, number).await;
            let restarts = u32::try_from(number).unwrap() + 1;
            until(&system, "queue", |queue| {
                queue.state == ChildState::GivenUp
                    || (queue.restarts == restarts && queue.state == ChildState::Running)
            })
            .await;
        }
        assert_eq!(
            of(&system.health().await, "queue").state,
            ChildState::GivenUp
        );
        let error = queue.ask(append(9), LIMIT).await.unwrap_err();
        assert_eq!(error, AskError::Unavailable { actor: "queue" });
        assert_eq!(
            of(&system.health().await, "auth").state,
            ChildState::Running
        );
        system.shut_down().await;
    });
}

#[test]
fn shutting_down_waits_until_what_was_told_is_stored_and_the_lease_is_given_back() {
    let root = tempfile::tempdir().unwrap();
    within_actors(async {
        let system = start(root.path(), os_filesystem(), HttpClient::shared());
        let queue = system.project_queue(PROJECT.parse().unwrap());
        let begin = BeginWork {
            purpose: "test".into(),
            patience: LIMIT,
        };
        let begun: Result<_, QueueError> = queue.ask(begin.clone(), LIMIT).await.unwrap();
        assert!(matches!(begun.unwrap(), WorkBegun::Owner(_)));
        let told: Vec<_> = (0..50)
            .map(|number| Box::pin(queue.ask(append(number), LIMIT)))
            .collect();
        // Told, and not waited for: the answers come while everything stops.
        let answers = futures_util::future::join_all(told);
        let started = Instant::now();
        let (answers, ()) = tokio::join!(answers, system.shut_down());
        assert!(
            started.elapsed() < SHUTDOWN_LIMIT,
            "{:?}",
            started.elapsed()
        );
        assert!(answers.into_iter().all(|answer| answer.unwrap().is_ok()));
        assert_eq!(waiting(root.path()), 50);
        assert!(
            system
                .health()
                .await
                .iter()
                .all(|child| child.state == ChildState::Stopped)
        );
        // Another process could go on at once.
        let next = start(root.path(), os_filesystem(), HttpClient::shared());
        let queue = next.project_queue(PROJECT.parse().unwrap());
        let now = BeginWork {
            patience: Duration::ZERO,
            ..begin
        };
        let begun = queue.ask(now, LIMIT).await.unwrap().unwrap();
        assert!(matches!(begun, WorkBegun::Owner(ingested) if ingested.records == 50));
        next.shut_down().await;
    });
}

#[test]
fn a_project_has_one_queue_in_a_process_and_projects_do_not_share_one() {
    let root = tempfile::tempdir().unwrap();
    within_actors(async {
        let system = start(root.path(), os_filesystem(), HttpClient::shared());
        let begin = BeginWork {
            purpose: "test".into(),
            patience: Duration::ZERO,
        };
        for project in [PROJECT, "22222222-3333-4444-8555-666666666666"] {
            let first = system.project_queue(project.parse().unwrap());
            let second = system.project_queue(project.parse().unwrap());
            first.ask(append(0), LIMIT).await.unwrap().unwrap();
            let begun = second.ask(begin.clone(), LIMIT).await.unwrap().unwrap();
            assert!(matches!(begun, WorkBegun::Owner(ingested) if ingested.records == 1));
            // Letting go of one handle neither ends the queue nor its ownership.
            drop(second);
            let target = GetTarget { target: target() };
            first.ask(target, LIMIT).await.unwrap().unwrap();
        }
        let health = system.health().await;
        let queues: Vec<_> = health
            .iter()
            .filter(|child| child.child == "queue")
            .collect();
        assert_eq!(queues.len(), 2, "{health:?}");
        assert!(queues.iter().all(|queue| queue.restarts == 0), "{health:?}");
        system.shut_down().await;
    });
}
