//! Letting time pass, as a port.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A pause that is under way; dropping it ends it.
pub type Pausing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Lets time pass; a port so that the tests of the login flows wait for nothing.
pub trait Pauses: Debug + Send + Sync {
    /// Returns a future that ends after a duration.
    fn pause(&self, duration: Duration) -> Pausing;
}

/// Pauses that several owners share.
pub type SharedPauses = Arc<dyn Pauses>;

/// Pauses of the wall clock, on tokio's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimerPauses;

impl Pauses for TimerPauses {
    fn pause(&self, duration: Duration) -> Pausing {
        Box::pin(tokio::time::sleep(duration))
    }
}
