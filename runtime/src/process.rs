//! Which process a process id means, and signals that never reach another one.
//!
//! An id is given again after its process has ended. What tells two processes of one id apart is
//! when they started, so a process is signalled only when its start proves it the recorded one.

mod listing;

pub use listing::{Listed, of_this_user};

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How often a process that is to end is looked at.
const END_PAUSE: Duration = Duration::from_millis(10);

/// A process that cannot be mistaken for a later one of the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessIdentity {
    /// Its id.
    pub pid: u32,
    /// When it started: the boot and the kernel's clock at that moment; compared, never parsed.
    pub start: String,
}

/// How a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It has ended, or its id belongs to another process by now.
    Gone,
    /// It was stopped (`SIGSTOP`) and does nothing.
    Stopped,
    /// It runs.
    Running,
}

/// What a process is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessSignal {
    /// End in order (`SIGTERM`).
    Terminate,
    /// End at once (`SIGKILL`).
    Kill,
}

impl ProcessIdentity {
    /// Returns who this process is.
    #[must_use]
    pub fn of_this_process() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            start: observe(pid).map_or_else(String::new, |observed| observed.start),
        }
    }

    /// Looks whether the process still runs; an unknown start counts as gone.
    #[must_use]
    pub fn state(&self) -> ProcessState {
        match observe(self.pid) {
            Some(observed) if !self.start.is_empty() && observed.start == self.start => {
                observed.state
            }
            _ => ProcessState::Gone,
        }
    }

    /// Waits until the process has ended; returns whether it did within the limit.
    #[must_use]
    pub fn ends_within(&self, limit: Duration) -> bool {
        let started = Instant::now();
        while self.state() != ProcessState::Gone {
            if started.elapsed() >= limit {
                return false;
            }
            crate::lock::wait(END_PAUSE);
        }
        true
    }

    /// Signals this very process, and never another one that has its id by now.
    ///
    /// Returns whether a signal was sent.
    #[must_use]
    pub fn signal(&self, signal: ProcessSignal) -> bool {
        send(self, signal)
    }
}

/// Tells whether any process has this id; whose it is, an id alone does not say.
#[must_use]
pub fn is_taken(pid: u32) -> bool {
    observe(pid).is_some()
}

/// Makes this process the leader of a session of its own, so that no terminal ends it.
///
/// A process that leads a group already stays where it is.
pub fn detach() {
    #[cfg(unix)]
    let _ = rustix::process::setsid();
}

/// What the kernel says about an id.
struct Observed {
    start: String,
    state: ProcessState,
}

#[cfg(target_os = "linux")]
fn observe(pid: u32) -> Option<Observed> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, so fields count from the last one.
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let state = match *fields.first()? {
        "Z" | "X" | "x" => return None,
        "T" | "t" => ProcessState::Stopped,
        _ => ProcessState::Running,
    };
    let ticks = fields.get(19)?;
    Some(Observed {
        start: format!("{}-{ticks}", crate::boot::boot_id()),
        state,
    })
}

#[cfg(not(target_os = "linux"))]
fn observe(pid: u32) -> Option<Observed> {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};
    let (mut system, id) = (System::new().ok()?, Pid::from_u32(pid));
    let kind = ProcessRefreshKind::nothing();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, kind);
    let process = system.process(id)?;
    let state = match process.status() {
        ProcessStatus::Zombie | ProcessStatus::Dead => return None,
        ProcessStatus::Stop => ProcessState::Stopped,
        _ => ProcessState::Running,
    };
    Some(Observed {
        start: format!("{}-{}", crate::boot::boot_id(), process.start_time()),
        state,
    })
}

/// Holds the process first and looks second: a held process keeps its id to itself.
#[cfg(target_os = "linux")]
fn send(identity: &ProcessIdentity, signal: ProcessSignal) -> bool {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let Some(pid) = as_pid(identity.pid) else {
        return false;
    };
    let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    identity.state() != ProcessState::Gone && pidfd_send_signal(held, number(signal)).is_ok()
}

#[cfg(all(unix, not(target_os = "linux")))]
fn send(identity: &ProcessIdentity, signal: ProcessSignal) -> bool {
    let Some(pid) = as_pid(identity.pid) else {
        return false;
    };
    identity.state() != ProcessState::Gone
        && rustix::process::kill_process(pid, number(signal)).is_ok()
}

#[cfg(not(unix))]
fn send(_: &ProcessIdentity, _: ProcessSignal) -> bool {
    false
}

#[cfg(unix)]
fn as_pid(pid: u32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(unix)]
const fn number(signal: ProcessSignal) -> rustix::process::Signal {
    match signal {
        ProcessSignal::Terminate => rustix::process::Signal::TERM,
        ProcessSignal::Kill => rustix::process::Signal::KILL,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_the_very_process_is_signalled_and_not_another_of_its_id() {
        let mut child = Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        let real = ProcessIdentity {
            pid,
            start: observe(pid).unwrap().start,
        };
        let recycled = ProcessIdentity {
            start: format!("{}0", real.start),
            ..real.clone()
        };
        let unknown = ProcessIdentity {
            start: String::new(),
            ..real.clone()
        };
        for other in [&recycled, &unknown] {
            assert_eq!(other.state(), ProcessState::Gone);
            assert!(!other.signal(ProcessSignal::Kill));
        }
        assert_eq!(real.state(), ProcessState::Running);
        assert!(!real.ends_within(Duration::ZERO));
        assert!(real.signal(ProcessSignal::Kill));
        assert!(real.ends_within(Duration::from_secs(10)));
        assert!(!child.wait().unwrap().success());
        assert_eq!(real.state(), ProcessState::Gone);
        assert_eq!(
            ProcessIdentity::of_this_process().state(),
            ProcessState::Running
        );
    }
}
