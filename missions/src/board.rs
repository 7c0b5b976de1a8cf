//! Lists every mission of a project for `status`. Reads only; nothing is created or rewritten.

use crate::files::is_plain_directory;
use crate::meta::{MetaProblem, MissionMeta};
use crate::project::Project;
use crate::reducer::reduce;
use crate::snapshot::Snapshot;
use crate::status_log::{self, LogProblem, StatusLog};
use std::io;
use std::path::{Path, PathBuf};

/// The missions of a project.
#[derive(Debug, Default)]
pub struct Board {
    /// Every directory below `kitty-specs/`, by name; hidden ones are left out.
    pub missions: Vec<BoardEntry>,
}

/// One directory below `kitty-specs/`.
#[derive(Debug)]
pub struct BoardEntry {
    /// The directory's name.
    pub name: String,
    /// The directory.
    pub directory: PathBuf,
    /// What the mission is, or why that cannot be told.
    pub meta: Result<MissionMeta, MetaProblem>,
    /// Where its work packages stand, by the rows that could be read.
    pub snapshot: Snapshot,
    /// What was wrong with the status log; the snapshot may lack rows then.
    pub log_problems: Vec<LogProblem>,
}

impl BoardEntry {
    /// Tells whether everything about the mission could be read.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.meta.is_ok() && self.log_problems.is_empty()
    }
}

/// The missions cannot be listed at all.
#[derive(Debug, thiserror::Error)]
#[error("the missions in {} cannot be listed: {source}", path.display())]
pub struct BoardError {
    /// `kitty-specs/`.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

/// Lists the missions; a project without `kitty-specs/` has none.
///
/// A mission that is broken is an entry with its problem, never a failure of the listing.
///
/// # Errors
/// [`BoardError`] when `kitty-specs/` itself cannot be listed.
pub fn read(project: &Project) -> Result<Board, BoardError> {
    let specs = project.specs();
    let failed = |source| BoardError {
        path: specs.clone(),
        source,
    };
    let entries = match std::fs::read_dir(&specs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Board::default()),
        Err(error) => return Err(failed(error)),
    };
    let mut missions = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let plain_file = entry.file_type().map_err(failed)?.is_file();
        if !name.starts_with('.') && !plain_file {
            missions.push(self::entry(name, entry.path()));
        }
    }
    missions.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Board { missions })
}

fn entry(name: String, directory: PathBuf) -> BoardEntry {
    // A link could lead out of the project.
    if !is_directory(&directory) {
        return BoardEntry {
            name,
            directory,
            meta: Err(MetaProblem::NotADirectory),
            snapshot: Snapshot::default(),
            log_problems: Vec::new(),
        };
    }
    let (snapshot, log_problems) = match status_log::read(&directory) {
        Ok(text) => {
            let log = StatusLog::parse(&text);
            (reduce(&log), log.problems)
        }
        Err(problem) => (Snapshot::default(), vec![problem]),
    };
    BoardEntry {
        name,
        meta: MissionMeta::read(&directory),
        snapshot,
        log_problems,
        directory,
    }
}

fn is_directory(path: &Path) -> bool {
    is_plain_directory(path).unwrap_or(false)
}
