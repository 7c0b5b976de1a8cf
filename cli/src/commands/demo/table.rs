//! The table of steps: what each did and how long it took.

use super::machine::Outcome;
use crate::failure::Failure;
use crate::printer::Printer;
use std::time::Instant;

/// Prints one line per step as it ends.
#[derive(Debug)]
pub(super) struct Table {
    printer: Printer,
    number: usize,
}

impl Table {
    pub(super) fn new(printer: Printer) -> Self {
        printer.line(format!(
            "{:<4}{:<36}{:>10}  {}",
            "", "Step", "Time", "Result"
        ));
        Self { printer, number: 0 }
    }

    /// Runs a step and prints how it went.
    pub(super) fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<Outcome<T>, Failure>,
    ) -> Result<T, Failure> {
        self.number += 1;
        let started = Instant::now();
        let result = work();
        let took = format!("{:.0} ms", started.elapsed().as_secs_f64() * 1000.0);
        let number = format!("{}.", self.number);
        let told = match &result {
            Ok((_, told)) => told.as_str(),
            Err(_) => "failed",
        };
        self.printer
            .line(format!("{number:<4}{name:<36}{took:>10}  {told}"));
        result.map(|(value, _)| value)
    }
}
