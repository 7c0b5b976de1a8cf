//! The named formats of the rule language, as predicates over ASCII text.

/// A text format; README, "Formats".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    DateTime,
    Semver,
    UlidOrUuid,
    Uuid,
}

impl Format {
    /// The format of this name in the artifact.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "date_time" => Self::DateTime,
            "semver" => Self::Semver,
            "ulid_or_uuid" => Self::UlidOrUuid,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }

    /// The format's name in the artifact.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DateTime => "date_time",
            Self::Semver => "semver",
            Self::UlidOrUuid => "ulid_or_uuid",
            Self::Uuid => "uuid",
        }
    }

    /// Whether the text has this format.
    #[inline]
    pub(crate) fn matches(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::DateTime => date_time(bytes).is_some(),
            Self::Semver => semver(bytes),
            Self::UlidOrUuid => match bytes.len() {
                26 => all(bytes, crockford),
                32 => all(bytes, hex),
                _ => uuid(bytes),
            },
            Self::Uuid => uuid(bytes),
        }
    }
}

/// Whether all bytes are of a class. Without an early exit, so that it compiles to vector
/// instructions: the texts are short and nearly always right.
#[inline]
fn all(bytes: &[u8], class: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |kept, byte| kept & class(*byte))
}

fn hex(byte: u8) -> bool {
    byte.is_ascii_digit() | matches!(byte | 0x20, b'a'..=b'f')
}

/// A digit of Crockford's base 32, of either case.
fn crockford(byte: u8) -> bool {
    let letter = byte | 0x20;
    let skipped = (letter == b'i') | (letter == b'l') | (letter == b'o') | (letter == b'u');
    byte.is_ascii_digit() | (letter.is_ascii_lowercase() & !skipped)
}

#[inline]
fn uuid(bytes: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; 36]>::try_from(bytes) else {
        return false;
    };
    let mut right = true;
    for (at, byte) in bytes.iter().enumerate() {
        let hyphen = matches!(at, 8 | 13 | 18 | 23);
        right &= if hyphen { *byte == b'-' } else { hex(*byte) };
    }
    right
}

fn semver(bytes: &[u8]) -> bool {
    let mut parts = bytes.split(|byte| *byte == b'.');
    let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    parts.by_ref().take(3).filter(|part| number(part)).count() == 3 && parts.next().is_none()
}

/// `YYYY-MM-DDTHH:MM:SS[.f]` with one to nine digits of fraction, then `Z` or `±HH:MM`; a real
/// day of the years 1 to 9999, no leap second, an offset below 24 hours.
#[inline]
fn date_time(bytes: &[u8]) -> Option<()> {
    let two = |at: usize| {
        let (tens, ones) = (
            bytes.get(at)?.wrapping_sub(b'0'),
            bytes.get(at + 1)?.wrapping_sub(b'0'),
        );
        (tens < 10 && ones < 10).then_some(u32::from(tens) * 10 + u32::from(ones))
    };
    let year = two(0)? * 100 + two(2)?;
    let (month, day, hour, minute, second) = (two(5)?, two(8)?, two(11)?, two(14)?, two(17)?);
    let marks = bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T';
    let times = bytes[13] == b':' && bytes[16] == b':' && hour < 24 && minute < 60 && second < 60;
    if !marks || !times || year == 0 || day == 0 || day > days(year, month) {
        return None;
    }
    let mut at = 19;
    if bytes.get(at) == Some(&b'.') {
        let digits = bytes[20..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        at += 1 + digits;
    }
    match bytes.get(at)? {
        b'Z' => (bytes.len() == at + 1).then_some(()),
        b'+' | b'-' => {
            let offset = two(at + 1)? < 24 && bytes.get(at + 3)? == &b':' && two(at + 4)? < 60;
            (offset && bytes.len() == at + 6).then_some(())
        }
        _ => None,
    }
}

fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    fn table(name: &str, good: &[&str], bad: &[&str]) {
        let format = Format::parse(name).expect("a known format");
        assert_eq!(format.name(), name);
        for text in good {
            assert!(format.matches(text), "{name} refuses {text}");
        }
        for text in bad {
            assert!(!format.matches(text), "{name} accepts {text}");
        }
    }

    #[test]
    fn a_date_time_names_a_real_instant_with_its_offset() {
        table(
            "date_time",
            &[
                "2026-11-20T20:00:00+00:00",
                "2026-11-20T20:00:00Z",
                "2024-02-29T23:59:59.999999999-23:59",
                "0001-01-01T00:00:00.1Z",
                "2000-02-29T00:00:00Z",
            ],
            &[
                "",
                "2026-11-20",
                "2026-11-20T20:00:00",
                "2026-11-20 20:00:00Z",
                "2026-11-20t20:00:00Z",
                "2026-11-20T20:00:00z",
                "2026-11-20T20:00:60Z",
                "2026-11-20T24:00:00Z",
                "2026-11-20T20:00Z",
                "2026-11-20T20:00:00.Z",
                "2026-11-20T20:00:00.1234567890Z",
                "2026-11-20T20:00:00+24:00",
                "2026-11-20T20:00:00+00:60",
                "2026-11-20T20:00:00+0000",
                "2026-11-20T20:00:00Z ",
                "2026-02-29T00:00:00Z",
                "1900-02-29T00:00:00Z",
                "2026-13-01T00:00:00Z",
                "2026-00-01T00:00:00Z",
                "2026-01-00T00:00:00Z",
                "0000-01-01T00:00:00Z",
                "２026-01-01T00:00:00Z",
            ],
        );
    }

    #[test]
    fn an_identifier_is_a_ulid_or_a_uuid() {
        let both = [
            "c4ad781d-049b-5533-a459-64c1ad68b1ce",
            "C4AD781D-049B-5533-A459-64C1AD68B1CE",
        ];
        let hyphens = [
            "c4ad781d-049b-5533-a459-64c1ad68b1c",
            "c4ad781d0049b-5533-a459-64c1ad68b1ce",
        ];
        table(
            "uuid",
            &both,
            &[
                hyphens[0],
                hyphens[1],
                "",
                "c4ad781d049b5533a45964c1ad68b1ce",
            ],
        );
        table("ulid_or_uuid", &both, &hyphens);
        table(
            "ulid_or_uuid",
            &[
                "01M7XAS67MT30DH0DY9EW5WFQY",
                "01m7xas67mt30dh0dy9ew5wfqy",
                "c4ad781d049b5533a45964c1ad68b1ce",
            ],
            &[
                "",
                "01M7XAS67MT30DH0DY9EW5WFQ",
                "01M7XAS67MT30DH0DY9EW5WFQI",
                "01M7XAS67MT30DH0DY9EW5WFK\u{212a}",
            ],
        );
    }

    #[test]
    fn a_version_has_three_numbers() {
        table(
            "semver",
            &["3.0.0", "10.20.30"],
            &["", "3", "3.0", "3.0.0.0", "3..0", "3.0.0-rc1", "3.0.٣"],
        );
    }
}
