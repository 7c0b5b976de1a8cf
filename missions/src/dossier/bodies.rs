//! Which contents are uploaded: the filters of the reference, in its order and its words.

use super::{Artifact, Dossier};
use kitty_runtime::body::BodyTask;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// The largest content that is uploaded, in bytes.
const LARGEST: u64 = 512 * 1024;
const FILES: [&str; 8] = [
    "spec.md",
    "plan.md",
    "tasks.md",
    "analysis-report.md",
    "research.md",
    "quickstart.md",
    "data-model.md",
    "lint-report.json",
];
const DIRECTORIES: [&str; 3] = ["research/", "contracts/", "checklists/"];
const FORMATS: [&str; 5] = [".md", ".json", ".yaml", ".yml", ".csv"];

/// Why a content is not uploaded; prints as the reference says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// There is no content.
    NotPresent(super::Absence),
    /// It is none of the artifacts that a Teamspace shows.
    UnsupportedSurface,
    /// Its name ends otherwise than with a format that a Teamspace shows.
    UnsupportedFormat(String),
    /// It is too large.
    Oversized(u64),
    /// It went away since it was indexed.
    DeletedAfterScan,
    /// It cannot be read any more.
    ReadError(String),
    /// It was changed since it was indexed.
    ContentHashMismatch,
    /// It is no text.
    NotValidUtf8,
    /// It is empty.
    EmptyContent,
    /// It was captured before and has not changed.
    AlreadyInQueue,
    /// The queue holds as many bodies as it may.
    QueueFull,
    /// Nothing of the project may leave.
    ProjectNotConsented,
}

impl SkipReason {
    /// Tells whether the same content may be taken the next time.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::DeletedAfterScan
                | Self::ReadError(_)
                | Self::ContentHashMismatch
                | Self::QueueFull
                | Self::ProjectNotConsented
        )
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPresent(why) => write!(formatter, "not_present: {why}"),
            Self::UnsupportedSurface => formatter.write_str("unsupported_surface"),
            Self::UnsupportedFormat(format) => write!(formatter, "unsupported_format: {format}"),
            Self::Oversized(bytes) => {
                write!(formatter, "oversized: {bytes} bytes > {LARGEST} limit")
            }
            Self::DeletedAfterScan => formatter.write_str("deleted_after_scan"),
            Self::ReadError(why) => write!(formatter, "read_error: {why}"),
            Self::ContentHashMismatch => formatter.write_str("content_hash_mismatch"),
            Self::NotValidUtf8 => formatter.write_str("not_valid_utf8"),
            Self::EmptyContent => formatter.write_str("empty_content"),
            Self::AlreadyInQueue => formatter.write_str("already_in_queue"),
            Self::QueueFull => formatter.write_str("queue_full"),
            Self::ProjectNotConsented => formatter.write_str("project_not_consented"),
        }
    }
}

/// What became of one artifact on its way to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The artifact.
    pub path: String,
    /// The task, or why there is none.
    pub task: Result<BodyTask, SkipReason>,
}

/// Prepares the contents of a dossier for upload, one at a time, so that no more than one is in memory
/// beside what the caller keeps.
///
/// `changed` says which artifacts were not captured before.
pub fn bodies<'d>(
    dossier: &'d Dossier,
    directory: &'d Path,
    build_id: &'d str,
    changed: &'d [String],
) -> impl Iterator<Item = Prepared> + 'd {
    dossier.artifacts.iter().map(move |artifact| {
        let task = admitted(artifact).and_then(|hash| {
            // Its content was read when it was captured; it is not read again.
            if !changed.contains(&artifact.path) {
                return Err(SkipReason::AlreadyInQueue);
            }
            task(dossier, artifact, hash, directory, build_id)
        });
        Prepared {
            path: artifact.path.clone(),
            task,
        }
    })
}

/// Returns the hash of an artifact that is uploaded, as far as its name and its size decide.
fn admitted(artifact: &Artifact) -> Result<&str, SkipReason> {
    let path = &artifact.path;
    let hash = artifact
        .content
        .as_ref()
        .map_err(|why| SkipReason::NotPresent(*why))?;
    if !is_supported(path) {
        return Err(SkipReason::UnsupportedSurface);
    }
    let format = extension(path);
    if !FORMATS.contains(&format.to_lowercase().as_str()) {
        let named = if format.is_empty() {
            "(no extension)"
        } else {
            format
        };
        return Err(SkipReason::UnsupportedFormat(named.to_owned()));
    }
    if artifact.size > LARGEST {
        return Err(SkipReason::Oversized(artifact.size));
    }
    Ok(hash)
}

/// Reads the content of an artifact, if it is still the one that was indexed.
fn task(
    dossier: &Dossier,
    artifact: &Artifact,
    hash: &str,
    directory: &Path,
    build_id: &str,
) -> Result<BodyTask, SkipReason> {
    let path = &artifact.path;
    let bytes = fs::read(directory.join(path)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SkipReason::DeletedAfterScan,
        _ => SkipReason::ReadError(error.to_string()),
    })?;
    if BodyTask::hash_of(&bytes) != hash {
        return Err(SkipReason::ContentHashMismatch);
    }
    let content = String::from_utf8(bytes).map_err(|_| SkipReason::NotValidUtf8)?;
    if content.is_empty() {
        return Err(SkipReason::EmptyContent);
    }
    let namespace = dossier.namespace.clone();
    Ok(BodyTask {
        artifact_path: path.clone(),
        build_id: Some(build_id.to_owned()),
        content_body: content,
        content_hash: hash.to_owned(),
        hash_algorithm: "sha256".to_owned(),
        manifest_version: namespace.manifest_version,
        mission_slug: namespace.mission_slug,
        mission_type: namespace.mission_type,
        project_uuid: namespace.project_uuid,
        target_branch: namespace.target_branch,
    })
}

fn is_supported(path: &str) -> bool {
    FILES.contains(&path)
        || DIRECTORIES
            .iter()
            .any(|directory| path.starts_with(directory))
        || is_work_package(path)
}

/// Tells whether a path is that of a work package: `tasks/WP`, digits, anything, `.md`.
fn is_work_package(path: &str) -> bool {
    let rest = path.strip_prefix("tasks/WP");
    rest.is_some_and(|rest| {
        rest.starts_with(|letter: char| letter.is_ascii_digit())
            && rest.len() > ".md".len()
            && rest.ends_with(".md")
    })
}

/// Returns the last suffix of a file name, with its dot; a name that begins with its only dot has none.
fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rfind('.') {
        Some(at) if at > 0 && at + 1 < name.len() => &name[at..],
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::{Absence, Namespace};
    use crate::tests_support::write;

    fn index(directory: &Path) -> Dossier {
        let namespace = Namespace {
            manifest_version: "1".into(),
            mission_slug: "one-01AAAAAA".into(),
            mission_type: "software-dev".into(),
            project_uuid: "p".into(),
            target_branch: "main".into(),
        };
        Dossier::index(directory, namespace, None).unwrap()
    }

    fn reason(dossier: &Dossier, directory: &Path, path: &str) -> String {
        let changed: Vec<String> = dossier.artifacts.iter().map(|it| it.path.clone()).collect();
        let prepared = bodies(dossier, directory, "b", &changed).find(|it| it.path == path);
        match prepared.unwrap().task {
            Ok(_) => "enqueued".to_owned(),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn fr_010_every_filter_skips_in_the_words_of_the_reference() {
        let place = tempfile::tempdir().unwrap();
        let at = |path: &str| place.path().join(path);
        for directory in ["tasks", "contracts", "notes"] {
            std::fs::create_dir_all(at(directory)).unwrap();
        }
        let large = "x".repeat(512 * 1024 + 1);
        for (path, text) in [
            ("spec.md", "# Spec"),
            ("meta.json", "{}"),
            ("notes/a.md", "x"),
            ("tasks/WP01-a.md", "x"),
            ("tasks/README.md", "x"),
            ("contracts/api.PROTO", "x"),
            ("contracts/LICENSE", "x"),
            ("contracts/api.YAML", "x"),
            ("research.md", &large),
            ("quickstart.md", ""),
            ("plan.md", "gone"),
            ("tasks.md", "before"),
        ] {
            write(&at(path), text);
        }
        let mut binary = std::fs::File::create(at("data-model.md")).unwrap();
        io::Write::write_all(&mut binary, b"\xff").unwrap();
        let dossier = index(place.path());
        std::fs::remove_file(at("plan.md")).unwrap();
        write(&at("tasks.md"), "after");
        for (path, expected) in [
            ("spec.md", "enqueued"),
            ("meta.json", "unsupported_surface"),
            ("notes/a.md", "unsupported_surface"),
            ("tasks/WP01-a.md", "enqueued"),
            ("tasks/README.md", "unsupported_surface"),
            ("contracts/api.PROTO", "unsupported_format: .PROTO"),
            ("contracts/LICENSE", "unsupported_format: (no extension)"),
            ("contracts/api.YAML", "enqueued"),
            ("research.md", "oversized: 524289 bytes > 524288 limit"),
            ("quickstart.md", "empty_content"),
            ("plan.md", "deleted_after_scan"),
            ("tasks.md", "content_hash_mismatch"),
            ("data-model.md", "not_present: invalid_utf8"),
        ] {
            assert_eq!(reason(&dossier, place.path(), path), expected, "{path}");
        }
        let unchanged: Vec<_> = bodies(&dossier, place.path(), "b", &[]).collect();
        let spec = unchanged.iter().find(|it| it.path == "spec.md").unwrap();
        assert_eq!(spec.task, Err(SkipReason::AlreadyInQueue));
    }

    #[test]
    fn fr_011_a_task_names_its_mission_in_the_words_of_missions() {
        let place = tempfile::tempdir().unwrap();
        write(&place.path().join("spec.md"), "Grüße\r\n");
        let dossier = index(place.path());
        let changed = ["spec.md".to_owned()];
        let mut prepared = bodies(&dossier, place.path(), "b", &changed);
        let task = prepared.next().unwrap().task.unwrap();
        assert_eq!(task.content_body, "Grüße\r\n");
        assert_eq!(task.content_hash, BodyTask::hash_of("Grüße\r\n".as_bytes()));
        assert_eq!(task.build_id.as_deref(), Some("b"));
        assert_eq!(task.mission_slug, "one-01AAAAAA");
        assert_eq!(task.mission_type, "software-dev");
    }

    #[test]
    fn what_a_step_misses_has_no_body() {
        let missing = SkipReason::NotPresent(Absence::NotFound);
        assert_eq!(missing.to_string(), "not_present: not_found");
    }
}
