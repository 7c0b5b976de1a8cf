//! Rows of a status log in the names of today.
//!
//! Only rows that use a name of before are written anew; every other line stays as it is, and none is
//! moved, merged or dropped.

use super::Rewrite;
use crate::words;
use kitty_runtime::python_json;
use serde_json::{Map, Value, json};

/// Old names and what they are called today.
const NAMES: [(&str, &str); 2] = [
    (words::SLUG, "mission_slug"),
    (words::WORK_PACKAGE, "wp_id"),
];

/// Gives rows their names of today, and the id of their mission.
///
/// # Errors
/// The line that cannot be understood; the file must then be left alone.
pub fn canonical(text: &str, mission_id: &str) -> Rewrite {
    let mut after = String::with_capacity(text.len());
    let mut changed = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        match row(line.trim(), mission_id).map_err(|why| format!("line {number}: {why}"))? {
            None => after.push_str(line),
            Some(new) => {
                changed += 1;
                after.push_str(&new);
                // A last line without an end stays one.
                after.push_str(&line[line.trim_end_matches(['\n', '\r']).len()..]);
            }
        }
    }
    let actions = || vec![format!("{changed} row(s): {} -> mission_slug", words::SLUG)];
    Ok((changed > 0).then(|| (after, actions())))
}

fn row(line: &str, mission_id: &str) -> Result<Option<String>, String> {
    if !NAMES.iter().any(|(old, _)| line.contains(old)) {
        return Ok(None);
    }
    let row: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let Value::Object(mut row) = row else {
        return Ok(None);
    };
    // An event of its own keeps its payload; its names are no business of the log.
    if !renamed(&mut row)? {
        return Ok(None);
    }
    if row.get("mission_id").is_none_or(Value::is_null) {
        row.insert("mission_id".to_owned(), json!(mission_id));
    }
    Ok(Some(python_json::line(&row)))
}

fn renamed(row: &mut Map<String, Value>) -> Result<bool, String> {
    let mut changed = false;
    for (old, new) in NAMES {
        let Some(value) = row.remove(old) else {
            continue;
        };
        changed = true;
        match row.get(new) {
            Some(there) if *there != value && *there != json!("") && !there.is_null() => {
                return Err(format!("`{old}` and `{new}` differ: correct it by hand"));
            }
            Some(there) if *there == value => {}
            _ => drop(row.insert(new.to_owned(), value)),
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "33CNW587CNEX982MZ09V6YYQEA";

    #[test]
    fn fr_014_only_rows_of_before_are_written_anew() {
        let text = "{\"b\":1,  \"mission_slug\": \"x\"}\n\n\
                    {\"at\": \"é\", \"feature_slug\": \"012-old\", \"work_package_id\": \"WP01\", \"z\": 1.50}\r\n\
                    not json\n{\"work_package_id\": \"WP02\"}";
        let (after, actions) = canonical(text, ID).unwrap().unwrap();
        assert_eq!(
            after,
            format!(
                "{{\"b\":1,  \"mission_slug\": \"x\"}}\n\n\
                 {{\"at\": \"\\u00e9\", \"mission_id\": \"{ID}\", \"mission_slug\": \"012-old\", \
                 \"wp_id\": \"WP01\", \"z\": 1.5}}\r\nnot json\n\
                 {{\"mission_id\": \"{ID}\", \"wp_id\": \"WP02\"}}"
            )
        );
        assert_eq!(actions, ["2 row(s): feature_slug -> mission_slug"]);
        assert!(canonical(&after, ID).unwrap().is_none());
    }

    #[test]
    fn fr_014_a_row_with_two_different_names_is_refused_with_its_line() {
        let text = "{}\n{\"feature_slug\": \"a\", \"mission_slug\": \"b\"}\n";
        assert!(canonical(text, ID).unwrap_err().starts_with("line 2: "));
        assert!(canonical("{\"feature_slug\": ", ID).is_err());
    }
}
