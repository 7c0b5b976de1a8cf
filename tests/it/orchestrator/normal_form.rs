//! What two runs of one scenario have in common: everything but times, ids, hashes and places.

use regex::{Captures, Regex};
use std::collections::HashMap;

/// Rewrites texts of one run so that they can be compared with those of another.
pub struct NormalForm {
    names: Vec<(String, &'static str)>,
    patterns: Vec<(Regex, &'static str)>,
    ids: Regex,
    mid8: String,
    seen: HashMap<String, usize>,
}

impl NormalForm {
    /// `work` is the directory that the scenario ran in, `mission_id` the mission's ULID.
    pub fn new(work: &str, mission_id: &str) -> Self {
        let names = vec![
            (work.to_owned(), "<work>"),
            (mission_id.to_owned(), "<mission>"),
        ];
        let patterns = [
            (
                r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)",
                "<time>",
            ),
            (r"corr-[0-9a-f]{32}", "<correlation>"),
            (r"hist-[0-9a-f]{32}", "<history>"),
            (r"\b[0-9a-f]{40}\b", "<commit>"),
            (r"\(was [0-9a-f]{7,}\)", "(was <commit>)"),
            (
                r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
                "<uuid>",
            ),
        ];
        Self {
            names,
            patterns: patterns
                .map(|(pattern, word)| (Regex::new(pattern).unwrap(), word))
                .to_vec(),
            ids: Regex::new(r"\b0[0-9A-HJKMNP-TV-Z]{25}\b").unwrap(),
            mid8: mission_id[..8].to_owned(),
            seen: HashMap::new(),
        }
    }

    /// Rewrites one text; event ids become numbers in the order they are first seen in.
    pub fn of(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, word) in &self.names {
            text = text.replace(name, word);
        }
        for (pattern, word) in &self.patterns {
            text = pattern.replace_all(&text, *word).into_owned();
        }
        let seen = &mut self.seen;
        let number = |found: &Captures<'_>| {
            let next = seen.len() + 1;
            format!(
                "<event {}>",
                seen.entry(found[0].to_owned()).or_insert(next)
            )
        };
        let text = self.ids.replace_all(&text, number);
        // Ids of one moment begin like the mission's: whole ids first, then what is left of it.
        text.replace(&self.mid8, "<mid8>")
    }
}
