//! The build id: unique per checkout and per clone, and bound to the place where it was made.
//!
//! It lives in the checkout's own git directory, which no commit, clone or branch switch carries
//! along. A plain copy of the directory tree does carry it, so the file records where it was made:
//! the path of the git directory and its device and inode. When that does not fit, the recorded
//! place decides: if another directory there still has this id, this one is a copy and gets its own;
//! otherwise the checkout was moved (or restored) and keeps its id.
//!
//! `build.id` of `.kittify/config.yaml` is adopted only where `build.checkout` beside it is the
//! [`fingerprint`] of this very place: so the id outlives a cleaned git directory. That file is
//! committed, so every clone has it, and an id without a fingerprint, whether derived from project
//! and node (3.2.6 and later) or random (until 3.2.5), does not tell the checkout it was made for
//! from a copy. A new id costs one registration with the server; a shared one would merge the
//! histories of two checkouts.
//!
//! Ids are version 4 UUIDs from the operating system's randomness: 122 bits. Among `n` of them a
//! collision has a probability below `n^2 / 2^123`: for a billion checkouts 9.4e-20, below the
//! 1 in 10^18 of NFR-005 of document 4.

use super::IdentityError;
use super::store::{lock, private_directory, read_json, write_json};
use crate::project::ProjectSection;
use kitty_runtime::fs::Filesystem;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use uuid::Uuid;

/// Identifies one checkout: a random UUID, lower case and hyphenated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId(Uuid);

impl BuildId {
    /// Draws a new id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), formatter)
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The text is not a build id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a build id (a UUID)")]
pub struct InvalidBuildId(pub String);

impl FromStr for BuildId {
    type Err = InvalidBuildId;

    fn from_str(text: &str) -> Result<Self, InvalidBuildId> {
        Uuid::try_parse(text)
            .ok()
            .filter(|uuid| !uuid.is_nil())
            .map(Self)
            .ok_or_else(|| InvalidBuildId(text.to_owned()))
    }
}

/// `build.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    build_id: String,
    /// The git directory it was made for; see [`spell`].
    path: String,
    /// 0 where the platform has none.
    device: u64,
    /// 0 where the platform has none.
    inode: u64,
}

/// What a record means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Made here.
    Ours,
    /// Made for this checkout, elsewhere.
    Moved,
    /// Made for a checkout that still exists.
    Copied,
}

/// Tells a checkout from every other one that may have the same id in its configuration: 16
/// hexadecimal digits over the id and the place it was made for.
#[must_use]
pub fn fingerprint(id: BuildId, git_dir: &Path) -> String {
    let (device, inode) = place(git_dir);
    let joined = format!("{id}\0{}\0{device}\0{inode}", spell(git_dir));
    hex::encode(&Sha256::digest(joined.as_bytes())[..8])
}

/// Returns the id of the configuration if it is of this very checkout.
fn configured(section: &ProjectSection, git_dir: &Path) -> Option<BuildId> {
    let id = section.build_id.as_deref()?.parse().ok()?;
    let fits = section.build_checkout.as_deref() == Some(fingerprint(id, git_dir).as_str());
    fits.then_some(id)
}

/// Reads the build id of a git directory; `None` when it has none of its own yet.
///
/// # Errors
/// [`IdentityError::Damaged`], or the operating system's.
pub fn resolve(
    git_dir: &Path,
    config: impl FnOnce() -> ProjectSection,
) -> Result<Option<BuildId>, IdentityError> {
    Ok(match read(git_dir)? {
        Some((id, record)) => match standing(&record, git_dir) {
            Standing::Ours | Standing::Moved => Some(id),
            Standing::Copied => None,
        },
        None => configured(&config(), git_dir),
    })
}

/// Reads the build id of a git directory, making one where there is none of its own.
///
/// # Errors
/// [`IdentityError`].
pub fn ensure(
    filesystem: &dyn Filesystem,
    git_dir: &Path,
    config: impl FnOnce() -> ProjectSection,
) -> Result<BuildId, IdentityError> {
    if let Some((id, record)) = read(git_dir)?
        && standing(&record, git_dir) == Standing::Ours
    {
        return Ok(id);
    }
    let file = file(git_dir);
    let _lock = lock(filesystem, &file, "the checkout's build id")?;
    // Another process may have been faster.
    let id = match read(git_dir)? {
        Some((id, record)) => match standing(&record, git_dir) {
            Standing::Ours => return Ok(id),
            Standing::Moved => id,
            Standing::Copied => BuildId::random(),
        },
        None => configured(&config(), git_dir).unwrap_or_else(BuildId::random),
    };
    let (device, inode) = place(git_dir);
    let record = Record {
        build_id: id.to_string(),
        path: spell(git_dir),
        device,
        inode,
    };
    write_json(filesystem, &file, &record)?;
    Ok(id)
}

fn file(git_dir: &Path) -> PathBuf {
    private_directory(git_dir).join("build.json")
}

fn read(git_dir: &Path) -> Result<Option<(BuildId, Record)>, IdentityError> {
    let file = file(git_dir);
    let Some(record) = read_json::<Record>(&file)? else {
        return Ok(None);
    };
    match record.build_id.parse() {
        Ok(id) => Ok(Some((id, record))),
        Err(_) => Err(IdentityError::Damaged { file }),
    }
}

fn standing(record: &Record, git_dir: &Path) -> Standing {
    let here = place(git_dir);
    if (record.device, record.inode) == here && record.path == spell(git_dir) {
        return Standing::Ours;
    }
    let origin = unspell(&record.path);
    let elsewhere = place(&origin) != here || (here == (0, 0) && origin != git_dir);
    // What cannot be read there cannot be told to be the same checkout: it counts as gone.
    let same_id = || {
        read(&origin)
            .ok()
            .flatten()
            .is_some_and(|(_, other)| other.build_id == record.build_id)
    };
    if elsewhere && same_id() {
        Standing::Copied
    } else {
        Standing::Moved
    }
}

/// Returns device and inode of a directory; zeros where there are none.
#[cfg(unix)]
fn place(directory: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    directory
        .metadata()
        .map_or((0, 0), |metadata| (metadata.dev(), metadata.ino()))
}

/// Returns device and inode of a directory; zeros where there are none.
#[cfg(not(unix))]
fn place(_directory: &Path) -> (u64, u64) {
    (0, 0)
}

/// Spells a path losslessly as text: itself, or `bytes:` and hexadecimal when it is not Unicode.
fn spell(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => format!("bytes:{}", hex::encode(path.as_os_str().as_encoded_bytes())),
    }
}

fn unspell(text: &str) -> PathBuf {
    #[cfg(unix)]
    if let Some(bytes) = text
        .strip_prefix("bytes:")
        .and_then(|digits| hex::decode(digits).ok())
    {
        use std::os::unix::ffi::OsStringExt as _;
        return std::ffi::OsString::from_vec(bytes).into();
    }
    PathBuf::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kitty_runtime::fs::OsFilesystem;

    fn ensured(directory: &Path) -> BuildId {
        let id = ensure(&OsFilesystem, directory, ProjectSection::default).unwrap();
        assert_eq!(
            resolve(directory, ProjectSection::default).unwrap(),
            Some(id)
        );
        id
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(private_directory(to)).unwrap();
        std::fs::copy(file(from), file(to)).unwrap();
    }

    #[test]
    fn an_id_is_made_once_and_a_moved_directory_keeps_it() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        std::fs::create_dir(&one).unwrap();
        assert_eq!(resolve(&one, ProjectSection::default).unwrap(), None);
        let id = ensured(&one);
        assert_eq!(ensured(&one), id);
        std::fs::rename(&one, &two).unwrap();
        assert_eq!(ensured(&two), id);
        assert_eq!(read(&two).unwrap().unwrap().1.path, spell(&two));
    }

    #[test]
    fn a_copy_gets_its_own_id_and_the_original_keeps_its() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        std::fs::create_dir(&one).unwrap();
        let id = ensured(&one);
        copy(&one, &two);
        assert_eq!(
            resolve(&two, ProjectSection::default).unwrap(),
            None,
            "reading shows no foreign id"
        );
        let other = ensured(&two);
        assert_ne!(other, id);
        assert_eq!(ensured(&one), id);
        assert_eq!(ensured(&two), other);
    }

    #[test]
    fn a_copy_that_took_the_place_of_the_original_never_shares_its_id() {
        let root = tempfile::tempdir().unwrap();
        let (place, aside) = (root.path().join("place"), root.path().join("aside"));
        let copied = root.path().join("copied");
        std::fs::create_dir(&place).unwrap();
        ensured(&place);
        copy(&place, &copied);
        std::fs::rename(&place, &aside).unwrap();
        std::fs::rename(&copied, &place).unwrap();
        assert_ne!(ensured(&aside), ensured(&place));
    }

    #[test]
    fn a_copy_keeps_the_id_when_the_original_is_gone_or_became_another_checkout() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        std::fs::create_dir(&one).unwrap();
        let id = ensured(&one);
        copy(&one, &two);
        std::fs::remove_dir_all(&one).unwrap();
        std::fs::create_dir(&one).unwrap();
        let fresh = ensured(&one);
        assert_ne!(fresh, id);
        assert_eq!(ensured(&two), id);
    }

    #[cfg(unix)]
    #[test]
    fn a_second_path_to_the_same_directory_is_the_same_checkout() {
        let root = tempfile::tempdir().unwrap();
        let (one, link) = (root.path().join("one"), root.path().join("link"));
        std::fs::create_dir(&one).unwrap();
        let id = ensured(&one);
        std::os::unix::fs::symlink(&one, &link).unwrap();
        assert_eq!(ensured(&link), id);
        assert_eq!(ensured(&one), id);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_unicode_is_recorded_without_loss() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = PathBuf::from(std::ffi::OsString::from_vec(b"/x/\xff\xfe/.git".to_vec()));
        assert_eq!(unspell(&spell(&odd)), odd);
        assert_eq!(unspell("/x/ü/.git"), Path::new("/x/ü/.git"));
    }

    #[test]
    fn a_damaged_record_is_named_and_never_replaced() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(private_directory(root.path())).unwrap();
        for damaged in [
            "",
            "{",
            "{\"build_id\": \"x\", \"path\": \"/\", \"device\": 1, \"inode\": 1}",
        ] {
            crate::tests_support::write(&file(root.path()), damaged);
            let error = ensure(&OsFilesystem, root.path(), ProjectSection::default).unwrap_err();
            assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
            let kept = std::fs::read_to_string(file(root.path())).unwrap();
            assert_eq!(kept, damaged);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_and_its_directory_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        ensured(root.path());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file(root.path())), 0o600);
        assert_eq!(mode(&private_directory(root.path())), 0o700);
    }
}
