//! Waits for a child with a deadline, and ends it when that has passed.

use std::io;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// How long git may take to clean up after it was asked to end.
#[cfg(unix)]
const FAREWELL: Duration = Duration::from_secs(2);

/// The child did not end by itself.
pub(super) enum WaitFailure {
    TimedOut,
    Io(io::Error),
}

/// Waits for the child without polling; past the deadline it is ended and reaped.
///
/// A thread waits in the kernel without reaping, so the process id stays the child's until the
/// caller reaps it and a signal can never reach another process.
#[cfg(unix)]
pub(super) fn wait(child: &mut Child, deadline: Duration) -> Result<ExitStatus, WaitFailure> {
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
    let pid = Pid::from_child(child);
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(
            waitid(WaitId::Pid(pid), options),
            Err(rustix::io::Errno::INTR)
        ) {}
        // The receiver is gone only when the caller gave up waiting.
        let _ = ended.send(());
    });
    if end.recv_timeout(deadline).is_ok() {
        return child.wait().map_err(WaitFailure::Io);
    }
    // Asked to end, git removes its lock files and ends its hooks; it is killed if it does not.
    let _ = kill_process(pid, Signal::TERM);
    if end.recv_timeout(FAREWELL).is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    Err(WaitFailure::TimedOut)
}

/// Waits for the child; past the deadline it is killed and reaped.
#[cfg(not(unix))]
#[expect(
    clippy::disallowed_methods,
    reason = "the standard library waits for a child without a deadline only"
)]
pub(super) fn wait(child: &mut Child, deadline: Duration) -> Result<ExitStatus, WaitFailure> {
    const PAUSE: Duration = Duration::from_millis(5);
    let started = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(WaitFailure::Io)? {
            return Ok(status);
        }
        if started.elapsed() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(WaitFailure::TimedOut);
        }
        std::thread::sleep(PAUSE);
    }
}
