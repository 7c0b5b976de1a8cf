//! `docs/orchestrator-cutover.md`: what a consumer of the orchestrator API has to change (document 4,
//! FR-004, FR-021 and FR-022), said by the vendored contract.

use kitty_contract::{Gate, Words};
use std::fmt::Write as _;

/// Renders the page.
///
/// A word that the contract forbids has its successor in the list of allowed ones: the same word of
/// the mission era. One without a successor is listed as removed.
#[must_use]
pub fn cutover_page() -> String {
    let gate = Gate::vendored();
    let api = gate.orchestrator_api();
    let mut page = format!(
        "# The orchestrator API after the mission cutover\n\n\
         For programs that drive missions through `spec-kitty orchestrator-api`. Generated from the \
         vendored contract (`contract/artifact/upstream_contract.json`); \
         `UPDATE_DOCS=1 cargo test generated_pages` rewrites it.\n\n\
         The contract version of every answer is `{}`. There are no aliases, redirects or hints: a \
         command of the left column is an unknown command, a flag of the left column an unknown \
         option, and both end with exit code 2 and the envelope `USAGE_ERROR`.\n",
        api.contract_version()
    );
    for (title, words) in [
        ("Commands", api.commands()),
        ("Flags", api.cli_flags()),
        ("Error codes", api.error_codes()),
    ] {
        section(&mut page, title, words);
    }
    page.push_str(
        "\n## Fields of answers and payloads\n\n\
         No object of an answer, an event, a body upload or a tracker request has a key of the left \
         column, at any depth.\n\n| Was | Is |\n|---|---|\n",
    );
    for key in gate.forbidden_keys() {
        row(&mut page, key, &field_successor(key));
    }
    page.push_str(
        "\n## The release gate\n\n\
         A release of the API and a release of its consumer go together (FR-021). The job \
         `orchestrator` of `.github/workflows/ci.yml` installs the released `spec-kitty-orchestrator` \
         and lets it drive whole missions through this program, with every command and code above: \
         `.ci/run tools peers orchestrator`. Nothing is released while it fails.\n",
    );
    page
}

fn section(page: &mut String, title: &str, words: Words<'_>) {
    let mut write = |text: &str| page.push_str(text);
    write(&format!("\n## {title}\n\n| Was | Is |\n|---|---|\n"));
    let allowed: Vec<&str> = words.allowed().collect();
    let mut renamed = Vec::new();
    for was in words.forbidden() {
        let is = of_missions(was);
        let known = allowed.iter().find(|word| **word == is);
        row(page, was, known.map_or("removed", |word| *word));
        renamed.extend(known);
    }
    for word in allowed.iter().filter(|word| !renamed.contains(word)) {
        row(page, word, "unchanged");
    }
    let reserved: Vec<String> = words.reserved().map(|word| format!("`{word}`")).collect();
    if !reserved.is_empty() {
        let list = reserved.join(", ");
        writeln!(
            page,
            "\nOf a later contract version, and unknown here: {list}."
        )
        .expect("writing to a string cannot fail");
    }
}

fn row(page: &mut String, was: &str, is: &str) {
    let is = match is {
        "unchanged" | "removed" => is.to_owned(),
        word => format!("`{word}`"),
    };
    writeln!(page, "| `{was}` | {is} |").expect("writing to a string cannot fail");
}

/// The word of the mission era for one of the feature era.
fn of_missions(word: &str) -> String {
    word.replace("feature", "mission")
        .replace("FEATURE", "MISSION")
}

fn field_successor(key: &str) -> String {
    match key {
        key if of_missions(key) != key => of_missions(key),
        // What kind of mission it is was called its key in body uploads.
        key if key.starts_with("mission_") => "mission_type".to_owned(),
        _ => "removed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kitty_contract::Standing;

    #[test]
    fn fr_004_and_fr_022_every_forbidden_word_has_a_successor_that_is_allowed() {
        let api = Gate::vendored().orchestrator_api();
        let page = cutover_page();
        for words in [api.commands(), api.cli_flags(), api.error_codes()] {
            for was in words.forbidden() {
                let is = of_missions(was);
                assert_eq!(words.standing(&is), Standing::Allowed, "{was}");
                assert!(page.contains(&format!("| `{was}` | `{is}` |")), "{was}");
            }
            for word in words.allowed() {
                assert!(page.contains(&format!("`{word}`")), "{word}");
            }
        }
    }
}
