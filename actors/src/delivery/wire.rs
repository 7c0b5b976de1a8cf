//! The bytes of a batch: stored events spliced together with the fields of delivery (reference 5).
//!
//! Nothing is parsed and printed again: an event is sent exactly as it was stored, with four fields
//! put around it. Only what the gate let pass can be added.

use crate::gate::gated::Gated;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use kitty_config::ServerUrl;
use std::io::Write as _;

/// The endpoint of batches.
pub const BATCH_ENDPOINT: &str = "/api/v1/events/batch/";
/// The protocol that this release speaks, as its header says it.
pub const PROTOCOL_HEADER: (&str, &str) = ("X-Spec-Kitty-Sync-Protocol", "2.0");
/// Bytes that delivery adds to one event, apart from its id and the server's name.
const OVERHEAD: usize = 128;
/// Bytes of an event id as this program gives them.
const ULID_LENGTH: usize = 26;

/// Returns whom a project that admits itself sends to.
#[must_use]
pub fn audience(server: &ServerUrl) -> String {
    format!("local-nonstrict:{}", server.origin())
}

/// The fields that admission adds to every event of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    prefix: String,
}

impl Admission {
    /// Admits a project to a server by itself: generation 1, bound to the server's origin.
    #[must_use]
    pub fn local(server: &ServerUrl) -> Self {
        let audience = serde_json::Value::from(audience(server));
        Self {
            prefix: format!("{{\"admission_generation\":1,\"binding_audience\":{audience},"),
        }
    }

    /// Returns about how many bytes an event takes in a batch.
    #[must_use]
    pub const fn size(&self, id: &str, event: &[u8]) -> usize {
        self.prefix.len() + event.len() + id.len() + OVERHEAD
    }

    /// Returns about how many bytes delivery adds to an event of ours, whose id is a ULID.
    #[must_use]
    pub const fn overhead(&self) -> usize {
        self.prefix.len() + ULID_LENGTH + OVERHEAD
    }

    /// Returns one event as it is sent; its id becomes the delivery identity.
    pub fn splice(&self, event: Gated<(&str, &[u8])>) -> Gated<Vec<u8>> {
        event.reform(|(id, json)| self.preview(id, json))
    }

    /// Returns an event as it would be sent, for a person to look at; what is sent is gated first.
    #[must_use]
    pub fn preview(&self, id: &str, json: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size(id, json));
        self.put_around(id, json, &mut out);
        out
    }

    /// Puts the fields of delivery around an object; what is no object becomes one without fields.
    fn put_around(&self, id: &str, json: &[u8], out: &mut Vec<u8>) {
        let inside = json
            .strip_prefix(b"{")
            .and_then(|rest| rest.strip_suffix(b"}"));
        let inside = inside.unwrap_or_default();
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(inside);
        if !inside.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(b"\"spec_kitty_delivery_identity\":");
        serde_json::to_writer(&mut *out, id).expect("text serializes into a buffer");
        out.extend_from_slice(b",\"type\":\"event\"}");
    }
}

fn join(admission: &Admission, events: &[(&str, &[u8])]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(1 << 20);
    plain.extend_from_slice(b"{\"events\":[");
    for (number, (id, json)) in events.iter().enumerate() {
        if number > 0 {
            plain.push(b',');
        }
        admission.put_around(id, json, &mut plain);
    }
    plain.extend_from_slice(b"]}");
    plain
}

fn compress(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 6), Compression::fast());
    let body = encoder.write_all(plain).and_then(|()| encoder.finish());
    body.expect("compressing into memory cannot fail").into()
}

/// A batch that is ready to be sent: compressed, and made of gated events only.
#[derive(Debug, Clone)]
pub struct GatedBatch {
    body: Gated<Bytes>,
    /// Bytes before compression.
    pub plain_bytes: usize,
}

impl GatedBatch {
    /// Builds the body `{"events":[…]}` and compresses it.
    #[must_use]
    pub fn build<'a>(
        admission: &Admission,
        events: impl Iterator<Item = Gated<(&'a str, &'a [u8])>>,
    ) -> Self {
        let plain = Gated::collect(events).reform(|events| join(admission, &events));
        let plain_bytes = plain.get().len();
        Self {
            body: plain.reform(|plain| compress(&plain)),
            plain_bytes,
        }
    }

    /// Returns the compressed body.
    #[must_use]
    pub const fn body(&self) -> &Gated<Bytes> {
        &self.body
    }
}
