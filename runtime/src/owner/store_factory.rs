//! Where an owner gets its mailbox from, and how a damaged one is put away.

use crate::fs::SharedFilesystem;
use crate::mailbox::{Changes, Key, MailboxStore, MemoryStore, Row, SledStore, StoreError};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Opens mailboxes; a port so that models and crash tests run without sled.
pub trait MailboxFactory: Debug + Send {
    /// Opens the mailbox, creating an empty one when there is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when what is there cannot be used.
    fn open(&self) -> Result<Box<dyn MailboxStore>, StoreError>;

    /// Puts the mailbox away, so that the next open creates an empty one.
    ///
    /// # Errors
    /// The file system's.
    fn set_aside(&self) -> io::Result<()>;
}

/// Keeps the mailbox in sled, in a directory of its own.
#[derive(Debug, Clone)]
pub struct SledFactory {
    filesystem: SharedFilesystem,
    directory: PathBuf,
}

impl SledFactory {
    /// Creates a factory for a directory that the caller owns.
    #[must_use]
    pub fn new(filesystem: SharedFilesystem, directory: impl Into<PathBuf>) -> Self {
        Self {
            filesystem,
            directory: directory.into(),
        }
    }

    /// Where the last damaged mailbox is kept; one, so that faults cannot fill the disk.
    fn aside(&self) -> PathBuf {
        let name = self
            .directory
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("mailbox");
        self.directory.with_file_name(format!("{name}.damaged"))
    }
}

impl MailboxFactory for SledFactory {
    fn open(&self) -> Result<Box<dyn MailboxStore>, StoreError> {
        Ok(Box::new(SledStore::open(
            &self.filesystem,
            &self.directory,
        )?))
    }

    fn set_aside(&self) -> io::Result<()> {
        let aside = self.aside();
        remove_whatever_is_at(&aside)?;
        match self.filesystem.rename(&self.directory, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn remove_whatever_is_at(path: &Path) -> io::Result<()> {
    let result = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Keeps the mailbox in memory, shared by everybody who has a clone of the factory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFactory {
    store: Arc<Mutex<MemoryStore>>,
}

impl MailboxFactory for MemoryFactory {
    fn open(&self) -> Result<Box<dyn MailboxStore>, StoreError> {
        Ok(Box::new(SharedMemory(self.store.clone())))
    }

    fn set_aside(&self) -> io::Result<()> {
        *locked(&self.store) = MemoryStore::default();
        Ok(())
    }
}

#[derive(Debug)]
struct SharedMemory(Arc<Mutex<MemoryStore>>);

fn locked(store: &Mutex<MemoryStore>) -> std::sync::MutexGuard<'_, MemoryStore> {
    store.lock().expect("nothing panics while the lock is held")
}

impl MailboxStore for SharedMemory {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        locked(&self.0).get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        locked(&self.0).scan(prefix, after, limit)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        locked(&self.0).commit(changes)
    }

    fn size_on_disk(&self) -> u64 {
        0
    }
}
