//! Identifiers, each with its own type so that one cannot stand where another belongs.

use crate::time::SharedTime;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use ulid::Ulid;
use uuid::Uuid;

/// Identifies one event, and is its idempotency key with every server: a ULID, upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Ulid);

/// The text is not a ULID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a ULID (26 characters of Crockford base 32)")]
pub struct InvalidEventId(pub String);

impl EventId {
    /// Wraps a ULID.
    #[must_use]
    pub const fn new(ulid: Ulid) -> Self {
        Self(ulid)
    }

    /// Returns the time the id was made, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn timestamp_ms(self) -> u64 {
        self.0.timestamp_ms()
    }

    /// Returns the id of an event that follows from this one, always the same for the same words.
    ///
    /// It has this id's time; its 80 random bits are the first of SHA-256 over this id and the
    /// words, so that whoever works the consequence out again gives it the same id.
    ///
    /// ```
    /// use kitty_runtime::id::EventId;
    /// let cause: EventId = "01M7XCRBZDR9YZR1SQYAEG4FH9".parse().unwrap();
    /// let assigned = cause.derived("WPAssigned");
    /// assert_eq!(assigned, cause.derived("WPAssigned"));
    /// assert_eq!(assigned.timestamp_ms(), cause.timestamp_ms());
    /// assert_ne!(assigned, cause.derived("WPCreated"));
    /// ```
    #[must_use]
    pub fn derived(self, words: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0.to_bytes());
        hash.update(words.as_bytes());
        let digest = hash.finalize();
        let mut random = [0_u8; 16];
        random[6..].copy_from_slice(&digest[..10]);
        Self(Ulid::from_parts(
            self.timestamp_ms(),
            u128::from_be_bytes(random),
        ))
    }
}

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        Ulid::from_string(text)
            .map(Self)
            .map_err(|_| InvalidEventId(text.to_owned()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.array_to_str(&mut [0; ulid::ULID_LEN]))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Identifies a project: a UUID, lower case and hyphenated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectUuid(Uuid);

/// The text is not the UUID of a project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a project UUID (36 characters, hyphenated, not all zero)")]
pub struct InvalidProjectUuid(pub String);

impl ProjectUuid {
    /// Makes a new random one (version 4).
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for ProjectUuid {
    type Err = InvalidProjectUuid;

    fn from_str(text: &str) -> Result<Self, InvalidProjectUuid> {
        let trimmed = text.trim();
        Uuid::try_parse(trimmed)
            .ok()
            .filter(|uuid| trimmed.len() == 36 && !uuid.is_nil())
            .map(Self)
            .ok_or_else(|| InvalidProjectUuid(text.to_owned()))
    }
}

impl fmt::Display for ProjectUuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), formatter)
    }
}

impl fmt::Debug for ProjectUuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Makes event ids that rise within this process, also within one millisecond.
///
/// 80 random bits a millisecond keep two processes apart; the order inside one process keeps the
/// rows of one command in the order they were made.
#[derive(Debug)]
pub struct EventIds {
    time: SharedTime,
    generator: Mutex<ulid::Generator>,
}

impl EventIds {
    /// Creates a source of ids.
    #[must_use]
    pub fn new(time: SharedTime) -> Self {
        Self {
            time,
            generator: Mutex::new(ulid::Generator::new()),
        }
    }

    /// Makes the next id.
    ///
    /// # Panics
    /// Never in practice: the lock is only held here, and nothing inside panics.
    #[must_use]
    pub fn next(&self) -> EventId {
        let now = std::time::SystemTime::from(self.time.now());
        let mut generator = self
            .generator
            .lock()
            .expect("nothing panics while the lock is held");
        let ulid = match generator.generate_from_datetime(now) {
            Ok(ulid) => ulid,
            Err(overflow) => overflow.commit_overflow_increment(),
        };
        EventId(ulid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::system_time;

    #[test]
    fn ids_rise_and_read_back_in_either_case() {
        let ids = EventIds::new(system_time());
        let mut previous = ids.next();
        for _ in 0..10_000 {
            let next = ids.next();
            assert!(next > previous);
            previous = next;
        }
        let text = previous.to_string();
        assert_eq!(text.len(), 26);
        assert_eq!(text.to_lowercase().parse(), Ok(previous));
    }

    #[test]
    fn what_is_not_an_id_is_named_in_the_error() {
        for text in [
            "",
            "short",
            "01M7XAS67MT30DH0DY9EW5WFQU",
            "01M7XAS67MT30DH0DY9EW5WFQYX",
        ] {
            assert_eq!(
                text.parse::<EventId>(),
                Err(InvalidEventId(text.to_owned()))
            );
        }
        for text in [
            "",
            "nil",
            "00000000-0000-0000-0000-000000000000",
            "1111111122224333844455555555555a",
        ] {
            assert!(text.parse::<ProjectUuid>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_project_uuid_is_printed_lower_case() {
        let uuid: ProjectUuid = "AE17D5B9-A76D-4567-8ACB-C0BF7B9410B4".parse().unwrap();
        assert_eq!(uuid.to_string(), "ae17d5b9-a76d-4567-8acb-c0bf7b9410b4");
    }
}
