//! Ages and times as people read them.

use jiff::Timestamp;
use kitty_runtime::time::iso;

/// Renders how long ago a moment was: `5 s`, `3 min`, `2 h`, `4 d`.
#[must_use]
pub fn age(then_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Renders a moment given in milliseconds since the Unix epoch.
#[must_use]
pub fn moment(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| "unknown".to_owned(), iso)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (7200, "2 h"),
            (200_000, "2 d"),
        ] {
            assert_eq!(age(0, seconds * 1000), expected);
        }
        assert_eq!(age(5000, 0), "0 s");
        assert_eq!(moment(0), "1970-01-01T00:00:00+00:00");
    }
}
