//! Reading a request: its fields and its body, each with a bound and a deadline.

use crate::limits::Limits;
use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::Payload;
use flate2::read::MultiGzDecoder;
use futures_core::Stream;
use std::borrow::Cow;
use std::future::poll_fn;
use std::io::Read as _;
use std::pin::Pin;
use std::time::Duration;

/// A body that cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// More bytes than allowed; the number that is.
    TooLarge(usize),
    /// It did not arrive in time.
    TooSlow(Duration),
    /// The connection broke.
    Broken,
    /// A content coding that is neither `gzip` nor `identity`.
    UnknownEncoding,
    /// It says `gzip` and is not.
    NotGzip,
}

/// A body as it arrived, still compressed.
#[derive(Debug)]
pub(crate) struct RawBody {
    bytes: Vec<u8>,
    gzip: bool,
}

impl RawBody {
    /// Receives a body of at most `most` bytes before the deadline of the limits.
    pub(crate) async fn receive(
        request: &HttpRequest,
        payload: Payload,
        most: usize,
        limits: &Limits,
    ) -> Result<Self, BodyError> {
        let gzip = is_gzip(request)?;
        if announced_bytes(request).is_some_and(|announced| announced > most) {
            return Err(BodyError::TooLarge(most));
        }
        let receiving = receive(payload, most);
        match tokio::time::timeout(limits.body_deadline, receiving).await {
            Ok(bytes) => Ok(Self {
                bytes: bytes?,
                gzip,
            }),
            Err(_) => Err(BodyError::TooSlow(limits.body_deadline)),
        }
    }

    /// Returns the content; stops unpacking at the first byte beyond `most`.
    pub(crate) fn unpack(self, most: usize) -> Result<Vec<u8>, BodyError> {
        if !self.gzip {
            return match self.bytes.len() {
                size if size > most => Err(BodyError::TooLarge(most)),
                _ => Ok(self.bytes),
            };
        }
        let mut content = Vec::new();
        let reader = MultiGzDecoder::new(self.bytes.as_slice());
        let read = reader.take(most as u64 + 1).read_to_end(&mut content);
        match read {
            Ok(size) if size > most => Err(BodyError::TooLarge(most)),
            Ok(_) => Ok(content),
            Err(_) => Err(BodyError::NotGzip),
        }
    }
}

async fn receive(mut payload: Payload, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    loop {
        let chunk = poll_fn(|context| Pin::new(&mut payload).poll_next(context)).await;
        let Some(chunk) = chunk else { return Ok(bytes) };
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if bytes.len() + chunk.len() > most {
            return Err(BodyError::TooLarge(most));
        }
        bytes.extend_from_slice(&chunk);
    }
}

fn is_gzip(request: &HttpRequest) -> Result<bool, BodyError> {
    let mut codings = request.headers().get_all(CONTENT_ENCODING);
    let coding = match codings.next() {
        None => return Ok(false),
        Some(coding) => coding.to_str().unwrap_or_default().trim(),
    };
    let gzip = ["gzip", "x-gzip"]
        .iter()
        .any(|known| coding.eq_ignore_ascii_case(known));
    if codings.next().is_some() || !(gzip || coding.eq_ignore_ascii_case("identity")) {
        return Err(BodyError::UnknownEncoding);
    }
    Ok(gzip)
}

/// Returns how large a request says its body is; `None` when it does not say.
pub(crate) fn announced_bytes(request: &HttpRequest) -> Option<usize> {
    header(request, CONTENT_LENGTH.as_str())?.parse().ok()
}

/// Returns a header's text; `None` when it is missing or not printable ASCII.
pub(crate) fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok().map(str::trim)
}

/// Returns the token of an `Authorization: Bearer` header; the outer `None` when there is no such
/// header, the inner one when it is of another form.
pub(crate) fn bearer(request: &HttpRequest) -> Option<Option<&str>> {
    let value = request.headers().get(AUTHORIZATION)?;
    let parts = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().split_once(' '));
    Some(parts.and_then(|(scheme, token)| {
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }))
}

/// The fields of a query string or a form. May hold secrets, so it does not print itself.
pub(crate) struct Fields(Vec<(String, String)>);

/// A field stands more than once where one value is expected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field '{0}' is given more than once; give it once")]
pub(crate) struct RepeatedField(pub(crate) &'static str);

impl Fields {
    /// Reads the query string of a request.
    pub(crate) fn of_query(request: &HttpRequest) -> Self {
        Self::parse(request.query_string().as_bytes())
    }

    /// Reads `application/x-www-form-urlencoded` text; total, as the URL standard defines it.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(text);
        Self(
            pairs
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    /// Returns the value of a field; empty counts as missing.
    pub(crate) fn one(&self, name: &'static str) -> Result<Option<&str>, RepeatedField> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            return Err(RepeatedField(name));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// Tells whether any field has such a name.
    pub(crate) fn any_named(&self, is: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|(name, _)| is(name))
    }

    /// Returns the first value of a field, or nothing as an empty text; for pages.
    pub(crate) fn first(&self, name: &str) -> Cow<'_, str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or(Cow::Borrowed(""), |(_, value)| Cow::Borrowed(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(content: &[u8]) -> RawBody {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        RawBody {
            bytes: encoder.finish().unwrap(),
            gzip: true,
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_first_byte_beyond_the_limit() {
        let bomb = vec![0_u8; 4 * 1024 * 1024];
        assert_eq!(gzip(&bomb).unpack(1_000), Err(BodyError::TooLarge(1_000)));
        assert_eq!(gzip(b"12345").unpack(5).unwrap(), b"12345");
        assert_eq!(gzip(b"123456").unpack(5), Err(BodyError::TooLarge(5)));
    }

    #[test]
    fn what_is_not_gzip_or_torn_or_followed_by_something_is_refused() {
        let whole = gzip(b"hello").bytes;
        let mut followed = whole.clone();
        followed.extend_from_slice(b"tail");
        for bytes in [
            b"{}".to_vec(),
            whole[..whole.len() - 3].to_vec(),
            followed,
            Vec::new(),
        ] {
            let body = RawBody { bytes, gzip: true };
            assert_eq!(body.unpack(100), Err(BodyError::NotGzip));
        }
    }

    #[test]
    fn a_repeated_field_is_an_error_and_an_empty_one_is_missing() {
        let fields = Fields::parse(b"a=1&b=&c=1&c=2&d=%C3%A9+x&%FF=%GG");
        assert_eq!(fields.one("a"), Ok(Some("1")));
        assert_eq!(fields.one("b"), Ok(None));
        assert_eq!(fields.one("c"), Err(RepeatedField("c")));
        assert_eq!(fields.one("d"), Ok(Some("\u{e9} x")));
        assert_eq!(fields.first("missing"), "");
    }
}
