//! A row as it stands in a file, before anybody has an opinion about it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// One value of SQLite.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT; SQLite does not promise that it is UTF-8.
    Text(Vec<u8>),
    /// BLOB.
    Blob(Vec<u8>),
}

/// One row, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The table it stands in.
    pub table: &'static str,
    /// Its position in the table.
    pub rowid: i64,
    /// Its values, by column, in the order of the table.
    pub columns: Vec<(String, Cell)>,
}

impl Cell {
    /// Returns TEXT that is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Returns the bytes of TEXT or BLOB.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(bytes) | Self::Blob(bytes) => bytes,
            _ => &[],
        }
    }

    /// Returns a number as milliseconds, given it counts seconds; never before the epoch.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float saturates, which is what is wanted"
    )]
    pub fn seconds_as_ms(&self) -> u64 {
        match self {
            Self::Integer(seconds) => {
                u64::try_from(*seconds).map_or(0, |seconds| seconds.saturating_mul(1000))
            }
            Self::Real(seconds) => (seconds * 1000.0) as u64,
            _ => 0,
        }
    }

    /// Renders the value so that it can be restored bit by bit.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => json!({ "integer": number }),
            Self::Real(number) if number.is_finite() => json!({ "real": number }),
            Self::Real(number) => json!({ "real_bits": number.to_bits() }),
            Self::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => json!({ "text": text }),
                Err(_) => json!({ "text_base64": STANDARD.encode(bytes) }),
            },
            Self::Blob(bytes) => json!({ "blob_base64": STANDARD.encode(bytes) }),
        }
    }
}

impl Row {
    /// Returns the value of a column; a missing column is NULL.
    #[must_use]
    pub fn get(&self, name: &str) -> &Cell {
        let found = self.columns.iter().find(|(column, _)| column == name);
        found.map_or(&Cell::Null, |(_, cell)| cell)
    }

    /// Returns the value of the first of two columns that exists: today's name, or the one before.
    #[must_use]
    pub fn either(&self, name: &str, before: &str) -> &Cell {
        let exists = |wanted: &str| self.columns.iter().any(|(column, _)| column == wanted);
        self.get(if exists(name) { name } else { before })
    }

    /// Renders every column.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let columns = self.columns.iter();
        let columns: Map<String, Value> = columns
            .map(|(name, cell)| (name.clone(), cell.to_json()))
            .collect();
        Value::Object(columns)
    }
}
