//! Evidence that is touched in any way does not verify.

use super::manifest::Manifest;
use super::*;
use crate::result::{BoundaryEvidence, FailureMode, Outcome, Scenario, ScenarioResult, outcome_of};
use kitty_runtime::fs::OsFilesystem;
use proptest::prelude::{Strategy, any, prop_assert, proptest};
use std::fs;
use std::io::Write as _;
use tempfile::TempDir;

fn scenario(scenario: Scenario, status: Outcome) -> ScenarioResult {
    let failed = status == Outcome::Fail;
    ScenarioResult {
        id: scenario.id(),
        name: scenario.title().to_owned(),
        status,
        failure_mode: failed.then_some(FailureMode::NotMaterialized),
        details: failed.then(|| "nothing arrived".to_owned()),
        duration_ms: 3,
        boundary_evidence: BoundaryEvidence::default(),
    }
}

fn result(number: u8) -> CanaryRunResult {
    let scenarios: Vec<ScenarioResult> = Scenario::ALL
        .into_iter()
        .map(|it| scenario(it, Outcome::Pass))
        .collect();
    CanaryRunResult {
        outcome: outcome_of(&scenarios),
        run_id: format!("01KRZYYXFZHZYHPPXJBVWV273{number}"),
        run_number: number,
        cli_version: "1.0.0".into(),
        events_package_version: "6.1.0".into(),
        timestamp: format!("2026-01-01T00:0{number}:00+00:00"),
        scenarios,
        cli_path: "/bin/spec-kitty".into(),
        saas_url: "http://127.0.0.1:1".into(),
        duration_ms: 12,
    }
}

/// An attempt with these runs.
fn attempt(runs: &[CanaryRunResult]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let mut attempt = Attempt::begin(&OsFilesystem, directory.path(), "v1.0.0").unwrap();
    for run in runs {
        attempt.write_run(run).unwrap();
    }
    attempt
        .write("canary.log", b"$ spec-kitty sync now\n")
        .unwrap();
    let sealed = attempt.seal().unwrap();
    assert_eq!(
        manifest_digest(&sealed.directory).as_deref(),
        Some(sealed.digest.as_str())
    );
    (directory, sealed.directory)
}

fn four() -> (TempDir, PathBuf) {
    attempt(&[1, 2, 3, 4].map(result))
}

fn found(attempt: &Path) -> Vec<String> {
    let findings = verify(attempt, Protocol::Four).unwrap();
    findings.iter().map(ToString::to_string).collect()
}

/// Replaces a file whatever its mode.
fn overwrite(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    put(path, bytes);
}

fn put(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(bytes).unwrap();
}

const FILES: [&str; 7] = [
    "SHA256SUMS",
    "canary.log",
    "latest.json",
    "runs/run-1.json",
    "runs/run-2.json",
    "runs/run-3.json",
    "runs/run-4.json",
];

#[test]
fn evidence_that_nobody_touched_verifies_and_cannot_be_written_again() {
    let (_directory, attempt) = four();
    assert_eq!(found(&attempt), [""; 0]);
    for file in FILES {
        let mode = fs::metadata(attempt.join(file)).unwrap().permissions();
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o444,
            "{file}"
        );
        assert!(mode.readonly(), "{file}");
    }
    assert_eq!(
        fs::read(attempt.join(LATEST)).unwrap(),
        fs::read(attempt.join("runs/run-4.json")).unwrap()
    );
}

#[test]
fn every_byte_of_every_file_that_is_changed_is_found() {
    let (_directory, attempt) = four();
    for file in FILES {
        let path = attempt.join(file);
        let whole = fs::read(&path).unwrap();
        // Each of the first bytes, then every thirty-seventh, and the last.
        let positions =
            (0..whole.len()).filter(|at| *at < 40 || at % 37 == 0 || at + 1 == whole.len());
        for at in positions {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            overwrite(&path, &changed);
            assert!(!found(&attempt).is_empty(), "{file} at {at}");
        }
        overwrite(&path, &whole);
    }
    assert_eq!(found(&attempt), [""; 0], "put back as it was");
}

proptest! {
    #[test]
    fn whatever_is_cut_inserted_or_changed_is_found(
        file in (0..FILES.len()).prop_map(|at| FILES[at]),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        way in 0..4_u8,
    ) {
        let (_directory, attempt) = four();
        let path = attempt.join(file);
        let whole = fs::read(&path).unwrap();
        let at = at.index(whole.len());
        let mut changed = whole.clone();
        match way {
            0 => changed.truncate(at),
            1 => changed.insert(at, byte),
            2 => { changed.remove(at); }
            _ => changed[at] = byte,
        }
        overwrite(&path, &changed);
        prop_assert!(found(&attempt).is_empty() == (changed == whole), "{file} {at} {way}");
    }
}

#[test]
fn a_file_that_is_missing_added_renamed_or_exchanged_is_found() {
    for file in FILES {
        let (_directory, attempt) = four();
        fs::remove_file(attempt.join(file)).unwrap();
        assert!(!found(&attempt).is_empty(), "{file} is missing");
    }
    for extra in [
        "extra",
        ".hidden",
        "runs/run-5.json",
        "runs/run-1.json.bak",
        "runs/deep/a",
    ] {
        let (_directory, attempt) = four();
        let path = attempt.join(extra);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(&path, b"");
        assert!(!found(&attempt).is_empty(), "{extra} was added");
    }
    let (_directory, attempt) = four();
    fs::create_dir(attempt.join("empty")).unwrap();
    assert_eq!(found(&attempt), ["empty/: was not part of the attempt"]);
    let (_directory, attempt) = four();
    let [one, two] = ["runs/run-1.json", "runs/run-2.json"].map(|name| attempt.join(name));
    fs::rename(&one, attempt.join("runs/run-0.json")).unwrap();
    assert!(!found(&attempt).is_empty(), "renamed");
    fs::rename(attempt.join("runs/run-0.json"), &one).unwrap();
    let bytes = [&one, &two].map(|path| fs::read(path).unwrap());
    overwrite(&one, &bytes[1]);
    overwrite(&two, &bytes[0]);
    let findings = found(&attempt);
    assert!(
        findings
            .iter()
            .any(|it| it.contains("says that it is run 2")),
        "{findings:?}"
    );
}

/// Changes a run and writes a manifest that agrees with it: only what the runs say gives it away.
fn forged(change: impl Fn(&mut [CanaryRunResult; 4])) -> Vec<String> {
    let mut runs = [1, 2, 3, 4].map(result);
    change(&mut runs);
    let (_directory, attempt) = four();
    let mut manifest = Manifest::default();
    let names: Vec<String> = [1, 2, 3, 4].map(run_file).to_vec();
    let mut write = |name: &str, bytes: &[u8]| {
        overwrite(&attempt.join(name), bytes);
        manifest.add(name, bytes);
    };
    for (name, run) in names.iter().zip(&runs) {
        write(name, run.to_json().as_bytes());
    }
    write(LATEST, runs[3].to_json().as_bytes());
    let log = fs::read(attempt.join("canary.log")).unwrap();
    write("canary.log", &log);
    overwrite(&attempt.join(MANIFEST), manifest.to_string().as_bytes());
    found(&attempt)
}

#[test]
fn what_does_not_follow_is_found_although_every_digest_agrees() {
    assert_eq!(forged(|_| {}), [""; 0]);
    type Change = fn(&mut [CanaryRunResult; 4]);
    let changes: [(&str, Change); 10] = [
        ("outcome", |runs| runs[1].outcome = Outcome::Fail),
        ("outcome", |runs| {
            runs[1].scenarios[2] = scenario(Scenario::OwnerMismatch, Outcome::Fail);
        }),
        ("once each", |runs| {
            runs[0].scenarios.pop();
        }),
        ("once each", |runs| runs[2].run_number = 2),
        ("run_id", |runs| runs[2].run_id = runs[1].run_id.clone()),
        ("ULID", |runs| runs[2].run_id = "run-3".into()),
        ("another program", |runs| {
            runs[3].cli_version = "2.0.0".into();
        }),
        ("began before", |runs| {
            runs[3].timestamp = runs[0].timestamp.clone();
        }),
        ("failure mode", |runs| {
            runs[0].scenarios[0].failure_mode = Some(FailureMode::AuthFailed);
        }),
        ("not named", |runs| {
            runs[0].scenarios[0].name = "Something else".into();
        }),
    ];
    for (word, change) in changes {
        let findings = forged(change);
        assert!(
            findings.iter().any(|it| it.contains(word)),
            "{word}: {findings:?}"
        );
    }
}

#[test]
fn an_attempt_with_fewer_runs_or_without_a_seal_does_not_verify() {
    let (_directory, three) = attempt(&[1, 2, 3].map(result));
    let findings = found(&three);
    assert_eq!(
        findings,
        ["runs: holds the runs [1, 2, 3], not 1, 2, 3 and 4, once each"]
    );
    let (_directory, single) = attempt(&[result(3)]);
    assert_eq!(verify(&single, Protocol::Single).unwrap(), []);
    assert!(!verify(&single, Protocol::Four).unwrap().is_empty());
    let directory = tempfile::tempdir().unwrap();
    let mut unsealed = Attempt::begin(&OsFilesystem, directory.path(), "v1").unwrap();
    unsealed.write_run(&result(1)).unwrap();
    let findings = found(unsealed.directory());
    assert!(
        findings[0].starts_with("SHA256SUMS: is missing"),
        "{findings:?}"
    );
    assert!(matches!(
        Attempt::begin(&OsFilesystem, directory.path(), "v1")
            .unwrap()
            .seal(),
        Err(ArtifactError::Empty)
    ));
}

#[test]
fn an_attempt_never_reuses_a_directory_and_no_run_is_written_twice() {
    let directory = tempfile::tempdir().unwrap();
    let begin = |tag: &str| Attempt::begin(&OsFilesystem, directory.path(), tag);
    let name = |attempt: &Attempt<'_>| {
        let name = attempt.directory().file_name().unwrap();
        name.to_str().unwrap().to_owned()
    };
    assert_eq!(name(&begin("v1").unwrap()), "v1-attempt1");
    let mut second = begin("v1").unwrap();
    assert_eq!(name(&second), "v1-attempt2");
    assert_eq!(name(&begin("v2").unwrap()), "v2-attempt1");
    fs::create_dir(directory.path().join(FOLDER).join("v1-attempt7")).unwrap();
    assert_eq!(name(&begin("v1").unwrap()), "v1-attempt8");
    second.write_run(&result(1)).unwrap();
    let again = second.write_run(&result(1));
    assert!(matches!(again, Err(ArtifactError::Io { .. })), "{again:?}");
    let mut contradictory = result(2);
    contradictory.outcome = Outcome::Fail;
    let refused = second.write_run(&contradictory);
    assert!(
        matches!(refused, Err(ArtifactError::Contradiction { .. })),
        "{refused:?}"
    );
    for tag in ["", ".", "..", "a/b", "a b", "../x"] {
        assert!(matches!(begin(tag), Err(ArtifactError::Tag(_))), "{tag:?}");
    }
}
