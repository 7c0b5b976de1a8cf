//! Which server hosted sync talks to: one resolver for every caller (design 4).

use crate::env;
use crate::environment::Environment;
use crate::settings::Settings;
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use url::{Host, Url};

/// A server address that secrets may be sent to: HTTPS, or HTTP on loopback.
///
/// Kept without a trailing slash, so that joining an endpoint path is concatenation and two
/// spellings of one server compare equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUrl(String);

/// The text is not a server address that may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Invalid server URL. Use a full HTTPS URL (or http://localhost[:port] for local development), \
     for example: https://your-teamspace.example.com"
)]
pub struct InvalidServerUrl;

impl ServerUrl {
    /// Parses and normalises an address: trimmed, no trailing slash.
    ///
    /// # Errors
    /// [`InvalidServerUrl`] unless the scheme is `https`, or `http` with a loopback host, or when
    /// the address carries credentials, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, InvalidServerUrl> {
        let trimmed = text.trim().trim_end_matches('/');
        let url = Url::parse(trimmed).map_err(|_| InvalidServerUrl)?;
        let host = url.host().ok_or(InvalidServerUrl)?;
        let may_carry_secrets = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&host),
            _ => false,
        };
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if may_carry_secrets && plain {
            Ok(Self(trimmed.to_owned()))
        } else {
            Err(InvalidServerUrl)
        }
    }

    /// Returns the address without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address of an endpoint; `path` begins with a slash.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        debug_assert!(
            path.starts_with('/'),
            "an endpoint path begins with a slash"
        );
        format!("{}{path}", self.0)
    }

    /// Returns scheme, host and port: what a browser calls the origin.
    #[must_use]
    pub fn origin(&self) -> String {
        Url::parse(&self.0)
            .map(|url| url.origin().ascii_serialization())
            .unwrap_or_else(|_| self.0.clone())
    }

    /// Tells whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0)
            .ok()
            .and_then(|url| url.host().map(|host| is_loopback(&host)))
            == Some(true)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Where the server address came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostSource {
    /// `SPEC_KITTY_SAAS_URL`.
    Variable,
    /// `[sync].server_url` of `config.toml`.
    SettingsFile,
}

/// The server that applies, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncHost {
    /// The address.
    pub url: ServerUrl,
    /// Which of the two places named it.
    pub source: HostSource,
}

/// Resolves the server: `SPEC_KITTY_SAAS_URL` if non-blank, else the settings file, else none.
///
/// # Errors
/// [`InvalidServerUrl`] when the place that wins holds an address that may not be used; the other
/// place is then not consulted, so that a typing error cannot redirect a session.
pub fn resolve_host(
    environment: &Environment,
    settings: &Settings,
) -> Result<Option<SyncHost>, InvalidServerUrl> {
    let named = environment
        .text(env::SPEC_KITTY_SAAS_URL)
        .map(|url| (url, HostSource::Variable))
        .or_else(|| {
            settings
                .server_url()
                .map(|url| (url, HostSource::SettingsFile))
        });
    match named {
        None => Ok(None),
        Some((text, source)) => Ok(Some(SyncHost {
            url: ServerUrl::parse(text)?,
            source,
        })),
    }
}

/// Computes the queue scope of the Python CLI 3.2.7: sha256 over server, email and private team.
///
/// Each part is trimmed and lower-cased, a missing part is empty, parts are joined by NUL and
/// characters beyond ASCII become `_uXXXX_`. Used for hint files and diagnostics only.
#[must_use]
pub fn queue_scope(server: &str, email: Option<&str>, private_team: Option<&str>) -> String {
    let parts = [
        server,
        email.unwrap_or_default(),
        private_team.unwrap_or_default(),
    ];
    let folded = parts.map(|part| ascii_token(&part.trim().to_lowercase()));
    hex::encode(Sha256::digest(folded.join("\0")))
}

fn ascii_token(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            write!(out, "_u{:04x}_", u32::from(character))
                .expect("writing to a string cannot fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsDocument;

    fn settings(url: &str) -> Settings {
        let document = SettingsDocument::parse(&format!("[sync]\nserver_url = \"{url}\"")).unwrap();
        Settings::from_document(&document)
    }

    #[test]
    fn only_https_and_loopback_http_may_carry_secrets() {
        for good in [
            "https://a.example",
            "https://a.example:8443/base/",
            "http://localhost:9000",
            "http://127.0.0.1:1",
            "http://[::1]:80",
            " https://trimmed.example/ ",
        ] {
            assert!(ServerUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "http://a.example",
            "ftp://a.example",
            "https://user:secret@a.example",
            "https://a.example?token=x",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "https://",
        ] {
            assert!(ServerUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_variable_wins_and_a_blank_one_is_unset() {
        let from_file = settings("https://file.example");
        let host =
            |environment: &Environment| resolve_host(environment, &from_file).unwrap().unwrap();
        let environment =
            Environment::default().with(env::SPEC_KITTY_SAAS_URL, " https://env.example/ ");
        assert_eq!(host(&environment).url.as_str(), "https://env.example");
        assert_eq!(host(&environment).source, HostSource::Variable);
        let blank = Environment::default().with(env::SPEC_KITTY_SAAS_URL, "  ");
        assert_eq!(host(&blank).url.as_str(), "https://file.example");
        assert_eq!(resolve_host(&blank, &settings("")), Ok(None));
    }

    #[test]
    fn a_broken_variable_does_not_fall_back_to_the_file() {
        let environment =
            Environment::default().with(env::SPEC_KITTY_SAAS_URL, "http://evil.example");
        assert_eq!(
            resolve_host(&environment, &settings("https://file.example")),
            Err(InvalidServerUrl)
        );
    }

    #[test]
    fn the_queue_scope_matches_the_reference_vector() {
        assert_eq!(
            queue_scope("https://app.example", Some("A@b.co"), Some("t-private")),
            "9a8a49d5dffe700f8c924952029bb69d1ecc2b0c4b07b61a1da6c9779481f441"
        );
    }

    #[test]
    fn the_origin_has_no_path() {
        assert_eq!(
            ServerUrl::parse("https://a.example:8443/base/")
                .unwrap()
                .origin(),
            "https://a.example:8443"
        );
    }
}
