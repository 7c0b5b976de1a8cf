//! What the documents promise about tests.

use super::lexer::Kind;
use super::source::{Finding, RustFile, TextFile, files, rust_files};
use super::{hold, proves};
use std::collections::BTreeSet;

/// A test: its name, and the names of the files, folders and modules around it.
#[derive(Debug)]
struct Test {
    name: String,
    around: BTreeSet<String>,
}

fn tests(file: &RustFile) -> Vec<Test> {
    let path = file.file.path.trim_end_matches(".rs");
    let mut around: BTreeSet<String> = path.split('/').map(str::to_owned).collect();
    for (at, _) in file.all().filter(|(at, _)| file.reads(at + 2, &["{"])) {
        if file.code[at].is("mod") {
            around.insert(file.code[at + 1].text.clone());
        }
    }
    let mut found = Vec::new();
    for (at, _) in file.all() {
        let marked = file.reads(at, &["test", "]"]) || file.reads(at, &["test", "("]);
        let attribute =
            marked && at > 0 && (file.code[at - 1].is("[") || file.code[at - 1].is("::"));
        let rest = &file.code[at..];
        let name = rest
            .iter()
            .position(|token| token.is("fn"))
            .and_then(|at| rest.get(at + 1));
        if let Some(name) = name.filter(|name| attribute && name.kind == Kind::Word) {
            found.push(Test {
                name: name.text.clone(),
                around: around.clone(),
            });
        }
    }
    found
}

/// The names of all tests of the workspace.
pub fn test_names() -> Vec<String> {
    let tests = rust_files().iter().flat_map(tests);
    tests.map(|test| test.name).collect()
}

const HELD: &str = "Held by:";
/// The part of the page whose numbered items are invariants.
const SECTION: &str = "Invariants";

/// Tells whether a line begins an invariant: `1. …`, `**1. …` or `### 1. …`.
fn begins_invariant(line: &str) -> bool {
    let line = line.trim_start_matches(['#', '*', ' ']);
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    digits > 0 && line[digits..].starts_with(". ")
}

fn invariants(file: &TextFile, tests: &[Test]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open: Option<usize> = None;
    let mut names = false;
    let mut inside = false;
    for (number, line) in (1..).zip(file.text.lines()) {
        if let Some(heading) = line.strip_prefix("## ") {
            inside = heading == SECTION;
        }
        if !inside {
            continue;
        }
        names &= !begins_invariant(line);
        if begins_invariant(line)
            && let Some(begun) = open.replace(number)
        {
            findings.push(file.finding(begun, format!("no line `{HELD}` names its test")));
        }
        if let Some((_, after)) = line.split_once(HELD) {
            names = true;
            open = None;
            if !after.contains('`') {
                findings.push(file.finding(number, "name the test as `module::test_name`"));
            }
        }
        names &= !line.trim().is_empty();
        let quoted = line.split('`').skip(1).step_by(2);
        for reference in quoted.filter(|it| names && it.contains("::")) {
            let mut steps: Vec<&str> = reference.split("::").collect();
            let name = steps.pop().unwrap_or_default();
            let exists = tests.iter().any(|test| {
                test.name == name && steps.iter().all(|step| test.around.contains(*step))
            });
            if !exists {
                findings.push(file.finding(number, format!("there is no test `{reference}`")));
            }
        }
    }
    findings
        .extend(open.map(|begun| file.finding(begun, format!("no line `{HELD}` names its test"))));
    findings
}

#[test]
fn every_invariant_of_the_architecture_names_a_test_that_exists() {
    let tests: Vec<Test> = rust_files().iter().flat_map(tests).collect();
    assert!(tests.len() > 300, "only {} tests found", tests.len());
    let page = files()
        .iter()
        .find(|file| file.path == "docs/architecture.md");
    let page = page.expect("docs/architecture.md is there");
    assert!(
        page.text.matches(HELD).count() >= 7,
        "the seven invariants name their tests"
    );
    hold(&invariants(page, &tests));
}

#[test]
fn an_invariant_without_a_test_is_found() {
    let source = RustFile::new(
        "runtime/src/inbox.rs",
        "#[test] fn a_is() {}\nmod deep { #[tokio::test] async fn b_is() {} }\nfn c_is() {}",
    );
    let tests = tests(&source);
    let page = "1. A step of something else.\n## Invariants\n1. One. Held by: `inbox::a_is`, `inbox::deep::b_is`\n\
                2. Two.\n   Held by: `inbox::c_is`,\n   `owner::a_is`.\n\nSee `x::y`.\n\
                ### 3. Three\n\n4. Four. Held by: nobody\n## Else\n1. Step\n";
    let places = ["a.md:5", "a.md:6", "a.md:9", "a.md:11"];
    proves(&invariants(&TextFile::new("a.md", page), &tests), &places);
}
