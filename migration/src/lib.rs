//! Everything that may read what earlier releases left behind; the command `upgrade` alone calls it.
//!
//! Two kinds of things are taken over (document 4, FR-014, FR-017, FR-020):
//!
//! * the files of a [`project`]: metadata of missions, rows of status logs, work packages, the
//!   configuration, rewritten in place with their originals kept, see [`rewrite`];
//! * the [`queue`]s in the state root, four generations of SQLite files, which are only read: their
//!   rows become records of the inbox, or are kept apart with a reason.
//!
//! Both are idempotent: whoever is killed at any step runs `upgrade` again.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test that cannot go on fails")
)]

pub mod project;
pub mod queue;
pub mod rewrite;

use sha2::{Digest as _, Sha256};

/// The names of the feature era; nothing outside of this crate knows them.
pub(crate) mod words {
    /// What a mission's slug was called.
    pub(crate) const SLUG: &str = "feature_slug";
    /// What a mission's number was called.
    pub(crate) const NUMBER: &str = "feature_number";
    /// What a mission's type was called in namespaces.
    pub(crate) const KEY: &str = "mission_key";
    /// What a mission's type was called in metadata.
    pub(crate) const TYPE_OF_META: &str = "mission";
    /// What a work package was called in rows.
    pub(crate) const WORK_PACKAGE: &str = "work_package_id";
}

/// Lower-case hexadecimal SHA-256, as manifests name it.
#[must_use]
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
