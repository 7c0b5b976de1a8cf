//! `meta.json` of a mission, in the keys of today and the bytes of 3.2.7's own repair.
//!
//! Source: reference events-queue-wire section 8. What 3.2.7 writes with `doctor mission-state --fix`
//! this writes too: sorted keys, two spaces, defaults for what has to be there, a mission id that
//! follows from the metadata and the first row, so that two clones of a project agree on it.

use crate::words;
use kitty_runtime::python_json;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The alphabet of ULIDs.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Keys that have no meaning any more.
const LEGACY: [&str; 3] = [words::SLUG, words::NUMBER, words::TYPE_OF_META];

/// What a mission's metadata is to say.
#[derive(Debug)]
pub struct Canonical {
    /// The mission's id, made or found.
    pub mission_id: String,
    /// The new text, if it is another one.
    pub changed: Option<(String, Vec<String>)>,
}

/// Gives metadata the keys of today; `rows` is the mission's status log.
///
/// # Errors
/// Why it cannot be done; the file must then be left alone.
pub fn canonical(directory: &str, text: &str, rows: &str) -> Result<Canonical, String> {
    let Ok(Value::Object(before)) = serde_json::from_str(text) else {
        return Err("it is not a JSON object: correct it by hand".to_owned());
    };
    let id = before.get("mission_id").and_then(Value::as_str);
    let id = id.filter(|id| is_ulid(id)).map(str::to_owned);
    let is_legacy = LEGACY.iter().any(|key| before.contains_key(*key));
    if let (false, Some(mission_id)) = (is_legacy, &id) {
        return Ok(Canonical {
            mission_id: mission_id.clone(),
            changed: None,
        });
    }
    let mut meta = before.clone();
    let mut actions = Vec::new();
    completed(&mut meta, directory, rows)?;
    let mission_id = match id {
        Some(id) => id,
        None => {
            actions.push("+ mission_id".to_owned());
            mission_id(&meta, rows)
        }
    };
    meta.insert("mission_id".to_owned(), json!(mission_id));
    for key in LEGACY {
        if meta.remove(key).is_some() {
            actions.push(format!("- {key}"));
        }
    }
    Ok(Canonical {
        mission_id,
        changed: Some((python_json::indented_unescaped(&meta) + "\n", actions)),
    })
}

/// Sets what has to be there.
fn completed(meta: &mut Map<String, Value>, directory: &str, rows: &str) -> Result<(), String> {
    let said = |meta: &Map<String, Value>, keys: &[&str]| {
        let text = |key: &&str| match meta.get(*key) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        keys.iter().find_map(text)
    };
    let slug = said(meta, &["mission_slug", "slug", words::SLUG]);
    let slug = slug.unwrap_or_else(|| directory.to_owned());
    let kind = said(meta, &["mission_type", words::TYPE_OF_META]);
    let kind = kind.unwrap_or_else(|| "software-dev".to_owned());
    let created = said(meta, &["created_at"]).or_else(|| first_moment(rows));
    let created = created.unwrap_or_else(|| "1970-01-01T00:00:00+00:00".to_owned());
    let raw = match meta.get("mission_number") {
        None | Some(Value::Null) => meta.get(words::NUMBER),
        Some(Value::String(text)) if text.is_empty() => meta.get(words::NUMBER),
        other => other,
    };
    let number = match number(raw)? {
        Some(number) => Some(number),
        None => number_of(&slug),
    };
    meta.insert("mission_slug".to_owned(), json!(slug));
    for (key, value) in [
        ("slug", slug.as_str()),
        ("friendly_name", slug.as_str()),
        ("target_branch", "main"),
    ] {
        if !meta.contains_key(key) {
            meta.insert(key.to_owned(), json!(value));
        }
    }
    meta.insert("mission_type".to_owned(), json!(kind));
    meta.insert("created_at".to_owned(), json!(created));
    meta.insert("mission_number".to_owned(), json!(number));
    Ok(())
}

fn number(value: Option<&Value>) -> Result<Option<u64>, String> {
    let wrong = || "its number must be null or a whole number: correct it by hand".to_owned();
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => number.as_u64().map(Some).ok_or_else(wrong),
        Some(Value::String(text)) => match text.trim() {
            "" => Ok(None),
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Some).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        },
        Some(_) => Err(wrong()),
    }
}

/// The number that a slug of an earlier release begins with: `012-name`.
fn number_of(slug: &str) -> Option<u64> {
    let (digits, rest) = slug.split_once('-')?;
    let is_number = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !rest.is_empty()).then(|| digits.parse().ok())?
}

fn is_ulid(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| CROCKFORD.contains(&byte))
}

fn objects(rows: &str) -> impl Iterator<Item = Map<String, Value>> + '_ {
    rows.lines()
        .filter_map(|line| serde_json::from_str(line.trim()).ok())
}

fn first_moment(rows: &str) -> Option<String> {
    let moments = objects(rows).filter_map(|row| row.get("at")?.as_str().map(str::to_owned));
    moments.filter(|moment| !moment.is_empty()).min()
}

/// Makes the id of a mission that has none: 128 bits of a hash, spelled as 3.2.7 spells them.
fn mission_id(meta: &Map<String, Value>, rows: &str) -> String {
    let first = objects(rows).next().unwrap_or_default();
    let of = |map: &Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or_default();
    let stable: Map<String, Value> = [
        "mission_slug",
        "slug",
        "friendly_name",
        "created_at",
        "target_branch",
        "mission_type",
    ]
    .into_iter()
    .map(|key| (key.to_owned(), of(meta, key)))
    .collect();
    let seed = json!({
        "meta": stable,
        "first_event_id": of(&first, "event_id"),
        "first_event_at": of(&first, "at"),
    });
    let digest = Sha256::digest(python_json::line(&seed).as_bytes());
    let mut value = u128::from_be_bytes(digest[..16].try_into().expect("sixteen bytes"));
    let mut letters = [0_u8; 26];
    for letter in letters.iter_mut().rev() {
        *letter = CROCKFORD[(value & 31) as usize];
        value >>= 5;
    }
    letters.iter().map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What 3.2.7's `doctor mission-state --fix` made of the same two files.
    #[test]
    fn fr_014_metadata_becomes_what_the_python_cli_makes_of_it() {
        let before = "{\n  \"feature_number\": \"012\",\n  \"slug\": \"012-old-thing\",\n  \
            \"feature_slug\": \"012-old-thing\",\n  \"friendly_name\": \"Alt – Café\",\n  \
            \"mission\": \"software-dev\",\n  \"target_branch\": \"main\",\n  \
            \"x_unknown\": {\"b\": 1, \"a\": [1.50, 1e3]},\n  \
            \"created_at\": \"2026-01-31T15:39:09Z\"\n}\n";
        let rows =
            "{\"at\": \"2026-02-08T12:00:00Z\", \"event_id\": \"01HXYZ0123456789ABCDEFGHJK\"}\n";
        let done = canonical("012-old-thing", before, rows).unwrap();
        assert_eq!(done.mission_id, "33CNW587CNEX982MZ09V6YYQEA");
        let (after, actions) = done.changed.unwrap();
        assert_eq!(
            after,
            "{\n  \"created_at\": \"2026-01-31T15:39:09Z\",\n  \"friendly_name\": \"Alt – Café\",\n  \
             \"mission_id\": \"33CNW587CNEX982MZ09V6YYQEA\",\n  \"mission_number\": 12,\n  \
             \"mission_slug\": \"012-old-thing\",\n  \"mission_type\": \"software-dev\",\n  \
             \"slug\": \"012-old-thing\",\n  \"target_branch\": \"main\",\n  \"x_unknown\": {\n    \
             \"a\": [\n      1.5,\n      1000.0\n    ],\n    \"b\": 1\n  }\n}\n"
        );
        assert_eq!(
            actions,
            [
                "+ mission_id",
                "- feature_slug",
                "- feature_number",
                "- mission"
            ]
        );
        let again = canonical("012-old-thing", &after, rows).unwrap();
        assert!(again.changed.is_none());
        assert_eq!(again.mission_id, done.mission_id);
    }

    #[test]
    fn fr_014_what_cannot_be_understood_is_left_alone() {
        for text in [
            "",
            "[]",
            "{\"feature_number\": \"x\"}",
            "{\"feature_number\": -1}",
            "{\"feature_number\": [1]}",
        ] {
            assert!(canonical("x", text, "").is_err(), "{text}");
        }
    }

    #[test]
    fn fr_014_a_mission_without_a_slug_is_named_by_its_directory() {
        let done = canonical("007-x", "{\"mission\": \"research\"}", "").unwrap();
        let (after, _) = done.changed.unwrap();
        let meta: Value = serde_json::from_str(&after).unwrap();
        assert_eq!(meta["mission_slug"], "007-x");
        assert_eq!(meta["mission_number"], 7);
        assert_eq!(meta["mission_type"], "research");
        assert_eq!(meta["created_at"], "1970-01-01T00:00:00+00:00");
    }
}
