//! The secrets of one browser login: verifier, challenge (RFC 7636, S256) and state.

use super::LoginError;
use crate::auth::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What proves that the code comes back to who asked for it.
#[derive(Debug)]
pub(super) struct Pkce {
    /// Kept here until the code is exchanged.
    pub(super) verifier: Secret,
    /// Proves that the browser returns from this login and no other.
    pub(super) state: Secret,
}

impl Pkce {
    /// Draws fresh secrets.
    pub(super) fn draw() -> Result<Self, LoginError> {
        Ok(Self {
            verifier: random_text()?,
            state: random_text()?,
        })
    }

    /// Returns the digest of the verifier that the server may see before the code exists.
    pub(super) fn challenge(&self) -> String {
        challenge_of(self.verifier.expose())
    }
}

fn challenge_of(verifier: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(verifier).into();
    URL_SAFE_NO_PAD.encode(digest)
}

/// Returns 256 random bits as 43 characters.
fn random_text() -> Result<Secret, LoginError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|error| LoginError::NoRandomness(error.to_string()))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        assert_eq!(
            challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn verifier_and_state_are_fresh_and_long_enough() {
        let (one, two) = (Pkce::draw().unwrap(), Pkce::draw().unwrap());
        assert_eq!(one.verifier.expose().len(), 43);
        assert_ne!(one.verifier, two.verifier);
        assert_ne!(one.state, two.state);
        assert_ne!(one.verifier, one.state);
    }
}
