//! What takes how long, on a machine that does other things meanwhile.

use super::process::Run;
use super::sandbox::Call;
use std::time::Duration;

/// How often something is measured at most.
const MOST: usize = 10;

/// Measures until it takes less than a limit, ten times at most, and returns the shortest: whatever
/// else this machine does can only add to it.
pub fn shortest(limit: Duration, mut measure: impl FnMut() -> Duration) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..MOST {
        shortest = shortest.min(measure());
        if shortest < limit {
            break;
        }
    }
    shortest
}

/// Runs a call and returns the time that processors worked for it, which waiting is no part of; the
/// shell counts in hundredths of a second.
#[track_caller]
pub fn with_cpu_time(call: Call<'_>) -> (Run, Duration) {
    let run = call.within_shell("\"$@\"; status=$?; times >&2; exit $status");
    // The last line is of the shell's children: in user mode, and in the kernel.
    let of_children = run.stderr.lines().next_back().unwrap_or_default();
    let times: Vec<Duration> = of_children.split(' ').filter_map(duration).collect();
    assert_eq!(times.len(), 2, "{run:?}");
    let took = times.iter().sum();
    (run, took)
}

/// Reads `1m2.345678s`.
fn duration(text: &str) -> Option<Duration> {
    let (minutes, seconds) = text.strip_suffix('s')?.split_once('m')?;
    let seconds = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    Some(Duration::from_mins(minutes.parse().ok()?) + seconds)
}

#[test]
fn the_time_of_processors_is_read_from_the_shell() {
    let sandbox = super::sandbox::Sandbox::empty();
    let (run, took) = with_cpu_time(sandbox.call(&["--version"]));
    assert!(run.stdout.starts_with("spec-kitty"), "{run:?}");
    assert!(
        took < run.took + Duration::from_secs(1),
        "{took:?} of {run:?}"
    );
    assert_eq!(duration("1m2.5s"), Some(Duration::from_millis(62_500)));
    assert_eq!(duration("0m0,5s"), None);
}
