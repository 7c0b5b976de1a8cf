//! What the machine says about scalars.

use std::cmp::Ordering;

use crate::breach::Breach;
use crate::conditions::Fact;
use crate::path::Path;
use crate::scanner::Number;
use crate::tables::{Ends, Range, StringRules, types};
use crate::text::Text;

use super::{Child, Machine};

impl Machine<'_> {
    #[inline]
    pub(crate) fn null(&mut self, child: Child, path: &Path<'_>) {
        self.typed(child, types::NULL, path);
        self.remember(child, || Fact::ABSENT);
    }

    #[inline]
    pub(crate) fn boolean(&mut self, child: Child, value: bool, path: &Path<'_>) {
        self.typed(child, types::BOOLEAN, path);
        let code = if value {
            Fact::CODE_TRUE
        } else {
            Fact::CODE_FALSE
        };
        self.remember(child, || Fact::coded(code));
    }

    #[inline]
    pub(crate) fn number(&mut self, child: Child, number: Number, path: &Path<'_>) {
        let (kind, integer) = match number {
            Number::Integer(value) => (types::INTEGER, Some(value)),
            Number::Float(_) => (types::FRACTION, None),
        };
        let shape = self.typed(child, kind, path);
        self.remember(child, || Fact {
            integer,
            ..Fact::coded(Fact::CODE_OTHER)
        });
        let Some(rules) = self.tables.numbers.get(usize::from(shape.number)) else {
            return;
        };
        let against = |limit: i64| match number {
            Number::Integer(value) => value.cmp(&i128::from(limit)),
            // Limits are within 2^53, where this conversion is exact; the number is finite.
            Number::Float(value) => value
                .partial_cmp(&(limit as f64))
                .unwrap_or(Ordering::Equal),
        };
        if let Some(limit) = rules.minimum.filter(|limit| against(*limit).is_lt()) {
            self.report(Breach::Minimum { limit }, path);
        }
        if let Some(limit) = rules
            .exclusive_minimum
            .filter(|limit| against(*limit).is_le())
        {
            self.report(Breach::ExclusiveMinimum { limit }, path);
        }
        if let Some(limit) = rules.maximum.filter(|limit| against(*limit).is_gt()) {
            self.report(Breach::Maximum { limit }, path);
        }
    }

    #[inline]
    pub(crate) fn string(&mut self, child: Child, text: Text<'_>, path: &Path<'_>) {
        let shape = self.typed(child, types::STRING, path);
        let mut code = Fact::CODE_OTHER;
        if let Some(rules) = self.tables.strings.get(usize::from(shape.string)) {
            code = self.string_rules(rules, text, path);
        }
        self.remember(child, || Fact {
            blank: text.is_blank(),
            ..Fact::coded(code)
        });
    }

    /// Checks a string's constraints; the code of an allowed text.
    #[inline]
    fn string_rules(&mut self, rules: &StringRules, text: Text<'_>, path: &Path<'_>) -> u8 {
        if rules.min_length > 0 && !text.reaches(rules.min_length) {
            self.report(
                Breach::MinLength {
                    limit: rules.min_length,
                },
                path,
            );
        }
        if let Some(limit) = rules.max_length.filter(|limit| text.reaches(limit + 1)) {
            self.report(Breach::MaxLength { limit }, path);
        }
        if rules.not_blank && text.is_blank() {
            self.report(Breach::Blank, path);
        }
        if !rules.reads_content {
            return Fact::CODE_OTHER;
        }
        match text.as_plain() {
            Some(text) => self.content(rules, text, path),
            None => self.content(rules, &text.decoded(), path),
        }
    }

    fn content(&mut self, rules: &StringRules, got: &str, path: &Path<'_>) -> u8 {
        let tables = self.tables;
        let pool = &*tables.pool;
        let (bytes, ends) = (got.as_bytes(), Ends::of(got.as_bytes()));
        let find = |list: Range| {
            list.of(&tables.words)
                .iter()
                .position(|word| word.is(bytes, ends, pool))
        };
        let mut code = Fact::CODE_OTHER;
        if let Some(word) = rules.value.filter(|word| !word.is(bytes, ends, pool)) {
            self.report(
                Breach::Value {
                    expected: word.text.of(pool),
                    got,
                },
                path,
            );
        }
        if !rules.allowed.is_empty() {
            match find(rules.allowed) {
                Some(position) => code = Fact::of_allowed(position),
                None => {
                    let allowed = rules.allowed.of(&tables.words);
                    self.report(Breach::Allowed { allowed, pool, got }, path);
                }
            }
        }
        if find(rules.forbidden).is_some() {
            self.report(Breach::ForbiddenValue { got }, path);
        }
        if let Some(format) = rules.format.filter(|format| !format.matches(got)) {
            self.report(Breach::Format { format }, path);
        }
        if !rules.forbidden_first_segment.is_empty() {
            let got = got.split('/').next().unwrap_or(got);
            let words = rules.forbidden_first_segment.of(&tables.words);
            if words.iter().any(|word| word.text.of(pool) == got) {
                self.report(Breach::FirstSegment { got }, path);
            }
        }
        code
    }
}
