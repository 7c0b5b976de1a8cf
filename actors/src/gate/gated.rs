//! What the gate let pass, as a type.

use bytes::Bytes;
use kitty_contract::{Context, Gate, Violation};
use serde_json::Value;

/// Something that the gate has let pass; only the gate makes one.
///
/// The transport takes no other JSON, over HTTP and over the WebSocket alike, so that sending what
/// was not checked does not compile (document 4, FR-012):
///
/// ```compile_fail
/// use kitty_actors::gate::gated::Gated;
/// let made_up = Gated("{}");
/// ```
///
/// ```compile_fail
/// use kitty_actors::transport::{HttpRequest, Method};
/// use std::time::Duration;
/// let url = "https://a.example/api/v1/events/batch/";
/// let request = HttpRequest::new("a batch", Method::Post, url, Duration::from_secs(1));
/// let sent = request.json(&bytes::Bytes::from_static(b"{}"));
/// ```
///
/// What was checked can be sent:
///
/// ```
/// use kitty_actors::gate::gated;
/// use kitty_actors::transport::{HttpRequest, Method};
/// use std::time::Duration;
/// let url = "https://a.example/api/v1/ws-token";
/// let body = gated::request(&serde_json::json!({"team_id": "t"})).expect("it may leave");
/// let request = HttpRequest::new("a token", Method::Post, url, Duration::from_secs(1));
/// let sent = request.json(&body);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gated<T>(T);

impl<T> Gated<T> {
    pub(super) const fn new(checked: T) -> Self {
        Self(checked)
    }

    /// Returns what was checked.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// Gives what was checked another form on the wire: joined, framed, compressed.
    ///
    /// `form` adds nothing but the fields of delivery; an architecture test lists who calls this.
    #[must_use]
    pub(crate) fn reform<U>(self, form: impl FnOnce(T) -> U) -> Gated<U> {
        Gated(form(self.0))
    }

    /// Joins several checked values into one.
    #[must_use]
    pub(crate) fn collect(parts: impl Iterator<Item = Self>) -> Gated<Vec<T>> {
        Gated(parts.map(|part| part.0).collect())
    }
}

/// Checks the JSON of a request that has no context of its own.
///
/// # Errors
/// What is wrong with it; it must not be sent.
pub fn request(body: &Value) -> Result<Gated<Bytes>, Violation> {
    let json = Bytes::from(body.to_string());
    Gate::vendored().check_bytes(Context::Request, &json)?;
    Ok(Gated(json))
}
