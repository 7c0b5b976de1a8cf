//! Token material that does not leak by accident.

use kitty_config::ServerUrl;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::transport::HttpRequest;

/// A token: printed as `<redacted>`, compared in constant time, wiped when dropped.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a token.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(Zeroizing::new(token.into()))
    }

    /// Returns the token itself; the caller keeps it out of logs, errors and argv.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns a short digest that tells tokens apart and reveals none.
    #[must_use]
    pub fn fingerprint(&self) -> TokenFingerprint {
        let digest: [u8; 32] = Sha256::digest(self.0.as_bytes()).into();
        let mut short = [0; 8];
        short.copy_from_slice(&digest[..8]);
        TokenFingerprint(short)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Names a token without revealing it, so that "this one was rejected" can be said.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenFingerprint([u8; 8]);

impl fmt::Debug for TokenFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

/// An access token together with the one server that may see it.
///
/// The token leaves this type only onto a request to that server: a changed setting cannot send it
/// to another host (user need 21, spec-kitty issue 4755).
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    secret: Secret,
    server: ServerUrl,
}

/// A request was about to carry a token to a server that did not issue it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token belongs to {issuer} and is not sent to {endpoint}; run `spec-kitty auth login`")]
pub struct ForeignServer {
    /// The server that the token belongs to.
    pub issuer: String,
    /// The address that was asked for, without its query.
    pub endpoint: String,
}

impl AccessToken {
    /// Binds a token to its server.
    #[must_use]
    pub const fn new(secret: Secret, server: ServerUrl) -> Self {
        Self { secret, server }
    }

    /// Returns the server that may see the token.
    #[must_use]
    pub const fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// Returns the name to report the token by when the server rejects it.
    #[must_use]
    pub fn fingerprint(&self) -> TokenFingerprint {
        self.secret.fingerprint()
    }

    /// Returns the request with the `Authorization` line.
    ///
    /// # Errors
    /// [`ForeignServer`] when the request goes to another scheme, host or port.
    pub fn authorize(&self, request: HttpRequest) -> Result<HttpRequest, ForeignServer> {
        let origin = url::Url::parse(&request.url).map(|url| url.origin().ascii_serialization());
        if origin.ok().as_deref() == Some(&self.server.origin()) {
            Ok(request.header("Authorization", format!("Bearer {}", self.secret.expose())))
        } else {
            Err(ForeignServer {
                issuer: self.server.origin(),
                endpoint: request.endpoint(),
            })
        }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessToken")
            .field("secret", &self.secret)
            .field("server", &self.server)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Method;
    use std::time::Duration;

    fn token() -> AccessToken {
        let server = ServerUrl::parse("https://a.example:8443/base").unwrap();
        AccessToken::new(Secret::new("s3cret"), server)
    }

    fn request(url: &str) -> HttpRequest {
        HttpRequest::new("the test", Method::Get, url, Duration::from_secs(1))
    }

    #[test]
    fn a_token_goes_to_its_own_server_only() {
        let good = token()
            .authorize(request("https://a.example:8443/base/api/v1/me"))
            .unwrap();
        assert_eq!(good.headers.get("authorization"), Some("Bearer s3cret"));
        for url in [
            "https://a.example/base",
            "http://a.example:8443/",
            "https://a.example.evil.example:8443/",
            "https://a.example:8443@evil.example/",
            "nonsense",
        ] {
            let error = token().authorize(request(url)).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{url}");
        }
    }

    #[test]
    fn nothing_prints_a_token() {
        let printed = format!("{:?} {:?}", token(), token().fingerprint());
        assert!(!printed.contains("s3cret"), "{printed}");
        assert!(printed.contains("<redacted>"), "{printed}");
    }
}
