//! Reading an envelope just far enough to file it: the bytes themselves are never changed.
//!
//! What an envelope must look like is the contract's business (`kitty_contract::Gate`); this module
//! only knows under which names the store finds an event again.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The keys a client adds or changes when it sends; two sends of one event may differ in them.
///
/// `event_id` is compared in its normal form by whoever calls [`same_content`].
const SET_AT_SEND_TIME: [&str; 5] = [
    "event_id",
    "type",
    "spec_kitty_delivery_identity",
    "admission_generation",
    "binding_audience",
];

/// The members of an envelope that the store files it under, as they were sent.
#[derive(Debug, Deserialize)]
pub(crate) struct FiledUnder<'a> {
    #[serde(borrow, default)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    aggregate_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    aggregate_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    project_uuid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    project_slug: Option<&'a RawValue>,
    #[serde(borrow, default)]
    build_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    team_slug: Option<&'a RawValue>,
    #[serde(borrow, default)]
    spec_kitty_delivery_identity: Option<&'a RawValue>,
}

impl<'a> FiledUnder<'a> {
    /// Reads the members; `None` when the text is not an object or names a member twice.
    pub(crate) fn read(envelope: &'a str) -> Option<Self> {
        if !is_object(envelope) {
            return None;
        }
        serde_json::from_str(envelope).ok()
    }

    /// Returns the event id, unless it is not a text.
    pub(crate) fn event_id(&self) -> Option<String> {
        text(self.event_id)
    }

    /// Returns the event type, unless it is not a text.
    pub(crate) fn event_type(&self) -> Option<String> {
        text(self.event_type)
    }

    /// Returns the kind of thing the event is about, unless it is not a text.
    pub(crate) fn aggregate_type(&self) -> Option<String> {
        text(self.aggregate_type)
    }

    /// Returns the id of the thing the event is about, unless it is not a text.
    pub(crate) fn aggregate_id(&self) -> Option<String> {
        text(self.aggregate_id)
    }

    /// Returns the project's id in lower case, unless it is not a text.
    pub(crate) fn project_uuid(&self) -> Option<String> {
        text(self.project_uuid).map(|uuid| uuid.to_ascii_lowercase())
    }

    /// Returns the project's readable name, unless it is not a text.
    pub(crate) fn project_slug(&self) -> Option<String> {
        text(self.project_slug)
    }

    /// Returns the build id, unless it is not a text.
    pub(crate) fn build_id(&self) -> Option<String> {
        text(self.build_id)
    }

    /// Returns when the event happened, unless it is not a text.
    pub(crate) fn timestamp(&self) -> Option<String> {
        text(self.timestamp)
    }

    /// Returns the team the event names; the outer `None` when it names none.
    pub(crate) fn team_slug(&self) -> Option<Option<String>> {
        self.team_slug.map(|raw| text(Some(raw)))
    }

    /// Returns the delivery identity; the outer `None` when there is none.
    pub(crate) fn delivery_identity(&self) -> Option<Option<String>> {
        self.spec_kitty_delivery_identity.map(|raw| text(Some(raw)))
    }
}

/// Tells whether a JSON text is an object.
///
/// Needed because serde also reads a struct from an array.
pub(crate) fn is_object(json: &str) -> bool {
    json.trim_ascii_start().starts_with('{')
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// Returns the normal form of an event id: ULIDs in upper case, UUIDs hyphenated in lower case.
///
/// The events library reads ids that way, so two spellings name one event. What is neither is
/// returned as it is.
pub(crate) fn normal_id(event_id: &str) -> Cow<'_, str> {
    let bytes = event_id.as_bytes();
    let hexadecimal = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    match bytes.len() {
        26 if bytes.iter().any(u8::is_ascii_lowercase) => event_id.to_ascii_uppercase().into(),
        36 if bytes.iter().any(u8::is_ascii_uppercase) => event_id.to_ascii_lowercase().into(),
        32 if hexadecimal(bytes) => {
            let lower = event_id.to_ascii_lowercase();
            let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &lower[part]);
            parts.join("-").into()
        }
        _ => event_id.into(),
    }
}

/// Tells whether two envelopes of one event id carry the same event.
///
/// Key order, white space and the keys that are set at send time make no difference.
pub(crate) fn same_content(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    match (members(left), members(right)) {
        (Some(left), Some(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|((key, value), (other_key, other))| {
                        key == other_key && same_value(value, other)
                    })
        }
        _ => false,
    }
}

fn members(envelope: &str) -> Option<BTreeMap<String, &RawValue>> {
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(envelope).ok()?;
    members.retain(|key, _| !SET_AT_SEND_TIME.contains(&key.as_str()));
    Some(members)
}

fn same_value(left: &RawValue, right: &RawValue) -> bool {
    left.get() == right.get()
        || match (
            serde_json::from_str::<Value>(left.get()),
            serde_json::from_str::<Value>(right.get()),
        ) {
            (Ok(left), Ok(right)) => left == right,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_send_time_keys_order_and_space_may_differ() {
        let stored = r#"{"event_id":"01A","payload":{"a":1,"b":[2]},"type":"event"}"#;
        let again = r#"{ "binding_audience": "x", "payload": {"b": [2], "a": 1}, "event_id": "01a", "admission_generation": 3 }"#;
        assert!(same_content(stored, again));
        for other in [
            r#"{"event_id":"01A","payload":{"a":1,"b":[3]}}"#,
            r#"{"event_id":"01A","payload":{"a":1,"b":[2]},"extra":null}"#,
            r#"{"event_id":"01A"}"#,
            "[]",
        ] {
            assert!(!same_content(stored, other), "{other}");
        }
    }

    #[test]
    fn two_spellings_of_one_id_have_one_normal_form() {
        assert_eq!(
            normal_id("01m7xas67mt30dh0dy9ew5wfqy"),
            "01M7XAS67MT30DH0DY9EW5WFQY"
        );
        let hyphenated = "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4";
        assert_eq!(normal_id("AE17D5B9A76D45678ACBC0BF7B9410B4"), hyphenated);
        assert_eq!(normal_id(&hyphenated.to_uppercase()), hyphenated);
        assert_eq!(normal_id("something else"), "something else");
        assert_eq!(normal_id(&"\u{e9}".repeat(16)), "\u{e9}".repeat(16));
    }

    #[test]
    fn members_of_a_wrong_type_read_as_absent_and_arrays_are_no_envelopes() {
        let filed = FiledUnder::read(r#"{"event_id":5,"build_id":"b","team_slug":null}"#).unwrap();
        assert_eq!(filed.event_id(), None);
        assert_eq!(filed.build_id().as_deref(), Some("b"));
        assert_eq!(filed.team_slug(), None);
        assert!(FiledUnder::read(r#"["a"]"#).is_none());
        assert!(FiledUnder::read(r#"{"event_id":"a","event_id":"b"}"#).is_none());
    }
}
