//! The files by which today's tools see a daemon (reference 8). None of them holds a secret: the
//! control token of the old protocol does not exist here.
//!
//! `owner.json` is what those tools compare and report, so it names the process. `sync-daemon` is
//! what they stop: the Python CLI ends the process that it names with SIGKILL, without asking who
//! that is (reference 11.7). So the process id stands there for people, in a form that no tool takes
//! for a number, and no line can be taken for a port.

use super::orphans::is_python_daemon;
use crate::hosted::session_store;
use crate::invocation::{Invocation, VERSION};
use jiff::Timestamp;
use kitty_actors::auth::messages::{SessionDetail, SessionSummary};
use kitty_actors::auth::{describe, environment_token};
use kitty_config::queue_scope;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::read_all;
use kitty_runtime::ipc::Greeting;
use kitty_runtime::python_json;
use kitty_runtime::time;
use serde::Serialize;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Stands before a process id so that a person can read it and no tool takes it for one to signal.
const PROCESS: &str = "process ";

/// Whom a process delivers for, as the owner record says it (reference 2 and 8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The e-mail address.
    pub principal: String,
    /// The Private Teamspace.
    pub team: Option<String>,
    /// The queue scope of the Python CLI over server, address and team.
    pub scope: String,
}

impl Account {
    /// Returns the account of a session at a server.
    #[must_use]
    pub fn of(session: &SessionSummary, server: Option<&str>) -> Self {
        let team = session.private_team().map(|team| team.id.clone());
        let server = server.unwrap_or_default();
        Self {
            scope: queue_scope(server, Some(&session.email), team.as_deref()),
            principal: session.email.clone(),
            team,
        }
    }
}

/// `owner.json`, field by field as the Python CLI reads it.
#[derive(Debug, Serialize)]
struct OwnerHint<'a> {
    auth_principal: Option<&'a str>,
    auth_scope: Option<&'a str>,
    auth_team: Option<&'a str>,
    executable_path: &'a str,
    package_version: &'a str,
    pid: u32,
    port: u16,
    queue_db_path: Option<&'a str>,
    server_url: Option<&'a str>,
    source_checkout_path: Option<&'a str>,
    started_at: String,
    token: &'a str,
}

/// What tells one session file from the next without opening it.
type Stamp = Option<(SystemTime, u64)>;

/// Keeps the hints of a running daemon true: the account in them is that of the session on disk.
#[derive(Debug)]
pub struct HintKeeper {
    invocation: Invocation,
    greeting: Greeting,
    /// The session file and the account that were last looked at; `None` once the daemon ended.
    seen: Mutex<Option<(Stamp, Option<Account>)>>,
}

impl HintKeeper {
    /// Writes both files and keeps them from now on.
    ///
    /// # Errors
    /// The file system's.
    pub fn begin(invocation: &Invocation, greeting: &Greeting) -> io::Result<Self> {
        let seen = (stamp(invocation), account(invocation, greeting));
        write_owner(invocation, greeting, seen.1.as_ref())?;
        write_state(invocation, greeting)?;
        Ok(Self {
            invocation: invocation.clone(),
            greeting: greeting.clone(),
            seen: Mutex::new(Some(seen)),
        })
    }

    /// Looks at the session again if its file changed, or `anyway`, and rewrites the record if the
    /// account is another one. A record that cannot be written stays as it is.
    pub fn refresh(&self, anyway: bool) {
        let mut seen = self.seen();
        let Some((last, known)) = seen.as_mut() else {
            return;
        };
        let stamp = stamp(&self.invocation);
        if !anyway && *last == stamp {
            return;
        }
        *last = stamp;
        let now = account(&self.invocation, &self.greeting);
        if now != *known && write_owner(&self.invocation, &self.greeting, now.as_ref()).is_ok() {
            *known = now;
        }
    }

    /// Removes the files, unless another daemon's lie there by now; nothing is written afterwards.
    pub fn end(&self) {
        *self.seen() = None;
        let pid = Some(self.greeting.process.pid);
        let (owner, state) = (
            self.invocation.map.daemon_owner(),
            self.invocation.map.daemon_state(),
        );
        for (path, named) in [
            (&owner, owner_pid(&self.invocation)),
            (&state, state_pid(&self.invocation)),
        ] {
            if named == pid {
                let _ = self.invocation.filesystem.remove_file(path);
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<(Stamp, Option<Account>)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(invocation: &Invocation) -> Stamp {
    let metadata = invocation.map.auth().session().metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Reads whose session lies on disk; a token of the environment is nobody's in particular.
fn account(invocation: &Invocation, greeting: &Greeting) -> Option<Account> {
    if environment_token(&invocation.environment).is_some() {
        return None;
    }
    let store = session_store(invocation).ok()?;
    let answer = describe(&*store, SessionDetail::Summary, invocation.time.now());
    Some(Account::of(&answer.summary?, greeting.server.as_deref()))
}

fn write_owner(
    invocation: &Invocation,
    greeting: &Greeting,
    account: Option<&Account>,
) -> io::Result<()> {
    let queues = invocation.map.projects().display().to_string();
    let hint = OwnerHint {
        auth_principal: account.map(|account| account.principal.as_str()),
        auth_scope: account.map(|account| account.scope.as_str()),
        auth_team: account.and_then(|account| account.team.as_deref()),
        executable_path: &greeting.executable,
        package_version: VERSION,
        pid: greeting.process.pid,
        port: 0,
        queue_db_path: Some(&queues),
        server_url: greeting.server.as_deref(),
        source_checkout_path: directory_of(&greeting.executable),
        started_at: started_at(greeting.started_at_ms),
        token: "<redacted>",
    };
    let text = python_json::indented(&hint);
    replace(invocation, &invocation.map.daemon_owner(), &text)
}

/// Writes address, port, token and process id. No line may be empty: the Python CLI drops empty
/// lines, and what follows would move up, the process id into the place of the port.
fn write_state(invocation: &Invocation, greeting: &Greeting) -> io::Result<()> {
    let socket = invocation.map.daemon_socket();
    let process = format!("{PROCESS}{}", greeting.process.pid);
    let state = format!("unix:{}\n-\n-\n{process}\n", socket.display());
    replace(invocation, &invocation.map.daemon_state(), &state)
}

fn replace(invocation: &Invocation, path: &Path, text: &str) -> io::Result<()> {
    let filesystem = &*invocation.filesystem;
    crashsafe::replace(filesystem, path, text.as_bytes(), Durability::ProcessDeath)
}

/// Reads the owner record; `None` when there is none or it cannot be read.
#[must_use]
pub fn owner(invocation: &Invocation) -> Option<Value> {
    let bytes = read_all(&*invocation.filesystem, &invocation.map.daemon_owner()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Returns the process that the owner record names.
#[must_use]
pub fn owner_pid(invocation: &Invocation) -> Option<u32> {
    owner(invocation)?.get("pid")?.as_u64()?.try_into().ok()
}

/// Returns the process that the state file names: bare in one of the Python CLI, after a word in ours.
#[must_use]
pub fn state_pid(invocation: &Invocation) -> Option<u32> {
    let line: String = state_line(invocation, 3)?;
    line.strip_prefix(PROCESS).unwrap_or(&line).parse().ok()
}

/// Returns the port that the state file names; a daemon of this program has none.
#[must_use]
pub fn state_port(invocation: &Invocation) -> Option<u16> {
    state_line(invocation, 1).filter(|port| *port > 0)
}

fn state_line<T: std::str::FromStr>(invocation: &Invocation, line: usize) -> Option<T> {
    let bytes = read_all(&*invocation.filesystem, &invocation.map.daemon_state()).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.lines().nth(line)?.parse().ok()
}

/// Tells whether any of the files lies there, readable or not.
#[must_use]
pub fn any(invocation: &Invocation) -> bool {
    let map = &invocation.map;
    [map.daemon_owner(), map.daemon_state()]
        .iter()
        .any(|path| path.symlink_metadata().is_ok())
}

/// Removes the files that name no living daemon: garbage, the dead, and processes that are none.
///
/// Only who holds the daemon lock may, because then no daemon of this program lives here. A daemon of
/// the Python CLI keeps its own.
pub fn remove_left_behind(invocation: &Invocation) {
    let map = &invocation.map;
    for (path, named) in [
        (map.daemon_owner(), owner_pid(invocation)),
        (map.daemon_state(), state_pid(invocation)),
    ] {
        if !named.is_some_and(is_python_daemon) {
            let _ = invocation.filesystem.remove_file(&path);
        }
    }
}

/// Renders the start as the Python CLI does, in whole seconds.
fn started_at(milliseconds: u64) -> String {
    let seconds = i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX);
    time::iso(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Where the program was installed; the Python CLI compares and prints it as a text.
#[must_use]
pub fn directory_of(executable: &str) -> Option<&str> {
    Path::new(executable).parent()?.to_str()
}
