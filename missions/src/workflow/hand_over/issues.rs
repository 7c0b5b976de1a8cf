//! The issues that a mission speaks of, and what its issue matrix says became of them.
//!
//! The words, and what counts as a reference, are those of the Python CLI.

use crate::files::{Links, read_text};
use crate::lane::Lane;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// The most that is read of one file.
const LIMIT: u64 = 8 << 20;
const FILES: [&str; 4] = ["spec.md", "plan.md", "research.md", "analysis-report.md"];
const DIRECTORIES: [&str; 2] = ["tasks", "contracts"];
const VERDICTS: [&str; 4] = [
    "fixed",
    "verified-already-fixed",
    "deferred-with-followup",
    "in-mission",
];
/// Being worked on: good enough for an approval, not for the end.
const IN_MISSION: &str = "in-mission";
const DEFERRED: &str = "deferred-with-followup";
const MANDATORY: [&str; 3] = ["issue", "verdict", "evidence_ref"];
const OPTIONAL: [&str; 7] = ["title", "scope", "wp", "fr", "nfr", "sc", "repo"];

/// What a matrix says.
#[derive(Debug, Default)]
struct Matrix {
    /// Verdicts by issue.
    rows: BTreeMap<String, &'static str>,
    /// Issues that have a row, whatever it says.
    mentioned: Vec<String>,
    /// Issues whose verdict is no verdict.
    unknown: Vec<String>,
    complaints: Vec<String>,
}

/// Says why the issues of a mission are in the way of a move; `None` when they are not.
///
/// # Errors
/// A file of the mission cannot be read.
pub(super) fn blocker(directory: &Path, to: Lane) -> io::Result<Option<String>> {
    let referenced = references(directory)?;
    if referenced.is_empty() {
        return Ok(None);
    }
    let Some(mut matrix) = read(directory)? else {
        return Ok(Some(format!(
            "ERROR: issue-matrix.md is required before approval.\nReferenced issues: {}\n\
             Fill verdicts before approving.\n\
             Write it beside spec.md: a table with the columns issue, verdict and evidence_ref.",
            referenced.join(", ")
        )));
    };
    let mut missing: Vec<&String> = referenced
        .iter()
        .filter(|issue| !matrix.mentioned.contains(issue))
        .collect();
    missing.sort();
    let unresolved: Vec<&str> = matrix
        .rows
        .iter()
        .filter(|(issue, verdict)| {
            to == Lane::Done && **verdict == IN_MISSION && referenced.contains(issue)
        })
        .map(|(issue, _)| issue.as_str())
        .collect();
    let is_sound = matrix.complaints.is_empty() && matrix.unknown.is_empty();
    if is_sound && missing.is_empty() && unresolved.is_empty() {
        return Ok(None);
    }
    let mut words = String::from(
        "ERROR: issue-matrix.md has unresolved entries. Fill in verdicts before approving.",
    );
    // Of a table that cannot be read every row seems to be missing.
    if !missing.is_empty() && !matrix.rows.is_empty() {
        let missing: Vec<&str> = missing.into_iter().map(String::as_str).collect();
        let _ = write!(words, "\nMissing rows: {}", missing.join(", "));
    }
    matrix.unknown.sort();
    matrix.unknown.dedup();
    if !matrix.unknown.is_empty() {
        let _ = write!(words, "\nUnknown: {}", matrix.unknown.join(", "));
    }
    if !unresolved.is_empty() {
        let _ = write!(
            words,
            "\nStill 'in-mission' (resolve to fixed / verified-already-fixed / \
             deferred-with-followup before done): {}",
            unresolved.join(", ")
        );
    }
    for complaint in &matrix.complaints {
        let _ = write!(words, "\n- {complaint}");
    }
    Ok(Some(words))
}

/// The issues in the files of a mission, each once, in the order in which they are met.
fn references(directory: &Path) -> io::Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for path in scanned(directory)? {
        let text = text(&path)?.unwrap_or_default();
        for issue in text.lines().flat_map(references_of_line) {
            if !found.contains(&issue) {
                found.push(issue);
            }
        }
    }
    Ok(found)
}

fn scanned(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = FILES.iter().map(|name| directory.join(name)).collect();
    for name in DIRECTORIES {
        let entries = match std::fs::read_dir(directory.join(name)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let is_text = entry.path().extension().is_some_and(|end| end == "md");
            if is_text && entry.file_type()?.is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        paths.append(&mut files);
    }
    Ok(paths)
}

fn text(path: &Path) -> io::Result<Option<String>> {
    read_text(path, LIMIT, Links::Refuse)
        .map_err(|problem| io::Error::other(format!("{}: {problem}", path.display())))
}

/// `#` and two to six digits that stand alone: at the beginning or behind a space or a bracket, and
/// before a space, a closing bracket, a comma, a semicolon, a full stop or the end.
fn references_of_line(line: &str) -> impl Iterator<Item = String> {
    line.match_indices('#').filter_map(|(at, _)| {
        let before = line[..at].chars().next_back();
        let opens = before.is_none_or(|before| before.is_whitespace() || "([".contains(before));
        let rest = &line[at + 1..];
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        let digits = &rest[..end.unwrap_or(rest.len())];
        let after = rest[digits.len()..].chars().next();
        let closes = after.is_none_or(|after| after.is_whitespace() || ")],;.".contains(after));
        let is_issue = opens && closes && (2..=6).contains(&digits.len());
        let number: Option<u32> = digits.parse().ok();
        number
            .filter(|_| is_issue)
            .map(|number| format!("#{number}"))
    })
}

/// Reads `issue-matrix.json`, or else `issue-matrix.md`; `None` without either.
fn read(directory: &Path) -> io::Result<Option<Matrix>> {
    if let Some(text) = text(&directory.join("issue-matrix.json"))? {
        return Ok(Some(of_json(&text)));
    }
    let table = text(&directory.join("issue-matrix.md"))?;
    Ok(table.map(|text| of_table(&text)))
}

fn of_json(text: &str) -> Matrix {
    let mut matrix = Matrix::default();
    let document: Value = match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            let complaint = format!("issue-matrix.json could not be parsed: {error}");
            matrix.complaints.push(complaint);
            return matrix;
        }
    };
    let rows = match document.get("rows") {
        None => return matrix,
        Some(Value::Object(rows)) => rows,
        Some(_) => {
            let complaint = "issue-matrix.json 'rows' must be an object keyed by issue ref.";
            matrix.complaints.push(complaint.to_owned());
            return matrix;
        }
    };
    for (issue, row) in rows {
        if !row.is_object() {
            let complaint =
                format!("Row for issue '{issue}': malformed entry (expected an object).");
            matrix.complaints.push(complaint);
            matrix.mentioned.push(issue.clone());
            continue;
        }
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        matrix.add(issue, text("verdict"), text("evidence_ref"));
    }
    matrix
}

fn of_table(text: &str) -> Matrix {
    let mut matrix = Matrix::default();
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let cells = cells(line);
        match cells {
            Some(cells) if inside => tables
                .last_mut()
                .expect("a table was begun before its second row")
                .push(cells),
            Some(cells) => tables.push(vec![cells]),
            None => {}
        }
        inside = self::cells(line).is_some();
    }
    let complaint = match &tables[..] {
        [table] if table.len() >= 2 => {
            matrix.add_table(table);
            return matrix;
        }
        [_] => {
            "issue-matrix.md table has fewer than 2 rows (header + separator expected).".to_owned()
        }
        [] => "issue-matrix.md contains no Markdown table.".to_owned(),
        more => format!(
            "issue-matrix.md contains {} Markdown tables; exactly one is allowed.",
            more.len()
        ),
    };
    matrix.complaints.push(complaint);
    matrix
}

/// The cells of a row of a table; `None` for a line that is none.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells = inner.split('|').map(|cell| cell.trim().to_owned());
    (!inner.is_empty()).then(|| cells.collect())
}

fn column(heading: &str) -> String {
    let heading = heading.to_lowercase();
    let known = match &*heading {
        "evidence ref" => "evidence_ref",
        "wp_id" => "wp",
        "fr(s)" => "fr",
        "nfr(s)" => "nfr",
        "theme" => "scope",
        other => other,
    };
    known.to_owned()
}

/// A list as Python prints it.
fn python_list<T: AsRef<str>>(texts: &[T]) -> String {
    let quoted: Vec<String> = texts
        .iter()
        .map(|text| format!("'{}'", text.as_ref()))
        .collect();
    format!("[{}]", quoted.join(", "))
}

impl Matrix {
    fn add_table(&mut self, table: &[Vec<String>]) {
        let columns: Vec<String> = table[0].iter().map(|cell| column(cell)).collect();
        let is_there = |name: &&&str| !columns.iter().any(|column| column == **name);
        let missing: Vec<&str> = MANDATORY.iter().filter(is_there).copied().collect();
        if !missing.is_empty() {
            self.complaints.push(format!(
                "Mandatory column(s) missing: {} (Found columns after normalization: {})",
                missing.join(", "),
                python_list(&columns)
            ));
        }
        let is_known = |name: &str| MANDATORY.contains(&name) || OPTIONAL.contains(&name);
        let unknown = columns.iter().filter(|name| !is_known(name));
        let unknown: Vec<&str> = unknown.map(String::as_str).collect();
        if !unknown.is_empty() {
            self.complaints.push(format!(
                "Unknown column(s) not in mandatory or named-optional vocabulary: {} \
                 (Valid columns: {} (mandatory) + {} (optional))",
                unknown.join(", "),
                python_list(&MANDATORY),
                python_list(&OPTIONAL)
            ));
        }
        if !missing.is_empty() {
            return;
        }
        for row in &table[2..] {
            let cell = |name: &str| {
                let at = columns.iter().position(|column| column == name);
                let text = at.and_then(|at| row.get(at)).map_or("", String::as_str);
                without_backticks(text).to_owned()
            };
            let issue = linked_issue(&cell("issue"));
            self.add(&issue, &cell("verdict"), &cell("evidence_ref"));
        }
    }

    fn add(&mut self, issue: &str, typed: &str, evidence: &str) {
        self.mentioned.push(issue.to_owned());
        if evidence.is_empty() {
            let complaint = format!("Row for issue '{issue}': evidence_ref is empty.");
            self.complaints.push(complaint);
        }
        let verdict = typed.trim().to_lowercase();
        let Some(verdict) = VERDICTS.into_iter().find(|known| *known == verdict) else {
            self.unknown.push(issue.to_owned());
            return;
        };
        if verdict == DEFERRED && !names_a_follow_up(evidence) {
            self.complaints.push(format!(
                "Row for issue '{issue}': verdict is 'deferred-with-followup' but evidence_ref \
                 contains no follow-up handle (expected '#NNN' or 'Follow-up:' substring); \
                 got: '{evidence}'"
            ));
        }
        self.rows.insert(issue.to_owned(), verdict);
    }
}

fn names_a_follow_up(evidence: &str) -> bool {
    let names_issue = evidence.match_indices('#').any(|(at, _)| {
        let next = evidence[at + 1..].chars().next();
        next.is_some_and(|next| next.is_ascii_digit())
    });
    names_issue || evidence.contains("Follow-up:")
}

fn without_backticks(text: &str) -> &str {
    let inner = text
        .strip_prefix('`')
        .and_then(|text| text.strip_suffix('`'));
    inner.unwrap_or(text)
}

/// `#12` of `[#12](https://…)`; any other text as it is.
fn linked_issue(text: &str) -> String {
    let linked = text.strip_prefix('[').and_then(|rest| {
        let (label, address) = rest.split_once("](")?;
        let is_address = address.starts_with("http://") || address.starts_with("https://");
        let digits = label.strip_prefix('#')?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_address && is_number && address.contains(')')).then(|| label.to_owned())
    });
    linked.unwrap_or_else(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_stands_alone_and_has_two_to_six_digits() {
        let line = "#12 see (#345), [#67]; #890. not #1 x#99 #1234567 #section # 55 #22x #000123";
        let found: Vec<String> = references_of_line(line).collect();
        assert_eq!(found, ["#12", "#345", "#67", "#890", "#123"]);
    }

    #[test]
    fn a_table_and_a_document_say_the_same() {
        let table = "# Issues\n\n| Issue | Verdict | Evidence ref | Theme |\n|---|---|---|---|\n\
                     | [#12](https://x/12) | Fixed | `abc` | a |\n| #34 | in-mission | WP02 | b |\n";
        let document = r##"{"rows": {"#12": {"verdict": "fixed", "evidence_ref": "abc"},
                          "#34": {"verdict": "in-mission", "evidence_ref": "WP02"}}}"##;
        for matrix in [of_table(table), of_json(document)] {
            let rows: Vec<(&str, &str)> = matrix
                .rows
                .iter()
                .map(|(issue, verdict)| (issue.as_str(), *verdict))
                .collect();
            assert_eq!(rows, [("#12", "fixed"), ("#34", "in-mission")]);
            assert_eq!(matrix.complaints, [""; 0]);
        }
    }

    #[test]
    fn everything_that_is_wrong_with_a_matrix_is_named() {
        let complaints = |text: &str| of_table(text).complaints;
        assert_eq!(
            complaints("nothing"),
            ["issue-matrix.md contains no Markdown table."]
        );
        assert_eq!(
            complaints("| issue |\n\n| issue |\n"),
            ["issue-matrix.md contains 2 Markdown tables; exactly one is allowed."]
        );
        assert_eq!(
            complaints("| issue |\n"),
            ["issue-matrix.md table has fewer than 2 rows (header + separator expected)."]
        );
        assert_eq!(
            complaints("| issue | verdict |\n|---|---|\n"),
            ["Mandatory column(s) missing: evidence_ref \
                 (Found columns after normalization: ['issue', 'verdict'])"]
        );
        let deferred = "| issue | verdict | evidence_ref |\n|---|---|---|\n\
                        | #12 | deferred-with-followup | later |\n| #34 | fixed | |\n";
        assert_eq!(
            complaints(deferred),
            [
                "Row for issue '#12': verdict is 'deferred-with-followup' but evidence_ref \
                 contains no follow-up handle (expected '#NNN' or 'Follow-up:' substring); \
                 got: 'later'",
                "Row for issue '#34': evidence_ref is empty.",
            ]
        );
    }
}
