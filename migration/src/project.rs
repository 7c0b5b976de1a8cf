//! The files of a project that earlier releases wrote in another form (document 4, FR-014).
//!
//! Planning reads and decides; [`crate::rewrite`] writes. A file that cannot be understood is named and
//! left alone, and does not keep the others from being upgraded.

pub mod meta;
pub mod rows;

use crate::words;
use kitty_missions::meta::FILE_NAME;
use kitty_missions::project::{Project, sections};
use kitty_missions::schema;
use kitty_missions::work_package::{DIRECTORY, FieldValue, WorkPackageFile};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

/// The name of a mission's status log.
const LOG: &str = "status.events.jsonl";

/// One file that is to be rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path below the project's root, with `/`.
    pub path: String,
    /// What stands in it.
    pub before: Vec<u8>,
    /// What is to stand in it.
    pub after: Vec<u8>,
    /// What is done, in words.
    pub actions: Vec<String>,
}

/// A file that needs the upgrade and cannot get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its path below the project's root.
    pub path: String,
    /// Why, and what to do.
    pub reason: String,
}

/// What an upgrade of a project's files would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectPlan {
    /// Files to rewrite.
    pub changes: Vec<Change>,
    /// Files that are left alone although they need it.
    pub problems: Vec<Problem>,
}

impl ProjectPlan {
    /// Looks at every file; writes nothing.
    ///
    /// # Errors
    /// The operating system's, when a directory cannot be listed.
    pub fn of(project: &Project) -> io::Result<Self> {
        let mut plan = Self::default();
        let root = &project.root;
        plan.consider(root, &schema::file(root), |_, text| {
            Ok(schema::raised(text).map(|after| (after, actions(["schema_version"]))))
        });
        plan.consider(root, &project.config_file(), |path, text| {
            let moved = sections::moved(path, text).map_err(|error| error.to_string())?;
            Ok(moved.map(|after| (after, actions(["project, build and node sections"]))))
        });
        for mission in directories(&project.specs())? {
            plan.mission(root, &mission)?;
        }
        Ok(plan)
    }

    fn mission(&mut self, root: &Path, mission: &Path) -> io::Result<()> {
        let log = mission.join(LOG);
        let rows = std::fs::read_to_string(&log).unwrap_or_default();
        let mut id = None;
        self.consider(root, &mission.join(FILE_NAME), |_, text| {
            let name = mission.file_name().unwrap_or_default().to_string_lossy();
            let done = meta::canonical(&name, text, &rows)?;
            id = Some(done.mission_id);
            Ok(done.changed)
        });
        // Rows carry the mission's id, so a mission whose metadata cannot be read keeps its rows too.
        if let Some(id) = id {
            self.consider(root, &log, |_, text| rows::canonical(text, &id));
        }
        for file in files(&mission.join(DIRECTORY), "md")? {
            self.consider(root, &file, work_package);
        }
        Ok(())
    }

    /// Reads a file and asks what is to stand in it; a missing one needs nothing.
    fn consider(&mut self, root: &Path, path: &Path, rewrite: impl FnOnce(&Path, &str) -> Rewrite) {
        let below = path.strip_prefix(root).unwrap_or(path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.join("/");
        let outcome = match read(path) {
            Ok(None) => return,
            Ok(Some(text)) => rewrite(path, &text).map(|after| (text, after)),
            Err(reason) => Err(reason),
        };
        match outcome {
            Ok((_, None)) => {}
            Ok((before, Some((after, actions)))) => self.changes.push(Change {
                path: name,
                before: before.into_bytes(),
                after: after.into_bytes(),
                actions,
            }),
            Err(reason) => self.problems.push(Problem { path: name, reason }),
        }
    }
}

/// New text and what was done, nothing where nothing is to be done, or why it cannot be done.
pub type Rewrite = Result<Option<(String, Vec<String>)>, String>;

fn actions<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Reads a regular file; links are left alone, what they point to is somebody else's.
fn read(path: &Path) -> Result<Option<String>, String> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(None),
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes);
    text.map(Some)
        .map_err(|_| "it is not UTF-8 text".to_owned())
}

fn directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    listed(path, |entry| entry.is_dir() && !entry.is_symlink())
}

fn files(path: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    listed(path, |entry| {
        entry.extension().is_some_and(|it| it == ending) && entry.is_file()
    })
}

fn listed(path: &Path, wanted: impl Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if wanted(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The frontmatter of a work package names its mission as it is named today.
fn work_package(path: &Path, text: &str) -> Rewrite {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A file without frontmatter is no work package of any release.
    let Ok(file) = WorkPackageFile::parse(&name, text) else {
        return Ok(None);
    };
    let has = |key: &str| {
        let line = file.yaml().lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.trim_start().strip_prefix(':'))
            .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
    };
    let Some(slug) = has(words::SLUG) else {
        return Ok(None);
    };
    let mut fields = vec![(words::SLUG, None)];
    match has("mission_slug") {
        Some(there) if there != slug => {
            return Err(format!("{} and mission_slug differ", words::SLUG));
        }
        Some(_) => {}
        None => fields.push(("mission_slug", Some(FieldValue::Text(slug)))),
    }
    let after = file
        .edit(&name, &fields)
        .map_err(|error| error.to_string())?;
    Ok(Some((
        after,
        vec![format!("{} -> mission_slug", words::SLUG)],
    )))
}
