//! The text of `config.toml`: parsed, edited and printed with comments and foreign keys kept.

use crate::target::ServerUrl;
use std::io;
use std::path::Path;
use std::str::FromStr as _;
use toml_edit::{DocumentMut, Item, Table, Value, value};

/// The keys of `config get|set|list`, in the order of the list.
pub const SETTING_KEYS: [&str; 5] = [
    "sync.server_url",
    "sync.background_daemon",
    "sync.max_queue_size",
    "sync.final_sync_timeout_seconds",
    "event_sync.mode",
];

/// Why the file could not be read as a whole; the words are those of the Python CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFailureKind {
    /// It could not be opened: fix its mode or owner.
    Unreadable,
    /// It is not TOML: repair the syntax.
    Unparseable,
    /// It is TOML, but a section is not a table.
    WrongShape,
}

impl ReadFailureKind {
    /// Returns the stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Unparseable => "unparseable",
            Self::WrongShape => "wrong_shape",
        }
    }
}

/// A settings file that exists and cannot be used; getters then see defaults, setters refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the existing configuration could not be read ({}) and writing would rebuild it from an empty \
     document, discarding every record it holds. Repair the file first — {detail}",
    kind.as_str()
)]
pub struct ReadFailure {
    /// What is wrong.
    pub kind: ReadFailureKind,
    /// The file and the underlying error, in one line.
    pub detail: String,
}

/// A value that a setting does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The daemon policy is an empty string.
    #[error("[sync].background_daemon must be 'auto' or 'manual', not an empty string")]
    EmptyDaemonPolicy,
    /// No such key.
    #[error("unknown setting '{key}'; the settings are {}", SETTING_KEYS.join(", "))]
    UnknownKey {
        /// The key as typed.
        key: String,
    },
    /// The value is outside what the key takes.
    #[error("{key} does not take '{value}': {expected}")]
    InvalidValue {
        /// The key.
        key: String,
        /// The value as typed.
        value: String,
        /// What it takes, and an example.
        expected: &'static str,
    },
}

/// A parsed `config.toml`.
#[derive(Debug, Clone, Default)]
pub struct SettingsDocument {
    document: DocumentMut,
}

impl SettingsDocument {
    /// Reads the file; a missing file is an empty document.
    ///
    /// # Errors
    /// [`ReadFailure`] when the file exists and cannot be read or parsed as a whole.
    pub fn open(path: &Path) -> Result<Self, ReadFailure> {
        match std::fs::read(path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|error| {
                    unparseable(
                        path,
                        &format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()),
                    )
                })?;
                Self::parse(&text).map_err(|failure| ReadFailure {
                    detail: format!("{}: {}", path.display(), failure.detail),
                    ..failure
                })
            }
            // Below a file, too, there is none.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(Self::default())
            }
            Err(error) => Err(ReadFailure {
                kind: ReadFailureKind::Unreadable,
                detail: format!("{}: could not be read ({error})", path.display()),
            }),
        }
    }

    /// Parses the text of a settings file.
    ///
    /// # Errors
    /// [`ReadFailure`] when it is not TOML or `[sync]` or `[event_sync]` is not a table.
    pub fn parse(text: &str) -> Result<Self, ReadFailure> {
        let document = DocumentMut::from_str(text).map_err(|error| ReadFailure {
            kind: ReadFailureKind::Unparseable,
            detail: format!("not valid TOML ({})", first_line(&error.to_string())),
        })?;
        for section in ["sync", "event_sync"] {
            if document
                .get(section)
                .is_some_and(|item| !item.is_table_like())
            {
                return Err(ReadFailure {
                    kind: ReadFailureKind::WrongShape,
                    detail: format!("[{section}] is not a table"),
                });
            }
        }
        Ok(Self { document })
    }

    /// Returns the item at `[section] key`.
    #[must_use]
    pub fn item(&self, section: &str, key: &str) -> Option<&Item> {
        self.document
            .get(section)?
            .as_table_like()?
            .get(key)
            .filter(|item| !item.is_none())
    }

    /// Returns the value of a setting as text, `None` when it is unset.
    ///
    /// # Errors
    /// [`SettingError::UnknownKey`].
    pub fn get(&self, key: &str) -> Result<Option<String>, SettingError> {
        let (section, name) = split_key(key)?;
        Ok(self
            .item(section, name)
            .and_then(Item::as_value)
            .map(|value| match value {
                Value::String(text) => text.value().clone(),
                other => other.clone().decorated("", "").to_string(),
            }))
    }

    /// Sets a setting from text, keeping everything else of the document as it is.
    ///
    /// # Errors
    /// [`SettingError`] when the key is unknown or does not take the value; nothing is changed.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), SettingError> {
        let (section, name) = split_key(key)?;
        let new = parse_setting(key, text)?;
        let table = self
            .document
            .entry(section)
            .or_insert_with(|| Item::Table(Table::new()));
        let table = table
            .as_table_like_mut()
            .expect("parse refused sections that are not tables");
        match table.get_mut(name) {
            Some(Item::Value(old)) => {
                let decor = old.decor().clone();
                let mut new = new;
                *new.decor_mut() = decor;
                *old = new;
            }
            _ => {
                table.insert(name, value(new));
            }
        }
        Ok(())
    }

    /// Returns the text to store.
    #[must_use]
    pub fn text(&self) -> String {
        self.document.to_string()
    }
}

fn unparseable(path: &Path, detail: &str) -> ReadFailure {
    ReadFailure {
        kind: ReadFailureKind::Unparseable,
        detail: format!("{}: not valid TOML ({detail})", path.display()),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn split_key(key: &str) -> Result<(&'static str, &'static str), SettingError> {
    SETTING_KEYS
        .iter()
        .find(|known| **known == key)
        .and_then(|known| known.split_once('.'))
        .ok_or_else(|| SettingError::UnknownKey {
            key: key.to_owned(),
        })
}

fn parse_setting(key: &str, text: &str) -> Result<Value, SettingError> {
    let invalid = |expected| SettingError::InvalidValue {
        key: key.to_owned(),
        value: text.to_owned(),
        expected,
    };
    let trimmed = text.trim();
    match key {
        "sync.server_url" if trimmed.is_empty() => Ok(Value::from("")),
        "sync.server_url" => ServerUrl::parse(trimmed)
            .map(|url| Value::from(url.as_str()))
            .map_err(|_| invalid("use a full HTTPS URL, or http://localhost[:port]")),
        "sync.background_daemon" => match trimmed.to_lowercase().as_str() {
            "" => Err(SettingError::EmptyDaemonPolicy),
            word @ ("auto" | "manual") => Ok(Value::from(word)),
            _ => Err(invalid("it is 'auto' or 'manual'")),
        },
        "sync.max_queue_size" => positive(trimmed, 1, 1_000_000_000)
            .ok_or_else(|| invalid("it is a whole number of events, for example 100000")),
        "sync.final_sync_timeout_seconds" => positive(trimmed, 1, 60)
            .ok_or_else(|| invalid("it is a whole number of seconds from 1 to 60")),
        _ => super::EventSyncMode::parse(trimmed)
            .map(|mode| Value::from(mode.as_str()))
            .ok_or_else(|| {
                invalid("it is teamspace, external_receiver, local_retention or opt_out")
            }),
    }
}

fn positive(text: &str, least: i64, most: i64) -> Option<Value> {
    text.parse::<i64>()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\n[sync]\nserver_url = \"https://old.example\" # keep me\n\
                        unknown = [1, 2]\n\n[other]\nkey = 'x'\n";

    #[test]
    fn setting_a_value_keeps_comments_and_foreign_keys() {
        let mut document = SettingsDocument::parse(FILE).unwrap();
        document
            .set("sync.server_url", "https://new.example/")
            .unwrap();
        document.set("sync.max_queue_size", "5").unwrap();
        assert_eq!(
            document.text(),
            "# mine\n[sync]\nserver_url = \"https://new.example\" # keep me\n\
             unknown = [1, 2]\nmax_queue_size = 5\n\n[other]\nkey = 'x'\n"
        );
    }

    #[test]
    fn a_document_without_the_section_gets_one() {
        let mut document = SettingsDocument::default();
        document.set("sync.background_daemon", " Manual ").unwrap();
        assert_eq!(document.text(), "[sync]\nbackground_daemon = \"manual\"\n");
        assert_eq!(
            document.get("sync.background_daemon").unwrap().as_deref(),
            Some("manual")
        );
        assert_eq!(document.get("sync.server_url"), Ok(None));
    }

    #[test]
    fn unknown_keys_and_values_are_refused_by_name_and_change_nothing() {
        let mut document = SettingsDocument::parse(FILE).unwrap();
        for (key, value) in [
            ("sync.nonsense", "1"),
            ("sync.server_url", "ftp://x"),
            ("sync.server_url", "http://plain.example"),
            ("sync.background_daemon", "off"),
            ("sync.background_daemon", ""),
            ("sync.max_queue_size", "-1"),
            ("sync.max_queue_size", "many"),
            ("event_sync.mode", "everything"),
        ] {
            let message = document.set(key, value).unwrap_err().to_string();
            assert!(
                message.contains(key.split('.').next_back().unwrap()),
                "{message}"
            );
        }
        assert_eq!(document.text(), FILE);
    }

    #[test]
    fn each_way_a_file_can_be_broken_has_its_own_word() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        assert!(SettingsDocument::open(&file).unwrap().text().is_empty());
        for (bytes, kind) in [
            (&b"[sync\nx="[..], ReadFailureKind::Unparseable),
            (&b"\xff\xfe"[..], ReadFailureKind::Unparseable),
            (&b"sync = 3\n"[..], ReadFailureKind::WrongShape),
        ] {
            std::fs::File::create(&file)
                .and_then(|mut f| io::Write::write_all(&mut f, bytes))
                .unwrap();
            let failure = SettingsDocument::open(&file).unwrap_err();
            assert_eq!(failure.kind, kind);
            assert!(failure.to_string().contains("config.toml"), "{failure}");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert_eq!(
            SettingsDocument::open(&file).unwrap_err().kind,
            ReadFailureKind::Unreadable
        );
    }
}
