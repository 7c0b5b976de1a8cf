//! A runner and a suite that leave what was recorded, and stop on the way when a test wants to look.

use super::{Works, template};
use crate::support::process::DEADLINE;
use crate::support::sandbox::write;
use kitty_canary::result::FailureMode;
use std::time::{Duration, Instant};

/// How long to wait between two looks.
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// What both scripts do before they end: `pause NAME` waits at a gate that the test has closed.
const PAUSE: &str = "pause() { if [ -e \"close-$1\" ]; then : > \"at-$1\"; \
     while [ -e \"close-$1\" ]; do sleep 0.01; done; fi; }\n";

/// The runner counts its calls, the single run first: the run 2 of four is its call 3. The file
/// `fail-at-<call>` makes that call fail in the fourth scenario.
const RUNNER: &str = r#"
while [ $# -gt 0 ]; do
    case $1 in
        --run-number) n=$2; shift;; --server) url=$2; shift;; --cli) cli=$2; shift;;
        --artifacts) artifacts=$2; shift;; --tag) tag=$2; shift;;
        --account|--approval-key-file) shift;;
    esac
    shift
done
call=$(($(cat calls 2>/dev/null || echo 0) + 1))
echo $call > calls
pause run-$call
[ -e during-$call.sh ] && . ./during-$call.sh
result=passed.json
[ -e fail-at-$call ] && result=failed.json
attempt=$artifacts/sync_identity_boundary/$tag-attempt1
mkdir -p "$attempt/runs"
id=$(printf '01KRZYYXFZHZYHPPXJBVWV2%03d' $call)
at=$(date -u +%Y-%m-%dT%H:%M:%S+00:00)
sed -e "s|@N@|$n|" -e "s|@ID@|$id|" -e "s|@AT@|$at|" -e "s|@CLI@|$cli|" -e "s|@URL@|$url|" \
    "$result" > "$attempt/runs/run-$n.json"
cp "$attempt/runs/run-$n.json" "$attempt/latest.json"
echo "call $call" > "$attempt/canary.log"
cd "$attempt" && sha256sum canary.log latest.json "runs/run-$n.json" > SHA256SUMS
"#;

/// The suite leaves JUnit XML; the file `fail-suite-<run>` makes a run fail.
const SUITE: &str = r#"
echo "run $1"
pause suite-$1
inner=
[ -e fail-suite-$1 ] && inner='<failure>the board differs</failure>'
echo "<testsuites><testsuite name=\"s\"><testcase name=\"sync\">$inner</testcase></testsuite></testsuites>" > "$2"
"#;

pub fn write_runner(works: &Works) {
    works.write("passed.json", template(None));
    let failed = template(Some(FailureMode::RollbackRowMismatch));
    works.write("failed.json", failed);
    works.write("runner.sh", format!("{PAUSE}{RUNNER}"));
    works.write("suite.sh", format!("{PAUSE}{SUITE}"));
}

impl Works {
    /// Makes the runner or the suite wait at a place.
    pub fn close(&self, place: &str) {
        self.write(&format!("close-{place}"), "");
    }

    /// Lets it go on.
    pub fn open(&self, place: &str) {
        std::fs::remove_file(self.path(&format!("close-{place}"))).unwrap();
    }

    /// Waits until it waits there.
    #[track_caller]
    pub fn arrives(&self, place: &str) {
        let at = self.path(&format!("at-{place}"));
        until(place, || at.exists());
    }

    pub fn fail_run(&self, call: u8) {
        write(&self.path(&format!("fail-at-{call}")), "");
    }

    /// How often the runner was called.
    pub fn runs(&self) -> u32 {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.trim().parse().unwrap_or(0)
    }
}

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "not in time: {what}");
        // Whoever is waited for needs the processor more.
        std::thread::park_timeout(PAUSE_BETWEEN_LOOKS);
    }
}
