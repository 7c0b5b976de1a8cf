//! Digests of the files that no run may change.

use super::super::config::GateConfig;
use super::super::digest;
use super::super::world::WorldError;
use super::Site;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

impl Site<'_> {
    /// Digests every watched file by its path; what is not there is not named.
    pub(super) fn watched(
        &self,
        config: &GateConfig,
    ) -> Result<BTreeMap<String, String>, WorldError> {
        let mut files = BTreeMap::new();
        let named = config.watch.iter().map(|path| self.path(path));
        for path in named.chain(self.watch.iter().cloned()) {
            digest_below(&path, &mut files)
                .map_err(|error| WorldError(format!("{}: {error}", path.display())))?;
        }
        Ok(files)
    }
}

fn digest_below(path: &Path, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    let mut left: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        match found(&path)? {
            Found::Nothing => {}
            Found::Directory(entries) => left.extend(entries),
            Found::File(digest) => {
                files.insert(path.display().to_string(), digest);
            }
        }
    }
    Ok(())
}

enum Found {
    Nothing,
    Directory(Vec<PathBuf>),
    File(String),
}

/// Looks at a path; links are followed to files and never to directories, which might be in a circle.
fn found(path: &Path) -> io::Result<Found> {
    let kind = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        metadata => metadata?.file_type(),
    };
    if kind.is_dir() {
        let entries = std::fs::read_dir(path)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        return Ok(Found::Directory(paths.collect::<io::Result<_>>()?));
    }
    let read = if kind.is_symlink() && path.is_dir() {
        std::fs::read_link(path).map(|to| to.into_os_string().into_encoded_bytes())
    } else if kind.is_file() || kind.is_symlink() {
        std::fs::read(path)
    } else {
        return Ok(Found::Nothing);
    };
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        read => read.map(|bytes| Found::File(digest(&bytes))),
    }
}
