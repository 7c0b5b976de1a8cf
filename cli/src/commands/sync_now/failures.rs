//! Which events or bodies failed, for people; `--json` lists all of them.

use kitty_actors::delivery::Failure;

/// How many failures a person is shown.
const SHOWN: usize = 10;

/// Says which events or bodies failed: the first ones, and how many there are besides.
pub(super) fn lines(failures: &[Failure]) -> Vec<String> {
    let shown = failures.iter().take(SHOWN);
    let mut lines: Vec<String> = shown
        .map(|it| format!("  {} {}: {}", it.event_id, it.outcome.as_str(), it.error))
        .collect();
    let more = failures.len() - lines.len();
    if more > 0 {
        lines.push(format!("  … and {more} more; `--json` lists them"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use kitty_runtime::outcome::DeliveryState;

    #[test]
    fn failures_that_are_not_shown_are_counted() {
        let failures = |count: usize| -> Vec<Failure> {
            let failure = |number: usize| Failure {
                event_id: format!("e{number}"),
                outcome: DeliveryState::Rejected,
                http_status: None,
                error: "why".to_owned(),
            };
            (1..=count).map(failure).collect()
        };
        assert_eq!(lines(&[]), Vec::<String>::new());
        assert_eq!(lines(&failures(1)), ["  e1 rejected: why"]);
        assert_eq!(lines(&failures(10)).len(), 10);
        let told = lines(&failures(12));
        assert_eq!(told.len(), 11);
        assert_eq!(told[10], "  … and 2 more; `--json` lists them");
    }
}
