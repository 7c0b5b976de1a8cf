//! A mailbox in memory: the reference that models and crash tests compare with.

use super::{Changes, Key, MailboxStore, Row, StoreError};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Keeps everything in an ordered map; lost with the value.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MailboxStore for MemoryStore {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(&key.to_bytes()).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        Ok(self
            .rows
            .range::<[u8], _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        for (key, value) in changes.iter() {
            match value {
                Some(value) => self.rows.insert(key.clone(), value.clone()),
                None => self.rows.remove(key),
            };
        }
        Ok(())
    }

    fn size_on_disk(&self) -> u64 {
        0
    }
}
