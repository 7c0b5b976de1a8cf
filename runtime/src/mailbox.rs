//! The mailbox port: states and positions, changed by atomic transactions.
//!
//! Behind the port is sled ([`SledStore`]); `redb` is the exit should sled ever fail us. The mailbox
//! holds nothing that cannot be made again from the journal, so every fault ends in a rebuild and
//! never in a refusal.

mod keys;
mod memory_store;
mod rows;
mod sled_store;

pub use keys::{CHUNK, Key, chunk_of, slot_of};
pub use memory_store::MemoryStore;
pub use rows::{Attempt, BodiesRow, Meta, TargetRow};
pub(crate) use rows::{pack, pack_position, unpack, unpack_position};
pub use sled_store::{SledStore, is_guarded};

use std::fmt::Debug;

/// The mailbox cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is stored is wrong, or the engine failed inside: rebuild it.
    #[error("the mailbox is damaged: {0}")]
    Damaged(String),
    /// The disk refused.
    #[error("the mailbox could not be written: {0}. Free some space or check the permissions")]
    Io(#[from] std::io::Error),
}

/// A set of changes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Changes {
    /// Stores a value.
    pub fn put(&mut self, key: &Key, value: Vec<u8>) {
        self.changes.push((key.to_bytes(), Some(value)));
    }

    /// Removes a value.
    pub fn remove(&mut self, key: &Key) {
        self.changes.push((key.to_bytes(), None));
    }

    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Vec<u8>, Option<Vec<u8>>)> {
        self.changes.iter()
    }
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// An ordered, transactional store of small values, used by one thread of one process.
pub trait MailboxStore: Debug + Send {
    /// Returns a value.
    ///
    /// # Errors
    /// [`StoreError`].
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns up to `limit` rows whose key begins with `prefix`, in order, after `after` if given.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// Applies changes as one transaction; durable against a power cut when it returns.
    ///
    /// # Errors
    /// [`StoreError`]; then either all or none of the changes are there.
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError>;

    /// Returns the bytes that the store takes on disk.
    fn size_on_disk(&self) -> u64;
}
