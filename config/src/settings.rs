//! `config.toml`: what the user chose, with exact defaults and warnings.
//!
//! Reading is forgiving and says what it forgave ([`Settings::warnings`]); writing is not: a file
//! that cannot be read as a whole is never overwritten ([`SettingsDocument::open`]).

mod document;
mod python_repr;

pub use document::{ReadFailure, ReadFailureKind, SETTING_KEYS, SettingError, SettingsDocument};

use python_repr::python_repr;
use std::time::Duration;
use toml_edit::Item;

/// How the daemon may be started (`[sync].background_daemon`, 082 contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DaemonPolicy {
    /// A remote-required command may start it.
    #[default]
    Auto,
    /// No command starts it, `sync daemon start` and `restart` included: they say so in two lines and
    /// end with 0 (082 contract, decision 0014). A service of the user's login may.
    Manual,
}

impl DaemonPolicy {
    /// Returns the word that stands in `config.toml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Manual => "manual",
        }
    }
}

/// What happens to captured events (`[event_sync].mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventSyncMode {
    /// Keep them and deliver them to the Teamspace.
    #[default]
    Teamspace,
    /// Keep them for a receiver that is not a Teamspace; nothing is sent by this program.
    ExternalReceiver,
    /// Keep them and send nothing.
    LocalRetention,
    /// Capture nothing.
    OptOut,
}

impl EventSyncMode {
    /// Returns the word that stands in `config.toml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Teamspace => "teamspace",
            Self::ExternalReceiver => "external_receiver",
            Self::LocalRetention => "local_retention",
            Self::OptOut => "opt_out",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "teamspace" => Some(Self::Teamspace),
            "external_receiver" => Some(Self::ExternalReceiver),
            "local_retention" => Some(Self::LocalRetention),
            "opt_out" | "trash" => Some(Self::OptOut),
            _ => None,
        }
    }
}

/// Default number of events a project may hold before capture refuses new ones.
const DEFAULT_MAX_QUEUE_SIZE: u64 = 100_000;

/// Default for the total time the final sync of a local command may take.
const DEFAULT_FINAL_SYNC_TIMEOUT: Duration = Duration::from_secs(2);

/// The settings as they apply, each with its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    server_url: Option<String>,
    max_queue_size: u64,
    background_daemon: Result<DaemonPolicy, SettingError>,
    final_sync_timeout: Duration,
    event_sync_mode: EventSyncMode,
    warnings: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_url: None,
            max_queue_size: DEFAULT_MAX_QUEUE_SIZE,
            background_daemon: Ok(DaemonPolicy::default()),
            final_sync_timeout: DEFAULT_FINAL_SYNC_TIMEOUT,
            event_sync_mode: EventSyncMode::default(),
            warnings: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the settings out of a document.
    #[must_use]
    pub fn from_document(document: &SettingsDocument) -> Self {
        let mut settings = Self::default();
        let item = |section: &str, key: &str| document.item(section, key);
        settings.server_url = item("sync", "server_url")
            .and_then(Item::as_str)
            .map(str::to_owned);
        if let Some(size) = item("sync", "max_queue_size").and_then(python_int) {
            settings.max_queue_size = size;
        }
        if let Some(policy) = item("sync", "background_daemon") {
            let (policy, warning) = parse_daemon_policy(policy);
            settings.background_daemon = policy;
            settings.warnings.extend(warning);
        }
        if let Some(seconds) = item("sync", "final_sync_timeout_seconds").and_then(python_int) {
            settings.final_sync_timeout = Duration::from_secs(seconds.min(60));
        }
        settings.event_sync_mode = item("event_sync", "mode")
            .and_then(Item::as_str)
            .and_then(EventSyncMode::parse)
            .unwrap_or_default();
        settings
    }

    /// Returns the configured server, `None` when the key is missing or blank.
    ///
    /// There is no built-in host (design 4): a machine that names none sends nothing.
    #[must_use]
    pub fn server_url(&self) -> Option<&str> {
        self.server_url
            .as_deref()
            .map(str::trim)
            .filter(|url| !url.is_empty())
    }

    /// Returns how many undelivered events a project may hold; an unusable value counts as unset.
    #[must_use]
    pub const fn max_queue_size(&self) -> u64 {
        self.max_queue_size
    }

    /// Returns the daemon policy.
    ///
    /// # Errors
    /// [`SettingError`] when the key is an empty string; every other unusable value is `auto` with
    /// a warning.
    pub fn background_daemon(&self) -> Result<DaemonPolicy, SettingError> {
        self.background_daemon.clone()
    }

    /// Returns the total time the final sync of a local command may take.
    #[must_use]
    pub const fn final_sync_timeout(&self) -> Duration {
        self.final_sync_timeout
    }

    /// Returns what happens to captured events.
    #[must_use]
    pub const fn event_sync_mode(&self) -> EventSyncMode {
        self.event_sync_mode
    }

    /// Returns one line per value that was forgiven, for stderr.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

type PolicyAndWarning = (Result<DaemonPolicy, SettingError>, Option<String>);

fn parse_daemon_policy(item: &Item) -> PolicyAndWarning {
    let Some(word) = item.as_str() else {
        let warning = format!(
            "[sync].background_daemon has a non-string value {}; defaulting to 'auto'",
            python_repr(item)
        );
        return (Ok(DaemonPolicy::Auto), Some(warning));
    };
    match word.trim().to_lowercase().as_str() {
        "" => (Err(SettingError::EmptyDaemonPolicy), None),
        "auto" => (Ok(DaemonPolicy::Auto), None),
        "manual" => (Ok(DaemonPolicy::Manual), None),
        _ => {
            let warning = format!(
                "[sync].background_daemon value {} is unknown; defaulting to 'auto'",
                python_repr(item)
            );
            (Ok(DaemonPolicy::Auto), Some(warning))
        }
    }
}

/// Reads an integer the way the Python CLI does: text and fractions are accepted, and what is
/// unusable or not positive counts as unset.
fn python_int(item: &Item) -> Option<u64> {
    let value = item
        .as_integer()
        .or_else(|| {
            item.as_str()
                .and_then(|text| text.trim().replace('_', "").parse().ok())
        })
        .or_else(|| item.as_float().and_then(whole_part))?;
    u64::try_from(value).ok().filter(|value| *value > 0)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first"
)]
fn whole_part(value: f64) -> Option<i64> {
    (value.is_finite() && value.abs() < 1e15).then_some(value.trunc() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::from_document(&SettingsDocument::parse(text).unwrap())
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let settings = settings("");
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.server_url(), None);
        assert_eq!(settings.max_queue_size(), 100_000);
        assert_eq!(settings.background_daemon(), Ok(DaemonPolicy::Auto));
        assert_eq!(settings.event_sync_mode(), EventSyncMode::Teamspace);
    }

    #[test]
    fn a_blank_server_url_is_no_server() {
        assert_eq!(settings("[sync]\nserver_url = \"  \"").server_url(), None);
        assert_eq!(settings("[sync]\nserver_url = 7").server_url(), None);
        assert_eq!(
            settings("[sync]\nserver_url = \"https://a.example\"").server_url(),
            Some("https://a.example")
        );
    }

    #[test]
    fn an_unusable_queue_size_is_the_default_without_a_word() {
        for (value, expected) in [
            ("5", 5),
            ("\"500\"", 500),
            ("7.9", 7),
            ("\"x\"", 100_000),
            ("-1", 100_000),
            ("[1]", 100_000),
        ] {
            let settings = settings(&format!("[sync]\nmax_queue_size = {value}"));
            assert_eq!(settings.max_queue_size(), expected, "{value}");
            assert!(settings.warnings().is_empty());
        }
    }

    #[test]
    fn the_daemon_policy_is_trimmed_folded_and_warned_about() {
        let policy = |value: &str| settings(&format!("[sync]\nbackground_daemon = {value}"));
        assert_eq!(
            policy("\" Manual \"").background_daemon(),
            Ok(DaemonPolicy::Manual)
        );
        assert_eq!(
            policy("\"AUTO\"").background_daemon(),
            Ok(DaemonPolicy::Auto)
        );
        assert_eq!(
            policy("\" \"").background_daemon().unwrap_err().to_string(),
            "[sync].background_daemon must be 'auto' or 'manual', not an empty string"
        );
        for (value, warning) in [
            (
                "3",
                "[sync].background_daemon has a non-string value 3; defaulting to 'auto'",
            ),
            (
                "true",
                "[sync].background_daemon has a non-string value True; defaulting to 'auto'",
            ),
            (
                "[1, \"a\"]",
                "[sync].background_daemon has a non-string value [1, 'a']; defaulting to 'auto'",
            ),
            (
                "\"off\"",
                "[sync].background_daemon value 'off' is unknown; defaulting to 'auto'",
            ),
        ] {
            let settings = policy(value);
            assert_eq!(settings.background_daemon(), Ok(DaemonPolicy::Auto));
            assert_eq!(settings.warnings(), [warning]);
        }
    }

    #[test]
    fn the_mode_has_an_alias_and_falls_back() {
        let mode =
            |value: &str| settings(&format!("[event_sync]\nmode = {value}")).event_sync_mode();
        assert_eq!(mode("\"trash\""), EventSyncMode::OptOut);
        assert_eq!(mode("\"local_retention\""), EventSyncMode::LocalRetention);
        assert_eq!(mode("\"nonsense\""), EventSyncMode::Teamspace);
        assert_eq!(mode("12"), EventSyncMode::Teamspace);
    }
}
