//! Reads the line that every release writes, without a JSON parser.
//!
//! Nearly all lines of a long log are transitions with sorted keys, Python's separators and no escape.
//! Those are cut at their quotes. Whatever looks different in any way is left to the JSON parser, so
//! this decides how fast a line is read and never what it says.

use super::row::{Actor, ExecutionMode, Policy, Transition};
use crate::lane::Lane;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What is remembered from line to line: the rows of one orchestrator repeat its policy.
#[derive(Default)]
pub(super) struct Reader<'a> {
    policy: Option<Policy<'a>>,
}

impl<'a> Reader<'a> {
    /// Reads a line; `None` for one that the JSON parser must look at.
    pub(super) fn transition(&mut self, line: &'a str) -> Option<Transition<'a>> {
        // Without escapes a text ends at the next quote; control characters are no JSON.
        let is_plain = |byte: u8| byte >= b' ' && byte != b'\\';
        if !line.bytes().fold(true, |all, byte| all & is_plain(byte)) {
            return None;
        }
        let mut line = Cursor { rest: line };
        line.expect("{\"actor\": ")?;
        let actor = Actor::Name(Cow::Borrowed(line.text()?));
        line.expect(", \"at\": ")?;
        let at = line.filled()?;
        line.expect(", \"event_id\": ")?;
        let event_id = line.filled()?;
        line.expect(", \"evidence\": null, \"execution_mode\": ")?;
        let execution_mode = match line.text()? {
            "worktree" => ExecutionMode::Worktree,
            "direct_repo" => ExecutionMode::DirectRepo,
            _ => return None,
        };
        line.expect(", \"force\": ")?;
        let force = line.boolean()?;
        line.expect(", \"from_lane\": ")?;
        let from_lane: Lane = line.text()?.parse().ok()?;
        let mission_id = match line.expect(", \"mission_id\": ") {
            Some(()) => Some(line.filled()?),
            None => None,
        };
        line.expect(", \"mission_slug\": ")?;
        let mission_slug = line.filled()?;
        line.expect(", \"policy_metadata\": ")?;
        let policy_metadata = self.policy(&mut line)?;
        line.expect(", \"reason\": ")?;
        let reason = line.text_or_null()?;
        line.expect(", \"review_ref\": ")?;
        let review_ref = line.text_or_null()?;
        line.expect(", \"to_lane\": ")?;
        let to_lane: Lane = line.text()?.parse().ok()?;
        line.expect(", \"wp_id\": ")?;
        let wp_id = line.filled()?;
        (line.rest == "}").then_some(Transition {
            event_id,
            mission_slug,
            mission_id,
            wp_id,
            from_lane,
            to_lane,
            at,
            actor,
            force,
            execution_mode,
            reason,
            reason_source: None,
            review_ref,
            evidence: None,
            review_result: None,
            policy_metadata,
        })
    }

    #[allow(clippy::option_option, reason = "null and not understood differ")]
    fn policy(&mut self, line: &mut Cursor<'a>) -> Option<Option<Policy<'a>>> {
        if line.expect("null").is_some() {
            return Some(None);
        }
        if let Some(policy) = &self.policy
            && line.expect(policy.text()).is_some()
        {
            return Some(Some(policy.clone()));
        }
        let mut values = serde_json::Deserializer::from_str(line.rest).into_iter::<&RawValue>();
        let policy = Policy::borrowed(values.next()?.ok()?)?;
        line.rest = line.rest.get(values.byte_offset()..)?;
        self.policy = Some(policy.clone());
        Some(Some(policy))
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn expect(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn text(&mut self) -> Option<&'a str> {
        let rest = self.rest.strip_prefix('"')?;
        let end = memchr::memchr(b'"', rest.as_bytes())?;
        self.rest = &rest[end + 1..];
        Some(&rest[..end])
    }

    fn filled(&mut self) -> Option<Cow<'a, str>> {
        self.text()
            .filter(|text| !text.is_empty())
            .map(Cow::Borrowed)
    }

    #[allow(clippy::option_option, reason = "null and not understood differ")]
    fn text_or_null(&mut self) -> Option<Option<Cow<'a, str>>> {
        if self.expect("null").is_some() {
            return Some(None);
        }
        self.text().map(|text| Some(Cow::Borrowed(text)))
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.expect("false").is_some() {
            return Some(false);
        }
        self.expect("true").map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::super::row::Row;
    use super::*;
    use proptest::prelude::*;

    const LINE: &str = r#"{"actor": "x", "at": "1", "event_id": "A", "evidence": null, "execution_mode": "worktree", "force": false, "from_lane": "planned", "mission_id": "i", "mission_slug": "m", "policy_metadata": {"a": [1, {"b": "}"}]}, "reason": null, "review_ref": "r é", "to_lane": "claimed", "wp_id": "WP01"}"#;

    fn parsed(line: &str) -> Option<Transition<'_>> {
        match read::parsed(line, 1) {
            Ok(read::Line::Row(Row::Transition(row))) => Some(row),
            _ => None,
        }
    }

    #[test]
    fn the_usual_line_is_read_here_and_says_what_the_parser_says() {
        let mut reader = Reader::default();
        let other = LINE
            .replace("[1,", "[2,")
            .replace("\"mission_id\": \"i\", ", "");
        let without = LINE.replace(r#"{"a": [1, {"b": "}"}]}"#, "null");
        for line in [LINE, LINE, &other, LINE, &without] {
            let row = reader.transition(line).expect("the usual line");
            assert_eq!(Some(row), parsed(line));
        }
    }

    #[test]
    fn another_order_an_escape_or_another_key_is_left_to_the_parser() {
        for line in [
            LINE.replace("\"x\"", "\"\\u0078\""),
            LINE.replace("\"reason\"", "\"foreign\": 1, \"reason\""),
            LINE.replace(", \"evidence\": null", ""),
            LINE.replace("null, \"review_ref\"", "null,\"review_ref\""),
        ] {
            assert!(Reader::default().transition(&line).is_none(), "{line}");
            assert!(parsed(&line).is_some(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_line_that_is_read_here_is_read_alike_by_the_parser(
            at in 0..LINE.len(),
            length in 0..3_usize,
            by in "[ -~\\n\\t]{0,2}",
        ) {
            let end = (at + length).min(LINE.len());
            let whole = LINE.is_char_boundary(at) && LINE.is_char_boundary(end);
            prop_assume!(whole);
            let line = format!("{}{by}{}", &LINE[..at], &LINE[end..]);
            let mut reader = Reader::default();
            reader.transition(LINE);
            if let Some(row) = reader.transition(&line) {
                prop_assert_eq!(Some(row), parsed(&line));
            }
        }
    }
}
