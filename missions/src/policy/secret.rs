//! Looks for values that may be secrets, by the words that secrets are named with.

use serde_json::{Map, Value};

/// Words whose presence in a value makes it suspicious, in lower case.
const WORDS: [&str; 5] = ["token", "secret", "key", "password", "credential"];

/// Returns the place of the first suspicious text, such as `extra.a[0]`; keys are not looked at.
pub(super) fn find(fields: &Map<String, Value>) -> Option<String> {
    fields
        .iter()
        .find_map(|(name, value)| below(value, name.clone()))
}

fn below(value: &Value, place: String) -> Option<String> {
    match value {
        Value::String(text) => is_suspicious(text).then_some(place),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .find_map(|(index, value)| below(value, format!("{place}[{index}]"))),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, value)| below(value, format!("{place}.{name}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn is_suspicious(text: &str) -> bool {
    let text = text.to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}
