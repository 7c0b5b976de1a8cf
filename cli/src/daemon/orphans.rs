//! Daemons of this state root that are not its daemon, and how they are ended.
//!
//! Found without a socket, in the process table: by user, program, arguments and the state root they
//! were started for. Those of other state roots are nobody's business here and are never listed. The
//! classes and reasons are the reference's (section 8); decision 0015 says what differs.

use super::{absolute, hints, record};
use crate::invocation::Invocation;
use kitty_config::{Environment, Platform, PlatformDirectories, RuntimeRoot, env};
use kitty_runtime::lock::FileLock;
use kitty_runtime::process::{Listed, ProcessSignal, ProcessState, of_this_user};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// How the argument begins in which a daemon of the Python CLI names its state root.
const ROOT_MARKER: &str = "--spec-kitty-daemon-root=";
/// What a daemon of the Python CLI runs.
const PYTHON_ENTRY: &str = "run_sync_daemon";

/// How long a daemon that nobody records may take to be one that just begins or ends.
const SETTLE: Duration = Duration::from_millis(300);
/// How long a daemon that was asked to end may take; ours promises two seconds.
const TERMINATE_LIMIT: Duration = Duration::from_secs(3);
/// How long a process that was killed may take.
const KILL_LIMIT: Duration = Duration::from_secs(1);

/// Whose daemon it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Of this program.
    Ours,
    /// Of the Python CLI.
    Python,
}

/// Who may end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanupClass {
    /// Provably ours, of this root, and not its daemon: `--reset` ends it.
    SafeAuto,
    /// A person has to say so with `--force`.
    OperatorRequired,
}

/// Why it is not ended without being asked twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It does not say which root it serves.
    PreMarker,
    /// It may hold the daemon lock, or was not asked who it is.
    Unresponsive,
}

/// A daemon that is not the recorded one of this root.
#[derive(Debug)]
pub struct Orphan {
    /// The process.
    pub process: Listed,
    /// Whose it is.
    pub make: Make,
    /// The port it was given, if it is of the Python CLI.
    pub port: Option<u16>,
    /// Who may end it.
    pub class: CleanupClass,
    /// Why not everybody.
    pub reason: Option<SkipReason>,
}

/// Tells whether a live daemon of the Python CLI has this id.
#[must_use]
pub fn is_python_daemon(pid: u32) -> bool {
    of_this_user(|words| make_of(words) == Some(Make::Python))
        .iter()
        .any(|found| found.identity.pid == pid)
}

/// Tells whether a live daemon of this root has this id, whosever it is.
#[must_use]
pub fn is_daemon(invocation: &Invocation, pid: u32) -> bool {
    of_this_user(|words| make_of(words).is_some())
        .iter()
        .any(|found| found.identity.pid == pid && serves(found, invocation))
}

/// Finds the daemons of this root that nobody records; reads only and opens no socket.
#[must_use]
pub fn find(invocation: &Invocation) -> Vec<Orphan> {
    let mut found = of_this_user(|words| make_of(words).is_some());
    found.retain(|process| serves(process, invocation) && !is_recorded(invocation, process));
    if found.is_empty() {
        return Vec::new();
    }
    // One that is just beginning or ending puts itself in order.
    found.retain(|process| {
        !process.identity.ends_within(SETTLE) && !is_recorded(invocation, process)
    });
    let held = |path: &Path| FileLock::is_held("a daemon's lock", path).unwrap_or(true);
    let changing = held(&invocation.map.daemon_start_lock());
    // The lock is the truth about who the daemon is: when the recorded one lives, it holds it.
    let recorded_lives = record::read(invocation)
        .is_some_and(|greeting| greeting.process.state() != ProcessState::Gone);
    let lock_may_be_its = held(&invocation.map.daemon_lock()) && !recorded_lives;
    found
        .into_iter()
        .filter_map(|process| {
            let make = make_of(&process.arguments)?;
            let marked = root_marker(&process.arguments).is_some();
            let (class, reason) = match make {
                Make::Ours if changing => return None,
                make => classify(make, marked, lock_may_be_its),
            };
            Some(Orphan {
                port: port_of(&process.arguments),
                process,
                make,
                class,
                reason,
            })
        })
        .collect()
}

const fn classify(
    make: Make,
    marked: bool,
    lock_may_be_its: bool,
) -> (CleanupClass, Option<SkipReason>) {
    match make {
        Make::Ours if !lock_may_be_its => (CleanupClass::SafeAuto, None),
        Make::Python if !marked => (CleanupClass::OperatorRequired, Some(SkipReason::PreMarker)),
        _ => (
            CleanupClass::OperatorRequired,
            Some(SkipReason::Unresponsive),
        ),
    }
}

/// Tells from its arguments whose daemon a process would be.
fn make_of(words: &[String]) -> Option<Make> {
    let is_ours = |words: &[String]| {
        words
            .get(1..4)
            .is_some_and(|it| it == ["sync", "daemon", "serve"])
    };
    let is_python = |words: &[String]| {
        words
            .windows(2)
            .any(|pair| pair[0] == "-c" && pair[1].contains(PYTHON_ENTRY))
    };
    if is_ours(words) {
        Some(Make::Ours)
    } else {
        is_python(words).then_some(Make::Python)
    }
}

/// Tells whether a process serves this state root, by everything that is known about it.
fn serves(process: &Listed, invocation: &Invocation) -> bool {
    match make_of(&process.arguments) {
        Some(Make::Ours) => is_our_program(process) && is_started_for(process, invocation),
        Some(Make::Python) => match root_marker(&process.arguments) {
            Some(root) => is_same(Path::new(root), invocation.map.root()),
            None => is_started_for(process, invocation),
        },
        None => false,
    }
}

/// Compares the program files by the kernel's word, also when an update has replaced one.
fn is_our_program(process: &Listed) -> bool {
    let name = |path: &Path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some(name.trim_end_matches(" (deleted)").to_owned())
    };
    let ours = std::env::current_exe().ok().and_then(|path| name(&path));
    ours.is_some() && process.program.as_deref().and_then(name) == ours
}

fn is_started_for(process: &Listed, invocation: &Invocation) -> bool {
    let mut environment = Environment::default();
    for variable in [env::SPEC_KITTY_HOME, env::HOME] {
        if let Some(value) = process.variable(variable.name) {
            environment = environment.with(variable, value);
        }
    }
    let nowhere = PlatformDirectories {
        home: || None,
        local_data: || None,
    };
    RuntimeRoot::resolve(Platform::current(), &environment, nowhere)
        .is_ok_and(|root| is_same(root.path(), invocation.map.root()))
}

/// Compares two roots; a relative one of another process could be anywhere.
fn is_same(theirs: &Path, ours: &Path) -> bool {
    if !theirs.is_absolute() {
        return false;
    }
    let resolved = |path: &Path| path.canonicalize().ok();
    absolute(theirs) == absolute(ours)
        || resolved(theirs).is_some_and(|theirs| resolved(ours) == Some(theirs))
}

fn root_marker(words: &[String]) -> Option<&str> {
    words.iter().find_map(|word| word.strip_prefix(ROOT_MARKER))
}

/// Reads the port out of a call of the Python entry point, beside which stands a secret.
fn port_of(words: &[String]) -> Option<u16> {
    let call = words
        .iter()
        .find_map(|word| word.split_once(&format!("{PYTHON_ENTRY}(")));
    let digits: String = call?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn is_recorded(invocation: &Invocation, process: &Listed) -> bool {
    let pid = Some(process.identity.pid);
    match make_of(&process.arguments) {
        Some(Make::Ours) => {
            record::read(invocation).is_some_and(|greeting| greeting.process == process.identity)
        }
        _ => hints::state_pid(invocation) == pid || hints::owner_pid(invocation) == pid,
    }
}

impl Orphan {
    /// Tells whether it may be ended: without `force` only what is safe, and never what does not say
    /// which root it serves.
    #[must_use]
    pub fn may_be_ended(&self, force: bool) -> bool {
        match self.class {
            CleanupClass::SafeAuto => true,
            CleanupClass::OperatorRequired => force && self.reason != Some(SkipReason::PreMarker),
        }
    }

    /// Ends this very process; returns what it took.
    ///
    /// # Errors
    /// Why it lives on, in a stable word.
    pub fn end(&self) -> Result<&'static str, &'static str> {
        let process = &self.process.identity;
        // Who was stopped would only take note of it when somebody lets it go on.
        if process.state() == ProcessState::Running {
            let _ = process.signal(ProcessSignal::Terminate);
            if process.ends_within(TERMINATE_LIMIT) {
                return Ok("terminate");
            }
        }
        let _ = process.signal(ProcessSignal::Kill);
        if process.ends_within(KILL_LIMIT) {
            Ok("kill")
        } else {
            Err("process_still_runs_after_kill")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_daemon_is_told_by_its_arguments_and_nothing_like_it_is_one() {
        let script = "from x import run_sync_daemon; run_sync_daemon(9412, 'secret')";
        let python = words(&["python", "-c", script, "--spec-kitty-daemon-root=/r"]);
        assert_eq!(make_of(&python), Some(Make::Python));
        assert_eq!(root_marker(&python), Some("/r"));
        assert_eq!(port_of(&python), Some(9412));
        let ours = words(&["spec-kitty", "sync", "daemon", "serve", "--announce"]);
        assert_eq!(make_of(&ours), Some(Make::Ours));
        assert_eq!(port_of(&ours), None);
        for other in [
            &["spec-kitty", "sync", "daemon", "start"][..],
            &["vim", "run_sync_daemon.py"],
            &["python", "run_sync_daemon.py", "-c"],
            &["sync", "daemon", "serve"],
            &["cat", "--spec-kitty-daemon-root=/r"],
            &[],
        ] {
            assert_eq!(make_of(&words(other)), None, "{other:?}");
        }
    }

    #[test]
    fn only_what_is_ours_and_cannot_hold_the_lock_is_safe() {
        use CleanupClass::{OperatorRequired, SafeAuto};
        use SkipReason::{PreMarker, Unresponsive};
        for (make, marked, lock, expected) in [
            (Make::Ours, false, false, (SafeAuto, None)),
            (
                Make::Ours,
                false,
                true,
                (OperatorRequired, Some(Unresponsive)),
            ),
            (
                Make::Python,
                true,
                false,
                (OperatorRequired, Some(Unresponsive)),
            ),
            (
                Make::Python,
                true,
                true,
                (OperatorRequired, Some(Unresponsive)),
            ),
            (
                Make::Python,
                false,
                false,
                (OperatorRequired, Some(PreMarker)),
            ),
        ] {
            assert_eq!(
                classify(make, marked, lock),
                expected,
                "{make:?} {marked} {lock}"
            );
        }
    }

    #[test]
    fn a_relative_root_of_another_process_is_nobodys() {
        assert!(is_same(Path::new("/a/b"), Path::new("/a/b")));
        assert!(!is_same(Path::new("state"), Path::new("state")));
        assert!(!is_same(Path::new("/a"), Path::new("/b")));
    }
}
