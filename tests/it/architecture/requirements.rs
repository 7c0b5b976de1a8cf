//! Every requirement of document 4 has a test that carries its number in its name.

use super::document_rules::test_names;
use super::proves;
use super::source::{Finding, TextFile, files};

/// The requirements of the document.
const FUNCTIONAL: usize = 23;
const NON_FUNCTIONAL: usize = 5;

/// Tells whether a test's name carries a number: `fr_004` is not in `nfr_004`.
fn carries(name: &str, number: &str) -> bool {
    let at = name.find(number);
    at.is_some_and(|at| at == 0 || name[..at].ends_with('_'))
        || name.contains(&format!("_{number}"))
}

fn without_test(names: &[String]) -> Vec<Finding> {
    let functional = (1..=FUNCTIONAL).map(|number| format!("fr_{number:03}"));
    let others = (1..=NON_FUNCTIONAL).map(|number| format!("nfr_{number:03}"));
    let page = TextFile::new("tests", "");
    functional
        .chain(others)
        .filter(|number| !names.iter().any(|name| carries(name, number)))
        .map(|number| page.finding(1, format!("no test carries {number} in its name")))
        .collect()
}

#[test]
fn every_requirement_of_the_cutover_has_a_test_that_names_it() {
    super::hold(&without_test(&test_names()));
}

/// The share of lines that the tests must reach, in percent.
const COVERED: &str = "--fail-under-lines 90";

#[test]
fn nfr_001_the_nightly_run_fails_when_the_tests_reach_less_than_ninety_percent_of_the_lines() {
    let nightly = files()
        .iter()
        .find(|file| file.path == ".github/workflows/nightly.yml");
    let jobs = nightly.expect("nightly.yml is there").text.as_str();
    let measures = |line: &&str| line.contains("cargo llvm-cov") && line.contains("--workspace");
    let line = jobs
        .lines()
        .find(measures)
        .expect("a job measures coverage");
    assert!(line.contains(COVERED), "{line}");
}

#[test]
fn a_requirement_without_a_test_is_found() {
    let all: Vec<String> = (1..=FUNCTIONAL)
        .map(|number| format!("fr_{number:03}_holds"))
        .chain((2..=NON_FUNCTIONAL).map(|number| format!("nfr_{number:03}_holds")))
        .collect();
    proves(&without_test(&all), &["tests:1"]);
    assert!(!carries("nfr_004_x", "fr_004") && carries("a_fr_004_x", "fr_004"));
}
