//! Documents whose objects keep their order and may name a key twice, changed at random.

use serde_json::Value;

/// A small deterministic generator (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// One of the words.
    pub(crate) fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// A JSON value of this kind.
pub(crate) enum Node {
    Token(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

const TOKENS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "3",
    "5",
    "1.0",
    "0.5",
    "-0.0",
    "1e2",
    "1E-2",
    "9007199254740993",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "1e308",
    "1e400",
    "-1e999",
    "[]",
    "{}",
    "[null]",
    "[\"WP02\"]",
    "{\"feature_slug\":1}",
    "{\"a\":{}}",
];
/// The lanes of a work package.
pub(crate) const LANES: &[&str] = &[
    "planned",
    "claimed",
    "in_progress",
    "for_review",
    "in_review",
    "approved",
    "done",
    "blocked",
    "canceled",
    "genesis",
];
const TEXTS: &[&str] = &[
    "",
    " ",
    "\t\u{2003}\u{1f}",
    "\u{200b}",
    "x",
    "é",
    "😀😀",
    "null",
    "planned",
    "claimed",
    "doing",
    "in_progress",
    "for_review",
    "in_review",
    "approved",
    "done",
    "blocked",
    "canceled",
    "genesis",
    "worktree",
    "direct_repo",
    "human",
    "sha256",
    "input",
    "artifact_added",
    "3.0.0",
    "3.0.1",
    "03.0.0",
    "3.0",
    "feature",
    "feature/1",
    "feature_catalog/x/y",
    "features/1",
    "Feature",
    "Mission",
    "Build",
    "FeatureCreated",
    "FeatureCompleted",
    "WPStatusChanged",
    "TokenUsageRecorded",
    "BuildRegistered",
    "NoSuchType",
    "c4ad781d-049b-5533-a459-64c1ad68b1ce",
    "c4ad781d049b5533a45964c1ad68b1ce",
    "01M7XAS67MT30DH0DY9EW5WFQY",
    "01M7XAS67MT30DH0DY9EW5WFQU",
    "2024-02-29T23:59:59Z",
    "2023-02-29T23:59:59Z",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00.123456789+23:59",
    "2026-01-01T24:00:00Z",
    "0123456789012345678901234567890123456789",
    "it's \"quoted\"\\\n",
];
const KEYS: &[&str] = &[
    "feature_slug",
    "feature_number",
    "feature_type",
    "mission_key",
    "legacy_aggregate_id",
    "from_lane",
    "to_lane",
    "force",
    "reason",
    "review_ref",
    "evidence",
    "actor",
    "extra",
    "",
    "é",
    "payload",
    "event_type",
    "build_id",
    "git_branch",
    "branch",
    "repo_slug",
    "mission_slug",
    "type",
    "data_tier",
    "causation_id",
    "mission_number",
    "wp_id",
    "commit_sha",
    "pr_number",
    "total_tokens",
];

impl Node {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::of(value)))
                    .collect(),
            ),
            scalar => Self::Token(scalar.to_string()),
        }
    }

    /// Changes one place, chosen by walking down at random.
    pub(crate) fn mutate(&mut self, random: &mut Random) {
        let deeper = random.below(3) > 0;
        match self {
            Self::List(items) if deeper && !items.is_empty() => {
                let at = random.below(items.len());
                items[at].mutate(random);
            }
            Self::Object(members) if !members.is_empty() => {
                let at = random.below(members.len());
                match random.below(40) {
                    0 => drop(members.swap_remove(at)),
                    1 => members[at].0 = random.pick(KEYS).to_owned(),
                    2 => members.push((members[at].0.clone(), Self::any(random))),
                    3 => members.reverse(),
                    4..8 => {
                        let key = random.pick(KEYS);
                        members.retain(|(name, _)| name != key);
                        members.push((key.to_owned(), Self::any(random)));
                    }
                    _ => members[at].1.mutate(random),
                }
            }
            // Mostly another value of the same type: that is where the finer rules are.
            Self::Text(text) if random.below(6) > 0 => {
                let lane = LANES.contains(&text.as_str());
                *text = random.pick(if lane { LANES } else { TEXTS }).to_owned();
            }
            Self::Token(token) if random.below(6) > 0 => {
                *token = random.pick(&TOKENS[..TOKENS.len() - 6]).to_owned();
            }
            other => *other = Self::any(random),
        }
    }

    fn any(random: &mut Random) -> Self {
        match random.below(2) {
            0 => Self::Token(random.pick(TOKENS).to_owned()),
            _ => Self::Text(random.pick(TEXTS).to_owned()),
        }
    }

    /// Writes the document; with odd white space and escapes unless plain.
    pub(crate) fn print(&self, random: &mut Random, plain: bool, out: &mut String) {
        let gap = |random: &mut Random, out: &mut String| {
            if !plain && random.below(6) == 0 {
                out.push_str(random.pick(&[" ", "\n", "\t", "\r\n  "]));
            }
        };
        gap(random, out);
        match self {
            Self::Token(token) => out.push_str(token),
            Self::Text(text) => print_text(text, random, plain, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    item.print(random, plain, out);
                }
                gap(random, out);
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    gap(random, out);
                    print_text(key, random, plain, out);
                    gap(random, out);
                    out.push(':');
                    value.print(random, plain, out);
                }
                gap(random, out);
                out.push('}');
            }
        }
        gap(random, out);
    }
}

fn print_text(text: &str, random: &mut Random, plain: bool, out: &mut String) {
    if plain || random.below(8) > 0 {
        return out.push_str(&Value::from(text).to_string());
    }
    out.push('"');
    for unit in text.encode_utf16() {
        match char::from_u32(unit.into()) {
            Some(letter) if letter.is_ascii_alphanumeric() && random.below(3) > 0 => {
                out.push(letter);
            }
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
}

/// Damages a text, mostly so that it is no JSON any more.
pub(crate) fn corrupt(text: &mut String, random: &mut Random) {
    let at = random.below(text.len());
    if !text.is_char_boundary(at) {
        return;
    }
    match random.below(3) {
        0 => text.truncate(at),
        1 => text.insert_str(
            at,
            random.pick(&["\\ud800", "\u{1}", ",", "}", "01", "NaN", "\\x", "\u{feff}"]),
        ),
        _ => text.push_str(random.pick(&["x", "{}", "\u{c}", " \n", ","])),
    }
}
