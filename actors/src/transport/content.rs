//! The request that carries the content of one artifact (reference 6).

use super::{HttpRequest, Method};
use crate::gate::gated::Gated;
use bytes::Bytes;
use std::time::Duration;

/// Builds the upload of one body; it takes only what the gate let pass.
///
/// The body is not compressed, and its token is added by its caller.
#[must_use]
pub fn push_content(url: String, body: &Gated<Bytes>, limit: Duration) -> HttpRequest {
    HttpRequest::new("the upload of an artifact", Method::Post, url, limit).json(body)
}
