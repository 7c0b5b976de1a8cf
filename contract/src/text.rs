//! Strings as they stand in a document, and what counts as blank.

use std::borrow::Cow;

/// A JSON string: what stands between the quotes, and whether it holds escapes.
///
/// Escapes are known to be valid; the scanner has seen them. A string of a parsed value has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'d> {
    raw: &'d str,
    escaped: bool,
}

impl<'d> Text<'d> {
    /// A string without escapes.
    pub(crate) fn plain(raw: &'d str) -> Self {
        Self {
            raw,
            escaped: false,
        }
    }

    /// A string with at least one valid escape.
    pub(crate) fn escaped(raw: &'d str) -> Self {
        Self { raw, escaped: true }
    }

    /// The text itself, if it has no escapes.
    #[inline]
    pub(crate) fn as_plain(self) -> Option<&'d str> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// The text with its escapes resolved; allocates only when there are some.
    #[inline]
    pub(crate) fn decoded(self) -> Cow<'d, str> {
        self.as_plain()
            .map_or_else(|| Cow::Owned(unescape(self.raw)), Cow::Borrowed)
    }

    /// Whether the text has at least `limit` characters (Unicode scalar values).
    #[inline]
    pub(crate) fn reaches(self, limit: usize) -> bool {
        let Some(raw) = self.as_plain() else {
            return self.decoded().chars().count() >= limit;
        };
        // A character has at least one byte, and only an ASCII one has no more.
        raw.len() >= limit && (limit <= 1 || raw.is_ascii() || raw.chars().count() >= limit)
    }

    /// Whether the text is empty or consists of white space only.
    #[inline]
    pub(crate) fn is_blank(self) -> bool {
        match self.raw.bytes().next() {
            Some(first) if first > b' ' && first < 0x7f && first != b'\\' => false,
            _ => self.decoded().chars().all(is_space),
        }
    }
}

/// White space as Python's `str.strip` sees it, which is what the upstream models use.
fn is_space(character: char) -> bool {
    matches!(
        character,
        '\t'..='\r' | '\u{1c}'..='\u{20}' | '\u{85}' | '\u{a0}' | '\u{1680}'
            | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

#[cold]
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or("");
        match code {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let mut unit = code_unit(rest);
                rest = rest.get(4..).unwrap_or("");
                if (0xd800..0xdc00).contains(&unit) {
                    let low = code_unit(rest.get(2..).unwrap_or(""));
                    unit = 0x10000 + ((unit - 0xd800) << 10) + (low & 0x3ff);
                    rest = rest.get(6..).unwrap_or("");
                }
                out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    out
}

fn code_unit(text: &str) -> u32 {
    text.get(..4)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_resolves_to_its_character() {
        let raw = r#"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00 z"#;
        assert_eq!(
            Text::escaped(raw).decoded(),
            "\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{1f600} z"
        );
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        for (text, length) in [("", 0), ("abc", 3), ("äöü", 3), ("😀😀", 2)] {
            assert!(Text::plain(text).reaches(length), "{text}");
            assert!(!Text::plain(text).reaches(length + 1), "{text}");
        }
        assert!(Text::escaped(r"\u0041\n").reaches(2));
        assert!(!Text::escaped(r"\u0041\n").reaches(3));
        assert!(Text::escaped(r"\n").reaches(0));
    }

    #[test]
    fn blank_is_what_python_strips_to_nothing() {
        for blank in ["", " ", "\t\r\n", "\u{1f}", "\u{a0}\u{3000}"] {
            assert!(Text::plain(blank).is_blank(), "{blank:?}");
        }
        for word in ["x", " x ", "\u{200b}", "\u{feff}"] {
            assert!(!Text::plain(word).is_blank(), "{word:?}");
        }
        assert!(Text::escaped(r"\n\u2003").is_blank());
    }
}
