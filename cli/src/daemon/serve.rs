//! The daemon's own process: take the lock, listen, say ready, deliver until told to end or idle.

use super::drains::{Ended, deliver, with_work};
use super::heartbeat::Heartbeats;
use super::hints::HintKeeper;
use super::line::{self, WorkedIn, jitter};
use super::{absolute, heartbeat_every, idle_limit, record};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::within_actors;
use crate::invocation::{Invocation, VERSION};
use kitty_actors::schedule::core::{Effect, Input, ScheduleCore};
use kitty_actors::websocket::{Line, LineTask};
use kitty_runtime::crashsafe;
use kitty_runtime::ipc::protocol::is_newer;
use kitty_runtime::ipc::{Answer, Greeting, Health, PROTOCOL_VERSION, Reply, Request, Server};
use kitty_runtime::lock::{FileLock, LockError};
use kitty_runtime::owner::now_ms;
use kitty_runtime::process::ProcessIdentity;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a lock is waited for that a process which is just ending still holds.
const LOCK_LIMIT: Duration = Duration::from_secs(1);

/// What the threads of the socket and the loop share.
struct Shared {
    greeting: Greeting,
    hints: HintKeeper,
    health: Mutex<Health>,
    line: Line,
    stop: Notify,
    asks: UnboundedSender<Ask>,
}

/// A project with work, and the checkout that it is worked in.
struct Ask {
    project: String,
    checkout: Option<String>,
}

impl Shared {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A daemon that was born: it holds the lock and listens.
pub struct Daemon {
    shared: Arc<Shared>,
    asks: UnboundedReceiver<Ask>,
    beats: Heartbeats,
    worked_in: WorkedIn,
    line: Option<LineTask>,
    /// Whether it stays when there is nothing to do.
    stays: bool,
    _lock: FileLock,
}

/// Why this process is not the daemon.
#[derive(Debug)]
pub enum NotBorn {
    /// Another process is.
    LostRace(String),
    /// Something is in the way.
    Failed(String),
}

impl Daemon {
    /// Becomes the daemon of this state root, or says why not.
    ///
    /// # Errors
    /// [`NotBorn`].
    pub fn birth(invocation: &Invocation, stays: bool) -> Result<Self, NotBorn> {
        let failed = |error: &dyn std::fmt::Display| NotBorn::Failed(error.to_string());
        let path = invocation.map.daemon_lock();
        if let Some(directory) = path.parent() {
            crashsafe::create_dir_all(&*invocation.filesystem, directory)
                .map_err(|error| failed(&error))?;
        }
        let lock = match FileLock::acquire("the daemon lock", &path, LOCK_LIMIT) {
            Ok(lock) => lock,
            Err(error @ LockError::Timeout { .. }) => {
                return Err(NotBorn::LostRace(error.to_string()));
            }
            Err(error) => return Err(failed(&error)),
        };
        let greeting = greeting(invocation);
        let server =
            Server::listen(&invocation.map.daemon_socket()).map_err(|error| failed(&error))?;
        record::write(invocation, &greeting).map_err(|error| failed(&error))?;
        let hints = HintKeeper::begin(invocation, &greeting).map_err(|error| failed(&error))?;
        let (sender, asks) = unbounded_channel();
        let (line, task) = Line::new();
        let shared = Arc::new(Shared {
            greeting,
            hints,
            health: Mutex::default(),
            line,
            stop: Notify::new(),
            asks: sender,
        });
        let answering = shared.clone();
        server.serve(move |request| answer(&answering, request));
        Ok(Self {
            shared,
            asks,
            beats: Heartbeats::new(heartbeat_every(invocation)),
            worked_in: WorkedIn::default(),
            line: Some(task),
            stays,
            _lock: lock,
        })
    }

    /// Serves until it is told to end or nobody needs it; removes what it wrote about itself.
    ///
    /// # Errors
    /// [`Failure`] when signals cannot be listened to.
    pub fn live(mut self, invocation: &Invocation) -> Result<Exit, Failure> {
        let pid = self.shared.greeting.process.pid;
        say(
            invocation,
            &format!("daemon {VERSION} serves as process {pid}"),
        );
        let why = within_actors(self.work_with_line(invocation));
        record::remove_own(invocation, &self.shared.greeting.process);
        self.shared.hints.end();
        say(invocation, &format!("daemon ends: {}", why?));
        Ok(Exit::Success)
    }

    /// Works, and holds the WebSocket meanwhile; neither waits for the other.
    async fn work_with_line(&mut self, invocation: &Invocation) -> Result<&'static str, Failure> {
        let shared = self.shared.clone();
        let log = |what: &str| say(invocation, what);
        let server = shared.greeting.server.as_deref();
        let worked_in = self.worked_in.clone();
        let surroundings = line::surroundings(invocation, server, worked_in, log);
        let task = self.line.take().expect("a daemon lives once");
        shared.line.occasion();
        let working = async {
            let why = self.work(invocation).await;
            shared.line.end();
            why
        };
        let (why, ()) = tokio::join!(working, task.run(surroundings));
        why
    }

    async fn work(&mut self, invocation: &Invocation) -> Result<&'static str, Failure> {
        let mut signals = Signals::listen()?;
        let idle = (!self.stays).then(|| idle_limit(invocation));
        let mut core = ScheduleCore::new(now_ms(&invocation.time), idle);
        let mut input = Input::Woke;
        loop {
            let effect = core.step(now_ms(&invocation.time), input);
            self.shared.hints.refresh(false);
            self.publish(&core, &effect);
            input = match effect {
                Effect::Scan => {
                    let found = with_work(invocation, self.shared.greeting.server.as_deref());
                    Input::Found(found.iter().map(ToString::to_string).collect())
                }
                Effect::Drain(project) => {
                    match self.drain(invocation, &project, &mut signals).await {
                        Step::Ended(ended) => drained(invocation, project, &ended),
                        Step::Stop(why) => return Ok(why),
                    }
                }
                Effect::SleepUntil(until) => {
                    let pause = until.saturating_sub(now_ms(&invocation.time));
                    tokio::select! {
                        asked = self.asks.recv() => self.asked(now_ms(&invocation.time), asked),
                        () = tokio::time::sleep(Duration::from_millis(pause)) => Input::Woke,
                        () = self.shared.stop.notified() => return Ok("it was asked to"),
                        () = signals.received() => return Ok("a signal"),
                    }
                }
                Effect::Retire => return Ok("nothing to do"),
            };
        }
    }

    fn asked(&mut self, now: u64, ask: Option<Ask>) -> Input {
        let Some(Ask { project, checkout }) = ask else {
            return Input::Woke;
        };
        if let Some(checkout) = checkout {
            self.worked_in.noticed(&project, checkout.as_ref());
            self.beats.noticed(&project, checkout.into(), now);
        }
        Input::Asked(project)
    }

    fn publish(&self, core: &ScheduleCore, effect: &Effect) {
        let mut health = self.shared.health();
        let (failures, not_before) = core.failures();
        health.draining = matches!(effect, Effect::Drain(_));
        health.waiting = core.waiting();
        health.consecutive_failures = failures;
        health.not_before_ms = (failures > 0).then_some(not_before);
    }

    async fn drain(
        &mut self,
        invocation: &Invocation,
        project: &str,
        signals: &mut Signals,
    ) -> Step {
        let settings = invocation.settings();
        let server = invocation
            .server(&settings)
            .map(|server| server.to_string());
        if server != self.shared.greeting.server {
            return Step::Stop("another server is configured now");
        }
        let Ok(uuid) = project.parse() else {
            return Step::Ended(Ended::idle());
        };
        let beats = self.beats.due(project, now_ms(&invocation.time));
        let mut why = "it was asked to";
        let stop = async {
            tokio::select! {
                () = self.shared.stop.notified() => {}
                () = signals.received() => why = "a signal",
            }
        };
        let line = &self.shared.line;
        match deliver(invocation, &settings, uuid, &beats, line, stop).await {
            Some(ended) => {
                ended.note(&mut self.shared.health(), now_ms(&invocation.time));
                Step::Ended(ended)
            }
            None => Step::Stop(why),
        }
    }
}

/// What came of a drain.
enum Step {
    Ended(Ended),
    Stop(&'static str),
}

fn drained(invocation: &Invocation, project: String, ended: &Ended) -> Input {
    if ended.delivered > 0 || ended.trouble.is_some() {
        let trouble = ended.trouble.as_deref().unwrap_or("no trouble");
        say(
            invocation,
            &format!(
                "project {project}: delivered {} ({} over the WebSocket), {trouble}",
                ended.delivered, ended.told
            ),
        );
    }
    Input::Drained {
        project,
        end: ended.end,
        jitter: jitter(invocation),
    }
}

fn greeting(invocation: &Invocation) -> Greeting {
    let server = invocation.server(&invocation.settings());
    let executable = std::env::current_exe().unwrap_or_default();
    Greeting {
        version: VERSION.to_owned(),
        protocol: PROTOCOL_VERSION,
        process: ProcessIdentity::of_this_process(),
        started_at_ms: now_ms(&invocation.time),
        executable: executable.to_string_lossy().into_owned(),
        state_root: absolute(invocation.map.root()),
        server: server.map(|server| server.to_string()),
    }
}

/// Answers one question; runs on a thread of its own and waits for nobody.
fn answer(shared: &Shared, request: Request) -> Reply {
    let refused = |code: &str, message: String| {
        Reply::say(Answer::Refused {
            code: code.to_owned(),
            message,
        })
    };
    match request {
        Request::Hello {} => Reply::say(Answer::Hello(Box::new(shared.greeting.clone()))),
        Request::SessionChanged {} => {
            shared.hints.refresh(true);
            Reply::say(Answer::Accepted {})
        }
        Request::GetHealth {} => {
            let mut health = shared.health().clone();
            health.websocket = Some(line::health(&shared.line.standing()));
            Reply::say(Answer::Health(Box::new(health)))
        }
        Request::Retire { version } if !is_newer(&version, VERSION) => refused(
            "not_newer",
            format!("release {version} is not newer than {VERSION}, which serves"),
        ),
        Request::Retire { .. } | Request::Stop {} => {
            shared.stop.notify_one();
            Reply {
                answer: Answer::Ending {},
                keep_open: true,
            }
        }
        Request::DrainProject { state_root, .. } if state_root != shared.greeting.state_root => {
            refused(
                "state_root_mismatch",
                format!("this daemon serves {}", shared.greeting.state_root),
            )
        }
        Request::DrainProject { server, .. } if server != shared.greeting.server => refused(
            "server_mismatch",
            "this daemon delivers to another server; run `spec-kitty sync daemon restart`"
                .to_owned(),
        ),
        Request::DrainProject {
            project, checkout, ..
        } => match shared.asks.send(Ask { project, checkout }) {
            Ok(()) => Reply::say(Answer::Accepted {}),
            Err(_) => refused("ending", "this daemon ends".to_owned()),
        },
    }
}

/// One line in the log, with its time.
fn say(invocation: &Invocation, what: &str) {
    let now = kitty_runtime::time::iso(invocation.time.now());
    invocation.printer.note(format!("{now} {what}"));
}

/// The signals that end the daemon in order.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error| Failure::from_error("no_signals", error);
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    async fn received(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
