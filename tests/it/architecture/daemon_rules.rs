//! Who may start the background daemon (082 contract): the audited callers and nobody else.

use super::source::{Finding, RustFile, rust_files};
use super::{hold, proves};

/// Where the decision may be asked for, and why there.
const CALLERS: &[(&str, &str)] = &[
    (
        "cli/src/commands/sync_daemon.rs",
        "`sync daemon start|restart`: a person asks for it",
    ),
    (
        "cli/src/commands/daemon_doctor.rs",
        "`doctor restart-daemon`: a person asks for it",
    ),
    (
        "cli/src/commands/tracker",
        "`tracker sync pull|push|run|publish`: remote_required",
    ),
];

fn calls_of_the_decision(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, at) in file.paths() {
        let ends = |words: [&str; 2]| path.ends_with(&words.map(str::to_owned));
        let calls = ends(["daemon_policy", "ensure_daemon"]) || ends(["control", "start"]);
        let audited = CALLERS
            .iter()
            .any(|(place, _)| file.file.path.starts_with(place));
        if calls && !audited && file.is_program(at) {
            let advice = "only the audited callers of the 082 contract may start the daemon";
            findings.push(file.finding(&file.code[at], advice));
        }
    }
    findings
}

#[test]
fn only_the_audited_callers_may_start_the_daemon() {
    hold(
        &rust_files()
            .iter()
            .flat_map(calls_of_the_decision)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_caller_that_nobody_audited_is_found() {
    let bad = "use crate::daemon::control::start;\nfn f() { daemon_policy::ensure_daemon(); }\n\
               fn g() { control::stop(); }";
    let places = [
        "cli/src/commands/status.rs:1",
        "cli/src/commands/status.rs:2",
    ];
    let file = RustFile::new("cli/src/commands/status.rs", bad);
    proves(&calls_of_the_decision(&file), &places);
    let audited = RustFile::new("cli/src/commands/sync_daemon.rs", bad);
    proves(&calls_of_the_decision(&audited), &[]);
}
