//! The mailbox in sled 0.34.7, behind the guard rails that measurements demand (design 3).
//!
//! - One process at a time: the caller holds the owner lease before this opens anything.
//! - A kill during a snapshot leaves `snap.*.generating`, which sled then takes for the newest
//!   snapshot and refuses to open; such files are removed before every open.
//! - A store is created in a directory beside its place and renamed, so that a kill during the first
//!   creation leaves nothing half-made in place.
//! - sled's `flush` is no fsync on Linux: the file is forced to stable storage after it.
//!   `flush_async` deadlocks and is never used; no background flusher runs.
//! - sled does not checksum what it returns: every value carries a length and a checksum.
//! - Every call runs under `catch_unwind`: a panic inside is damage, not the end of the process.

use super::{Changes, Key, MailboxStore, Row, StoreError};
use crate::crashsafe;
use crate::fs::SharedFilesystem;
use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Page cache of an open store, 16 MiB.
const CACHE: u64 = 16 << 20;
/// What sled says when another handle holds its lock.
const LOCKED: &str = "could not acquire lock";
const LONGEST_WAIT_FOR_LOCK: Duration = Duration::from_secs(5);
/// Version, length and checksum before each value.
const VALUE_HEADER: usize = 9;
const VALUE_VERSION: u8 = 1;

/// A mailbox in a directory of its own.
#[derive(Debug)]
pub struct SledStore {
    database: sled::Db,
    file: File,
}

impl SledStore {
    /// Opens the store at a directory, creating it when it is missing.
    ///
    /// The caller holds the owner lease of the scope.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when sled refuses or panics: move the directory aside and rebuild.
    pub fn open(filesystem: &SharedFilesystem, directory: &Path) -> Result<Self, StoreError> {
        if !directory.is_dir() {
            create_beside(filesystem, directory)?;
        }
        sweep_unfinished_snapshots(filesystem, directory)?;
        let database = open_unlocked(directory)?;
        keep_to_owner(directory)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(directory.join("db"))?;
        Ok(Self { database, file })
    }
}

fn open_database(directory: &Path) -> sled::Result<sled::Db> {
    sled::Config::new()
        .path(directory)
        .mode(sled::Mode::LowSpace)
        .cache_capacity(CACHE)
        .flush_every_ms(None)
        .open()
}

/// Opens a database whose last user may not be quite gone.
///
/// sled gives its lock back on a thread of its own, a moment after the last handle is dropped, and
/// the kernel closes the files of a killed process one after the other: the owner lease may be free
/// before sled's lock is. Nobody else can hold it, because the caller has the lease.
fn open_unlocked(directory: &Path) -> Result<sled::Db, StoreError> {
    let started = Instant::now();
    loop {
        match guarded(|| open_database(directory)) {
            Err(StoreError::Damaged(what)) if what.contains(LOCKED) => {
                if started.elapsed() >= LONGEST_WAIT_FOR_LOCK {
                    return Err(StoreError::Io(io::Error::new(
                        io::ErrorKind::WouldBlock,
                        format!("{what}; waited {LONGEST_WAIT_FOR_LOCK:?}"),
                    )));
                }
                crate::lock::wait(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

fn create_beside(filesystem: &SharedFilesystem, directory: &Path) -> Result<(), StoreError> {
    let parent = directory.parent().unwrap_or_else(|| Path::new("."));
    crashsafe::create_dir_all(&**filesystem, parent)?;
    let temporary = unfinished_name(directory);
    if temporary.is_dir() {
        std::fs::remove_dir_all(&temporary)?;
    }
    filesystem.create_dir(&temporary)?;
    let database = open_unlocked(&temporary)?;
    guarded(|| database.flush())?;
    drop(database);
    File::open(temporary.join("db"))?.sync_all()?;
    filesystem.sync_dir(&temporary)?;
    filesystem.rename(&temporary, directory)?;
    filesystem.sync_dir(parent)?;
    Ok(())
}

/// Takes from everybody else what sled lets them do with the files it makes.
///
/// Files that it makes later lie in a directory that only the owner enters, and are the owner's at
/// the next open.
#[cfg(unix)]
fn keep_to_owner(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn keep_to_owner(_: &Path) -> io::Result<()> {
    Ok(())
}

fn unfinished_name(directory: &Path) -> PathBuf {
    let name = directory
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("mailbox");
    directory.with_file_name(format!(".{name}.unfinished"))
}

fn sweep_unfinished_snapshots(filesystem: &SharedFilesystem, directory: &Path) -> io::Result<()> {
    for name in filesystem.list(directory)? {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            filesystem.remove_file(&directory.join(name))?;
        }
    }
    Ok(())
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Tells whether this thread is inside a call whose panic is caught and reported as damage.
///
/// A panic hook that prints asks this first.
#[must_use]
pub fn is_guarded() -> bool {
    GUARDED.get()
        || std::thread::current()
            .name()
            .is_some_and(|name| name.starts_with("sled"))
}

/// Runs a call of sled; its errors and panics are damage, disk errors are the disk's.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(outer);
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) if is_the_disks(&error) => Err(StoreError::Io(error)),
        Ok(Err(error)) => Err(StoreError::Damaged(error.to_string())),
        Err(_) => Err(StoreError::Damaged(
            "the storage engine panicked".to_owned(),
        )),
    }
}

fn is_the_disks(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::QuotaExceeded
    )
}

impl MailboxStore for SledStore {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        match guarded(|| self.database.get(key.to_bytes()))? {
            Some(value) => unseal(&value).map(Some),
            None => Ok(None),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let rows = guarded(|| {
            self.database
                .range::<&[u8], _>((start, Bound::Unbounded))
                .take_while(|row| {
                    row.as_ref()
                        .map_or(true, |(key, _)| key.starts_with(prefix))
                })
                .take(limit)
                .collect::<sled::Result<Vec<_>>>()
        })?;
        rows.into_iter()
            .map(|(key, value)| Ok((key.to_vec(), unseal(&value)?)))
            .collect()
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes.iter() {
            match value {
                Some(value) => batch.insert(key.as_slice(), seal(value)),
                None => batch.remove(key.as_slice()),
            }
        }
        guarded(|| {
            self.database.apply_batch(batch)?;
            self.database.flush()?;
            Ok(())
        })?;
        self.file.sync_data()?;
        Ok(())
    }

    fn size_on_disk(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }
}

fn seal(value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("mailbox values are small");
    let mut sealed = Vec::with_capacity(VALUE_HEADER + value.len());
    sealed.push(VALUE_VERSION);
    sealed.extend_from_slice(&length.to_le_bytes());
    sealed.extend_from_slice(&crc32c::crc32c(value).to_le_bytes());
    sealed.extend_from_slice(value);
    sealed
}

fn unseal(sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("a value {what}"));
    let (header, value) = sealed
        .split_first_chunk::<VALUE_HEADER>()
        .ok_or_else(|| damaged("is cut"))?;
    let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    if header[0] != VALUE_VERSION {
        return Err(damaged("has an unknown version"));
    }
    if number(1) as usize != value.len() || number(5) != crc32c::crc32c(value) {
        return Err(damaged("does not match its checksum"));
    }
    Ok(value.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::os_filesystem;
    use crate::mailbox::MemoryStore;
    use proptest::prelude::*;

    fn put(store: &mut dyn MailboxStore, pairs: &[(&str, &[u8])]) {
        let mut changes = Changes::default();
        for (id, value) in pairs {
            changes.put(&Key::Index((*id).to_owned()), value.to_vec());
        }
        store.commit(&changes).unwrap();
    }

    #[test]
    fn what_was_committed_is_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mailbox");
        let filesystem = os_filesystem();
        let mut store = SledStore::open(&filesystem, &path).unwrap();
        put(&mut store, &[("a", b"1"), ("b", b"2")]);
        drop(store);
        let store = SledStore::open(&filesystem, &path).unwrap();
        assert_eq!(
            store.get(&Key::Index("b".into())).unwrap().as_deref(),
            Some(&b"2"[..])
        );
        assert!(store.size_on_disk() > 0);
    }

    #[test]
    fn an_unfinished_snapshot_and_an_unfinished_creation_are_swept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mailbox");
        let filesystem = os_filesystem();
        let unfinished = unfinished_name(&path);
        std::fs::create_dir(&unfinished).unwrap();
        File::create(unfinished.join("db")).unwrap();
        drop(SledStore::open(&filesystem, &path).unwrap());
        assert!(!unfinished.exists());
        File::create(path.join("snap.0000000000000000.generating")).unwrap();
        drop(SledStore::open(&filesystem, &path).unwrap());
    }

    #[test]
    fn a_store_whose_last_user_is_not_quite_gone_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mailbox");
        let filesystem = os_filesystem();
        let mut store = SledStore::open(&filesystem, &path).unwrap();
        put(&mut store, &[("a", b"1")]);
        let (opening, opens) = std::sync::mpsc::channel();
        let last_user = std::thread::spawn(move || {
            opens.recv().unwrap();
            drop(store);
        });
        opening.send(()).unwrap();
        let store = SledStore::open(&filesystem, &path).unwrap();
        last_user.join().unwrap();
        assert!(store.get(&Key::Index("a".into())).unwrap().is_some());
    }

    #[test]
    fn a_damaged_value_is_noticed() {
        let sealed = seal(b"value");
        assert_eq!(unseal(&sealed).unwrap(), b"value");
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(unseal(&damaged).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(unseal(&sealed[..length]).is_err());
        }
    }

    #[test]
    fn a_store_that_cannot_be_opened_is_damage_and_not_a_panic() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mailbox");
        let filesystem = os_filesystem();
        let mut store = SledStore::open(&filesystem, &path).unwrap();
        put(&mut store, &[("a", b"1")]);
        drop(store);
        crashsafe::replace(
            &*filesystem,
            &path.join("conf"),
            &[0xff; 64],
            crashsafe::Durability::ProcessDeath,
        )
        .unwrap();
        assert!(matches!(
            SledStore::open(&filesystem, &path),
            Err(StoreError::Damaged(_))
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn sled_and_the_model_hold_the_same_rows(
            steps in proptest::collection::vec((0_u8..20, proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))), 1..60)
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut store = SledStore::open(&os_filesystem(), &directory.path().join("m")).unwrap();
            let mut model = MemoryStore::default();
            for (id, value) in steps {
                let key = Key::Index(format!("{id:02}"));
                let mut changes = Changes::default();
                match value {
                    Some(value) => changes.put(&key, value),
                    None => changes.remove(&key),
                }
                store.commit(&changes).unwrap();
                model.commit(&changes).unwrap();
            }
            prop_assert_eq!(store.scan(b"i", None, 100).unwrap(), model.scan(b"i", None, 100).unwrap());
            prop_assert_eq!(store.scan(b"i", Some(b"i07"), 3).unwrap(), model.scan(b"i", Some(b"i07"), 3).unwrap());
            prop_assert!(store.scan(b"x", None, 3).unwrap().is_empty());
        }
    }
}
