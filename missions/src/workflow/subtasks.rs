//! Finding subtasks: in the rows of `tasks.md` and in the work packages' own lists.

use super::{Packages, WorkflowError};
use crate::files::{Links, ReadProblem, read_text};
use crate::handle::NamedMission;
use crate::work_package::WorkPackageProblem;
use std::collections::BTreeMap;
use std::io;

/// The most that is read of `tasks.md`.
const LIMIT: u64 = 8 << 20;

/// How a subtask is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `- [ ] T001 …` in `tasks.md`.
    Checkbox,
    /// `| T001 | …` in `tasks.md`.
    Table,
    /// Only in the work package's own list.
    Roster,
}

/// A subtask that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id as it is written down.
    pub id: String,
    /// The work package that it belongs to.
    pub wp_id: String,
    /// How it is written down.
    pub form: Form,
}

/// What is known of the subtasks that somebody named: by what was typed, in order.
pub type Marking = Vec<(String, Option<Found>)>;

/// A row of `tasks.md`.
struct TaskRow {
    wp_id: Option<String>,
    form: Form,
}

/// Finds subtasks by id, whatever the case; `None` for one that nobody knows.
///
/// A subtask belongs to the work package that lists it. Where several do, or none, the heading in
/// `tasks.md` above its row decides, and then the first.
///
/// # Errors
/// [`WorkflowError::Package`].
pub fn find_subtasks(mission: &NamedMission, typed: &[String]) -> Result<Marking, WorkflowError> {
    let packages = Packages::read(mission)?;
    let path = mission.directory.join("tasks.md");
    let text = match read_text(&path, LIMIT, Links::Refuse) {
        Ok(text) => text.unwrap_or_default(),
        Err(ReadProblem::Io(error)) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(problem) => return Err(WorkPackageProblem::Unreadable { path, problem }.into()),
    };
    let rows = rows(&text);
    let found = typed.iter().map(|typed| {
        let found = find(&packages, &rows, &typed.trim().to_uppercase());
        (typed.clone(), found)
    });
    Ok(found.collect())
}

fn find(packages: &Packages, rows: &BTreeMap<String, TaskRow>, id: &str) -> Option<Found> {
    let listed = packages.by_id.iter().filter_map(|(wp_id, package)| {
        let listed = package
            .subtasks
            .iter()
            .find(|listed| listed.to_uppercase() == id)?;
        Some((wp_id, listed))
    });
    let listed: Vec<(&String, &String)> = listed.collect();
    let row = rows.get(id);
    let of_row = row
        .and_then(|row| row.wp_id.as_ref())
        .filter(|wp_id| packages.by_id.contains_key(*wp_id));
    let (wp_id, id) = match (&listed[..], of_row) {
        ([(wp_id, listed)], _) => (*wp_id, (*listed).clone()),
        ([], Some(wp_id)) => (wp_id, id.to_owned()),
        ([], None) => return None,
        ([first, ..], of_row) => {
            let same = listed.iter().find(|(wp_id, _)| Some(*wp_id) == of_row);
            let (wp_id, listed) = same.unwrap_or(first);
            (*wp_id, (*listed).clone())
        }
    };
    Some(Found {
        id,
        wp_id: wp_id.clone(),
        form: row.map_or(Form::Roster, |row| row.form),
    })
}

/// The rows of `tasks.md` by subtask, each with the work package whose heading stands above it.
fn rows(text: &str) -> BTreeMap<String, TaskRow> {
    let mut found = BTreeMap::new();
    let mut section = None;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            section = line.split(is_no_letter).find(|word| is_id(word, "WP"));
            continue;
        }
        let (form, words) =
            if let Some(rest) = line.strip_prefix("- [").or(line.strip_prefix("* [")) {
                (Form::Checkbox, rest.split_once(']').map(|(_, words)| words))
            } else {
                (Form::Table, line.strip_prefix('|'))
            };
        let first = words.and_then(|words| words.split(is_no_letter).find(|word| !word.is_empty()));
        if let Some(id) = first.filter(|word| is_id(word, "T")) {
            found.entry(id.to_uppercase()).or_insert(TaskRow {
                wp_id: section.map(str::to_uppercase),
                form,
            });
        }
    }
    found
}

fn is_no_letter(letter: char) -> bool {
    !letter.is_ascii_alphanumeric()
}

/// Tells whether a word is letters and then digits, as in `T001` and `WP01`.
fn is_id(word: &str, letters: &str) -> bool {
    let Some((begin, digits)) = word.split_at_checked(letters.len()) else {
        return false;
    };
    begin.eq_ignore_ascii_case(letters)
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_checkboxes_and_tables_below_the_heading_of_a_work_package() {
        let text = "# Tasks\n## Work Package WP01: x\n- [ ] T001 a (WP02)\n* [X] **T002** b\n\
                    ## WP02\n| ID | What |\n| T003 | c |\n- T004\n- [ ] Test it\n";
        let rows = rows(text);
        let seen: Vec<(&str, Option<&str>, Form)> = rows
            .iter()
            .map(|(id, row)| (id.as_str(), row.wp_id.as_deref(), row.form))
            .collect();
        assert_eq!(
            seen,
            [
                ("T001", Some("WP01"), Form::Checkbox),
                ("T002", Some("WP01"), Form::Checkbox),
                ("T003", Some("WP02"), Form::Table),
            ]
        );
    }
}
