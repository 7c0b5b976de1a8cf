//! Python's `repr` of a TOML value, because the warnings of the Python CLI carry it.

use std::fmt::Write as _;
use toml_edit::{Item, Value};

/// Renders an item as Python prints the parsed value.
pub(super) fn python_repr(item: &Item) -> String {
    match item.as_value() {
        Some(value) => repr(value),
        None => "{...}".to_owned(),
    }
}

fn repr(value: &Value) -> String {
    match value {
        Value::String(text) => repr_text(text.value()),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => format!("{:?}", number.value()),
        Value::Boolean(flag) => if *flag.value() { "True" } else { "False" }.to_owned(),
        Value::Datetime(moment) => moment.value().to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::InlineTable(table) => {
            let pairs: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{}: {}", repr_text(key), repr(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn repr_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                write!(out, "\\x{:02x}", u32::from(c)).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}
