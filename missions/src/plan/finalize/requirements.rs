//! The requirements of a specification, and which work packages meet them.

use std::collections::{BTreeMap, BTreeSet};

/// How the ids of requirements begin.
const KINDS: [&str; 3] = ["NFR-", "FR-", "C-"];

/// The requirements that a specification declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Requirements {
    /// Every declared id.
    declared: BTreeSet<String>,
    /// Ids that stand in prose below a heading about requirements and are declared nowhere.
    in_prose: BTreeSet<String>,
}

/// What does not fit between requirements and work packages; sorted, without what fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Work packages that name no requirement.
    pub without_requirements: Vec<String>,
    /// Requirements that the specification does not declare, by work package.
    pub unknown: BTreeMap<String, Vec<String>>,
    /// Functional requirements that no work package meets.
    pub unmet: Vec<String>,
    /// Requirements written as prose, which count as none.
    pub in_prose: Vec<String>,
}

impl Requirements {
    /// Reads a specification.
    ///
    /// An id is declared where it begins a table row, a heading, a list item or a bold paragraph; an
    /// id in a sentence is a citation.
    pub(super) fn read(spec: &str) -> Self {
        let declared: BTreeSet<String> = spec.lines().filter_map(declared_by).collect();
        let mut in_prose = BTreeSet::new();
        let mut inside = false;
        for line in spec.lines() {
            if line.trim_start().starts_with('#') {
                inside = line.to_lowercase().contains("requirement");
            } else if inside && declared_by(line).is_none() {
                in_prose.extend(references(line));
            }
        }
        in_prose.retain(|id| !declared.contains(id));
        Self { declared, in_prose }
    }

    /// The functional ones, in order.
    pub(super) fn functional(&self) -> Vec<String> {
        let functional = self.declared.iter().filter(|id| id.starts_with("FR-"));
        functional.cloned().collect()
    }

    /// Says what is odd without being wrong.
    pub(super) fn warnings(&self, spec: &str) -> Vec<String> {
        let named: BTreeSet<String> = spec.lines().flat_map(references).collect();
        if named.is_empty() || !self.declared.is_empty() {
            return Vec::new();
        }
        let named: Vec<String> = named.into_iter().collect();
        vec![format!(
            "spec.md names {} but declares no requirement: begin a table row, heading, list item or bold paragraph with the id",
            named.join(", ")
        )]
    }

    /// Compares with the requirements of the work packages; `None` when all fits.
    pub(super) fn mismatch(&self, refs: &BTreeMap<String, Vec<String>>) -> Option<Mismatch> {
        let mut found = Mismatch {
            in_prose: self.in_prose.iter().cloned().collect(),
            ..Mismatch::default()
        };
        let mut met: BTreeSet<&str> = BTreeSet::new();
        for (wp_id, refs) in refs {
            if refs.is_empty() {
                found.without_requirements.push(wp_id.clone());
                continue;
            }
            let unknown = refs.iter().filter(|id| !self.declared.contains(*id));
            let unknown: BTreeSet<&String> = unknown.collect();
            if unknown.is_empty() {
                met.extend(refs.iter().map(String::as_str));
            } else {
                let unknown = unknown.into_iter().cloned().collect();
                found.unknown.insert(wp_id.clone(), unknown);
            }
        }
        let functional = self.functional().into_iter();
        found.unmet = functional.filter(|id| !met.contains(id.as_str())).collect();
        (found != Mismatch::default()).then_some(found)
    }
}

/// Returns the id that a line declares.
fn declared_by(line: &str) -> Option<String> {
    let text = line.trim_start();
    let marked = match text.as_bytes().first()? {
        b'|' => {
            let cell = text[1..]
                .split('|')
                .next()
                .filter(|_| text[1..].contains('|'))?;
            let cell = cell.trim().trim_matches(['*', '~']);
            return id_at_start(cell).filter(|id| id.len() == cell.len());
        }
        b'#' if text.len() == line.len() => text.trim_start_matches('#'),
        b'-' | b'*' => &text[1..],
        b'0'..=b'9' => text
            .trim_start_matches(|digit: char| digit.is_ascii_digit())
            .strip_prefix('.')?,
        _ => return None,
    };
    id_at_start(marked.trim_start().trim_start_matches('*'))
}

/// Returns every id in a text, upper case, in its order, each once.
pub(super) fn references(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        let begins_word = !before.is_alphanumeric() && before != '_';
        before = letter;
        if begins_word
            && letter.is_ascii_alphabetic()
            && let Some(id) = id_at_start(&text[at..])
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    found
}

/// Returns the id that a text begins with, upper case.
fn id_at_start(text: &str) -> Option<String> {
    let kind = KINDS.iter().find(|kind| {
        text.get(..kind.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(kind))
    })?;
    let digits = &text[kind.len()..];
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let ends = digits[count..]
        .chars()
        .next()
        .is_none_or(|next| !next.is_alphanumeric() && next != '_');
    (count > 0 && ends).then(|| format!("{kind}{}", &digits[..count]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_declared_where_it_begins_something_and_cited_elsewhere() {
        let spec = "# Spec\n| FR-001 | x, see FR-021 |\n| **NFR-001** | y |\n### FR-002: z\n\
            - **FR-003**: z\n* c-001 z\n1. FR-004 z\n**FR-005** — z\nFR-006 in prose\n\
            see FR-007\n| ID | FR-008 |\n- FR-009x\n";
        let read = Requirements::read(spec);
        assert_eq!(
            read.functional(),
            ["FR-001", "FR-002", "FR-003", "FR-004", "FR-005"]
        );
        assert!(read.declared.contains("NFR-001") && read.declared.contains("C-001"));
        assert_eq!(read.declared.len(), 7);
    }

    #[test]
    fn requirements_in_prose_are_named_only_below_their_heading() {
        let spec =
            "## Requirements\n\n| FR-001 | x |\nFR-002 must hold; FR-001 too.\n## Notes\nFR-009\n";
        let refs = BTreeMap::from([("WP01".to_owned(), vec!["FR-001".to_owned()])]);
        let found = Requirements::read(spec).mismatch(&refs).unwrap();
        assert_eq!(found.in_prose, ["FR-002"]);
        assert!(found.unmet.is_empty());
    }

    #[test]
    fn every_work_package_needs_known_requirements_and_every_function_a_work_package() {
        let read = Requirements::read("| FR-001 | a |\n| FR-002 | b |\n| C-001 | c |\n");
        let refs = |all: &[(&str, &[&str])]| -> BTreeMap<String, Vec<String>> {
            let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
            all.iter()
                .map(|(wp, ids)| ((*wp).to_owned(), owned(ids)))
                .collect()
        };
        assert_eq!(
            read.mismatch(&refs(&[("WP01", &["FR-001", "FR-002"])])),
            None
        );
        let found = read
            .mismatch(&refs(&[
                ("WP01", &["FR-001"]),
                ("WP02", &[]),
                ("WP03", &["FR-009", "FR-002"]),
            ]))
            .unwrap();
        assert_eq!(found.without_requirements, ["WP02"]);
        assert_eq!(found.unknown["WP03"], ["FR-009"]);
        assert_eq!(found.unmet, ["FR-002"]);
    }

    #[test]
    fn a_specification_that_only_cites_is_warned_about() {
        let warnings = |spec: &str| Requirements::read(spec).warnings(spec).len();
        assert_eq!(warnings("FR-001 must hold."), 1);
        assert_eq!(warnings("- FR-001: x"), 0);
        assert_eq!(warnings("nothing"), 0);
        assert_eq!(
            references("é FR-1,C-2 XFR-3 FR-4a (nfr-05)"),
            ["FR-1", "C-2", "NFR-05"]
        );
    }
}
