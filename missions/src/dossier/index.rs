//! Reads the directory of a mission.

use super::classify::{class_of, key_of, listed_key};
use super::expected::Manifest;
use super::{Absence, Artifact, Dossier, Namespace};
use sha2::{Digest as _, Sha256};
use std::fs::{DirEntry, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// More files than this are no mission; the rest is left out.
const MOST_FILES: usize = 10_000;
/// Deeper than this nothing is looked for.
const DEEPEST: usize = 32;

impl Dossier {
    /// Indexes a mission: every file below its directory but those whose name, or whose directory's
    /// name, begins with a dot. A link is followed to a file inside of the directory and nowhere else.
    ///
    /// `step` names a step whose artifacts must be there.
    ///
    /// # Errors
    /// The operating system's, when the directory itself cannot be read.
    pub fn index(directory: &Path, namespace: Namespace, step: Option<&str>) -> io::Result<Self> {
        let manifest = Manifest::of(&namespace.mission_type);
        let mut files = Vec::new();
        let mut walk = Walk {
            inside: directory.canonicalize()?,
            files: &mut files,
        };
        walk.directory(directory, "", 0)?;
        files.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut artifacts: Vec<Artifact> = files
            .into_iter()
            .map(|(path, file)| artifact(path, &file, manifest))
            .collect();
        let missing = missing(&artifacts, manifest, step);
        artifacts.extend(missing);
        Ok(Self {
            namespace,
            artifacts,
            has_manifest: manifest.is_some(),
        })
    }
}

struct Walk<'a> {
    inside: PathBuf,
    files: &'a mut Vec<(String, PathBuf)>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        for entry in directory.read_dir()? {
            let entry = entry?;
            let name = entry.file_name();
            // What is not text has no path on the wire.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            if self.files.len() >= MOST_FILES {
                return Ok(());
            }
            self.entry(&entry, format!("{prefix}{name}"), depth);
        }
        Ok(())
    }

    /// Takes in one entry; one that cannot be looked at is left out.
    fn entry(&mut self, entry: &DirEntry, path: String, depth: usize) {
        let file = entry.path();
        let Ok(kind) = entry.file_type() else {
            return;
        };
        if kind.is_dir() {
            if depth < DEEPEST {
                let _ = self.directory(&file, &format!("{path}/"), depth + 1);
            }
        } else if kind.is_file() || (kind.is_symlink() && self.leads_to_a_file_inside(&file)) {
            self.files.push((path, file));
        }
    }

    fn leads_to_a_file_inside(&self, link: &Path) -> bool {
        let target = link.canonicalize();
        target.is_ok_and(|target| target.starts_with(&self.inside) && target.is_file())
    }
}

fn artifact(path: String, file: &Path, manifest: Option<&'static Manifest>) -> Artifact {
    let key = key_of(&path, manifest);
    let (content, size) = match hash(file) {
        Ok((hash, size)) => (hash.ok_or(Absence::InvalidUtf8), size),
        Err(_) => (Err(Absence::Unreadable), 0),
    };
    Artifact {
        class: class_of(&path, manifest),
        required: manifest.is_some_and(|manifest| manifest.requires(&key)),
        key,
        path,
        size,
        content,
    }
}

/// Hashes a file piece by piece; no hash when it is not text.
fn hash(path: &Path) -> io::Result<(Option<String>, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let (mut buffer, mut size) = (vec![0; 64 << 10], 0);
    // Up to three bytes of a character may stand before the next piece.
    let (mut kept, mut is_text) = (0, true);
    loop {
        let read = file.read(&mut buffer[kept..])?;
        hasher.update(&buffer[kept..kept + read]);
        size += read as u64;
        let filled = kept + read;
        match std::str::from_utf8(&buffer[..filled]) {
            Ok(_) => kept = 0,
            Err(error) if error.error_len().is_none() && read > 0 => {
                buffer.copy_within(error.valid_up_to()..filled, 0);
                kept = filled - error.valid_up_to();
            }
            Err(_) => (is_text, kept) = (false, 0),
        }
        if read == 0 {
            break;
        }
    }
    let hash = hex::encode(hasher.finalize());
    Ok((is_text.then_some(hash), size))
}

/// Returns what a step needs and does not find.
fn missing(
    artifacts: &[Artifact],
    manifest: Option<&'static Manifest>,
    step: Option<&str>,
) -> Vec<Artifact> {
    let (Some(manifest), Some(step)) = (manifest, step) else {
        return Vec::new();
    };
    let needed = manifest.at(step).filter(|expected| {
        let fits = |artifact: &Artifact| {
            artifact.key == expected.key
                || listed_key(&artifact.path, manifest) == Some(expected.key)
        };
        !artifacts.iter().any(fits)
    });
    needed
        .map(|expected| Artifact {
            key: expected.key.to_owned(),
            class: expected.class,
            path: expected.pattern.to_owned(),
            size: 0,
            required: expected.blocking,
            content: Err(Absence::NotFound),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::write;

    fn namespace() -> Namespace {
        Namespace {
            manifest_version: "1".into(),
            mission_slug: "one-01AAAAAA".into(),
            mission_type: "software-dev".into(),
            project_uuid: "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4".into(),
            target_branch: "main".into(),
        }
    }

    #[test]
    fn dot_names_are_skipped_and_links_lead_nowhere_outside() {
        let place = tempfile::tempdir().unwrap();
        let mission = place.path().join("one-01AAAAAA");
        for directory in ["tasks", ".hidden", "loop"] {
            std::fs::create_dir_all(mission.join(directory)).unwrap();
        }
        write(&place.path().join("secret.md"), "secret");
        write(&mission.join("spec.md"), "# Spec\n");
        write(&mission.join("tasks/WP01.md"), "x");
        write(&mission.join(".hidden/a.md"), "x");
        write(&mission.join(".dot.md"), "x");
        #[cfg(unix)]
        for (target, link) in [
            ("../secret.md", "outside.md"),
            ("spec.md", "inside.md"),
            ("..", "loop/up"),
            ("nowhere", "broken.md"),
        ] {
            std::os::unix::fs::symlink(target, mission.join(link)).unwrap();
        }
        let dossier = Dossier::index(&mission, namespace(), None).unwrap();
        let paths: Vec<&str> = dossier
            .artifacts
            .iter()
            .map(|it| it.path.as_str())
            .collect();
        assert_eq!(paths, ["inside.md", "spec.md", "tasks/WP01.md"]);
        assert_eq!(dossier.artifacts[1].size, 7);
    }

    #[test]
    fn what_is_not_text_has_no_hash_wherever_a_piece_ends() {
        let place = tempfile::tempdir().unwrap();
        let long = "ä".repeat(40_000) + "€";
        write(&place.path().join("long.md"), &format!("x{long}"));
        let cut = &long.as_bytes()[..long.len() - 1];
        std::io::Write::write_all(&mut File::create(place.path().join("cut.md")).unwrap(), cut)
            .unwrap();
        let dossier = Dossier::index(place.path(), namespace(), None).unwrap();
        assert_eq!(dossier.artifacts[0].content, Err(Absence::InvalidUtf8));
        let expected = hex::encode(Sha256::digest(format!("x{long}").as_bytes()));
        assert_eq!(dossier.artifacts[1].content, Ok(expected));
    }

    #[test]
    fn a_step_misses_what_it_needs_and_only_that() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("tasks")).unwrap();
        write(&place.path().join("tasks/WP01-a.md"), "x");
        let missing = |step| {
            let dossier = Dossier::index(place.path(), namespace(), Some(step)).unwrap();
            let missing = dossier
                .artifacts
                .into_iter()
                .filter(|it| it.content.is_err());
            missing.map(|it| it.path).collect::<Vec<_>>()
        };
        assert_eq!(missing("specify"), ["spec.md"]);
        assert!(missing("tasks_finalize").is_empty());
        assert!(missing("review").is_empty());
    }
}
