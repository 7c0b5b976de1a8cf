//! Changes fields of a frontmatter, line by line.
//!
//! What comes out is parsed again and must say what was meant and nothing else; a text in a style
//! that this does not understand is refused and never damaged.

use super::frontmatter::mapping;
use super::{WorkPackageFile, WorkPackageProblem};
use serde_yaml_ng::{Mapping, Value};

/// What a field is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// A text.
    Text(String),
    /// A list of texts, one a line; `[]` when empty.
    List(Vec<String>),
}

impl FieldValue {
    fn to_yaml(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => items.iter().cloned().map(Value::String).collect(),
        }
    }

    fn render(&self, key: &str, newline: &str) -> String {
        match self {
            Self::Text(text) => format!("{key}: {}{newline}", scalar(text)),
            Self::List(items) if items.is_empty() => format!("{key}: []{newline}"),
            Self::List(items) => {
                let items = items
                    .iter()
                    .map(|item| format!("- {}{newline}", scalar(item)));
                format!("{key}:{newline}{}", items.collect::<String>())
            }
        }
    }
}

impl WorkPackageFile<'_> {
    /// Returns the text of the file with fields set (`Some`) or removed (`None`).
    ///
    /// A field that already says so is left as it is written; a new one comes last.
    ///
    /// # Errors
    /// [`WorkPackageProblem::Style`] names the field that cannot be changed by lines; the file must
    /// then be left alone.
    pub fn edit(
        &self,
        file: &str,
        fields: &[(&str, Option<FieldValue>)],
    ) -> Result<String, WorkPackageProblem> {
        let mut meant = mapping(file, self.yaml())?;
        let newline = if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let mut yaml = self.yaml().to_owned();
        for (key, value) in fields {
            let wanted = value.as_ref().map(FieldValue::to_yaml);
            if meant.get(*key) == wanted.as_ref() {
                continue;
            }
            let rendered = value.as_ref().map(|value| value.render(key, newline));
            yaml = replaced(&yaml, key, &rendered.unwrap_or_default());
            set(&mut meant, key, wanted);
            if mapping(file, &yaml).ok().as_ref() != Some(&meant) {
                return Err(WorkPackageProblem::Style {
                    file: file.to_owned(),
                    field: (*key).to_owned(),
                });
            }
        }
        let (before, after) = (&self.text[..self.yaml.0], &self.text[self.yaml.1..]);
        Ok(format!("{before}{yaml}{after}"))
    }
}

fn set(mapping: &mut Mapping, key: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(mapping.insert(key.into(), value)),
        None => drop(mapping.shift_remove(key)),
    }
}

/// Puts a field in the place of the one with its key, or last.
fn replaced(yaml: &str, key: &str, field: &str) -> String {
    let lines: Vec<&str> = yaml.split_inclusive('\n').collect();
    let Some(start) = lines.iter().position(|line| begins(line, key)) else {
        return format!("{yaml}{field}");
    };
    let mut end = start + 1;
    while lines.get(end).is_some_and(|line| continues(line)) {
        end += 1;
    }
    // Blank lines and comments above the next key are that key's.
    while end > start + 1 && is_blank_or_comment(lines[end - 1]) {
        end -= 1;
    }
    [
        lines[..start].concat(),
        field.to_owned(),
        lines[end..].concat(),
    ]
    .concat()
}

fn begins(line: &str, key: &str) -> bool {
    let rest = ["", "'", "\""].iter().find_map(|quote| {
        let rest = line.strip_prefix(quote)?.strip_prefix(key)?;
        rest.strip_prefix(quote)
    });
    let value = rest.and_then(|rest| rest.trim_start_matches(' ').strip_prefix(':'));
    value.is_some_and(|value| value.is_empty() || value.starts_with([' ', '\t', '\r', '\n']))
}

/// Tells whether a line below a key in the first column belongs to its value.
fn continues(line: &str) -> bool {
    is_blank_or_comment(line) || line.starts_with([' ', '\t']) || line.starts_with("- ")
}

fn is_blank_or_comment(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// Writes a text plainly where that cannot be mistaken for anything else, else in double quotes.
fn scalar(text: &str) -> String {
    let begins_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-./ ".contains(&byte));
    let reads_back = || {
        let read: Result<Value, _> = serde_yaml_ng::from_str(text);
        read.ok().as_ref().and_then(Value::as_str) == Some(text)
    };
    // Words that older readers of YAML take for a truth value.
    let is_word = ["yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if begins_well && is_plain && !is_word && reads_back() {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
