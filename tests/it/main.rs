//! Whole-program tests: one binary, one module per subject.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    unreachable_pub,
    reason = "modules of one test binary share their helpers"
)]

mod crash_points;
mod power_cut;
mod storm;
mod support;
