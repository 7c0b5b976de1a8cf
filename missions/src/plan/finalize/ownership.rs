//! Which files a work package owns: inferred where it does not say, and checked against the others.

use crate::dependency_graph::DependencyGraph;
use crate::lanes_manifest::compute::Ownership;
use crate::lanes_manifest::overlap::globs_overlap;
use crate::project::SPECS;
use crate::work_package::WorkKind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

/// Words in a text that tell of planning.
const PLANNING: [&str; 6] = [
    "kitty-specs/",
    "spec.md",
    "plan.md",
    "tasks.md",
    "data-model.md",
    "quickstart.md",
];
/// Words in a text that tell of code.
const CODE: [&str; 6] = ["src/", "test/", "tests/", ".py", ".ts", ".js"];
/// Where code, tests and documents are expected.
const PLACES: [&str; 5] = ["src/", "test/", "tests/", "docs/", "kitty-specs/"];
/// Where a work package that only plans may write.
const PLANNING_PLACES: [&str; 2] = ["kitty-specs/", "docs/"];
/// What is owned when nothing can be told.
const EVERYTHING: &str = "src/**";

/// What one work package owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) kind: WorkKind,
    pub(super) files: Vec<String>,
    pub(super) create_intent: Vec<String>,
    pub(super) surface: String,
    /// Whether it may touch everything.
    pub(super) everywhere: bool,
}

/// Tells from the text of a work package what kind of work it is.
pub(super) fn inferred_kind(text: &str) -> WorkKind {
    let says = |words: &[&str]| words.iter().any(|word| mentions(text, word));
    if says(&PLANNING) && !says(&CODE) {
        WorkKind::PlanningArtifact
    } else {
        WorkKind::CodeChange
    }
}

fn mentions(text: &str, word: &str) -> bool {
    let starts_word = word.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    let ends_word = word.ends_with(|letter: char| letter.is_ascii_alphanumeric());
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !(starts_word && before.is_some_and(is_word) || ends_word && after.is_some_and(is_word))
    })
}

/// Tells from the text of a work package which files it owns; the second value is a warning when
/// that is a guess.
pub(super) fn inferred_files(text: &str, mission_slug: &str) -> (Vec<String>, Option<String>) {
    if inferred_kind(text) == WorkKind::PlanningArtifact {
        return (vec![format!("{SPECS}/{mission_slug}/**")], None);
    }
    let mut globs: BTreeSet<String> = BTreeSet::new();
    for place in PLACES {
        for (at, _) in text.match_indices(place) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || "_-/.".contains(letter)) {
                continue;
            }
            let ends = |letter: char| letter.is_whitespace() || "`'\")]>,;".contains(letter);
            let path = text[at..].split(ends).next().unwrap_or_default();
            let path = path.trim_end_matches(['.', ':']);
            let last = path.rsplit('/').next().unwrap_or_default();
            globs.insert(if last.contains(['.', '*']) {
                path.to_owned()
            } else {
                format!("{}/**", path.trim_end_matches('/'))
            });
        }
    }
    let inside_another = |glob: &String| {
        globs.iter().any(|other| {
            other != glob
                && other
                    .strip_suffix("**")
                    .is_some_and(|directory| glob.starts_with(directory))
        })
    };
    let files: Vec<String> = globs
        .iter()
        .filter(|glob| !inside_another(glob))
        .cloned()
        .collect();
    if files.is_empty() {
        let warning = format!("its text names no file, so it owns {EVERYTHING}: add owned_files");
        return (vec![EVERYTHING.to_owned()], Some(warning));
    }
    (files, None)
}

/// Returns the directory that all of the globs lie in, with a slash at its end; empty if there is
/// none, the file itself when there is one only.
pub(super) fn common_place(globs: &[String]) -> String {
    let places: Vec<Vec<&str>> = globs
        .iter()
        .map(|glob| {
            let (head, tail) = glob.rsplit_once('/').unwrap_or(("", glob));
            let place = if tail.contains(['*', '?', '[']) {
                head
            } else {
                glob.trim_end_matches('/')
            };
            place.split('/').collect()
        })
        .collect();
    let Some((first, others)) = places.split_first() else {
        return String::new();
    };
    let same = |(index, part): &(usize, &&str)| {
        others.iter().all(|other| other.get(*index) == Some(*part))
    };
    let common: Vec<&str> = first
        .iter()
        .enumerate()
        .take_while(same)
        .map(|(_, part)| *part)
        .collect();
    match common.join("/") {
        place if place.is_empty() => place,
        place if globs.contains(&place) => place,
        place => place + "/",
    }
}

/// Checks what the work packages own against each other and the working tree.
///
/// Returns what is wrong, and what is only odd.
pub(super) fn check(
    all: &BTreeMap<String, Owned>,
    graph: &DependencyGraph,
    root: &Path,
) -> (Vec<String>, Vec<String>) {
    let (mut wrong, mut odd) = (Vec::new(), Vec::new());
    for (wp_id, owned) in all {
        check_one(wp_id, owned, root, &mut wrong, &mut odd);
        for (other_id, other) in all.range(wp_id.clone()..).skip(1) {
            let ordered = graph.reaches(wp_id, other_id) || graph.reaches(other_id, wp_id);
            if owned.everywhere || other.everywhere || ordered {
                continue;
            }
            for glob in &owned.files {
                let overlapping = other
                    .files
                    .iter()
                    .filter(|theirs| globs_overlap(glob, theirs));
                wrong.extend(overlapping.map(|theirs| {
                    format!("{wp_id} and {other_id} can run at the same time but both own {glob} ({theirs})")
                }));
            }
        }
    }
    (wrong, odd)
}

fn check_one(
    wp_id: &str,
    owned: &Owned,
    root: &Path,
    wrong: &mut Vec<String>,
    odd: &mut Vec<String>,
) {
    let planning_only = owned.kind == WorkKind::PlanningArtifact
        && owned
            .files
            .iter()
            .all(|file| in_places(file, &PLANNING_PLACES));
    for file in &owned.files {
        let plain = Path::new(file)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !plain {
            wrong.push(format!(
                "{wp_id}: owned file {file} does not lie in the repository"
            ));
        } else if !planning_only && in_places(file, &["kitty-specs/"]) {
            wrong.push(format!(
                "{wp_id}: owned file {file} lies in {SPECS}/, which belongs to the missions"
            ));
        } else if let Some(problem) = missing(file, owned, root) {
            if is_glob(file) {
                &mut *odd
            } else {
                &mut *wrong
            }
            .push(format!("{wp_id}: {problem}"));
        }
    }
    if owned.everywhere {
        return;
    }
    let surface = &owned.surface;
    if surface.is_empty() {
        wrong.push(format!(
            "{wp_id}: authoritative_surface is empty: name the directory that it is mainly about"
        ));
    } else if !owned
        .files
        .iter()
        .any(|file| file.starts_with(surface.as_str()))
    {
        wrong.push(format!(
            "{wp_id}: authoritative_surface {surface} holds none of its owned_files"
        ));
    }
    let in_code = owned
        .files
        .iter()
        .any(|file| in_places(file, &["src/", "tests/"]));
    if owned.kind == WorkKind::CodeChange && !in_code {
        odd.push(format!(
            "{wp_id}: code_change owns no file below src/ or tests/"
        ));
    }
    if owned.kind == WorkKind::PlanningArtifact && !planning_only {
        odd.push(format!(
            "{wp_id}: planning_artifact owns files outside {SPECS}/ and docs/"
        ));
    }
}

fn in_places(file: &str, places: &[&str]) -> bool {
    let file = file.trim_start_matches("./");
    places
        .iter()
        .any(|place| file.starts_with(place) || file == place.trim_end_matches('/'))
}

fn is_glob(file: &str) -> bool {
    file.contains(['*', '?', '['])
}

/// Says that a file is not there and nobody says that it will be made; of a glob, that the directory
/// before its first wildcard is not there.
fn missing(file: &str, owned: &Owned, root: &Path) -> Option<String> {
    if !is_glob(file) {
        let known = root.join(file).symlink_metadata().is_ok()
            || owned.create_intent.contains(&file.to_owned());
        return (!known).then(|| {
            format!("owned file {file} does not exist: correct it, or add it to create_intent")
        });
    }
    let directory: Vec<&str> = file.split('/').take_while(|part| !is_glob(part)).collect();
    let there = root.join(directory.join("/")).is_dir();
    (!there).then(|| format!("owned_files {file} matches nothing yet"))
}

impl Owned {
    /// What the lanes are computed from.
    pub(super) fn for_lanes(&self, body: &str) -> Ownership {
        Ownership {
            is_planning: self.kind == WorkKind::PlanningArtifact,
            owned_files: self.files.clone(),
            body: body.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(files: &[&str]) -> Owned {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        Owned {
            kind: WorkKind::CodeChange,
            create_intent: files.clone(),
            surface: common_place(&files),
            files,
            everywhere: false,
        }
    }

    #[test]
    fn files_are_inferred_from_the_paths_of_a_text() {
        let infer = |text: &str| inferred_files(text, "demo-01");
        assert_eq!(
            infer("Change `src/a/b.py`, src/a/b.py and tests/x/.").0,
            ["src/a/b.py", "tests/x/**"]
        );
        assert_eq!(infer("see src/a/ and src/a/b.rs").0, ["src/a/**"]);
        assert_eq!(
            infer("Write kitty-specs/demo-01/spec.md").0,
            ["kitty-specs/demo-01/**"]
        );
        let (files, warning) = infer("Do it.");
        assert_eq!(files, ["src/**"]);
        assert!(warning.unwrap().contains("add owned_files"));
        assert_eq!(
            inferred_kind("edit plan.md and src/x"),
            WorkKind::CodeChange
        );
        assert_eq!(inferred_kind("edit plan.md"), WorkKind::PlanningArtifact);
    }

    #[test]
    fn the_common_place_is_a_directory_or_the_only_file() {
        for (globs, place) in [
            (&["src/a/b.py", "src/a/c.py"][..], "src/a/"),
            (&["src/a.py"], "src/a.py"),
            (&["src/**"], "src/"),
            (&["src/a/*.py", "src/b/*.py"], "src/"),
            (&["src/a", "tests/b"], ""),
            (&[], ""),
        ] {
            let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
            assert_eq!(common_place(&globs), place, "{globs:?}");
        }
    }

    #[test]
    fn only_work_that_can_run_at_the_same_time_must_not_share_files() {
        let root = tempfile::tempdir().unwrap();
        let all = |two: &[&str]| {
            BTreeMap::from([
                ("WP01".to_owned(), owned(&["src/a.py"])),
                ("WP02".to_owned(), owned(two)),
            ])
        };
        let graph = |needs: &[&str]| -> DependencyGraph {
            let needs: Vec<String> = needs.iter().map(|id| (*id).to_owned()).collect();
            [("WP01", Vec::new()), ("WP02", needs)]
                .into_iter()
                .collect()
        };
        let wrong = |two: &[&str], needs: &[&str]| check(&all(two), &graph(needs), root.path()).0;
        assert_eq!(wrong(&["src/b.py"], &[]), Vec::<String>::new());
        assert_eq!(wrong(&["src/a.py"], &[]).len(), 1);
        assert_eq!(wrong(&["src/a.py"], &["WP01"]), Vec::<String>::new());
    }

    #[test]
    fn a_file_must_exist_or_be_announced_and_lie_in_the_repository() {
        let root = tempfile::tempdir().unwrap();
        for (file, said) in [
            ("src/none.py", "does not exist"),
            ("../out.py", "does not lie in the repository"),
            ("/etc/passwd", "does not lie in the repository"),
            ("kitty-specs/x/spec.md", "belongs to the missions"),
        ] {
            let mut one = owned(&[file]);
            one.create_intent.clear();
            let all = BTreeMap::from([("WP01".to_owned(), one)]);
            let graph: DependencyGraph = [("WP01", Vec::<String>::new())].into_iter().collect();
            let (wrong, _) = check(&all, &graph, root.path());
            assert!(
                wrong.iter().any(|problem| problem.contains(said)),
                "{file}: {wrong:?}"
            );
        }
    }
}
