//! Finds the mission that somebody names: by its full slug, its ULID, its mid8 or its human slug.
//!
//! A handle is a name and never a path: whatever is not made of the letters of a slug names no
//! mission, so `..`, an empty text or a separator cannot lead out of `kitty-specs/`.
//!
//! Source: reference orchestrator-missions, section 1.1.

use crate::files::is_plain_directory;
use crate::meta::{MetaProblem, MissionMeta};
use crate::project::Project;
use std::io;
use std::path::{Path, PathBuf};

/// The letters of a mid8: the first eight of the mission's ULID.
const MID8: usize = 8;
/// The letters of a ULID.
const ULID: usize = 26;

/// A mission that was found.
#[derive(Debug, Clone)]
pub struct NamedMission {
    /// The full slug: the name of its directory.
    pub slug: String,
    /// Its directory in the primary checkout.
    pub directory: PathBuf,
    /// What its `meta.json` says.
    pub meta: MissionMeta,
}

/// The mission cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HandleProblem {
    /// No mission, or more than one, has this name.
    #[error("Mission '{handle}' not found in kitty-specs/")]
    NotFound {
        /// As typed.
        handle: String,
    },
    /// The directory is there and its metadata cannot be used.
    #[error("mission {slug}: {problem}")]
    Unusable {
        /// The name of the directory.
        slug: String,
        /// The reason.
        problem: MetaProblem,
    },
    /// `kitty-specs/` cannot be listed.
    #[error("the missions in {} cannot be listed: {source}", path.display())]
    Unlistable {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// Finds a mission by what somebody typed.
///
/// A directory of exactly this name wins. Otherwise the name may be the ULID or the mid8, in any
/// case, or the human slug, if exactly one mission has it.
///
/// # Errors
/// [`HandleProblem`].
pub fn find(project: &Project, handle: &str) -> Result<NamedMission, HandleProblem> {
    let not_found = || HandleProblem::NotFound {
        handle: handle.to_owned(),
    };
    if !is_name(handle) {
        return Err(not_found());
    }
    let specs = project.specs();
    if is_mission(&specs.join(handle)) {
        return open(&specs, handle.to_owned());
    }
    let names = names(&specs)?;
    let matching: Vec<&String> = names.iter().filter(|name| is_meant(name, handle)).collect();
    let [only] = matching[..] else {
        return Err(not_found());
    };
    let mission = open(&specs, only.clone())?;
    let by_id = handle.len() == ULID && is_id(handle) && !only.starts_with(handle);
    let id = mission.meta.mission_id.as_deref().unwrap_or_default();
    if by_id && !id.eq_ignore_ascii_case(handle) {
        return Err(not_found());
    }
    Ok(mission)
}

/// Opens every mission of a project, by name; one that cannot be used is a problem in the list.
///
/// # Errors
/// [`HandleProblem::Unlistable`].
pub fn all(project: &Project) -> Result<Vec<Result<NamedMission, HandleProblem>>, HandleProblem> {
    let specs = project.specs();
    let names = names(&specs)?;
    Ok(names.into_iter().map(|name| open(&specs, name)).collect())
}

fn open(specs: &Path, slug: String) -> Result<NamedMission, HandleProblem> {
    let directory = specs.join(&slug);
    match MissionMeta::read(&directory) {
        Ok(meta) => Ok(NamedMission {
            slug,
            directory,
            meta,
        }),
        Err(problem) => Err(HandleProblem::Unusable { slug, problem }),
    }
}

/// Tells whether a directory's name is meant by a handle that is not this name.
fn is_meant(name: &str, handle: &str) -> bool {
    let Some((human, mid8)) = split(name) else {
        return false;
    };
    human == handle
        || (is_id(handle)
            && [MID8, ULID].contains(&handle.len())
            && handle[..MID8].eq_ignore_ascii_case(mid8))
}

/// Splits the name of a directory into human slug and mid8.
#[must_use]
pub fn split(slug: &str) -> Option<(&str, &str)> {
    let (human, mid8) = slug.rsplit_once('-')?;
    (mid8.len() == MID8 && is_id(mid8) && !human.is_empty()).then_some((human, mid8))
}

fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_name(handle: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !handle.is_empty()
        && !handle.starts_with(['.', '-'])
        && !handle.contains("..")
        && handle.bytes().all(letters)
}

fn is_mission(directory: &Path) -> bool {
    is_plain_directory(directory).unwrap_or(false)
}

/// Lists the directories of missions, by name; links are none.
pub(crate) fn names(specs: &Path) -> Result<Vec<String>, HandleProblem> {
    let failed = |source| HandleProblem::Unlistable {
        path: specs.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(specs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        if let Ok(name) = entry.file_name().into_string()
            && is_directory
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::write;

    const ID: &str = "01M7XCRBZDR9YZR1SQYAEG4FH9";

    fn project(missions: &[(&str, &str)]) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        for (name, meta) in missions {
            let directory = folder.path().join("kitty-specs").join(name);
            std::fs::create_dir_all(&directory).unwrap();
            write(&directory.join("meta.json"), meta);
        }
        let root = folder.path().canonicalize().unwrap();
        let project = Project {
            root,
            checkout: None,
        };
        (folder, project)
    }

    fn slug(project: &Project, handle: &str) -> Option<String> {
        find(project, handle).ok().map(|mission| mission.slug)
    }

    #[test]
    fn slug_ulid_mid8_and_human_slug_name_the_same_mission() {
        let meta = format!("{{\"mission_id\": \"{ID}\"}}");
        let (_folder, project) = project(&[("demo-feature-01M7XCRB", &meta)]);
        for handle in [
            "demo-feature-01M7XCRB",
            ID,
            "01M7XCRB",
            "01m7xcrb",
            "demo-feature",
        ] {
            assert_eq!(
                slug(&project, handle).as_deref(),
                Some("demo-feature-01M7XCRB"),
                "{handle}"
            );
        }
        for handle in ["01M7XCRBZDR9YZR1SQYAEG4FH8", "01M7XCRC", "demo", "nope"] {
            assert_eq!(slug(&project, handle), None, "{handle}");
        }
    }

    #[test]
    fn a_human_slug_of_two_missions_names_none_and_an_exact_directory_wins() {
        let (_folder, project) = project(&[
            ("demo-01AAAAAA", "{}"),
            ("demo-01BBBBBB", "{}"),
            ("099-legacy", "{\"mission_number\": 99}"),
        ]);
        assert_eq!(slug(&project, "demo"), None);
        assert_eq!(slug(&project, "099-legacy").as_deref(), Some("099-legacy"));
    }

    #[test]
    fn a_handle_is_never_a_path() {
        let (folder, project) = project(&[("demo-01AAAAAA", "{}")]);
        std::fs::create_dir(folder.path().join("x")).unwrap();
        write(&folder.path().join("x/meta.json"), "{}");
        for handle in [
            "", " ", ".", "..", "../x", "/x", "a/b", "a\\b", "-x", "demo\n", "dé",
        ] {
            let problem = find(&project, handle).unwrap_err();
            let message = format!("Mission '{handle}' not found in kitty-specs/");
            assert_eq!(problem.to_string(), message);
        }
    }

    #[test]
    fn a_mission_whose_metadata_is_broken_is_not_said_to_be_missing() {
        let (_folder, project) = project(&[("demo-01AAAAAA", "[")]);
        let problem = find(&project, "demo").unwrap_err();
        assert!(matches!(problem, HandleProblem::Unusable { .. }));
        assert!(problem.to_string().contains("meta.json"), "{problem}");
    }
}
