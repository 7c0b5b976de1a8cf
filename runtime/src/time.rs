//! The time port and the timestamp format that others read.

use jiff::Timestamp;
use std::fmt::Debug;
use std::sync::Arc;

/// Tells the wall-clock time; a port so that cores and tests decide what time it is.
pub trait TimeSource: Debug + Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// A time source that several owners share.
pub type SharedTime = Arc<dyn TimeSource>;

/// The operating system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTime;

impl TimeSource for SystemTime {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Returns the operating system's wall clock.
#[must_use]
pub fn system_time() -> SharedTime {
    Arc::new(SystemTime)
}

/// Renders a time as the Python CLI does: UTC as `+00:00`, microseconds, omitted when zero.
///
/// ```
/// let moment = "2026-01-02T03:04:05.120000Z".parse().unwrap();
/// assert_eq!(kitty_runtime::time::iso(moment), "2026-01-02T03:04:05.120000+00:00");
/// let whole = "2026-01-02T03:04:05Z".parse().unwrap();
/// assert_eq!(kitty_runtime::time::iso(whole), "2026-01-02T03:04:05+00:00");
/// ```
#[must_use]
pub fn iso(moment: Timestamp) -> String {
    let micros = moment.subsec_nanosecond() / 1_000;
    if micros == 0 {
        moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
    } else {
        format!("{}.{micros:06}+00:00", moment.strftime("%Y-%m-%dT%H:%M:%S"))
    }
}

/// Parses what [`iso`] and its relatives print: an offset, or none, which counts as UTC.
#[must_use]
pub fn parse_iso(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| format!("{text}Z").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_offset_is_utc() {
        let with_offset = parse_iso("2026-01-02T03:04:05+00:00").unwrap();
        assert_eq!(parse_iso("2026-01-02T03:04:05"), Some(with_offset));
        assert_eq!(parse_iso("2026-01-02T05:04:05+02:00"), Some(with_offset));
        assert_eq!(parse_iso("yesterday"), None);
    }
}
