//! The other side of the daemon: asking, starting, stopping. Nothing here believes a process id.

use super::serve::NotBorn;
use super::{absolute, hints, record};
use crate::invocation::{Invocation, VERSION};
use kitty_config::Settings;
use kitty_runtime::crashsafe;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::ipc::protocol::is_newer;
use kitty_runtime::ipc::{
    ANSWER_LIMIT, Answer, Greeting, Health, IpcError, Request, ask, converse,
};
use kitty_runtime::lock::{FileLock, LockError};
use kitty_runtime::process::{ProcessSignal, ProcessState};
use std::path::Path;
use std::time::Duration;

/// How long another command that starts or stops the daemon is waited for.
const START_LOCK_LIMIT: Duration = Duration::from_secs(20);
/// How long a new daemon may take until it answers.
const BIRTH_LIMIT: Duration = Duration::from_secs(10);
/// How long a daemon that ends in order may take; it promises two seconds.
const END_LIMIT: Duration = Duration::from_secs(3);
/// How long a daemon may be busy before a command that starts or stops it takes it for lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the daemon of this state root stands.
#[derive(Debug)]
pub enum Standing {
    /// It answers.
    Running(Box<Greeting>),
    /// Its process lives and does not answer.
    Silent(Box<Greeting>),
    /// There is none; a record may have been left behind.
    Absent {
        /// What a daemon that did not end in order wrote.
        left_behind: Option<Box<Greeting>>,
    },
}

/// The daemon was not started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket cannot be used.
    #[error(transparent)]
    Ipc(#[from] IpcError),
    /// Another command is starting or stopping it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operating system refused.
    #[error("the daemon could not be started: {0}")]
    Io(#[from] std::io::Error),
    /// Another process holds the daemon lock and is not ours to end.
    #[error("another program holds the daemon lock ({0}); end it, then try again")]
    Occupied(String),
    /// It began and could not go on.
    #[error("the daemon could not begin: {0}")]
    Failed(String),
    /// It does not end.
    #[error("the daemon (process {0}) does not end; look at `spec-kitty sync daemon logs`")]
    DoesNotEnd(u32),
}

/// What a start came to.
#[derive(Debug)]
pub struct Started {
    /// The daemon's process id.
    pub pid: u32,
    /// Whether it ran before.
    pub ran_already: bool,
}

/// Asks how the daemon stands; creates and changes nothing.
///
/// # Errors
/// [`IpcError`] when the socket is another user's, or cannot be used.
pub fn standing(invocation: &Invocation) -> Result<Standing, IpcError> {
    standing_within(invocation, ANSWER_LIMIT)
}

fn standing_within(invocation: &Invocation, limit: Duration) -> Result<Standing, IpcError> {
    if let Some(greeting) = record::read(invocation).filter(is_stopped) {
        return Ok(Standing::Silent(Box::new(greeting)));
    }
    let socket = invocation.map.daemon_socket();
    match converse(&socket, Request::Hello {}, limit).map(|said| said.answer) {
        Ok(Answer::Hello(greeting)) => return Ok(Standing::Running(greeting)),
        Ok(_) | Err(IpcError::Nobody { .. } | IpcError::Silent { .. }) => {}
        Err(error) => return Err(error),
    }
    let recorded = record::read(invocation).map(Box::new);
    Ok(match recorded {
        Some(greeting) if greeting.process.state() != ProcessState::Gone => {
            Standing::Silent(greeting)
        }
        left_behind => Standing::Absent { left_behind },
    })
}

/// Tells whether somebody stopped the process: it will not answer, and need not be waited for.
fn is_stopped(greeting: &Greeting) -> bool {
    greeting.process.state() == ProcessState::Stopped
}

/// Asks a running daemon how it does.
#[must_use]
pub fn health(invocation: &Invocation) -> Option<Health> {
    if record::read(invocation)?.process.state() == ProcessState::Stopped {
        return None;
    }
    match ask(&invocation.map.daemon_socket(), Request::GetHealth {}) {
        Ok(Answer::Health(health)) => Some(*health),
        _ => None,
    }
}

/// Tells a live daemon that a project has work; returns whether it took it over.
///
/// Costs next to nothing when there is no daemon or it was stopped, and [`ANSWER_LIMIT`] at most when
/// it is silent.
#[must_use]
pub fn hand_over(invocation: &Invocation, settings: &Settings, project: ProjectUuid) -> bool {
    if record::read(invocation).as_ref().is_some_and(is_stopped) {
        return false;
    }
    let request = Request::DrainProject {
        project: project.to_string(),
        state_root: absolute(invocation.map.root()),
        server: invocation.server(settings).map(|server| server.to_string()),
        checkout: Some(absolute(&invocation.directory)),
    };
    match ask(&invocation.map.daemon_socket(), request) {
        Ok(Answer::Accepted {}) => true,
        Ok(answer) => {
            tracing::debug!(?answer, "the daemon did not take the project over");
            false
        }
        Err(error) => {
            tracing::debug!(%error, "no daemon takes the project over");
            false
        }
    }
}

/// Tells a live daemon that somebody logged in or out, so that its record names the account at once.
///
/// Costs [`ANSWER_LIMIT`] at most; a daemon that hears nothing notices by itself with its next work.
pub fn session_changed(invocation: &Invocation) {
    if let Err(error) = ask(&invocation.map.daemon_socket(), Request::SessionChanged {}) {
        tracing::debug!(%error, "no daemon was told about the session");
    }
}

/// Makes sure that a daemon of at least this release runs.
///
/// However many commands do this at once, one starts it and the others find it. What a daemon that
/// was killed or stopped left behind is put in order on the way.
///
/// # Errors
/// [`ControlError`].
pub fn start(invocation: &Invocation) -> Result<Started, ControlError> {
    if let Some(running) = usable(standing(invocation)?) {
        return Ok(running);
    }
    let _turn = turn(invocation)?;
    match standing(invocation)? {
        Standing::Running(greeting) if !is_newer(VERSION, &greeting.version) => {
            return Ok(ran_already(&greeting));
        }
        Standing::Running(greeting) => {
            let version = VERSION.to_owned();
            end(invocation, &greeting, Request::Retire { version })?;
        }
        Standing::Silent(greeting) => {
            if let Some(running) = recover(invocation, &greeting)? {
                return Ok(running);
            }
        }
        Standing::Absent { .. } => {}
    }
    spawn(invocation)
}

fn usable(standing: Standing) -> Option<Started> {
    match standing {
        Standing::Running(greeting) if !is_newer(VERSION, &greeting.version) => {
            Some(ran_already(&greeting))
        }
        _ => None,
    }
}

fn ran_already(greeting: &Greeting) -> Started {
    Started {
        pid: greeting.process.pid,
        ran_already: true,
    }
}

/// Ends the daemon; returns its process id, or `None` when there was none.
///
/// What a daemon left behind is removed on the way, also records that nobody can read.
///
/// # Errors
/// [`ControlError`].
pub fn stop(invocation: &Invocation) -> Result<Option<u32>, ControlError> {
    let nothing = matches!(
        standing(invocation)?,
        Standing::Absent { left_behind: None }
    );
    if nothing && !hints::any(invocation) {
        return Ok(None);
    }
    let _turn = turn(invocation)?;
    match standing(invocation)? {
        Standing::Running(greeting) => {
            end(invocation, &greeting, Request::Stop {})?;
            Ok(Some(greeting.process.pid))
        }
        Standing::Silent(greeting) => match recover(invocation, &greeting)? {
            Some(_) => {
                end(invocation, &greeting, Request::Stop {})?;
                Ok(Some(greeting.process.pid))
            }
            None => Ok(Some(greeting.process.pid)),
        },
        Standing::Absent { .. } => {
            clean_up(invocation)?;
            Ok(None)
        }
    }
}

/// Waits for this process's turn to start or stop the daemon.
fn turn(invocation: &Invocation) -> Result<FileLock, ControlError> {
    crashsafe::create_dir_all(&*invocation.filesystem, &invocation.map.daemon_ipc())?;
    let path = invocation.map.daemon_start_lock();
    Ok(FileLock::acquire(
        "the start of the daemon",
        &path,
        START_LOCK_LIMIT,
    )?)
}

/// Asks a daemon to end and waits until it has.
fn end(invocation: &Invocation, greeting: &Greeting, request: Request) -> Result<(), ControlError> {
    let said = converse(&invocation.map.daemon_socket(), request, PATIENCE);
    let ended =
        said.is_ok_and(|said| said.answer == (Answer::Ending {}) && said.until_closed(END_LIMIT));
    if !ended {
        return force(invocation, greeting);
    }
    is_free(invocation, PATIENCE)
        .then_some(())
        .ok_or(ControlError::DoesNotEnd(greeting.process.pid))
}

/// Deals with a daemon whose process lives and says nothing; returns it if it was only busy.
fn recover(invocation: &Invocation, greeting: &Greeting) -> Result<Option<Started>, ControlError> {
    // Nobody who stopped it will let it go on for us; and nothing acknowledged is lost by its end.
    if greeting.process.state() == ProcessState::Running
        && let Some(running) = usable(standing_within(invocation, PATIENCE)?)
    {
        return Ok(Some(running));
    }
    force(invocation, greeting)?;
    Ok(None)
}

/// Ends the recorded process by signals, if it is the recorded process and holds the lock.
fn force(invocation: &Invocation, greeting: &Greeting) -> Result<(), ControlError> {
    let process = &greeting.process;
    if is_free(invocation, Duration::ZERO) {
        return clean_up(invocation);
    }
    let in_order = process.state() == ProcessState::Running
        && process.signal(ProcessSignal::Terminate)
        && is_free(invocation, END_LIMIT);
    let ended = in_order || process.signal(ProcessSignal::Kill) && is_free(invocation, PATIENCE);
    if !ended {
        return match process.state() {
            ProcessState::Gone => Err(ControlError::Occupied("not our process".to_owned())),
            _ => Err(ControlError::DoesNotEnd(process.pid)),
        };
    }
    clean_up(invocation)
}

/// Tells whether nobody holds the daemon lock, waiting for it.
fn is_free(invocation: &Invocation, limit: Duration) -> bool {
    FileLock::acquire("the daemon lock", &invocation.map.daemon_lock(), limit).is_ok()
}

/// Removes what a daemon left behind, under the daemon lock.
fn clean_up(invocation: &Invocation) -> Result<(), ControlError> {
    let path = invocation.map.daemon_lock();
    let _lock = FileLock::acquire("the daemon lock", &path, PATIENCE)?;
    hints::remove_left_behind(invocation);
    record::remove(invocation);
    Ok(())
}

/// Starts the daemon's process and waits for its word.
#[cfg(unix)]
fn spawn(invocation: &Invocation) -> Result<Started, ControlError> {
    use kitty_config::env;
    use kitty_runtime::ipc::{Birth, midwife};
    use std::process::{Command, Stdio};
    let (midwife, stdin) = midwife()?;
    let log = open_log(&invocation.map.daemon_log())?;
    let root = std::path::absolute(invocation.map.root())?;
    // Environment and log are handed on; arguments, which everybody sees, hold nothing.
    let spawned = Command::new(std::env::current_exe()?)
        .args(["sync", "daemon", "serve", "--announce"])
        .env(env::SPEC_KITTY_HOME.name, &root)
        .env_remove(env::SPECIFY_REPO_ROOT.name)
        .current_dir(&root)
        .stdin(Stdio::from(stdin))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let pid = spawned.id();
    match midwife.wait(BIRTH_LIMIT)? {
        Birth::Ready { pid } => Ok(Started {
            pid,
            ran_already: false,
        }),
        // Started by hand meanwhile, or of an older protocol: it counts if it answers.
        Birth::LostRace { reason } => {
            usable(standing_within(invocation, PATIENCE)?).ok_or(ControlError::Occupied(reason))
        }
        Birth::Failed { reason } => Err(ControlError::Failed(format!("{reason} (process {pid})"))),
    }
}

/// Starts nothing.
#[cfg(not(unix))]
fn spawn(_: &Invocation) -> Result<Started, ControlError> {
    Err(ControlError::Ipc(IpcError::NotBuilt))
}

/// How long the log may become before a start empties it.
#[cfg(unix)]
const LONGEST_LOG: u64 = 1 << 20;

#[cfg(unix)]
fn open_log(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let log = options.create(true).append(true).mode(0o600).open(path)?;
    if log.metadata()?.len() > LONGEST_LOG {
        log.set_len(0)?;
    }
    Ok(log)
}

/// Tells the parent, if there is one, what became of this process.
pub fn announce(birth: Result<u32, &NotBorn>) {
    #[cfg(unix)]
    {
        use kitty_runtime::ipc::{Birth, announce};
        announce(&match birth {
            Ok(pid) => Birth::Ready { pid },
            Err(NotBorn::LostRace(reason)) => Birth::LostRace {
                reason: reason.clone(),
            },
            Err(NotBorn::Failed(reason)) => Birth::Failed {
                reason: reason.clone(),
            },
        });
    }
    #[cfg(not(unix))]
    let _ = birth;
}
