//! The time port, and moments as the store keeps them.

use jiff::Timestamp;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// Tells the wall-clock time; a port so that tests decide when a token expires.
pub trait TimeSource: Debug + Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// A time source that all worker threads share.
pub type SharedTime = Arc<dyn TimeSource>;

/// The operating system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTime;

impl TimeSource for SystemTime {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A point in time: milliseconds since the epoch, the unit of every time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

impl Moment {
    /// Reads the time source.
    pub(crate) fn now(time: &SharedTime) -> Self {
        Self(time.now().as_millisecond())
    }

    /// Takes what a time column holds.
    pub(crate) const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Parses an RFC 3339 timestamp; `None` when it is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parsed: Timestamp = text.parse().ok()?;
        Some(Self(parsed.as_millisecond()))
    }

    /// Returns what a time column holds.
    pub(crate) const fn millis(self) -> i64 {
        self.0
    }

    /// Returns the moment that lies `span` later.
    pub(crate) fn plus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns the moment that lies `span` earlier.
    pub(crate) fn minus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Returns the time that has passed since `earlier`; zero when the clock went back.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// Renders the moment as the wire does: ISO 8601, `+00:00`, microseconds unless they are zero.
    pub(crate) fn iso(self) -> String {
        let moment = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let micros = moment.subsec_nanosecond() / 1_000;
        if micros == 0 {
            moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
        } else {
            format!("{}.{micros:06}+00:00", moment.strftime("%Y-%m-%dT%H:%M:%S"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_prints_as_the_wire_does_and_reads_any_offset() {
        let moment = Moment::parse("2026-01-02T05:04:05.120+02:00").unwrap();
        assert_eq!(moment.iso(), "2026-01-02T03:04:05.120000+00:00");
        let whole = Moment::parse("2026-01-02T03:04:05Z").unwrap();
        assert_eq!(whole.iso(), "2026-01-02T03:04:05+00:00");
        assert_eq!(Moment::parse("yesterday"), None);
    }

    #[test]
    fn arithmetic_saturates_and_a_clock_that_went_back_counts_as_no_time() {
        let start = Moment::from_millis(1_000);
        assert_eq!(start.plus(Duration::from_secs(2)).millis(), 3_000);
        assert_eq!(start.plus(Duration::MAX).millis(), i64::MAX);
        assert_eq!(start.since(Moment::from_millis(5_000)), Duration::ZERO);
        assert_eq!(
            Moment::from_millis(i64::MAX).iso(),
            "1970-01-01T00:00:00+00:00"
        );
    }
}
