//! Samples, and taking them in turn.

use std::io;
use std::time::Instant;

/// Measured values, sorted.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Sorts values.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// Returns the value that half of the samples do not exceed.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Returns the smallest value.
    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// Returns the value that this part of the samples does not exceed.
    pub fn quantile(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }

    /// Returns the samples in another unit.
    pub fn scaled(&self, factor: f64) -> Self {
        Self::new(self.0.iter().map(|value| value * factor).collect())
    }
}

/// Takes samples of two things in turn, each first in every other round.
///
/// # Errors
/// The first error of either.
pub fn in_turn(
    rounds: usize,
    mut ours: impl FnMut() -> io::Result<f64>,
    mut floor: impl FnMut() -> io::Result<f64>,
) -> io::Result<(Samples, Samples)> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            first.push(ours()?);
            second.push(floor()?);
        } else {
            second.push(floor()?);
            first.push(ours()?);
        }
    }
    Ok((Samples::new(first), Samples::new(second)))
}

/// Returns what something took, in seconds.
pub fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    std::hint::black_box(work());
    started.elapsed().as_secs_f64()
}

/// Returns what something that can fail took, in seconds.
///
/// # Errors
/// Its error.
pub fn try_seconds<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<f64> {
    let started = Instant::now();
    std::hint::black_box(work()?);
    Ok(started.elapsed().as_secs_f64())
}
