//! Unix sockets: private places, short addresses, and who is on the other side.

use super::IpcError;
use super::frame::Limited;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 256;

impl Limited for UnixStream {
    fn limit(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }
}

fn broken(path: &Path, source: impl Into<io::Error>) -> IpcError {
    IpcError::Io {
        path: path.to_owned(),
        source: source.into(),
    }
}

/// The address of a socket, however long its path is.
///
/// An address holds about 100 bytes. On Linux a longer path is named through the open directory;
/// elsewhere it is refused by the kernel, and the error says so.
struct Address {
    unix: SocketAddrUnix,
    /// Keeps the name valid.
    _directory: Option<OwnedFd>,
}

impl Address {
    fn of(path: &Path) -> Result<Self, Errno> {
        if let Ok(unix) = SocketAddrUnix::new(path) {
            return Ok(Self {
                unix,
                _directory: None,
            });
        }
        let (parent, name) = (path.parent(), path.file_name());
        let (Some(parent), Some(name)) = (parent, name) else {
            return Err(Errno::NAMETOOLONG);
        };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let directory = rustix::fs::open(parent, flags, Mode::empty())?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        if !cfg!(target_os = "linux") {
            return Err(Errno::NAMETOOLONG);
        }
        Ok(Self {
            unix: SocketAddrUnix::new(short)?,
            _directory: Some(directory),
        })
    }
}

/// Makes the private directory of a socket, or fails when it is not private.
fn private_directory(path: &Path) -> Result<(), IpcError> {
    let directory = path.parent().unwrap_or(path);
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    made.map_err(|source| broken(directory, source))?;
    let metadata = directory
        .symlink_metadata()
        .map_err(|source| broken(directory, source))?;
    let us = rustix::process::geteuid().as_raw();
    if !metadata.is_dir() || metadata.uid() != us {
        return Err(IpcError::Foreign {
            path: directory.to_owned(),
            uid: metadata.uid(),
        });
    }
    if metadata.mode() & 0o077 != 0 {
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(directory, private).map_err(|source| broken(directory, source))?;
    }
    Ok(())
}

/// Listens; what lies at the path is replaced, which only the holder of the daemon lock may do.
pub(super) fn listen(path: &Path) -> Result<UnixListener, IpcError> {
    private_directory(path)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(broken(path, error)),
        _ => {}
    }
    let listening = || -> Result<OwnedFd, Errno> {
        let socket = socket(SocketFlags::CLOEXEC)?;
        let address = Address::of(path)?;
        rustix::net::bind(&socket, &address.unix)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    let socket = listening().map_err(|errno| broken(path, errno))?;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, private).map_err(|source| broken(path, source))?;
    Ok(socket.into())
}

/// Connects without ever waiting: a listener that does not accept any more counts as silent.
pub(super) fn connect(path: &Path, what: &'static str) -> Result<UnixStream, IpcError> {
    let nobody = || IpcError::Nobody {
        path: path.to_owned(),
    };
    // Who has no daemon opens no socket either.
    if path.symlink_metadata().is_err() {
        return Err(nobody());
    }
    let connected = || -> Result<OwnedFd, Errno> {
        let address = Address::of(path)?;
        let socket = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        rustix::net::connect(&socket, &address.unix)?;
        Ok(socket)
    };
    let stream: UnixStream = match connected() {
        Ok(socket) => socket.into(),
        Err(Errno::NOENT | Errno::CONNREFUSED | Errno::NOTDIR) => return Err(nobody()),
        Err(Errno::AGAIN) => {
            return Err(IpcError::Silent {
                what,
                waited: Duration::ZERO,
            });
        }
        Err(errno) => return Err(broken(path, errno)),
    };
    stream
        .set_nonblocking(false)
        .map_err(|source| broken(path, source))?;
    known(&stream, path)?;
    Ok(stream)
}

fn socket(flags: SocketFlags) -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Fails unless the process on the other side is of the same user.
#[cfg(target_os = "linux")]
pub(super) fn known(stream: &UnixStream, path: &Path) -> Result<(), IpcError> {
    let peer =
        rustix::net::sockopt::socket_peercred(stream).map_err(|errno| broken(path, errno))?;
    let uid = peer.uid.as_raw();
    if uid == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(IpcError::Foreign {
        path: path.to_owned(),
        uid,
    })
}

/// Where the peer cannot be asked for, whoever may enter the directory is of the same user.
#[cfg(not(target_os = "linux"))]
pub(super) fn known(_: &UnixStream, path: &Path) -> Result<(), IpcError> {
    private_directory(path)
}
