//! Where a run stands, for a person at a terminal: run, scenario and step.

use crate::printer::Printer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kitty_canary::ports::{SuiteWatcher, Watcher};
use kitty_canary::result::Scenario;
use kitty_canary::suite::Case;
use std::time::Duration;

/// How often the line is drawn anew while a step takes its time.
const TICK: Duration = Duration::from_millis(200);

/// One line on stderr; nothing where no person watches.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(printer: Printer) -> Self {
        let watched = printer.may_show_progress();
        let target = if watched {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template("{spinner} {prefix} {msg} ({elapsed})")
            .expect("the template is valid");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        if watched {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Watcher for Progress {
    fn step(&self, run_number: u8, scenario: Option<Scenario>, step: &str) {
        let place = scenario.map_or_else(String::new, |scenario| {
            format!("  scenario {} {}", scenario.id(), scenario.title())
        });
        self.0.set_prefix(format!("Run {run_number}{place}"));
        self.0.set_message(step.to_owned());
    }
}

impl SuiteWatcher for Progress {
    fn step(&self, case: Case, step: &str) {
        self.0.set_prefix(format!("Suite  {}", case.name()));
        self.0.set_message(step.to_owned());
    }
}
