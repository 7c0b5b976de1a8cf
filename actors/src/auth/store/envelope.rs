//! The envelope of a session file: version 2, AES-256-GCM under a key from scrypt.
//!
//! Source: reference/auth-state-daemon.md 3. The password is `{hostname}:{uid}`, which is no
//! secret: what protects the session is the 0600 of its file. scrypt adds cost and no strength
//! here, which is why its result may be cached (`key_cache.rs`).

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use kitty_runtime::python_json;
use serde::{Deserialize, Serialize};
use std::io;
use zeroize::Zeroizing;

/// The length of a salt in bytes.
pub(super) const SALT_LENGTH: usize = 16;

/// The bytes of a salt file.
pub(super) type Salt = [u8; SALT_LENGTH];

/// The version of the envelope.
const VERSION: u64 = 2;

/// The length of a nonce in bytes.
const NONCE_LENGTH: usize = 12;

/// Who may open a session: the host and the user it was written by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIdentity {
    /// The host name, as the kernel reports it.
    pub hostname: String,
    /// The user's number; 0 on Windows.
    pub uid: u32,
}

impl HostIdentity {
    /// Asks the operating system.
    #[must_use]
    pub fn of_this_process() -> Self {
        #[cfg(unix)]
        let uid = rustix::process::getuid().as_raw();
        #[cfg(not(unix))]
        let uid = 0;
        Self {
            hostname: gethostname::gethostname().to_string_lossy().into_owned(),
            uid,
        }
    }

    /// Derives the key of a salt; takes about 30 ms and 16 MiB.
    pub(super) fn derive_key(&self, salt: &Salt) -> Key {
        let password = format!("{}:{}", self.hostname, self.uid);
        let parameters = scrypt::Params::new(14, 8, 1).expect("the parameters are in range");
        let mut key = Zeroizing::new([0; 32]);
        scrypt::scrypt(password.as_bytes(), salt, &parameters, key.as_mut_slice())
            .expect("the length of the key is in range");
        Key(key)
    }
}

/// A key that opens and seals sessions; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(self.0.as_slice()).expect("the key has 32 bytes")
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("<redacted>")
    }
}

/// A sealed session, parsed.
#[derive(Debug)]
pub(super) struct Envelope {
    nonce: [u8; NONCE_LENGTH],
    ciphertext: Vec<u8>,
}

/// The file; others write it too, so unknown keys are ignored.
#[derive(Serialize, Deserialize)]
struct EnvelopeFile {
    version: u64,
    nonce: String,
    ciphertext: String,
}

impl Envelope {
    /// Parses a file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let file: EnvelopeFile =
            serde_json::from_slice(bytes).map_err(|_| "no JSON envelope".to_owned())?;
        if file.version != VERSION {
            return Err(format!("version {} instead of {VERSION}", file.version));
        }
        let mut nonce = [0; NONCE_LENGTH];
        hex::decode_to_slice(&file.nonce, &mut nonce)
            .map_err(|_| "its nonce is no hex of 12 bytes".to_owned())?;
        let ciphertext =
            hex::decode(&file.ciphertext).map_err(|_| "its ciphertext is no hex".to_owned())?;
        Ok(Self { nonce, ciphertext })
    }

    /// Seals a plaintext under a fresh random nonce.
    ///
    /// # Errors
    /// The operating system's, when it gives no randomness.
    pub(super) fn seal(key: &Key, plaintext: &[u8]) -> io::Result<Self> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        Ok(Self::seal_with(key, nonce, plaintext))
    }

    fn seal_with(key: &Key, nonce: [u8; NONCE_LENGTH], plaintext: &[u8]) -> Self {
        let ciphertext = key
            .cipher()
            .encrypt(&Nonce::from(nonce), plaintext)
            .expect("a session is far below the length limit of AES-GCM");
        Self { nonce, ciphertext }
    }

    /// Opens the envelope; `None` when the key is another or a bit was changed.
    pub(super) fn open(&self, key: &Key) -> Option<Zeroizing<Vec<u8>>> {
        let plaintext = key
            .cipher()
            .decrypt(&Nonce::from(self.nonce), self.ciphertext.as_slice());
        plaintext.ok().map(Zeroizing::new)
    }

    /// Renders the file.
    pub(super) fn to_file(&self) -> String {
        python_json::line(&EnvelopeFile {
            version: VERSION,
            nonce: hex::encode(self.nonce),
            ciphertext: hex::encode(&self.ciphertext),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::session::SESSION_VECTOR;
    use sha2::{Digest as _, Sha256};

    const NONCE: [u8; 12] = [
        0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
    ];

    fn vector_key() -> Key {
        let host = HostIdentity {
            hostname: "example-host".to_owned(),
            uid: 1000,
        };
        let mut salt = [0; SALT_LENGTH];
        for (value, byte) in (0_u8..).zip(&mut salt) {
            *byte = value;
        }
        host.derive_key(&salt)
    }

    #[test]
    fn the_key_and_the_ciphertext_are_those_of_the_reference() {
        let key = vector_key();
        assert_eq!(
            hex::encode(key.bytes()),
            "1e31605093e2ed1e8936056b3eb2292e78689eb88c17fdc41a6303d5b117c4a4"
        );
        let sealed = Envelope::seal_with(&key, NONCE, br#"{"hello": "spec-kitty"}"#);
        assert_eq!(
            sealed.to_file(),
            "{\"version\": 2, \"nonce\": \"a0a1a2a3a4a5a6a7a8a9aaab\", \"ciphertext\": \
             \"3001d1d72f22bb30d8e403335c9fd2125bda06a3abbe9dbe7dd2a9d0c95951a094e97cb37e7f87\"}"
        );
        let parsed = Envelope::parse(sealed.to_file().as_bytes()).unwrap();
        assert_eq!(
            parsed.open(&key).unwrap().as_slice(),
            br#"{"hello": "spec-kitty"}"#
        );
    }

    #[test]
    fn the_full_session_of_the_reference_gives_its_digest() {
        let sealed = Envelope::seal_with(&vector_key(), NONCE, SESSION_VECTOR.as_bytes());
        assert_eq!(sealed.ciphertext.len(), 575);
        let digest: [u8; 32] = Sha256::digest(&sealed.ciphertext).into();
        assert_eq!(
            hex::encode(digest),
            "c7dd58365baed53e5a470b27f5481964f4cc4b1f103faa6409b8557ba24d6927"
        );
    }

    #[test]
    fn an_envelope_that_is_not_one_says_why() {
        for (text, reason) in [
            ("", "no JSON envelope"),
            ("[]", "no JSON envelope"),
            (
                r#"{"version": 1, "nonce": "", "ciphertext": ""}"#,
                "version 1 instead of 2",
            ),
            (
                r#"{"version": 2, "nonce": "zz", "ciphertext": ""}"#,
                "its nonce is no hex of 12 bytes",
            ),
            (
                r#"{"version": 2, "nonce": "a0a1a2a3a4a5a6a7a8a9aaab", "ciphertext": "abc"}"#,
                "its ciphertext is no hex",
            ),
        ] {
            assert_eq!(Envelope::parse(text.as_bytes()).unwrap_err(), reason);
        }
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let key = vector_key();
        let mut nonces: Vec<_> = (0..1000)
            .map(|_| Envelope::seal(&key, b"x").unwrap().nonce)
            .collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 1000);
    }
}
