//! What an artifact is called and of which class it is, from its path alone.

use super::ArtifactClass;
use super::expected::{Expected, Manifest};
use ArtifactClass::{Evidence, Input, Output, Policy, Runtime, Workflow};

/// Returns the class of an artifact: by the list of expected ones, else by its name.
pub(super) fn class_of(path: &str, manifest: Option<&Manifest>) -> ArtifactClass {
    let listed = manifest.and_then(|manifest| find(manifest, path));
    listed.map_or_else(
        || class_by_name(&file_name(path).to_lowercase()),
        |it| it.class,
    )
}

/// Returns the stable name of an artifact: that of the list, else one made of its file name.
pub(super) fn key_of(path: &str, manifest: Option<&Manifest>) -> String {
    let name = file_name(path);
    if let Some(expected) = manifest.and_then(|manifest| find(manifest, name)) {
        return expected.key.to_owned();
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let letter = |c: char| match c {
        'a'..='z' | '0'..='9' | '.' | '-' => c,
        _ => '-',
    };
    let stem: String = stem.to_lowercase().chars().map(letter).collect();
    format!("artifact.{stem}")
}

/// Returns the name that the list has for a path.
pub(super) fn listed_key(path: &str, manifest: &Manifest) -> Option<&'static str> {
    find(manifest, path).map(|expected| expected.key)
}

fn find<'m>(manifest: &'m Manifest, path: &str) -> Option<&'m Expected> {
    let mut artifacts = manifest.artifacts.iter();
    artifacts.find(|expected| matches(expected.pattern.as_bytes(), path.as_bytes()))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Tells whether a path fits a pattern in which `*` stands for any text.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((b'*', rest)) => (0..=path.len()).any(|skipped| matches(rest, &path[skipped..])),
        Some((letter, rest)) => path
            .split_first()
            .is_some_and(|(first, path)| first == letter && matches(rest, path)),
    }
}

/// Guesses the class from a lower-case file name; the first rule that fits decides.
fn class_by_name(name: &str) -> ArtifactClass {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match name {
        "spec.md" | "specification.md" => Input,
        "plan.md" | "tasks.md" => Workflow,
        _ if name.starts_with("wp") && name.ends_with(".md") => Workflow,
        "research.md" | "analysis-report.md" => Evidence,
        _ if has(&["test", "gap-analysis", "log"]) => Evidence,
        _ if has(&[
            "requirements",
            "constraints",
            "architecture-decision",
            "adr",
        ]) =>
        {
            Policy
        }
        _ if has(&["implementation", "code", "findings", "report"]) => Output,
        _ if has(&["generated", "cache"]) => Runtime,
        _ => Output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_decides_by_path_and_the_name_where_it_says_nothing() {
        let manifest = Manifest::of("software-dev");
        for (path, class, key) in [
            ("spec.md", Input, "input.spec.main"),
            ("plan.md", Output, "output.plan.main"),
            ("tasks/WP01-a.md", Output, "artifact.wp01-a"),
            ("checklists/spec.md", Input, "input.spec.main"),
            (
                "research/Test_Notes v2.md",
                Evidence,
                "artifact.test-notes-v2",
            ),
            ("contracts/api.yaml", Output, "artifact.api"),
            ("adr-0001.md", Policy, "artifact.adr-0001"),
            ("cache.json", Runtime, "artifact.cache"),
            ("meta.json", Output, "artifact.meta"),
            ("status.events.jsonl", Output, "artifact.status.events"),
        ] {
            assert_eq!(class_of(path, manifest), class, "{path}");
            assert_eq!(key_of(path, manifest), key, "{path}");
        }
        assert_eq!(class_of("plan.md", None), Workflow);
        let documentation = Manifest::of("documentation");
        assert_eq!(class_of("docs/a/b.md", documentation), Output);
        assert!(Manifest::of("custom").is_none());
    }
}
