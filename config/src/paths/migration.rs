//! Where `upgrade` keeps its accounts.

use std::path::{Path, PathBuf};

/// What `upgrade` keeps about the queues of the Python CLI; the queues themselves are never written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationPaths {
    directory: PathBuf,
}

impl MigrationPaths {
    pub(super) const fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// `migration/` (0700).
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `migration/upgrade.lock`, held by the one process that upgrades; never removed.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.directory.join("upgrade.lock")
    }

    /// `migration/sources.json`, which queues were taken over and how their files looked.
    #[must_use]
    pub fn sources(&self) -> PathBuf {
        self.directory.join("sources.json")
    }

    /// `migration/manifest.json`, the accounts of the last take-over.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.directory.join("manifest.json")
    }

    /// `migration/quarantine.jsonl`, rows that cannot be delivered, whole, with the reason.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.directory.join("quarantine.jsonl")
    }

    /// `migration/held.jsonl`, rows that belong to somebody else or to nobody provable, whole.
    #[must_use]
    pub fn held(&self) -> PathBuf {
        self.directory.join("held.jsonl")
    }
}
