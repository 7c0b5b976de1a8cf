//! Finds the file of a work package, and all of them.

use super::{DIRECTORY, WorkPackageProblem};
use crate::files::{Links, ReadProblem, read_text};
use std::io;
use std::path::{Path, PathBuf};

/// The most that is read of a file.
const LIMIT: u64 = 4 << 20;

/// Finds the file of a work package in a mission's directory: `tasks/<WP>.md`, else the first
/// `tasks/<WP>-*.md` by name. An id that is not a plain name has no file.
///
/// # Errors
/// [`WorkPackageProblem::Unreadable`] when the directory cannot be listed.
pub fn find(mission: &Path, wp_id: &str) -> Result<Option<PathBuf>, WorkPackageProblem> {
    let is_plain = !wp_id.is_empty()
        && wp_id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_plain {
        return Ok(None);
    }
    let (exact, prefix) = (format!("{wp_id}.md"), format!("{wp_id}-"));
    let names = names(mission)?;
    let found = names.iter().find(|name| **name == exact).or_else(|| {
        let named = names
            .iter()
            .filter(|name| name.starts_with(&prefix) && name.ends_with(".md"));
        named.min()
    });
    Ok(found.map(|name| mission.join(DIRECTORY).join(name)))
}

/// Lists the work package files of a mission's directory, by name: the id that the name begins with
/// (`WP` and digits) and the path. A mission without the directory has none.
///
/// # Errors
/// [`WorkPackageProblem::Unreadable`].
pub fn list(mission: &Path) -> Result<Vec<(String, PathBuf)>, WorkPackageProblem> {
    let mut found: Vec<(String, PathBuf)> = names(mission)?
        .iter()
        .filter_map(|name| Some((id_of(name)?, mission.join(DIRECTORY).join(name))))
        .collect();
    found.sort_by(|(_, one), (_, other)| one.cmp(other));
    Ok(found)
}

/// Reads the text of a work package file; links are refused.
///
/// # Errors
/// [`WorkPackageProblem::Unreadable`], also when the file is gone.
pub fn read(path: &Path) -> Result<String, WorkPackageProblem> {
    let unreadable = |problem| WorkPackageProblem::Unreadable {
        path: path.to_owned(),
        problem,
    };
    read_text(path, LIMIT, Links::Refuse)
        .map_err(unreadable)?
        .ok_or_else(|| unreadable(ReadProblem::Io(io::ErrorKind::NotFound.into())))
}

/// Returns the id that a file's name begins with.
fn id_of(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".md")?;
    let digits = stem.strip_prefix("WP")?;
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &digits[count..];
    let is_named = count >= 2 && (rest.is_empty() || rest.starts_with('-'));
    is_named.then(|| format!("WP{}", &digits[..count]))
}

fn names(mission: &Path) -> Result<Vec<String>, WorkPackageProblem> {
    let directory = mission.join(DIRECTORY);
    let unreadable = |source: io::Error| WorkPackageProblem::Unreadable {
        path: directory.clone(),
        problem: ReadProblem::Io(source),
    };
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        names.extend(name.into_string());
    }
    Ok(names)
}
