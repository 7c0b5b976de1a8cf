//! Tokens that carry what they stand for, sealed so that only this server can have made them.
//!
//! They are for what lives minutes: nothing is stored, asking for one writes nothing, and a restart
//! ends them all, after which a client asks anew.

use crate::secret::NoRandomness;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The key of one run of the server.
pub(crate) struct Sealer(Zeroizing<[u8; 32]>);

impl Sealer {
    /// Makes a new key.
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        let mut key = Zeroizing::new([0_u8; 32]);
        getrandom::fill(key.as_mut_slice())?;
        Ok(Self(key))
    }

    /// Seals a value; `kind` keeps tokens for one purpose from serving another.
    pub(crate) fn seal(&self, kind: &str, value: &impl Serialize) -> String {
        let content = serde_json::to_string(value).unwrap_or_default();
        let content = URL_SAFE_NO_PAD.encode(content);
        let tag = self.tag(kind, &content).finalize().into_bytes();
        format!("{kind}.{content}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Opens a token of this kind; `None` when this run of the server has not made it.
    pub(crate) fn open<T: DeserializeOwned>(&self, kind: &str, token: &str) -> Option<T> {
        let (named, rest) = token.split_once('.')?;
        let (content, tag) = rest.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        if named != kind || self.tag(kind, content).verify_slice(&tag).is_err() {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(content).ok()?).ok()
    }

    fn tag(&self, kind: &str, content: &str) -> Hmac<Sha256> {
        let mut tag = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes a key of any length");
        tag.update(kind.as_bytes());
        tag.update(b".");
        tag.update(content.as_bytes());
        tag
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_untouched_for_its_purpose_and_where_it_was_made() {
        let sealer = Sealer::random().unwrap();
        let token = sealer.seal("kind", &("a", 7));
        assert_eq!(sealer.open("kind", &token), Some(("a".to_owned(), 7)));
        assert_eq!(sealer.open::<(String, i32)>("other", &token), None);
        let other = Sealer::random().unwrap();
        assert_eq!(other.open::<(String, i32)>("kind", &token), None);
        for damaged in [
            "",
            ".",
            "..",
            "kind..",
            &token[1..],
            &token[..token.len() - 2],
        ] {
            assert_eq!(sealer.open::<(String, i32)>("kind", damaged), None);
        }
        assert_eq!(format!("{sealer:?}"), "<redacted>");
    }
}
