//! The derived key beside its salt, so that scrypt is paid once per login and not once per command.
//!
//! The key's inputs are the host name and the user's number, which are no secrets; whoever can read
//! this file (0600, same directory) can read the session file and derive the key. So the cache
//! gives nothing away, and saves 30 ms (reference/feasibility.md 7).
//!
//! The record names the salt, host and user that the key belongs to. It is ignored unless all
//! three fit, its mode is private and its owner is this user; and a cached key is used for writing
//! only after it opened the session that stands there. Removed at logout.

use super::envelope::{HostIdentity, Key, Salt};
use super::private_file::{Links, PrivateFile, current_user};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::Filesystem;
use kitty_runtime::python_json;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

const SCHEMA_VERSION: u32 = 1;

/// The file: sorted keys; only this program writes it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRecord<'a> {
    hostname: String,
    #[serde(borrow)]
    key: &'a str,
    salt_sha256: String,
    schema_version: u32,
    uid: u32,
}

fn digest(salt: &Salt) -> String {
    let digest: [u8; 32] = Sha256::digest(salt).into();
    hex::encode(digest)
}

/// Runs `look` on the record if it can be trusted and belongs to the salt.
fn with_record<T>(
    path: &Path,
    salt: &Salt,
    look: impl FnOnce(&KeyRecord<'_>) -> Option<T>,
) -> Option<T> {
    let file = PrivateFile::read(path, Links::Refuse).ok()??;
    if !file.facts.is_private() || file.facts.owner != current_user() {
        return None;
    }
    let record: KeyRecord<'_> = serde_json::from_slice(&file.bytes).ok()?;
    if record.schema_version != SCHEMA_VERSION || record.salt_sha256 != digest(salt) {
        return None;
    }
    look(&record)
}

/// Returns the cached key of a salt on this host, if there is one that can be trusted.
pub(super) fn load(path: &Path, salt: &Salt, host: &HostIdentity) -> Option<Key> {
    with_record(path, salt, |record| {
        if record.hostname != host.hostname || record.uid != host.uid {
            return None;
        }
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(record.key, key.as_mut_slice()).ok()?;
        Some(Key::new(*key))
    })
}

/// Returns which other host and user the salt was last used on, to explain a failure.
pub(super) fn other_host(path: &Path, salt: &Salt, host: &HostIdentity) -> Option<HostIdentity> {
    with_record(path, salt, |record| {
        let recorded = HostIdentity {
            hostname: record.hostname.clone(),
            uid: record.uid,
        };
        (recorded != *host).then_some(recorded)
    })
}

/// Stores the key of a salt. Survives the death of the process; a lost cache costs 30 ms.
pub(super) fn save(
    filesystem: &dyn Filesystem,
    path: &Path,
    salt: &Salt,
    host: &HostIdentity,
    key: &Key,
) -> io::Result<()> {
    let key = Zeroizing::new(hex::encode(key.bytes()));
    let record = Zeroizing::new(python_json::line(&KeyRecord {
        hostname: host.hostname.clone(),
        key: &key,
        salt_sha256: digest(salt),
        schema_version: SCHEMA_VERSION,
        uid: host.uid,
    }));
    crashsafe::replace(
        filesystem,
        path,
        record.as_bytes(),
        Durability::ProcessDeath,
    )
}
