//! A JSON object whose unknown keys survive.

use jiff::Timestamp;
use kitty_runtime::time;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde_json::value::RawValue;
use std::fmt;

/// A session's content is not what it should be.
///
/// Holds no value, because values are secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionContentError {
    /// It is no JSON object.
    #[error("the content is not a JSON object")]
    NotAnObject,
    /// A key is missing.
    #[error("the key '{0}' is missing")]
    Missing(&'static str),
    /// A key holds another type, or a time that is none.
    #[error("the key '{0}' does not hold what it should")]
    Unusable(&'static str),
}

/// Keys and values in their order, the values as they were written.
#[derive(Default, Clone)]
pub(crate) struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// Parses one JSON object.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, SessionContentError> {
        serde_json::from_slice(text).map_err(|_| SessionContentError::NotAnObject)
    }

    fn take_raw(&mut self, key: &str) -> Option<Box<RawValue>> {
        // Of a repeated key the last value counts, as in Python; the others go with it.
        let found = self.0.iter().rposition(|(name, _)| name == key)?;
        let (_, value) = self.0.remove(found);
        self.0.retain(|(name, _)| name != key);
        Some(value)
    }

    /// Takes a value out; a null counts as present and must fit the type.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
    ) -> Result<T, SessionContentError> {
        let raw = self
            .take_raw(key)
            .ok_or(SessionContentError::Missing(key))?;
        serde_json::from_str(raw.get()).map_err(|_| SessionContentError::Unusable(key))
    }

    /// Takes a value out that may be missing or null.
    pub(crate) fn take_optional<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, SessionContentError> {
        match self.take_raw(key) {
            None => Ok(None),
            Some(raw) => {
                serde_json::from_str(raw.get()).map_err(|_| SessionContentError::Unusable(key))
            }
        }
    }

    /// Takes a time out.
    pub(crate) fn take_time(
        &mut self,
        key: &'static str,
    ) -> Result<Timestamp, SessionContentError> {
        let text: String = self.take(key)?;
        time::parse_iso(&text).ok_or(SessionContentError::Unusable(key))
    }

    /// Takes a time out that may be missing or null.
    pub(crate) fn take_optional_time(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Timestamp>, SessionContentError> {
        let text: Option<String> = self.take_optional(key)?;
        text.map(|text| time::parse_iso(&text).ok_or(SessionContentError::Unusable(key)))
            .transpose()
    }

    /// Writes what is left into an object that is being written.
    pub(crate) fn serialize_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        Ok(())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        let pairs = |object: &Self| -> Vec<(String, String)> {
            object
                .0
                .iter()
                .map(|(key, value)| (key.clone(), value.get().to_owned()))
                .collect()
        };
        pairs(self) == pairs(other)
    }
}

impl Eq for Object {}

/// Prints the keys only.
impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.0.iter().map(|(key, _)| key))
            .finish()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
