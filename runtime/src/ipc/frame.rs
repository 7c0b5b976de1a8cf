//! One line of JSON, read and written within a deadline and a size.

use super::IpcError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// The longest line; everything that is said is far shorter.
const LONGEST: usize = 64 * 1024;

/// A stream whose reads and writes can be limited.
pub(super) trait Limited: Read + Write {
    /// Limits the next read and the next write.
    fn limit(&self, limit: Duration) -> io::Result<()>;
}

/// Why a line was not read or written.
pub(super) enum FrameError {
    /// The deadline passed.
    Late,
    /// The other side hung up.
    Closed,
    /// It is not what was expected.
    Unreadable(String),
    /// The operating system refused.
    Io(io::Error),
}

impl FrameError {
    pub(super) fn into_ipc(
        self,
        what: &'static str,
        waited: Duration,
        path: &std::path::Path,
    ) -> IpcError {
        match self {
            Self::Late => IpcError::Silent { what, waited },
            Self::Closed => IpcError::Nobody {
                path: path.to_owned(),
            },
            Self::Unreadable(detail) => IpcError::Unreadable { detail },
            Self::Io(source) => IpcError::Io {
                path: path.to_owned(),
                source,
            },
        }
    }
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
        match error.kind() {
            WouldBlock | TimedOut => Self::Late,
            BrokenPipe | ConnectionReset | UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

fn allow(stream: &impl Limited, deadline: Instant) -> Result<(), FrameError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(FrameError::Late);
    }
    Ok(stream.limit(left)?)
}

/// Writes one line.
pub(super) fn write(
    stream: &mut impl Limited,
    message: &impl Serialize,
    deadline: Instant,
) -> Result<(), FrameError> {
    let mut line = serde_json::to_vec(message).expect("the protocol serializes");
    line.push(b'\n');
    allow(stream, deadline)?;
    Ok(stream.write_all(&line)?)
}

/// Reads one line; a peer that sends a byte at a time does not outlast the deadline.
pub(super) fn read<T: DeserializeOwned>(
    stream: &mut impl Limited,
    deadline: Instant,
) -> Result<T, FrameError> {
    let (mut line, mut chunk) = (Vec::new(), [0_u8; 1024]);
    loop {
        allow(stream, deadline)?;
        let count = match stream.read(&mut chunk) {
            Ok(0) => return Err(FrameError::Closed),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let ends = chunk[..count].contains(&b'\n');
        line.extend_from_slice(&chunk[..count]);
        if line.len() > LONGEST {
            return Err(FrameError::Unreadable("a line is too long".to_owned()));
        }
        if ends {
            let text = line.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
            let parsed = serde_json::from_slice(text);
            return parsed.map_err(|error| FrameError::Unreadable(error.to_string()));
        }
    }
}
