//! May this commit be released? A gate's directory, judged by somebody who did not see it happen.

use super::config::GateConfig;
use super::core::{Facts, Standing, State};
use super::drive::{CONFIG, Driver};
use super::outbox::read_json;
use crate::artifacts::{self, Protocol, manifest_digest};
use kitty_runtime::fs::Filesystem;
use kitty_runtime::time::SharedTime;
use std::path::Path;

/// What a release demands of a gate.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// The commit that is released.
    pub commit: &'a str,
    /// The configuration that the gate must have had; any without it.
    pub config: Option<&'a GateConfig>,
    /// The digest that the last line of the log must have; any without it.
    pub head: Option<&'a str>,
}

/// Checks that a gate is complete for a commit; no finding means that it is.
///
/// The log must chain and follow from its configuration, its evidence must be what it names by digest,
/// and the candidate must be of the commit.
#[must_use]
pub fn verify(
    filesystem: &dyn Filesystem,
    directory: &Path,
    demand: Demand<'_>,
    time: SharedTime,
) -> Vec<String> {
    let config: GateConfig = match read_json(filesystem, &directory.join(CONFIG)) {
        Ok(config) => config,
        Err(error) => return vec![error.to_string()],
    };
    let driver = match Driver::read(filesystem, directory, &config, time) {
        Ok(driver) => driver,
        Err(error) => return vec![error.to_string()],
    };
    let mut findings = Vec::new();
    if demand.config.is_some_and(|demanded| *demanded != config) {
        findings.push("the gate had another configuration".to_owned());
    }
    if let Some(head) = demand.head.filter(|head| *head != driver.head()) {
        findings.push(format!("the log does not end with the digest {head}"));
    }
    let standing = driver.gate().standing();
    if *standing != Standing::At(State::GateComplete) {
        findings.push(format!("the gate stands at {standing}"));
    }
    let facts = driver.gate().facts();
    let preflight = facts.preflight.as_ref();
    let commit = preflight.and_then(|it| it.cli_commit.as_deref());
    if commit != Some(demand.commit) {
        findings.push(format!(
            "the candidate is of {}, not of {}",
            commit.unwrap_or("no known commit"),
            demand.commit
        ));
    }
    findings.extend(evidence(directory, facts));
    findings
}

/// Checks what the log names by digest.
fn evidence(directory: &Path, facts: &Facts) -> Vec<String> {
    let mut findings = Vec::new();
    let runs = [
        ("the single run", &facts.single, Protocol::Single),
        ("the four runs", &facts.four, Protocol::Four),
    ];
    for (name, runs, protocol) in runs {
        let Some(runs) = runs else {
            findings.push(format!("there is no evidence of {name}"));
            continue;
        };
        let place = directory.join(&runs.evidence);
        findings.extend(sealed(&runs.evidence, &place, &runs.digest));
        findings.extend(told(&runs.evidence, artifacts::verify(&place, protocol)));
    }
    match &facts.suite {
        None => findings.push("there is no evidence of the Teamspace suite".to_owned()),
        Some(suite) => {
            let place = directory.join(&suite.evidence);
            findings.extend(sealed(&suite.evidence, &place, &suite.digest));
            findings.extend(told(&suite.evidence, artifacts::verify_bundle(&place)));
        }
    }
    findings
}

fn sealed(name: &str, place: &Path, digest: &str) -> Option<String> {
    let found = manifest_digest(place);
    let what = format!("{name} is not the evidence that the log names by {digest}");
    (found.as_deref() != Some(digest)).then_some(what)
}

fn told(
    name: &str,
    found: Result<Vec<artifacts::Finding>, artifacts::ArtifactError>,
) -> Vec<String> {
    match found {
        Err(error) => vec![error.to_string()],
        Ok(findings) => findings.iter().map(|it| format!("{name}/{it}")).collect(),
    }
}
