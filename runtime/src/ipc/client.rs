//! The asking side.

#[cfg(unix)]
use super::frame;
#[cfg(unix)]
use super::protocol::{Asked, PROTOCOL_VERSION};
#[cfg(unix)]
use super::socket;
use super::{ANSWER_LIMIT, Answer, IpcError, Request};
use std::path::Path;
use std::time::Duration;

/// Asks one question and waits [`ANSWER_LIMIT`] for the answer.
///
/// # Errors
/// [`IpcError`]; nothing was done unless it is [`IpcError::Silent`], after which it may have been.
pub fn ask(path: &Path, request: Request) -> Result<Answer, IpcError> {
    converse(path, request, ANSWER_LIMIT).map(|conversation| conversation.answer)
}

/// An answer, and the connection that it came over.
#[derive(Debug)]
pub struct Conversation {
    /// The answer.
    pub answer: Answer,
    #[cfg(unix)]
    stream: std::os::unix::net::UnixStream,
}

impl Conversation {
    /// Waits until the other side hangs up, which a process that ends cannot help doing.
    ///
    /// Returns whether it did within the limit.
    #[must_use]
    #[cfg(unix)]
    pub fn until_closed(mut self, limit: Duration) -> bool {
        use std::io::Read as _;
        if self.stream.set_read_timeout(Some(limit)).is_err() {
            return false;
        }
        !matches!(self.stream.read(&mut [0]), Err(error) if matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ))
    }

    /// Waits until the other side hangs up.
    #[must_use]
    #[cfg(not(unix))]
    pub fn until_closed(self, _: Duration) -> bool {
        true
    }
}

/// Asks one question, waits as long as given, and keeps the connection.
///
/// # Errors
/// [`IpcError`].
#[cfg(unix)]
pub fn converse(path: &Path, request: Request, limit: Duration) -> Result<Conversation, IpcError> {
    let what = request.name();
    let deadline = std::time::Instant::now() + limit;
    let mut stream = socket::connect(path, what)?;
    let asked = Asked {
        protocol: PROTOCOL_VERSION,
        request,
    };
    let answer = frame::write(&mut stream, &asked, deadline)
        .and_then(|()| frame::read(&mut stream, deadline))
        .map_err(|error| error.into_ipc(what, limit, path))?;
    Ok(Conversation { answer, stream })
}

/// Asks one question.
///
/// # Errors
/// Always [`IpcError::NotBuilt`].
#[cfg(not(unix))]
pub fn converse(_: &Path, _: Request, _: Duration) -> Result<Conversation, IpcError> {
    Err(IpcError::NotBuilt)
}
