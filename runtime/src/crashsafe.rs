//! The durability primitives; every file of this program is written by one of them.
//!
//! Why each step is needed: content that was not fsynced may be lost or zero after a power cut; a
//! rename is atomic for other processes but its directory entry is only stable after the directory
//! was fsynced; a directory that was just made is itself an entry that must be made stable in its
//! parent. A process that is killed loses none of these, only a power cut does.

use crate::fs::Filesystem;
use std::io;
use std::path::{Path, PathBuf};

/// How much a written file must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: content and name are forced to stable storage before the call returns.
    PowerCut,
    /// The death of the process only: for hints and caches that can be made again.
    ProcessDeath,
}

/// Creates a directory and its missing parents (0700), each made stable in its own parent.
///
/// # Errors
/// The file system's; a prefix of the directories may exist.
pub fn create_dir_all(filesystem: &dyn Filesystem, path: &Path) -> io::Result<()> {
    match filesystem.create_dir(path) {
        Ok(false) => Ok(()),
        Ok(true) => sync_parent(filesystem, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            create_dir_all(filesystem, parent.ok_or(error)?)?;
            if filesystem.create_dir(path)? {
                sync_parent(filesystem, path)
            } else {
                Ok(())
            }
        }
        Err(error) => Err(error),
    }
}

/// Replaces a file atomically: a reader sees the old content or the new, never a mixture.
///
/// The parent directory is created when it is missing. On failure the old file is untouched and the
/// temporary file is removed.
///
/// # Errors
/// The file system's.
pub fn replace(
    filesystem: &dyn Filesystem,
    path: &Path,
    bytes: &[u8],
    durability: Durability,
) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    let temporary = temporary_name(path)?;
    let mut file = match filesystem.create_new(&temporary) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_dir_all(filesystem, parent)?;
            filesystem.create_new(&temporary)?
        }
        other => other?,
    };
    let written = file.write_all(bytes).and_then(|()| match durability {
        Durability::PowerCut => file.sync_data(),
        Durability::ProcessDeath => Ok(()),
    });
    drop(file);
    let renamed = written.and_then(|()| filesystem.rename(&temporary, path));
    if let Err(error) = renamed {
        // The temporary file holds nothing that is needed; failing to remove it changes no outcome.
        let _ = filesystem.remove_file(&temporary);
        return Err(error);
    }
    match durability {
        Durability::PowerCut => filesystem.sync_dir(parent),
        Durability::ProcessDeath => Ok(()),
    }
}

/// Removes a file and makes its absence stable; a missing file is no error.
///
/// # Errors
/// The file system's.
pub fn remove(filesystem: &dyn Filesystem, path: &Path) -> io::Result<()> {
    match filesystem.remove_file(path) {
        Ok(()) => sync_parent(filesystem, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Forces the entry of a path in its parent directory to stable storage.
///
/// # Errors
/// The file system's.
pub fn sync_parent(filesystem: &dyn Filesystem, path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => filesystem.sync_dir(parent),
        _ => filesystem.sync_dir(Path::new(".")),
    }
}

/// Removes from a directory what replacements that were killed left there, as far as that works.
///
/// The caller holds the lock of everybody who replaces files in the directory: otherwise the file of
/// a replacement that is under way would go.
pub fn sweep(filesystem: &dyn Filesystem, directory: &Path) {
    sweep_where(filesystem, directory, |_| true);
}

/// Removes what killed replacements of one file left beside it, as far as that works.
///
/// The caller holds the lock of everybody who replaces the file; others may replace its neighbours.
pub fn sweep_beside(filesystem: &dyn Filesystem, path: &Path) {
    let name = path.file_name().and_then(|name| name.to_str());
    if let (Some(directory), Some(name)) = (path.parent(), name) {
        sweep_where(filesystem, directory, |replaced| replaced == name);
    }
}

fn sweep_where(filesystem: &dyn Filesystem, directory: &Path, wanted: impl Fn(&str) -> bool) {
    for name in filesystem.list(directory).unwrap_or_default() {
        if replaced_by(&name).is_some_and(&wanted) {
            // What stays harms nobody; the next sweep tries again.
            let _ = filesystem.remove_file(&directory.join(name));
        }
    }
}

/// Returns whose replacement a file is by its name, `.<name>.<16 digits>.tmp`; `None` for every other.
fn replaced_by(name: &str) -> Option<&str> {
    let inner = name.strip_prefix('.')?.strip_suffix(".tmp")?;
    let (name, random) = inner.rsplit_once('.')?;
    let is_random = random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit());
    (!name.is_empty() && is_random).then_some(name)
}

/// Returns a name beside `path` that no other process uses: hidden, random, ending in `.tmp`.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("file");
    Ok(path.with_file_name(format!(".{name}.{}.tmp", hex::encode(random))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{OsFilesystem, read_all};

    #[test]
    fn replace_creates_parents_and_leaves_no_temporary_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/file.json");
        for content in [&b"one"[..], b"two"] {
            replace(&OsFilesystem, &path, content, Durability::PowerCut).unwrap();
            assert_eq!(read_all(&OsFilesystem, &path).unwrap(), content);
        }
        assert_eq!(
            OsFilesystem.list(path.parent().unwrap()).unwrap(),
            ["file.json"]
        );
    }

    #[test]
    fn a_failed_replace_keeps_the_old_file_and_cleans_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::create_dir(&path).unwrap();
        std::fs::create_dir(path.join("occupied")).unwrap();
        assert!(replace(&OsFilesystem, &path, b"x", Durability::ProcessDeath).is_err());
        assert_eq!(OsFilesystem.list(directory.path()).unwrap(), ["file"]);
    }

    #[cfg(unix)]
    #[test]
    fn files_and_directories_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/file");
        replace(&OsFilesystem, &path, b"secret", Durability::ProcessDeath).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn a_sweep_removes_what_a_killed_replacement_left_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let left = temporary_name(&directory.path().join("status.json")).unwrap();
        let mine = [
            "status.json",
            ".notes.tmp",
            "a.0123456789abcdef.tmp",
            ".x.0123.tmp",
        ];
        let create = |path: &Path| drop(OsFilesystem.create_new(path).unwrap());
        create(&left);
        for name in mine {
            create(&directory.path().join(name));
        }
        sweep(&OsFilesystem, directory.path());
        let mut names = OsFilesystem.list(directory.path()).unwrap();
        names.sort();
        let mut expected = mine.to_vec();
        expected.sort_unstable();
        assert_eq!(names, expected);
        sweep(&OsFilesystem, &directory.path().join("missing"));
    }

    #[test]
    fn a_sweep_beside_a_file_leaves_the_replacements_of_its_neighbours() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let (ours, theirs) = (at("meta.json"), at("more.meta.json"));
        for file in [&ours, &theirs] {
            drop(OsFilesystem.create_new(file).unwrap());
            let left = temporary_name(file).unwrap();
            drop(OsFilesystem.create_new(&left).unwrap());
        }
        sweep_beside(&OsFilesystem, &ours);
        let names = OsFilesystem.list(directory.path()).unwrap();
        let left: Vec<_> = names.iter().filter_map(|name| replaced_by(name)).collect();
        assert_eq!(left, ["more.meta.json"]);
        assert_eq!(names.len(), 3);
        sweep_beside(&OsFilesystem, &at("missing/meta.json"));
        sweep_beside(&OsFilesystem, Path::new("/"));
    }

    #[test]
    fn removing_what_is_missing_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        remove(&OsFilesystem, &directory.path().join("missing")).unwrap();
    }
}
