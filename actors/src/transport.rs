//! The port through which everything reaches the network.
//!
//! Cores and tests see only [`HttpRequest`], [`HttpResponse`], [`WebSocket`] and [`Transport`]; the
//! files that know reqwest are `transport/http_client.rs` and `transport/web_socket.rs`. Requests and responses are whole: bodies here are
//! batches and JSON answers of bounded size, so nothing is streamed.
//!
//! Deliberately absent: retries (the caller knows what may be sent twice), redirects (a token is
//! bound to the server that issued it), cookies, and every notion of what the server means.

mod content;
mod http_client;
#[cfg(test)]
pub(crate) mod loopback_server;
mod names;
mod web_socket;

pub use content::push_content;
pub use http_client::{HttpClient, MAXIMUM_RESPONSE};
pub use web_socket::{Heard, LineBroken, Opening, Upgrade, WebSocket};

use crate::gate::gated::Gated;
use bytes::Bytes;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The verb of a request; the wire contracts use no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Asks whether the server answers at all (readiness probe).
    Head,
    /// Writes.
    Post,
}

/// Header lines in the order they were added; names compare without regard to case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Appends a line.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Returns the first value of a name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Iterates over the lines.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Prints the names only: values may be credentials.
impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// One request, complete: nothing about it is decided later.
#[derive(Clone)]
pub struct HttpRequest {
    /// What the request is for, as errors name it: "the token refresh".
    pub name: &'static str,
    /// The verb.
    pub method: Method,
    /// The absolute address: HTTPS, or HTTP on loopback.
    pub url: String,
    /// The header lines; the transport adds `User-Agent` and what HTTP itself needs.
    pub headers: Headers,
    /// The body; empty for none. Only a form, or what the gate let pass, can be one.
    body: Bytes,
    /// The time the whole exchange may take, connecting and reading the answer included.
    pub timeout: Duration,
}

impl HttpRequest {
    /// Creates a request without headers and body.
    #[must_use]
    pub fn new(
        name: &'static str,
        method: Method,
        url: impl Into<String>,
        timeout: Duration,
    ) -> Self {
        Self {
            name,
            method,
            url: url.into(),
            headers: Headers::default(),
            body: Bytes::new(),
            timeout,
        }
    }

    /// Returns the request with one more header line.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Returns the request with JSON that the gate let pass, compressed or not (document 4, FR-012).
    #[must_use]
    pub fn json(self, body: &Gated<Bytes>) -> Self {
        self.body("application/json", body.get().clone())
    }

    /// Returns the request with a form body (`application/x-www-form-urlencoded`): credentials, which
    /// the contract says nothing about.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        self.body("application/x-www-form-urlencoded", form_body(fields))
    }

    fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    /// Returns the body.
    #[must_use]
    pub const fn body_bytes(&self) -> &Bytes {
        &self.body
    }

    /// Returns the address without its query, for logs and errors.
    #[must_use]
    pub fn endpoint(&self) -> String {
        endpoint_of(&self.url)
    }
}

/// Prints neither header values nor the query nor the body.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpRequest")
            .field("name", &self.name)
            .field("method", &self.method)
            .field("url", &self.endpoint())
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Encodes fields as `application/x-www-form-urlencoded`, in their order.
#[must_use]
pub fn form_body(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Returns an address without query, fragment and credentials.
fn endpoint_of(address: &str) -> String {
    let Ok(mut url) = url::Url::parse(address) else {
        return "<not an address>".to_owned();
    };
    url.set_query(None);
    url.set_fragment(None);
    // These fail only for addresses without a host, which carry no credentials either.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.into()
}

/// One answer, complete.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code; a redirect is an answer like any other and is not followed.
    pub status: u16,
    /// The header lines.
    pub headers: Headers,
    /// The body, at most [`MAXIMUM_RESPONSE`] bytes.
    pub body: Bytes,
}

impl HttpResponse {
    /// Tells whether the status is in the 200s.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Returns the beginning of the body as text, cut after `characters`.
    #[must_use]
    pub fn snippet(&self, characters: usize) -> String {
        String::from_utf8_lossy(&self.body)
            .chars()
            .take(characters)
            .collect()
    }
}

/// Prints the size of the body and not its content, which may hold tokens.
impl fmt::Debug for HttpResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// No usable answer came back.
///
/// Every message names the request and the address without its query; none holds a header, a body
/// or a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection: the name does not resolve, or nobody listens there.
    #[error("{name}: cannot connect to {endpoint} ({reason}); check the network and the address")]
    Unreachable {
        /// What the request was for.
        name: &'static str,
        /// The address without its query.
        endpoint: String,
        /// What went wrong: `connection refused`, `name not found` or the system's words.
        reason: String,
    },
    /// The time of the request ran out; the server may have acted on it.
    #[error(
        "{name}: no complete answer from {endpoint} within {} ms; retry when the server responds",
        after.as_millis()
    )]
    Timeout {
        /// What the request was for.
        name: &'static str,
        /// The address without its query.
        endpoint: String,
        /// The time that was allowed.
        after: Duration,
    },
    /// The server could not be proven to be the one named, or speaks another TLS.
    #[error(
        "{name}: no trusted connection to {endpoint} ({reason}); check its certificate and this \
         machine's clock"
    )]
    Tls {
        /// What the request was for.
        name: &'static str,
        /// The address without its query.
        endpoint: String,
        /// The verifier's words.
        reason: String,
    },
    /// The connection broke, or what came back is not HTTP; the server may have acted.
    #[error("{name}: the answer of {endpoint} broke off ({reason}); retry in a moment")]
    Broken {
        /// What the request was for.
        name: &'static str,
        /// The address without its query.
        endpoint: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The answer is longer than this program accepts.
    #[error(
        "{name}: the answer of {endpoint} is longer than {limit} bytes; report it to its operator"
    )]
    TooLarge {
        /// What the request was for.
        name: &'static str,
        /// The address without its query.
        endpoint: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The request must not be sent: its address is unusable, or plain HTTP beyond loopback.
    #[error("{name}: refusing to send to {endpoint} ({reason}); use a full HTTPS URL")]
    Refused {
        /// What the request was for.
        name: &'static str,
        /// The address without its query.
        endpoint: String,
        /// Why it is not sent.
        reason: String,
    },
}

impl TransportError {
    /// Tells whether the server may have received and acted on the request.
    ///
    /// False means that sending it again cannot do anything twice.
    #[must_use]
    pub const fn may_have_arrived(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. } | Self::Broken { .. } | Self::TooLarge { .. }
        )
    }
}

/// What [`Transport::send`] returns.
pub type Sending = Pin<Box<dyn Future<Output = Result<HttpResponse, TransportError>> + Send>>;

/// Sends one request and waits for its whole answer.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request; the future is independent of `self` and may be dropped to give up.
    ///
    /// # Errors
    /// [`TransportError`] when no complete answer came within `request.timeout`. Every status code
    /// is an answer and not an error.
    fn send(&self, request: HttpRequest) -> Sending;

    /// Opens a WebSocket by a GET request whose address begins with `https` or `http`.
    ///
    /// `request.timeout` is for the handshake; what is said afterwards has the limits of its speaker.
    ///
    /// # Errors
    /// [`TransportError`] when no answer came to the handshake, or one that does not fit it. An
    /// answer other than a WebSocket is [`Upgrade::Answered`].
    fn open_web_socket(&self, request: HttpRequest) -> Opening;
}

/// A transport that several owners share.
pub type SharedTransport = Arc<dyn Transport>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_compare_in_any_case() {
        let mut headers = Headers::default();
        headers.add("Retry-After", "7");
        assert_eq!(headers.get("retry-after"), Some("7"));
        assert_eq!(headers.get("RETRY-AFTER"), Some("7"));
        assert_eq!(headers.get("retry"), None);
    }

    #[test]
    fn a_form_body_escapes_what_a_form_must() {
        assert_eq!(
            form_body(&[("grant_type", "a:b"), ("token", "x+y z&=é")]),
            "grant_type=a%3Ab&token=x%2By+z%26%3D%C3%A9"
        );
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let request = HttpRequest::new(
            "the test",
            Method::Post,
            "https://user:pw@a.example/p?code=s3cret#s3cret",
            Duration::from_secs(1),
        )
        .header("Authorization", "Bearer s3cret")
        .form(&[("refresh_token", "s3cret")]);
        let response = HttpResponse {
            status: 200,
            headers: request.headers.clone(),
            body: Bytes::from_static(b"s3cret"),
        };
        let printed = format!("{request:?} {response:?}");
        assert!(!printed.contains("s3cret"), "{printed}");
        assert!(!printed.contains("pw"), "{printed}");
        assert!(printed.contains("https://a.example/p"), "{printed}");
    }
}
