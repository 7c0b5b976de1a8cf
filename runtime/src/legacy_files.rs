//! Which queue files of earlier releases lie in the state root, and which of them still wait.
//!
//! Only names, lengths and times are looked at; what stands in the files is for `upgrade` alone to
//! read (document 4, FR-015 and FR-017). After a take-over the files stay where they are, so `upgrade`
//! records how they looked; a file that looks different since has rows again.

use crate::crashsafe::{self, Durability};
use crate::fs::{Filesystem, read_all};
use kitty_config::FileMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The version of `sources.json`.
const VERSION: u32 = 1;

/// Which release wrote a queue file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegacyKind {
    /// `queue.db`: of a machine where nobody was logged in (until 3.2.5).
    Unscoped,
    /// `queues/queue-<hex>.db`: of one server, account and team (until 3.2.5).
    Scoped,
    /// `event_journal/journal-<scope>.db` (3.2.4 to 3.2.6).
    Journal,
    /// `projects/<uuid>/sync/sync.db` (3.2.7).
    ProjectStore,
}

/// One queue file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LegacyFile {
    /// Who wrote it.
    pub kind: LegacyKind,
    /// Its path below the state root, with `/`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// How a file and its write-ahead log looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    bytes: u64,
    modified_ns: u64,
    log_bytes: u64,
    log_modified_ns: u64,
}

/// `sources.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenOver {
    version: u32,
    files: BTreeMap<String, Stamp>,
}

/// Lists the queue files of earlier releases by their names, in order.
///
/// A file whose name no release wrote is left out; [`misnamed`] lists those.
///
/// # Errors
/// The file system's; a missing directory holds nothing.
pub fn legacy_files(filesystem: &dyn Filesystem, map: &FileMap) -> io::Result<Vec<LegacyFile>> {
    let mut found = Vec::new();
    let file = |kind, path: PathBuf| {
        let below = path.strip_prefix(map.root()).unwrap_or(&path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        LegacyFile {
            kind,
            name: parts.join("/"),
            path,
        }
    };
    if map.legacy_queue().is_file() {
        found.push(file(LegacyKind::Unscoped, map.legacy_queue()));
    }
    for name in names(filesystem, &map.legacy_queues())? {
        if scope_digest(&name).is_some() {
            found.push(file(LegacyKind::Scoped, map.legacy_queues().join(name)));
        }
    }
    for name in names(filesystem, &map.legacy_event_journal())? {
        if name.starts_with("journal-") && has_ending(&name, "db") {
            found.push(file(
                LegacyKind::Journal,
                map.legacy_event_journal().join(name),
            ));
        }
    }
    for name in names(filesystem, &map.legacy_projects())? {
        let path = map.project_sync_db(&name);
        if path.is_file() {
            found.push(file(LegacyKind::ProjectStore, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Lists files that lie among the scoped queues and have a name that no release gave to one.
///
/// # Errors
/// The file system's.
pub fn misnamed(filesystem: &dyn Filesystem, map: &FileMap) -> io::Result<Vec<String>> {
    let mut found = names(filesystem, &map.legacy_queues())?;
    found.retain(|name| has_ending(name, "db") && scope_digest(name).is_none());
    found.sort();
    Ok(found)
}

/// Returns the hash in the name of a scoped queue: 16 or 64 hexadecimal digits.
#[must_use]
pub fn scope_digest(name: &str) -> Option<&str> {
    let digest = name.strip_prefix("queue-")?.strip_suffix(".db")?;
    let is_hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    ([16, 64].contains(&digest.len()) && digest.bytes().all(is_hex)).then_some(digest)
}

/// Lists the queue files that hold what `upgrade` has not seen.
///
/// # Errors
/// The file system's.
pub fn waiting(filesystem: &dyn Filesystem, map: &FileMap) -> io::Result<Vec<LegacyFile>> {
    let mut files = legacy_files(filesystem, map)?;
    if !files.is_empty() {
        let taken = TakenOver::read(filesystem, map);
        files.retain(|file| taken.files.get(&file.name) != Stamp::of(&file.path).as_ref());
    }
    Ok(files)
}

impl Stamp {
    /// Looks at a file; `None` when it is gone.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let look = |path: &Path| {
            let metadata = path.metadata().ok()?;
            let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok();
            let modified = modified.map_or(0, |since| since.as_nanos());
            Some((metadata.len(), u64::try_from(modified).unwrap_or(u64::MAX)))
        };
        let (bytes, modified_ns) = look(path)?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        // An empty log says nothing, whether it is there or not.
        let (log_bytes, log_modified_ns) = look(Path::new(&log))
            .filter(|(bytes, _)| *bytes > 0)
            .unwrap_or_default();
        Some(Self {
            bytes,
            modified_ns,
            log_bytes,
            log_modified_ns,
        })
    }
}

impl TakenOver {
    /// Reads the record; one that is missing or cannot be read says that nothing was taken over,
    /// which costs a look at every file and no row.
    #[must_use]
    pub fn read(filesystem: &dyn Filesystem, map: &FileMap) -> Self {
        let bytes = read_all(filesystem, &map.migration().sources()).ok();
        let record = bytes.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        record
            .filter(|record| record.version == VERSION)
            .unwrap_or_default()
    }

    /// Records how a file looked before it was read.
    pub fn insert(&mut self, file: &LegacyFile, stamp: Stamp) {
        self.version = VERSION;
        self.files.insert(file.name.clone(), stamp);
    }

    /// Stores the record; durable against a power cut when it returns.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, filesystem: &dyn Filesystem, map: &FileMap) -> io::Result<()> {
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        let path = map.migration().sources();
        crashsafe::replace(filesystem, &path, &bytes, Durability::PowerCut)
    }
}

fn has_ending(name: &str, ending: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, last)| last == ending)
}

fn names(filesystem: &dyn Filesystem, directory: &Path) -> io::Result<Vec<String>> {
    match filesystem.list(directory) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFilesystem;
    use kitty_config::{Environment, RuntimeRoot, env};

    fn map(root: &Path) -> FileMap {
        let environment = Environment::default().with(env::SPEC_KITTY_HOME, root);
        FileMap::new(&RuntimeRoot::of_process(&environment).unwrap())
    }

    fn touch(path: &Path, text: &str) {
        crashsafe::replace(
            &OsFilesystem,
            path,
            text.as_bytes(),
            Durability::ProcessDeath,
        )
        .unwrap();
    }

    #[test]
    fn files_are_told_by_their_names_and_nothing_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        let map = map(directory.path());
        assert!(legacy_files(&OsFilesystem, &map).unwrap().is_empty());
        let root = directory.path();
        for name in [
            "queue.db",
            "queues/queue-0123456789abcdef.db",
            "queues/queue-0123456789abcdef.db-wal",
            "queues/queue-not-hex.db",
            "queues/queue-0123456789ABCDEF.db",
            "event_journal/journal-x.db",
            "event_journal/ledger.db",
            "projects/some/sync/sync.db",
            "projects/.layout-generation.json",
        ] {
            touch(&root.join(name), "no database");
        }
        let found = legacy_files(&OsFilesystem, &map).unwrap();
        let names: Vec<_> = found.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "queue.db",
                "queues/queue-0123456789abcdef.db",
                "event_journal/journal-x.db",
                "projects/some/sync/sync.db"
            ]
        );
        assert_eq!(
            misnamed(&OsFilesystem, &map).unwrap(),
            ["queue-0123456789ABCDEF.db", "queue-not-hex.db"]
        );
    }

    #[test]
    fn a_file_waits_until_it_was_taken_over_and_again_when_it_looks_different() {
        let directory = tempfile::tempdir().unwrap();
        let map = map(directory.path());
        touch(&map.legacy_queue(), "one");
        let files = waiting(&OsFilesystem, &map).unwrap();
        assert_eq!(files.len(), 1);
        let mut taken = TakenOver::read(&OsFilesystem, &map);
        taken.insert(&files[0], Stamp::of(&files[0].path).unwrap());
        taken.write(&OsFilesystem, &map).unwrap();
        assert!(waiting(&OsFilesystem, &map).unwrap().is_empty());
        touch(&directory.path().join("queue.db-wal"), "");
        assert!(waiting(&OsFilesystem, &map).unwrap().is_empty());
        touch(&directory.path().join("queue.db-wal"), "rows");
        assert_eq!(waiting(&OsFilesystem, &map).unwrap(), files);
        touch(&map.migration().sources(), "{garbage");
        assert_eq!(waiting(&OsFilesystem, &map).unwrap(), files);
    }
}
