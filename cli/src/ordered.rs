//! JSON objects whose keys stay in the order they were put in.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

/// An object that is printed key by key as it was made.
#[derive(Debug, Clone, Default)]
pub struct Ordered<V>(pub Vec<(String, V)>);

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let mut map = writer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// A JSON value whose objects are ordered.
#[derive(Debug, Clone)]
pub enum Node {
    /// What has no order of its own.
    Plain(Value),
    /// An object.
    Object(Ordered<Self>),
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(writer),
            Self::Object(object) => object.serialize(writer),
        }
    }
}

impl Node {
    /// Orders the keys of an object: those that are named first, then the others. `inner` makes the
    /// value of a key.
    pub fn ordered(
        mut keys: Map<String, Value>,
        order: &[&str],
        inner: impl Fn(&str, Value) -> Self,
    ) -> Self {
        let mut all = Vec::with_capacity(keys.len());
        for key in order {
            if let Some(value) = keys.remove(*key) {
                all.push(((*key).to_owned(), inner(key, value)));
            }
        }
        let others = keys.into_iter().map(|(key, value)| {
            let value = inner(&key, value);
            (key, value)
        });
        all.extend(others);
        Self::Object(Ordered(all))
    }
}
