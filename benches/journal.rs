//! A journal full of events, and what an owner does when it opens one.

use crate::events::{Event, Events};
use crate::place::scope;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::journal::{Journal, Mark};
use kitty_runtime::lease::OwnerLease;
use kitty_runtime::owner::{OwnerPorts, Scope, ScopeOwner, SledFactory};
use kitty_runtime::time::system_time;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes events straight into the journal, without waiting for the disk and without an index.
///
/// # Errors
/// The file system's.
pub fn write(scope: &Scope, count: u64) -> io::Result<()> {
    let filesystem = crate::unsynced::filesystem();
    let (mut journal, _) = Journal::open(&filesystem, &scope.paths, &scope.name, Mark::default())
        .map_err(io::Error::other)?;
    let events = Events::new();
    for first in (0..count).step_by(1000) {
        let events = events.range(first..count.min(first + 1000));
        let records: Vec<_> = events.iter().map(Event::record).collect();
        journal.append(&records).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Takes the lease of the project below a state root, and opens its queue.
///
/// # Errors
/// The file system's.
pub fn open(state_root: &Path) -> io::Result<ScopeOwner> {
    let scope = scope(state_root);
    let (filesystem, time) = (os_filesystem(), system_time());
    let lease = OwnerLease::acquire(
        &filesystem,
        &scope.paths,
        &time,
        "measurement",
        Duration::from_secs(10),
    );
    let factory = Box::new(SledFactory::new(filesystem.clone(), scope.paths.mailbox()));
    let ports = OwnerPorts::new(filesystem, time);
    ScopeOwner::open(ports, scope, lease.map_err(io::Error::other)?, factory)
        .map_err(io::Error::other)
}

/// Opens the queue below a state root and gives it back; returns what opening took.
///
/// # Errors
/// The file system's.
pub fn open_and_release(state_root: &Path) -> io::Result<Duration> {
    let started = Instant::now();
    let owner = open(state_root)?;
    let took = started.elapsed();
    owner.release().map_err(io::Error::other)?;
    Ok(took)
}
