//! Our own hint about the running daemon: which process it is, so that none other is signalled.

use crate::invocation::Invocation;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::read_all;
use kitty_runtime::ipc::Greeting;
use kitty_runtime::process::ProcessIdentity;
use std::io;

/// Reads what the last daemon wrote; `None` when there is nothing or it cannot be read.
#[must_use]
pub fn read(invocation: &Invocation) -> Option<Greeting> {
    let bytes = read_all(&*invocation.filesystem, &invocation.map.daemon_record()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Writes who this daemon is; it is needed only as long as the process lives.
pub fn write(invocation: &Invocation, greeting: &Greeting) -> io::Result<()> {
    let bytes = serde_json::to_vec(greeting).expect("a record of text and numbers serializes");
    let path = invocation.map.daemon_record();
    crashsafe::replace(
        &*invocation.filesystem,
        &path,
        &bytes,
        Durability::ProcessDeath,
    )
}

/// Removes the record and the socket if they are this daemon's.
///
/// A daemon whose state root was removed and made again must not take the next one's with it.
pub fn remove_own(invocation: &Invocation, process: &ProcessIdentity) {
    if read(invocation).is_some_and(|greeting| greeting.process == *process) {
        remove(invocation);
    }
}

/// Removes the record and the socket; only who holds the daemon lock may.
pub fn remove(invocation: &Invocation) {
    for path in [
        invocation.map.daemon_record(),
        invocation.map.daemon_socket(),
    ] {
        let _ = invocation.filesystem.remove_file(&path);
    }
}
