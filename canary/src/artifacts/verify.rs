//! Is this evidence what was written, and does it say what it claims?

use super::manifest::{MANIFEST, Manifest, digest};
use super::{ArtifactError, LATEST, RUNS, at, run_file};
use crate::result::{CanaryRunResult, RUN_NUMBERS};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// How many runs an attempt must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One run, of any number.
    Single,
    /// The runs 1, 2, 3 and 4, once each.
    Four,
}

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file, relative to the attempt; the attempt itself is `.`.
    pub file: String,
    /// What is the matter with it.
    pub what: String,
}

impl Finding {
    /// Creates a finding about the manifest.
    #[must_use]
    pub fn manifest(what: impl Into<String>) -> Self {
        Self::new(MANIFEST, what)
    }

    fn new(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.file, self.what)
    }
}

/// Returns the digest of an attempt's manifest; `None` when there is none.
#[must_use]
pub fn manifest_digest(attempt: &Path) -> Option<String> {
    std::fs::read(attempt.join(MANIFEST))
        .ok()
        .map(|bytes| digest(&bytes))
}

/// Checks an attempt; no finding means that nothing was changed since it was sealed and that everything
/// in it follows.
///
/// # Errors
/// [`ArtifactError`] when it cannot be read.
pub fn verify(attempt: &Path, protocol: Protocol) -> Result<Vec<Finding>, ArtifactError> {
    let files = read_files(attempt)?;
    Ok(match manifest_of(&files) {
        Err(finding) => vec![finding],
        Ok(manifest) => {
            let mut findings = compare(&manifest, &files);
            findings.extend(judge(&files, protocol));
            findings
        }
    })
}

/// Checks a bundle; no finding means that nothing was changed since it was sealed.
///
/// # Errors
/// [`ArtifactError`] when it cannot be read.
pub fn verify_bundle(directory: &Path) -> Result<Vec<Finding>, ArtifactError> {
    let files = read_files(directory)?;
    Ok(match manifest_of(&files) {
        Err(finding) => vec![finding],
        Ok(manifest) => compare(&manifest, &files),
    })
}

fn manifest_of(files: &BTreeMap<String, Vec<u8>>) -> Result<Manifest, Finding> {
    let Some(manifest) = files.get(MANIFEST) else {
        let what = "is missing: the attempt was never finished, or the manifest was removed";
        return Err(Finding::new(MANIFEST, what));
    };
    let parsed = std::str::from_utf8(manifest).ok().and_then(Manifest::parse);
    parsed.ok_or_else(|| {
        let what = "is not a manifest as it is written: it was changed";
        Finding::new(MANIFEST, what)
    })
}

/// Reads every file below an attempt; whatever is not a file or a directory counts as an empty file.
fn read_files(attempt: &Path) -> Result<BTreeMap<String, Vec<u8>>, ArtifactError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let path = attempt.join(&folder);
        for entry in std::fs::read_dir(&path).map_err(at(&path))? {
            let entry = entry.map_err(at(&path))?;
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(at(&path))?;
            if kind.is_dir() {
                folders.push(format!("{name}/"));
                if name != RUNS {
                    files.insert(format!("{name}/"), Vec::new());
                }
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).map_err(at(&entry.path()))?;
                files.insert(name, bytes);
            } else {
                files.insert(name, Vec::new());
            }
        }
    }
    Ok(files)
}

/// Compares what is there with what the manifest names.
fn compare(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, expected) in manifest.files() {
        match files.get(name) {
            None => findings.push(Finding::new(name, "is missing")),
            Some(bytes) if digest(bytes) != expected => {
                findings.push(Finding::new(name, "was changed since it was written"));
            }
            Some(_) => {}
        }
    }
    let extra = files
        .keys()
        .filter(|name| *name != MANIFEST && !manifest.names(name));
    findings.extend(extra.map(|name| Finding::new(name, "was not part of the attempt")));
    findings
}

/// Judges what the runs say.
fn judge(files: &BTreeMap<String, Vec<u8>>, protocol: Protocol) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut results = Vec::new();
    let prefix = format!("{RUNS}/");
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with(&prefix)) {
        match serde_json::from_slice::<CanaryRunResult>(bytes) {
            Err(error) => findings.push(Finding::new(name, format!("is no result: {error}"))),
            Ok(result) => {
                if *name != run_file(result.run_number) {
                    let what = format!("says that it is run {}", result.run_number);
                    findings.push(Finding::new(name, what));
                }
                let contradictions = result.contradictions();
                findings.extend(contradictions.into_iter().map(|it| Finding::new(name, it)));
                results.push((name, result));
            }
        }
    }
    let numbers: Vec<u8> = results.iter().map(|(_, it)| it.run_number).collect();
    let complete = match protocol {
        Protocol::Single => numbers.len() == 1,
        Protocol::Four => numbers.iter().copied().eq(RUN_NUMBERS),
    };
    if !complete {
        let expected = match protocol {
            Protocol::Single => "one run",
            Protocol::Four => "1, 2, 3 and 4, once each",
        };
        findings.push(Finding::new(
            RUNS,
            format!("holds the runs {numbers:?}, not {expected}"),
        ));
    }
    findings.extend(belong_together(&results));
    let last = results.last().map(|(name, _)| files.get(*name));
    if last != Some(files.get(LATEST)) {
        findings.push(Finding::new(LATEST, "is not a copy of the last run"));
    }
    findings
}

/// The runs of an attempt are different runs of the same thing, one after the other.
fn belong_together(results: &[(&String, CanaryRunResult)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut ids = BTreeSet::new();
    for (name, result) in results {
        if !ids.insert(&result.run_id) {
            let what = format!("has the run_id {} of another run", result.run_id);
            findings.push(Finding::new(*name, what));
        }
    }
    for pair in results.windows(2) {
        let [(_, before), (name, after)] = pair else {
            continue;
        };
        let same = before.cli_version == after.cli_version
            && before.cli_path == after.cli_path
            && before.saas_url == after.saas_url
            && before.events_package_version == after.events_package_version;
        if !same {
            findings.push(Finding::new(
                *name,
                "is of another program or server than the run before",
            ));
        }
        let (Ok(first), Ok(second)) = (
            before.timestamp.parse::<jiff::Timestamp>(),
            after.timestamp.parse::<jiff::Timestamp>(),
        ) else {
            continue;
        };
        if second < first {
            findings.push(Finding::new(
                *name,
                "began before the run with the number before it",
            ));
        }
    }
    findings
}
