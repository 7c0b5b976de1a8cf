//! The issue matrix: one row for each issue that the specification names, to be filled in.

use serde::Serialize;
use std::collections::BTreeMap;

/// The matrix, and the form of it that earlier releases wrote.
pub(super) const FILE_NAME: &str = "issue-matrix.json";
pub(super) const FORMER_NAME: &str = "issue-matrix.md";

/// Renders the matrix of a specification; `None` when it names no issue.
///
/// The rows are for people and agents: nothing is known of an issue but where it is named.
pub(super) fn matrix(specification: &str) -> Option<String> {
    // The keys are sorted, as they are in the file.
    #[derive(Serialize)]
    struct Row {
        evidence_ref: &'static str,
        fr: (),
        nfr: (),
        repo: (),
        sc: (),
        scope: (),
        source_file: &'static str,
        title: &'static str,
        verdict: &'static str,
        wp: (),
    }
    #[derive(Serialize)]
    struct Matrix {
        rows: BTreeMap<String, Row>,
        schema_version: u32,
    }
    let row = |number: u32| {
        let row = Row {
            evidence_ref: "<link or commit>",
            fr: (),
            nfr: (),
            repo: (),
            sc: (),
            scope: (),
            source_file: "spec.md",
            title: "<fill at WP-implementation time>",
            verdict: "unknown",
            wp: (),
        };
        (format!("#{number}"), row)
    };
    let rows: BTreeMap<String, Row> = specification.lines().flat_map(issues).map(row).collect();
    if rows.is_empty() {
        return None;
    }
    let matrix = Matrix {
        rows,
        schema_version: 1,
    };
    Some(kitty_runtime::python_json::indented(&matrix) + "\n")
}

/// Finds references like `#1163`: two to six digits, apart from the words around them.
fn issues(line: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices('#') {
        let before = line[..at].chars().next_back();
        let opens = before.is_none_or(|one| one.is_whitespace() || "([".contains(one));
        let rest = &line[at + 1..];
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = rest[count..].chars().next();
        let closes = after.is_none_or(|one| one.is_whitespace() || ")],;.".contains(one));
        if opens && closes && (2..=6).contains(&count) {
            found.extend(rest[..count].parse::<u32>());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_are_told_from_headings_anchors_and_other_numbers() {
        for (line, expected) in [
            ("Closes #1163 and (#22), [#333].", &[1163, 22, 333][..]),
            ("#4444", &[4444]),
            ("# 12 things", &[]),
            ("#1 #1234567 #12a x#12 #section-12", &[]),
            ("a color: #123456;", &[123_456]),
            ("é #12", &[12]),
        ] {
            assert_eq!(issues(line), expected, "{line}");
        }
    }

    #[test]
    fn a_specification_without_issues_has_no_matrix() {
        assert_eq!(matrix("# Demo\n\nNothing.\n"), None);
        let text = matrix("See #22.\nAnd #1163, #22.\n").unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let rows = read["rows"].as_object().unwrap();
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["#1163", "#22"]);
        assert_eq!(rows["#22"]["source_file"], "spec.md");
    }
}
