//! Random secrets, their digests, and the approval key.
//!
//! A token is 256 random bits, so a plain SHA-256 of it is a safe thing to store: there is nothing
//! to guess. Looking a token up by its digest also takes timing out of the comparison.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The length of an approval key in hexadecimal digits: 128 bits.
const APPROVAL_KEY_DIGITS: usize = 32;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}; check its random device")]
pub(crate) struct NoRandomness(#[from] getrandom::Error);

/// A token or code that is handed out once; erased from memory when dropped.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes a secret of 256 random bits behind a prefix that names its kind to secret scanners.
    pub(crate) fn random(prefix: &str) -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        Ok(Self(Zeroizing::new(text)))
    }

    /// Returns the text, for the one answer that carries it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the digest that the store keeps.
    pub(crate) fn digest(&self) -> String {
        digest(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

/// Returns the lower-case hexadecimal SHA-256 of a presented secret.
pub(crate) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Returns the PKCE challenge (RFC 7636, S256) that belongs to a verifier.
pub(crate) fn code_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Tells whether two texts are equal, in a time that depends on neither.
pub(crate) fn equal(left: &str, right: &str) -> bool {
    let (left, right) = (Sha256::digest(left), Sha256::digest(right));
    left.as_slice().ct_eq(right.as_slice()).into()
}

/// Returns an identifier such as `team_9f86d081884c7d659a2feaa0`: a kind and 96 random bits.
pub(crate) fn identifier(kind: &str) -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{kind}_{}", hex::encode(bytes)))
}

/// What a person types to approve a login; whoever knows it may act for any account.
///
/// It lives in `approval.key` of the data directory (0600) and nowhere else: not in the database,
/// not in a log, not in an answer.
#[derive(Clone)]
pub struct ApprovalKey(Zeroizing<String>);

impl ApprovalKey {
    /// Makes a new key.
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0_u8; APPROVAL_KEY_DIGITS / 2]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(Zeroizing::new(hex::encode(bytes.as_slice()))))
    }

    /// Takes the text of a key file: 32 hexadecimal digits, spaces and a line end around them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let valid =
            text.len() == APPROVAL_KEY_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid.then(|| Self(Zeroizing::new(text.to_ascii_lowercase())))
    }

    /// Returns the key itself, for showing it to the operator or approving a login.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time; space around the candidate and its case do not matter.
    pub(crate) fn matches(&self, candidate: &str) -> bool {
        let candidate = Zeroizing::new(candidate.trim().to_ascii_lowercase());
        equal(&self.0, &candidate)
    }
}

impl fmt::Debug for ApprovalKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_keys_never_print_themselves() {
        let secret = Secret::random("x_").unwrap();
        let key = ApprovalKey::random().unwrap();
        assert_eq!(format!("{secret:?} {key:?}"), "<redacted> <redacted>");
        assert_eq!(secret.expose().len(), 2 + 43);
        assert_eq!(secret.digest(), digest(secret.expose()));
    }

    #[test]
    fn an_approval_key_matches_itself_however_it_was_typed() {
        let key = ApprovalKey::parse("0123456789abcdef0123456789ABCDEF\n").unwrap();
        assert!(key.matches(" 0123456789ABCDEF0123456789abcdef "));
        assert!(!key.matches("0123456789abcdef0123456789abcdee"));
        assert!(!key.matches(""));
        assert!(ApprovalKey::parse("0123").is_none());
        assert!(ApprovalKey::parse(&"g".repeat(32)).is_none());
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        assert_eq!(
            code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
