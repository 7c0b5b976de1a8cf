//! Whether a document says something: the gates before planning and before a plan is committed.
//!
//! A document counts when the parts that later steps build on are written, whatever its length. The
//! headings and labels are those that the Python CLI looks for, so that both judge a document alike.

/// What is left of a user story of which nothing was filled in.
const EMPTY_STORIES: [&str; 2] = ["as a i want so that", "as an i want so that"];

/// Tells whether a specification has a functional requirement with a text.
pub(super) fn spec_says_something(text: &str) -> bool {
    let text = without_comments(text);
    text.lines()
        .any(|line| match line.trim_start().as_bytes().first() {
            Some(b'|') => row_says_something(line),
            Some(b'-' | b'*') => item_says_something(line),
            _ => false,
        })
}

/// `| FR-001 | title | description | …`: the two cells after the id count.
fn row_says_something(line: &str) -> bool {
    let mut cells = line.trim().trim_start_matches('|').split('|');
    let id = cells.next().unwrap_or_default();
    is_functional_id(id.trim().trim_matches(['*', '~'])) && cells.take(2).any(is_written)
}

/// `- **FR-001**: description`.
fn item_says_something(line: &str) -> bool {
    let item = line.trim_start()[1..].trim_start().trim_start_matches('*');
    let Some((id, text)) = item.split_once([':', ' ']) else {
        return false;
    };
    is_functional_id(id.trim_end_matches('*'))
        && is_written(text.trim_start_matches([':', '-', ' ']))
}

fn is_functional_id(text: &str) -> bool {
    text.strip_prefix("FR-")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A part of a plan that must be written.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// `**Label**: value` below `## heading`.
    Field(&'static str, &'static str),
    /// Any such field there but this one (an empty name excludes none).
    OtherField(&'static str, &'static str),
    /// A field below a `###` heading that begins so, below `## heading`.
    Below(&'static str, &'static str),
    /// A row of the table below `## heading`; its first cell does not count.
    Table(&'static str),
}

impl Part {
    const fn heading(self) -> &'static str {
        match self {
            Self::Field(heading, _)
            | Self::OtherField(heading, _)
            | Self::Below(heading, _)
            | Self::Table(heading) => heading,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Field(_, label) => format!("\"{label}\""),
            Self::OtherField(heading, _) => format!("another field of \"{heading}\""),
            Self::Below(_, child) => format!("\"{child}\""),
            Self::Table(heading) => format!("a row of \"{heading}\""),
        }
    }

    fn is_written(self, plan: &str) -> bool {
        let Some(section) = section(plan, 2, |title| title == self.heading()) else {
            return false;
        };
        match self {
            Self::Field(_, label) => fields(&section).any(|(name, value)| {
                name == label && (is_written(value) || list_says_something(&section, label))
            }),
            Self::OtherField(_, label) => {
                fields(&section).any(|(name, value)| name != label && is_written(value))
            }
            Self::Below(_, child) => section_of(&section, 3, |title| title.starts_with(child))
                .any(|below| fields(&below).any(|(_, value)| is_written(value))),
            Self::Table(_) => rows(&section).any(|cells| cells.into_iter().skip(1).any(is_written)),
        }
    }
}

/// The part that must be written, and those of which one must be.
fn parts(mission_type: &str) -> (Part, &'static [Part]) {
    const CONTEXT: &str = "Technical Context";
    match mission_type {
        "documentation" => (
            Part::Field(CONTEXT, "Documentation Framework"),
            &[
                Part::Field(CONTEXT, "Languages Detected"),
                Part::Field(CONTEXT, "Output Format"),
                Part::Field(CONTEXT, "Hosting Platform"),
                Part::Field(CONTEXT, "Build Commands"),
            ],
        ),
        "research" => (
            Part::Field("Research Context", "Research Question"),
            &[Part::Below("Methodology", "Data Sources")],
        ),
        "plan" => (
            Part::Table("Problem Decomposition"),
            &[
                Part::OtherField("Scope — MoSCoW", ""),
                Part::Table("Sequencing & Prioritisation"),
                Part::Below("Decisions", "Decision D-"),
            ],
        ),
        _ => (
            Part::Field(CONTEXT, "Language/Version"),
            &[Part::OtherField(CONTEXT, "Language/Version")],
        ),
    }
}

/// Says what a plan lacks; `None` when it says enough.
pub(super) fn plan_gap(text: &str, mission_type: &str) -> Option<String> {
    let text = without_comments(text);
    let (first, others) = parts(mission_type);
    if !first.is_written(&text) {
        return Some(format!(
            "plan.md is not written yet: fill in {} below \"{}\" and run setup-plan again",
            first.name(),
            first.heading()
        ));
    }
    if others.iter().any(|other| other.is_written(&text)) {
        return None;
    }
    let names: Vec<String> = others.iter().map(|other| other.name()).collect();
    Some(format!(
        "plan.md is not written yet: besides {} it needs one of {}; fill it in and run setup-plan again",
        first.name(),
        names.join(", ")
    ))
}

fn section(text: &str, level: usize, wanted: impl Fn(&str) -> bool) -> Option<String> {
    section_of(text, level, wanted).next()
}

/// Returns the text below each heading of a level with a wanted title, up to the next heading of
/// this level or above.
fn section_of(
    text: &str,
    level: usize,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        let title = line[hashes..].trim();
        if hashes > 0 && hashes <= level && line[hashes..].starts_with(' ') {
            inside = hashes == level && wanted(title);
            if inside {
                found.push(String::new());
            }
        } else if inside && let Some(section) = found.last_mut() {
            section.push_str(line);
            section.push('\n');
        }
    }
    found.into_iter()
}

/// Returns the `**Label**: value` lines of a text.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line
            .strip_prefix("- ")
            .or_else(|| line.strip_prefix("* "))
            .unwrap_or(line);
        let (label, rest) = line.trim_start().strip_prefix("**")?.split_once("**")?;
        let value = rest.trim_start().strip_prefix(':')?;
        Some((label.trim(), value))
    })
}

/// Tells whether a field has its value as a list on the lines below it.
fn list_says_something(text: &str, label: &str) -> bool {
    let start = format!("**{label}**");
    let after = text
        .lines()
        .skip_while(|line| !line.contains(&start))
        .skip(1);
    after
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map_while(|line| line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")))
        .take_while(|item| !item.starts_with("**"))
        .any(is_written)
}

/// Returns the rows of the tables of a text, without heads and separators.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let is_separator = |line: &str| {
        line.contains('-')
            && line
                .chars()
                .all(|letter| matches!(letter, '|' | '-' | ':' | ' '))
    };
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with('|'))
        .skip_while(move |line| !is_separator(line))
        .filter(move |line| !is_separator(line))
        .map(|line| line.trim_matches('|').split('|').collect())
}

/// Tells whether a value is more than a blank, a placeholder in brackets or a mark to be clarified.
fn is_written(value: &str) -> bool {
    let value = without_placeholders(value);
    let value = value.trim_matches(|letter: char| {
        letter.is_whitespace() || matches!(letter, '*' | '_' | '…' | '.' | '-' | '–' | '—')
    });
    let words = value.replace([',', '.'], " ").to_lowercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let words = words.join(" ");
    !words.is_empty() && words != "needs clarification" && !EMPTY_STORIES.contains(&words.as_str())
}

/// Removes `[…]`, unless it is the text of a link.
fn without_placeholders(value: &str) -> String {
    let mut kept = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('[') {
        kept.push_str(before);
        match after.split_once(']') {
            Some((inside, after)) => {
                if after.starts_with('(') {
                    kept.push_str(inside);
                }
                rest = after;
            }
            None => {
                kept.push_str(after);
                rest = "";
            }
        }
    }
    kept + rest
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan_template;

    #[test]
    fn a_specification_needs_one_requirement_with_a_text() {
        for written in [
            "| FR-001 | Greeting | x | High | Open |",
            "| **FR-001** |  | As a user, I want to log in so that I am known. | | |",
            "- **FR-001**: the system greets",
            "* FR-12: greets",
            "- FR-001 - greets",
        ] {
            assert!(spec_says_something(written), "{written}");
        }
        for empty in [
            "",
            include_str!("../../templates/spec.md"),
            "| FR-001 |  |  | High | Open |",
            "| FR-001 | [Short title] | As a [role], I want [goal] so that [benefit]. | High | Open |",
            "| FR-001 | … | <!-- what? --> | High | Open |",
            "- **FR-001**:",
            "- **FR-001**: [NEEDS CLARIFICATION: which?]",
            "| NFR-001 | Speed | fast | | |",
            "FR-001 must hold.",
            "<!-- | FR-001 | Greeting | x | -->",
            "- FR-00x: y",
        ] {
            assert!(!spec_says_something(empty), "{empty}");
        }
    }

    #[test]
    fn a_template_is_never_a_plan_and_two_written_parts_make_one() {
        for (mission_type, edits) in [
            (
                "software-dev",
                &[
                    ("Version**:", "Version**: Rust 1.90"),
                    ("Storage**:", "Storage**: none"),
                ][..],
            ),
            (
                "documentation",
                &[
                    ("Framework**:", "Framework**: mdBook"),
                    ("Commands**:", "Commands**:\n- make"),
                ],
            ),
            (
                "research",
                &[
                    ("Question**:", "Question**: why?"),
                    ("terms**:", "terms**: cats"),
                ],
            ),
            (
                "plan",
                &[
                    ("SP-1 |  |", "SP-1 | split it |"),
                    ("Choice**:", "Choice**: this"),
                ],
            ),
        ] {
            let mut plan = plan_template(mission_type).to_owned();
            for (what, with) in edits {
                let gap = plan_gap(&plan, mission_type).unwrap();
                assert!(gap.starts_with("plan.md is not written yet"), "{gap}");
                assert!(plan.contains(what), "{mission_type}: {what}");
                plan = plan.replacen(what, with, 1);
            }
            assert_eq!(plan_gap(&plan, mission_type), None, "{mission_type}");
        }
    }

    #[test]
    fn placeholders_and_comments_are_not_values() {
        let plan = |value: &str| {
            format!("## Technical Context\n\n**Language/Version**: {value}\n**Testing**: pytest\n")
        };
        for blank in [
            "",
            "[e.g., Python]",
            "NEEDS CLARIFICATION",
            "<!-- x -->",
            "…",
            "[NEEDS CLARIFICATION].",
        ] {
            assert!(plan_gap(&plan(blank), "software-dev").is_some(), "{blank}");
        }
        for value in [
            "Python 3.11",
            "[Rust](https://rust.example)",
            "C",
            "Go [tested]",
            "[unclosed",
        ] {
            assert_eq!(plan_gap(&plan(value), "software-dev"), None, "{value}");
        }
        assert!(plan_gap("**Language/Version**: Rust\n**Testing**: x", "software-dev").is_some());
    }
}
