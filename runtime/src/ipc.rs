//! How processes of one state root talk: one line of JSON each way over the daemon's Unix socket.
//!
//! The directory is 0700 and the uid on the other side is compared, so no secret is needed to be
//! believed. Every wait has a deadline: a daemon that is stopped or busy costs its asker
//! [`ANSWER_LIMIT`] and nothing else. Liveness is an answered [`Request::Hello`], never a process id.

mod client;
mod frame;
#[cfg(unix)]
mod handshake;
pub mod protocol;
mod server;
#[cfg(unix)]
mod socket;

pub use client::{Conversation, ask, converse};
#[cfg(unix)]
pub use handshake::{Birth, Midwife, announce, midwife};
pub use protocol::{Answer, Greeting, Health, PROTOCOL_VERSION, Request};
pub use server::{Reply, Server};

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How long connecting, asking and being answered may take together.
pub const ANSWER_LIMIT: Duration = Duration::from_millis(250);

/// The other side could not be talked to.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// Nobody listens.
    #[error("no daemon listens at {}", path.display())]
    Nobody {
        /// The socket.
        path: PathBuf,
    },
    /// Somebody listens and says nothing.
    #[error("the daemon did not answer {what} within {} ms", waited.as_millis())]
    Silent {
        /// What was asked.
        what: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// The other side is another user's process.
    #[error("the process at {} belongs to another user (uid {uid}) and is not talked to", path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// What was said is not of this protocol.
    #[error(
        "the daemon and this program speak different protocols ({detail}); run `spec-kitty sync daemon restart`"
    )]
    Unreadable {
        /// What could not be read.
        detail: String,
    },
    /// The operating system refused.
    #[error("the daemon's socket {} cannot be used: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// This platform has no implementation.
    #[error("the background daemon is not built for this platform; use `spec-kitty sync now`")]
    NotBuilt,
}
