//! What `tasks.md` says of each work package: its dependencies and its requirements.

use super::requirements::references;
use std::collections::BTreeMap;

/// One section of `tasks.md`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section {
    /// The work packages that it depends on, in the order of the text.
    pub(super) dependencies: Vec<String>,
    /// The requirements that it names.
    pub(super) requirement_refs: Vec<String>,
}

/// Reads the sections by work package.
///
/// A section begins with a heading of level 2 or 3 (`## WP01 …`, `## Work Package WP01: …`,
/// `## Work Package 1 — …`) and ends with the next one; the last one also with any other heading of
/// level 2, so that an appendix is not read as part of it.
pub(super) fn sections(text: &str) -> BTreeMap<String, Section> {
    let mut bodies: Vec<(String, Vec<&str>)> = Vec::new();
    let mut closed = false;
    for line in text.lines() {
        let title = line
            .strip_prefix("## ")
            .or_else(|| line.strip_prefix("### "));
        if let Some(id) = title.and_then(work_package) {
            bodies.push((id, Vec::new()));
            closed = false;
        } else if line.starts_with("## ") && !is_dependency_heading(line) {
            closed = true;
        } else if let Some((_, body)) = bodies.last_mut()
            && !closed
        {
            body.push(line);
        }
    }
    let sections = bodies.into_iter().map(|(id, body)| {
        let section = Section {
            dependencies: dependencies(&body),
            requirement_refs: requirement_refs(&body),
        };
        (id, section)
    });
    sections.collect()
}

/// Reads the id of a heading's title.
fn work_package(title: &str) -> Option<String> {
    let title = title.trim();
    let rest = title.strip_prefix("Work Package ").unwrap_or(title);
    let (digits, is_explicit) = match rest.strip_prefix("WP") {
        Some(digits) => (digits, true),
        None if rest.len() < title.len() => (rest, false),
        None => return None,
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let ends = digits[count..]
        .chars()
        .next()
        .is_none_or(|next| !next.is_alphanumeric());
    if !ends || count == 0 || (is_explicit && count < 2) {
        return None;
    }
    let number: u32 = digits[..count].parse().ok()?;
    Some(format!("WP{number:02}"))
}

fn is_dependency_heading(line: &str) -> bool {
    let title = line.trim_start_matches('#').trim().trim_matches('*');
    line.starts_with('#') && title.eq_ignore_ascii_case("dependencies")
}

/// Dependencies are declared, never guessed from prose: `Depends on WP01, WP02`, `Dependencies: WP01`,
/// or a list below a heading `Dependencies`.
fn dependencies(body: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut listed = false;
    for line in body {
        let plain = line.trim();
        if plain.starts_with('#') {
            listed = is_dependency_heading(plain);
            continue;
        }
        let item = plain
            .strip_prefix("- ")
            .or_else(|| plain.strip_prefix("* "))
            .map(str::trim);
        if listed && let Some(item) = item {
            found.extend(leading_ids(item).into_iter().take(1));
            continue;
        }
        listed &= plain.is_empty();
        if let Some(value) = after_words(item.unwrap_or(plain), &["depends on", "depend on"]) {
            found.extend(leading_ids(value));
        }
        for part in plain.split('|') {
            if let Some(value) = declared(part, &["dependencies"]) {
                let value = after_words(value, &["depends on", "depend on"]).unwrap_or(value);
                found.extend(leading_ids(value));
            }
        }
    }
    unique(found)
}

fn requirement_refs(body: &[&str]) -> Vec<String> {
    let names = [
        "requirement refs",
        "requirements refs",
        "requirements",
        "requirement",
    ];
    let lines = body.iter().filter_map(|line| declared(line, &names));
    unique(lines.flat_map(references).collect())
}

/// Returns the value of a line `**Name**: value`.
fn declared<'a>(line: &'a str, names: &[&str]) -> Option<&'a str> {
    let line = line.trim();
    let line = line.strip_prefix("- ").unwrap_or(line);
    let (name, value) = line.split_once(':')?;
    let name = name.trim().trim_matches('*').trim();
    let is_named = names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
    is_named.then(|| value.trim_start_matches('*').trim())
}

fn after_words<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    words.iter().find_map(|words| {
        let start = text.get(..words.len())?;
        let rest = &text[words.len()..];
        (start.eq_ignore_ascii_case(words) && rest.starts_with([' ', ':'])).then(|| rest.trim())
    })
}

/// Reads the ids that a text begins with, separated by commas.
fn leading_ids(text: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for part in text.split(',') {
        let part = part.trim().trim_start_matches(['[', '"', '`']);
        let digits = part.strip_prefix("WP").unwrap_or_default();
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits[count..]
            .chars()
            .next()
            .is_none_or(|next| !next.is_alphanumeric());
        if count < 2 || !whole {
            break;
        }
        ids.push(format!("WP{}", &digits[..count]));
    }
    ids
}

fn unique(names: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Vec<(String, Vec<String>)> {
        let sections = sections(text).into_iter();
        sections
            .map(|(id, section)| (id, section.dependencies))
            .collect()
    }

    #[test]
    fn every_form_of_a_heading_and_of_a_declaration_is_read() {
        let text = "# Tasks\n\n## WP01 Core\n\n**Dependencies**: None\n\n\
            ## Work Package WP02: API (P1)\n\nDepends on WP01\n\n\
            ## Work Package 3 — UI\n\n### Dependencies\n\n- WP01 (the core)\n- WP02\n\n\
            ### WP04: Docs\n| Priority: 1 | Dependencies: WP01, WP03 |\n\n\
            ## Notes\n\nDepends on WP02\n";
        let all = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            needs(text),
            [
                ("WP01".to_owned(), all(&[])),
                ("WP02".to_owned(), all(&["WP01"])),
                ("WP03".to_owned(), all(&["WP01", "WP02"])),
                ("WP04".to_owned(), all(&["WP01", "WP03"])),
            ]
        );
    }

    #[test]
    fn prose_declares_nothing_and_no_text_is_too_odd() {
        for text in [
            "## WP01\nThis is not something that depends on WP02 being there.\n",
            "## WP01\nDependencies: none, though WP02 helps\n",
            "## WP01\nDependencies: []\n",
            "## WP01\nDependencies:\n",
            "## WP01\nDepends on é\n",
            "## WP01\ndépend on WP02\n",
        ] {
            assert_eq!(needs(text), [("WP01".to_owned(), Vec::new())], "{text}");
        }
        for text in [
            "",
            "## WP1 x\n",
            "## WPx\n",
            "#### WP01\n",
            "## WP01x\n",
            "## Work Package\n",
        ] {
            assert_eq!(needs(text), [], "{text}");
        }
    }

    #[test]
    fn requirements_are_read_from_their_line() {
        let read =
            sections("## WP01\n**Requirement Refs**: FR-001, nfr-2 and C-03 (FR-001)\nFR-009\n");
        assert_eq!(read["WP01"].requirement_refs, ["FR-001", "NFR-2", "C-03"]);
    }
}
