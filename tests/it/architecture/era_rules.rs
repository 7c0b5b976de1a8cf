//! Where the names of the feature era may stand (document 4, FR-016 and FR-017).

use super::code_rules::everywhere;
use super::lexer::Kind;
use super::source::{Finding, RustFile, TextFile, files};
use super::{hold, proves};

/// Where a name of the feature era is part of a format that is not ours to change.
const NAMED_EXCEPTIONS: &[(&str, &str)] = &[
    ("missions/src/create/answer.rs", "feature_dir"),
    ("missions/src/plan/setup.rs", "feature_dir"),
];

pub fn is_of_the_feature_era(word: &str) -> bool {
    let mut after = word
        .match_indices("Feature")
        .map(|(at, found)| &word[at + found.len()..]);
    word == "mission_key"
        || word.starts_with("feature_")
        || word.contains("_feature_")
        || after.any(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn mission_era(file: &RustFile) -> Vec<Finding> {
    if file.file.is_below(&["migration/"]) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (_, token) in file.program() {
        let named = matches!(token.kind, Kind::Word | Kind::Text);
        for word in token
            .text
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        {
            let excepted = NAMED_EXCEPTIONS.contains(&(file.file.path.as_str(), word));
            if named && is_of_the_feature_era(word) && !excepted {
                let advice = format!("`{word}` is of the feature era; say mission, or migrate it");
                findings.push(file.finding(token, advice));
            }
        }
    }
    findings
}

#[test]
fn names_of_the_feature_era_live_in_the_migration_and_the_contract_only() {
    hold(&everywhere(mission_era));
}

/// What a grep would find, comments and documents included.
fn words_of_the_feature_era(file: &TextFile) -> Vec<Finding> {
    // The contract forbids the names and so has to name them; fixtures and tests try them.
    // A page that is generated from the contract tells consumers what became of them.
    let generated = file.path == "docs/orchestrator-cutover.md";
    if generated || file.is_below(&["migration/", "contract/", "tests/", "canary/fixtures/"]) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let word = ["slug", "number"]
            .map(|last| format!("feature_{last}"))
            .into_iter()
            .find(|word| line.to_lowercase().contains(word));
        if let Some(word) = word {
            let advice = format!("`{word}` belongs to the migration crate alone");
            findings.push(file.finding(number, advice));
        }
    }
    findings
}

#[test]
fn fr_016_fr_017_a_grep_finds_the_names_of_the_feature_era_in_the_migration_and_fixtures_only() {
    hold(
        &files()
            .iter()
            .flat_map(words_of_the_feature_era)
            .collect::<Vec<_>>(),
    );
    let bad = TextFile::new("docs/a.md", "fine\nthe Feature_Slug of\n");
    proves(&words_of_the_feature_era(&bad), &["docs/a.md:2"]);
    let theirs = TextFile::new("migration/src/a.rs", "feature_slug");
    proves(&words_of_the_feature_era(&theirs), &[]);
}

#[test]
fn a_name_of_the_feature_era_is_found() {
    let bad = "let feature_slug = 1;\nlet a = \"the mission_key of\";\nstruct FeatureCreated;\n\
               #[cfg(feature = \"x\")]\nlet features = \"a feature: Features\";";
    let places = ["cli/src/a.rs:1", "cli/src/a.rs:2", "cli/src/a.rs:3"];
    proves(&mission_era(&RustFile::new("cli/src/a.rs", bad)), &places);
    proves(&mission_era(&RustFile::new("migration/src/a.rs", bad)), &[]);
}
