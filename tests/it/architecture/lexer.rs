//! Splits Rust text into tokens, so that a rule never mistakes a comment or a string for code.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A word: identifier or keyword.
    Word,
    /// One character of punctuation; `::` is one token.
    Mark,
    /// A string of any kind; the text is what stands between the quotes.
    Text,
    /// A character, byte or number.
    Value,
    /// A lifetime, without its quote.
    Lifetime,
    /// A comment of any kind, with its slashes.
    Comment,
}

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Mark) && self.text == text
    }
}

/// Splits a file.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        rest: source,
        line: 1,
        tokens: Vec::new(),
    };
    while !lexer.rest.is_empty() {
        lexer.step();
    }
    lexer.tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            return self.push(Kind::Comment, end, &rest[..end]);
        }
        if rest.starts_with("/*") {
            let end = block_comment(rest);
            return self.push(Kind::Comment, end, &rest[..end]);
        }
        if let Some((end, text)) = string(rest) {
            return self.push(Kind::Text, end, text);
        }
        let first = rest.chars().next().expect("the rest is not empty");
        if first == '\'' {
            let (kind, end) = quote(rest);
            let start = usize::from(kind == Kind::Lifetime);
            return self.push(kind, end, &rest[start..end]);
        }
        if first.is_ascii_digit() {
            let end = length_while(rest, |c| c.is_alphanumeric() || c == '_');
            return self.push(Kind::Value, end, &rest[..end]);
        }
        if first.is_alphabetic() || first == '_' {
            let raw = if rest.starts_with("r#") { 2 } else { 0 };
            let end = raw + length_while(&rest[raw..], |c| c.is_alphanumeric() || c == '_');
            return self.push(Kind::Word, end, &rest[raw..end]);
        }
        if first.is_whitespace() {
            return self.skip(first.len_utf8());
        }
        let end = if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        self.push(Kind::Mark, end, &rest[..end]);
    }

    fn push(&mut self, kind: Kind, end: usize, text: &'a str) {
        self.tokens.push(Token {
            kind,
            text: text.to_owned(),
            line: self.line,
        });
        self.skip(end);
    }

    fn skip(&mut self, end: usize) {
        self.line += self.rest[..end].matches('\n').count();
        self.rest = &self.rest[end..];
    }
}

fn length_while(text: &str, mut wanted: impl FnMut(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Returns where a string ends and what is in it, if one begins here.
fn string(rest: &str) -> Option<(usize, &str)> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|after| {
            let after = if prefix.ends_with('r') {
                after.trim_start_matches('#')
            } else {
                after
            };
            after.starts_with('"')
        })
    })?;
    if prefix.ends_with('r') {
        let hashes = length_while(&rest[prefix.len()..], |c| c == '#');
        let start = prefix.len() + hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = rest[start..]
            .find(&close)
            .map_or(rest.len(), |end| start + end);
        return Some(((end + close.len()).min(rest.len()), &rest[start..end]));
    }
    let start = prefix.len() + 1;
    let mut escaped = false;
    let end = start
        + length_while(&rest[start..], |c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            !ends
        });
    Some(((end + 1).min(rest.len()), &rest[start..end]))
}

/// Tells a character from a lifetime.
fn quote(rest: &str) -> (Kind, usize) {
    let inner = &rest[1..];
    if inner.starts_with('\\') {
        let end = inner[2..]
            .find('\'')
            .map_or(rest.len(), |end| 1 + 2 + end + 1);
        return (Kind::Value, end);
    }
    let width = inner.chars().next().map_or(0, char::len_utf8);
    if inner[width..].starts_with('\'') {
        return (Kind::Value, 1 + width + 1);
    }
    let end = 1 + length_while(inner, |c| c.is_alphanumeric() || c == '_');
    (Kind::Lifetime, end)
}

#[test]
fn comments_strings_characters_and_lifetimes_are_not_code() {
    let source = "// unsafe\nlet a = \"unsafe \\\" unsafe\"; /* unsafe /* nested */ unsafe */\n\
                  r#\"unsafe\" unsafe\"#; b'\\''; '\"'; fn f<'unsafe>() {} 1_000u8..2 std::fs";
    let words: Vec<String> = tokens(source)
        .into_iter()
        .filter(|token| token.kind == Kind::Word)
        .map(|token| token.text)
        .collect();
    assert_eq!(words, ["let", "a", "b", "fn", "f", "std", "fs"]);
    let texts: Vec<(String, usize)> = tokens(source)
        .into_iter()
        .filter(|token| token.kind == Kind::Text)
        .map(|token| (token.text, token.line))
        .collect();
    assert_eq!(
        texts,
        [
            ("unsafe \\\" unsafe".to_owned(), 2),
            ("unsafe\" unsafe".to_owned(), 3)
        ]
    );
}
