//! How a process that starts the daemon learns what became of it, without asking again and again.
//!
//! The child gets one end of a socket pair as its stdin and says one line on it. A child that dies
//! before that closes its end, which the parent notices at once; no file is left behind.

use super::frame::{self, FrameError};
use super::{ANSWER_LIMIT, IpcError};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// What became of a daemon that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Birth {
    /// It owns the daemon lock and answers.
    Ready {
        /// Its process id.
        pid: u32,
    },
    /// Another process owns the daemon lock.
    LostRace {
        /// Who does, as far as is known.
        reason: String,
    },
    /// It could not begin.
    Failed {
        /// Why.
        reason: String,
    },
}

/// The parent's end of the pair.
#[derive(Debug)]
pub struct Midwife {
    stream: UnixStream,
}

/// Creates the pair: the end to wait at, and the end that becomes the child's stdin.
///
/// # Errors
/// The operating system's.
pub fn midwife() -> io::Result<(Midwife, OwnedFd)> {
    let (stream, child) = UnixStream::pair()?;
    Ok((Midwife { stream }, child.into()))
}

impl Midwife {
    /// Waits for the child's word. A child that ended without one has failed.
    ///
    /// # Errors
    /// [`IpcError::Silent`] when it says nothing in time.
    pub fn wait(mut self, limit: Duration) -> Result<Birth, IpcError> {
        match frame::read(&mut self.stream, Instant::now() + limit) {
            Ok(birth) => Ok(birth),
            Err(FrameError::Closed) => Ok(Birth::Failed {
                reason: "it ended before it was ready; `spec-kitty sync daemon logs` shows why"
                    .to_owned(),
            }),
            Err(error) => Err(error.into_ipc("its start", limit, Path::new("stdin"))),
        }
    }
}

/// Says to the parent what became of this process; a parent that is gone is not missed.
pub fn announce(birth: &Birth) {
    let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned() else {
        return;
    };
    // A terminal or a file is not the parent of the handshake.
    if rustix::net::getsockname(&stdin).is_ok() {
        let _ = frame::write(
            &mut UnixStream::from(stdin),
            birth,
            Instant::now() + ANSWER_LIMIT,
        );
    }
}
