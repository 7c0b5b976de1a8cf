//! Queues that earlier releases left, with rows of another identity: recorded files, one of each
//! generation of storage, made by `canary/fixtures/make_legacy_queues.py`.

use kitty_config::FileMap;
use serde::Deserialize;
use std::path::PathBuf;

/// Where a generation kept its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One file for everybody, before a login.
    Unscoped,
    /// One file per account.
    Scoped,
    /// One store per project.
    ProjectStore,
}

/// One file, as it was recorded.
#[derive(Debug, Clone)]
pub struct LegacyQueue {
    /// Where it lies.
    pub place: Place,
    /// Its content.
    pub bytes: &'static [u8],
    /// The ids of the events in it.
    pub event_ids: Vec<String>,
    /// The content hashes of the bodies in it.
    pub body_hashes: Vec<String>,
    file_name: String,
    project_uuid: String,
}

/// A line of `rows.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    queue: String,
    file_name: String,
    project_uuid: String,
    event_ids: Vec<String>,
    body_hashes: Vec<String>,
}

const ROWS: &str = include_str!("../fixtures/rows.json");
/// By the word of `rows.json`: where the file goes, and its content.
const FILES: [(&str, Place, &[u8]); 4] = [
    (
        "unscoped",
        Place::Unscoped,
        include_bytes!("../fixtures/unscoped.db"),
    ),
    (
        "scoped16",
        Place::Scoped,
        include_bytes!("../fixtures/scoped16.db"),
    ),
    (
        "scoped64",
        Place::Scoped,
        include_bytes!("../fixtures/scoped64.db"),
    ),
    (
        "store",
        Place::ProjectStore,
        include_bytes!("../fixtures/store.db"),
    ),
];

/// Returns every recorded queue.
#[must_use]
pub fn recorded() -> Vec<LegacyQueue> {
    let rows: Vec<Row> = serde_json::from_str(ROWS).expect("the recorded list is JSON");
    let queue = |row: Row| {
        let file = FILES.iter().find(|(name, _, _)| *name == row.queue);
        let (_, place, bytes) = file.expect("every line has its recorded file");
        LegacyQueue {
            place: *place,
            bytes,
            event_ids: row.event_ids,
            body_hashes: row.body_hashes,
            file_name: row.file_name,
            project_uuid: row.project_uuid,
        }
    };
    rows.into_iter().map(queue).collect()
}

impl LegacyQueue {
    /// Returns where the file lies below a state root.
    #[must_use]
    pub fn path(&self, map: &FileMap) -> PathBuf {
        match self.place {
            Place::Unscoped => map.legacy_queue(),
            Place::Scoped => map.legacy_queues().join(&self.file_name),
            Place::ProjectStore => map.project_sync_db(&self.project_uuid),
        }
    }

    /// Names the file for people.
    #[must_use]
    pub fn name(&self) -> String {
        match self.place {
            Place::Unscoped => "the queue without an account".to_owned(),
            Place::Scoped => format!("the queue {}", self.file_name),
            Place::ProjectStore => format!("the store of project {}", self.project_uuid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generation_is_recorded_and_holds_what_its_list_says() {
        let queues = recorded();
        assert_eq!(queues.len(), FILES.len());
        for queue in queues {
            assert!(
                queue.bytes.starts_with(b"SQLite format 3\0"),
                "{}",
                queue.name()
            );
            assert_eq!((queue.event_ids.len(), queue.body_hashes.len()), (2, 1));
            for word in queue.event_ids.iter().chain(&queue.body_hashes) {
                let mut parts = queue.bytes.windows(word.len());
                assert!(parts.any(|part| part == word.as_bytes()), "{word}");
            }
        }
    }
}
