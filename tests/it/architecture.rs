//! The rules of `AGENTS.md`, read off `cargo metadata` and the sources.
//!
//! A rule is a function from what it reads to findings, each with a place and what to do there. One
//! test applies it to the workspace; another applies it to a snippet that breaks it, because a rule
//! that cannot fail holds nothing.

mod code_rules;
mod crate_rules;
mod daemon_rules;
mod document_rules;
mod era_rules;
mod gate_rules;
mod lexer;
mod requirements;
mod source;
mod text_rules;
mod workflow_rules;

pub use gate_rules::event_kinds_in_sources;

use source::Finding;

/// Fails with every finding.
#[track_caller]
fn hold(findings: &[Finding]) {
    let list: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}: {}", finding.place, finding.advice))
        .collect();
    assert!(
        list.is_empty(),
        "{} findings\n{}",
        list.len(),
        list.join("\n")
    );
}

/// Fails unless the findings are at these places.
#[track_caller]
fn proves(findings: &[Finding], places: &[&str]) {
    let found: Vec<&str> = findings
        .iter()
        .map(|finding| finding.place.as_str())
        .collect();
    assert_eq!(found, places, "{findings:?}");
}
