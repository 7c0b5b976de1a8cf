//! The protocol of the supervisor.

use actix::Message;

pub use crate::supervise::ChildExited;

/// How one child does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildHealth {
    /// The actor.
    pub child: &'static str,
    /// What it does.
    pub state: ChildState,
    /// How often it was restarted.
    pub restarts: u32,
}

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// It runs.
    Running,
    /// It ended and will be started again.
    Restarting,
    /// It ended too often; nothing restarts it.
    GivenUp,
    /// It was told to stop and finishes what it does.
    Stopping,
    /// It has stopped.
    Stopped,
}

/// Asks how the children do.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<ChildHealth>")]
pub struct GetHealth;

/// Tells every child to finish what it does and to stop; answered when all have.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ShutDown;
