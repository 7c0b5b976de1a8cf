//! What goes through the gate (document 4, FR-012 and NFR-002).

use super::code_rules::everywhere;
use super::lexer::Kind;
use super::source::{Finding, RustFile, rust_files};
use super::{hold, proves};
use std::collections::BTreeSet;

/// The files that give what the gate let pass its form on the wire.
const FORMS: &[&str] = &[
    "actors/src/delivery/wire.rs",
    "actors/src/websocket/frame.rs",
];

fn no_other_form(file: &RustFile) -> Vec<Finding> {
    let path = file.file.path.as_str();
    if FORMS.contains(&path) || path.starts_with("actors/src/gate/") {
        return Vec::new();
    }
    let calls = file.all().filter(|(at, token)| {
        let joins = ["Gated", "::", "collect"];
        (token.is("reform") || file.reads(*at, &joins)) && file.is_program(*at)
    });
    let advice = "only the files that render the wire change the form of what was gated";
    calls
        .map(|(_, token)| file.finding(token, advice))
        .collect()
}

#[test]
fn fr_012_only_the_wire_changes_the_form_of_what_the_gate_let_pass() {
    hold(&everywhere(no_other_form));
    let bad = "event.reform(|_| forged);\nlet all = Gated::collect(events);";
    proves(
        &no_other_form(&RustFile::new("actors/src/a.rs", bad)),
        &["actors/src/a.rs:1", "actors/src/a.rs:2"],
    );
}

/// The event types of the contract that the program names, the server apart: what it can emit.
pub fn event_kinds_in_sources(known: &BTreeSet<String>) -> BTreeSet<String> {
    let program = rust_files().iter().filter(|file| {
        !file
            .file
            .is_below(&["teamspace/", "migration/", "contract/"])
    });
    program
        .flat_map(|file| file.program().map(|(_, token)| token))
        .filter(|token| token.kind == Kind::Text)
        .map(|token| token.text.trim_matches('"').to_owned())
        .filter(|word| known.contains(word))
        .collect()
}
