//! Tells whether two globs of owned files can mean the same file.
//!
//! This is a guess on the safe side, and it must be the guess of every other release: lanes that one
//! of them computed are worked on by another.

/// Tells whether two globs overlap.
pub(crate) fn globs_overlap(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (place, other_place) = (place_of(one), place_of(other));
    let nested = !place.is_empty()
        && !other_place.is_empty()
        && (place.starts_with(other_place) || other_place.starts_with(place));
    nested || matches(one, other_place) || matches(other, place)
}

/// Returns what stands before the wildcards at the end.
fn place_of(glob: &str) -> &str {
    ["/**", "/*", "**", "*"]
        .iter()
        .find_map(|end| glob.strip_suffix(end))
        .unwrap_or(glob)
}

/// Tells whether a shell pattern means a text; `*` also means `/`.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut read) = (0, 0);
    // Where to go on when the text after the last `*` did not match: one character later.
    let mut retry: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(Token::Any) => {
                retry = Some((at, read));
                at += 1;
            }
            Some(token) if token.matches(text[read]) => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star, begun)) = retry else {
                    return false;
                };
                retry = Some((star, begun + 1));
                at = star + 1;
                read = begun + 1;
            }
        }
    }
    pattern[at..]
        .iter()
        .all(|token| matches!(token, Token::Any))
}

enum Token {
    /// Any text.
    Any,
    /// Any character.
    One,
    Character(char),
    /// A character between two, of these pairs; or of none of them.
    Set(Vec<(char, char)>, bool),
}

impl Token {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Character(own) => *own == character,
            Self::Set(ranges, excluded) => {
                let is_in = ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&character));
                is_in != *excluded
            }
        }
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(character) = pattern.get(at) {
        at += 1;
        tokens.push(match character {
            '*' => Token::Any,
            '?' => Token::One,
            '[' => match set(&pattern[at..]) {
                Some((token, length)) => {
                    at += length;
                    token
                }
                None => Token::Character('['),
            },
            other => Token::Character(*other),
        });
    }
    tokens
}

/// Reads the inside of a bracket with its end; `None` when it is not closed.
fn set(rest: &[char]) -> Option<(Token, usize)> {
    let excluded = rest.first() == Some(&'!');
    let start = usize::from(excluded);
    // A bracket that closes at once is a member.
    let after_first = (start + 1).min(rest.len());
    let end = after_first + rest[after_first..].iter().position(|one| *one == ']')?;
    let members = &rest[start..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        let is_range = at + 2 < members.len() && members[at + 1] == '-';
        let high = if is_range {
            members[at + 2]
        } else {
            members[at]
        };
        ranges.push((members[at], high));
        at += if is_range { 3 } else { 1 };
    }
    Some((Token::Set(ranges, excluded), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_overlap_when_one_place_lies_in_the_other_or_a_pattern_means_it() {
        for (one, other, overlap) in [
            ("src/a.py", "src/a.py", true),
            ("src/**", "src/context/**", true),
            ("src/a*", "src/abc.py", true),
            ("src/foo.py", "src/foo.pyx", true),
            ("src/a/**", "src/b/**", false),
            ("**/*.md", "docs/x.md", true),
            ("src/?.py", "src/a.py", true),
            ("src/[ab].py", "src/b.py", true),
            ("src/[!ab].py", "src/b.py", false),
            ("src/[a.py", "src/b.py", false),
            ("*", "src/b.py", true),
        ] {
            assert_eq!(globs_overlap(one, other), overlap, "{one} {other}");
            assert_eq!(globs_overlap(other, one), overlap, "{other} {one}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(5_000)));
    }
}
