//! A strict JSON reader over a text: RFC 8259, nothing more, no allocation.

use crate::text::Text;

/// The document is not JSON, at this byte offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) offset: usize,
}

/// A number as the rule language sees it; README, "Values".
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// Written without fraction and exponent, from -2^63 to 2^64 - 1, not `-0`.
    Integer(i128),
    /// Every other number, as binary64, finite.
    Float(f64),
}

/// A position in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'d> {
    text: &'d str,
    at: usize,
}

impl<'d> Scanner<'d> {
    pub(crate) fn new(text: &'d str, at: usize) -> Self {
        Self { text, at }
    }

    /// The offset of the next byte to read.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space, still unread.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<u8, Malformed> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if byte > b' ' {
                return Ok(byte);
            }
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                break;
            }
            self.at += 1;
        }
        Err(self.malformed())
    }

    /// Reads the byte that `peek` has shown.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.at += 1;
    }

    /// Reads one expected punctuation mark.
    #[inline]
    pub(crate) fn expect(&mut self, mark: u8) -> Result<(), Malformed> {
        if self.peek()? != mark {
            return Err(self.malformed());
        }
        self.at += 1;
        Ok(())
    }

    /// Reads `true`, `false` or `null`, whose first letter `peek` has shown.
    #[inline]
    pub(crate) fn literal(&mut self, word: &str) -> Result<(), Malformed> {
        let end = self.at + word.len();
        if self.text.as_bytes().get(self.at..end) != Some(word.as_bytes()) {
            return Err(self.malformed());
        }
        self.at = end;
        Ok(())
    }

    /// Whether only white space follows.
    pub(crate) fn finish(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            Err(end) if end.offset >= self.text.len() => Ok(()),
            Err(stray) => Err(stray),
            Ok(_) => Err(self.malformed()),
        }
    }

    /// The failure at the current offset.
    pub(crate) fn malformed(&self) -> Malformed {
        Malformed { offset: self.at }
    }

    /// Reads a string whose opening quote `peek` has shown.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'d>, Malformed> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at = skip_plain(bytes, at);
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    at = escape(bytes, at)?;
                    escaped = true;
                }
                // A control character, or the end of the document.
                _ => return Err(Malformed { offset: at }),
            }
        }
        self.at = at + 1;
        let raw = &self.text[start..at];
        Ok(if escaped {
            Text::escaped(raw)
        } else {
            Text::plain(raw)
        })
    }

    /// Reads a number whose first character `peek` has shown.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<Number, Malformed> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start + usize::from(bytes[start] == b'-');
        let digits = at;
        let mut magnitude = Some(0_u64);
        while let Some(digit) = bytes
            .get(at)
            .map(|byte| byte.wrapping_sub(b'0'))
            .filter(|d| *d < 10)
        {
            magnitude = magnitude.and_then(|m| m.checked_mul(10)?.checked_add(u64::from(digit)));
            at += 1;
        }
        if at == digits || (bytes[digits] == b'0' && at > digits + 1) {
            return Err(Malformed { offset: at });
        }
        if !matches!(bytes.get(at), Some(b'.' | b'e' | b'E')) {
            self.at = at;
            let signed = magnitude
                .map(i128::from)
                .and_then(|m| match digits > start {
                    false => Some(m),
                    true => Some(-m).filter(|m| *m < 0 && *m >= i128::from(i64::MIN)),
                });
            return signed.map_or_else(|| self.float(start), |n| Ok(Number::Integer(n)));
        }
        self.at = fraction_and_exponent(bytes, at)?;
        self.float(start)
    }

    #[cold]
    fn float(&self, start: usize) -> Result<Number, Malformed> {
        match self.text[start..self.at].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Number::Float(number)),
            _ => Err(Malformed { offset: start }),
        }
    }

    /// Reads an array or object of any depth without recursion; only its grammar is checked.
    #[cold]
    pub(crate) fn skip_container(&mut self) -> Result<(), Malformed> {
        // One entry per open container: whether it is an object.
        let mut open: Vec<bool> = Vec::new();
        loop {
            match self.peek()? {
                mark @ (b'{' | b'[') => {
                    self.advance();
                    open.push(mark == b'{');
                    if self.peek()? != closing(mark == b'{') {
                        self.member_name(mark == b'{')?;
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            while let Some(&object) = open.last() {
                match self.peek()? {
                    b',' => {
                        self.advance();
                        self.member_name(object)?;
                        break;
                    }
                    mark if mark == closing(object) => {
                        self.advance();
                        open.pop();
                    }
                    _ => return Err(self.malformed()),
                }
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    fn member_name(&mut self, object: bool) -> Result<(), Malformed> {
        if !object {
            return Ok(());
        }
        if self.peek()? != b'"' {
            return Err(self.malformed());
        }
        self.string()?;
        self.expect(b':')
    }

    fn scalar(&mut self) -> Result<(), Malformed> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => Err(self.malformed()),
        }
    }
}

fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

/// The offset of the first quote, backslash or control character at or after `at`.
#[inline]
fn skip_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    while let Some(chunk) = bytes
        .get(at..at + 8)
        .and_then(|chunk| <[u8; 8]>::try_from(chunk).ok())
    {
        let word = u64::from_le_bytes(chunk);
        // With bit 1 flipped, the quote and the control characters are the bytes below 0x21.
        let marked = word ^ (ONES * 2);
        let slash = word ^ (ONES * u64::from(b'\\'));
        // The lowest set bit marks the first hit; higher ones may be carries, which is harmless.
        let hits = ((marked.wrapping_sub(ONES * 0x21) & !marked)
            | (slash.wrapping_sub(ONES) & !slash))
            & HIGH;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes
        .get(at)
        .is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f))
    {
        at += 1;
    }
    at
}

/// The offset behind the escape sequence that starts at `at`.
#[cold]
fn escape(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match code_unit(bytes, at + 2)? {
            0xd800..0xdc00 if bytes.get(at + 6..at + 8) == Some(br"\u") => {
                match code_unit(bytes, at + 8)? {
                    0xdc00..0xe000 => Ok(at + 12),
                    _ => Err(Malformed { offset: at }),
                }
            }
            0xd800..0xe000 => Err(Malformed { offset: at }),
            _ => Ok(at + 6),
        },
        _ => Err(Malformed { offset: at }),
    }
}

fn code_unit(bytes: &[u8], at: usize) -> Result<u32, Malformed> {
    let digits = bytes.get(at..at + 4).ok_or(Malformed { offset: at })?;
    digits.iter().try_fold(0, |unit, byte| {
        let digit = char::from(*byte)
            .to_digit(16)
            .ok_or(Malformed { offset: at })?;
        Ok(unit * 16 + digit)
    })
}

#[cold]
fn fraction_and_exponent(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at = digits(bytes, at)?;
    }
    Ok(at)
}

fn digits(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let count = bytes
        .iter()
        .skip(start)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 {
        Err(Malformed { offset: start })
    } else {
        Ok(start + count)
    }
}
