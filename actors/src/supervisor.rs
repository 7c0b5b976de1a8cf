//! DaemonSupervisor: starts the actors, starts them again after a panic, and stops them.

pub mod core;
pub mod messages;

use crate::supervise::ChildExited;
use actix::{Actor, AsyncContext as _, Context, Handler};
use core::{Effect, Input, SupervisorCore};
use kitty_runtime::time::SharedTime;
use messages::{ChildHealth, GetHealth, ShutDown};
use std::collections::BTreeMap;
use std::fmt;

/// How one child is started and stopped.
pub trait Nursery {
    /// Starts a new incarnation.
    fn start(&self);
    /// Stops the current incarnation; it is not started again.
    fn stop(&self);
}

/// The supervisor of one process.
pub struct DaemonSupervisor {
    core: SupervisorCore,
    time: SharedTime,
    children: BTreeMap<&'static str, Box<dyn Nursery>>,
}

impl fmt::Debug for DaemonSupervisor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DaemonSupervisor")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

/// Hands a child that was just started over to the supervisor.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Adopt {
    /// The child's name.
    pub child: &'static str,
    /// How it is started and stopped.
    pub nursery: Box<dyn Nursery + Send>,
}

impl fmt::Debug for Adopt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Adopt")
            .field("child", &self.child)
            .finish_non_exhaustive()
    }
}

impl DaemonSupervisor {
    /// Creates a supervisor without children.
    #[must_use]
    pub fn new(time: SharedTime) -> Self {
        Self {
            core: SupervisorCore::default(),
            time,
            children: BTreeMap::new(),
        }
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        for effect in self.core.step(self.time.now(), input) {
            match effect {
                Effect::Restart { child, after } => {
                    tracing::warn!(
                        child,
                        after_ms = after.as_millis(),
                        "an actor ended and is started again"
                    );
                    context.run_later(after, move |supervisor, context| {
                        supervisor.start(child, context);
                    });
                }
                Effect::GiveUp(child) => {
                    tracing::error!(child, "an actor ended too often and stays down");
                    if let Some(nursery) = self.children.get(child) {
                        nursery.stop();
                    }
                }
                Effect::StopChildren => self.children.values().for_each(|nursery| nursery.stop()),
            }
        }
    }

    fn start(&mut self, child: &'static str, context: &mut Context<Self>) {
        if let Some(nursery) = self.children.get(child) {
            nursery.start();
            self.step(Input::Started(child), context);
        }
    }
}

impl Actor for DaemonSupervisor {
    type Context = Context<Self>;
}

impl Handler<Adopt> for DaemonSupervisor {
    type Result = ();

    fn handle(&mut self, adopt: Adopt, context: &mut Self::Context) {
        self.children.insert(adopt.child, adopt.nursery);
        self.step(Input::Started(adopt.child), context);
    }
}

impl Handler<ChildExited> for DaemonSupervisor {
    type Result = ();

    fn handle(&mut self, exited: ChildExited, context: &mut Self::Context) {
        let ChildExited {
            child,
            panicked,
            alive,
        } = exited;
        self.step(
            Input::Exited {
                child,
                panicked,
                alive,
                jitter: jitter(),
            },
            context,
        );
    }
}

impl Handler<GetHealth> for DaemonSupervisor {
    type Result = Vec<ChildHealth>;

    fn handle(&mut self, _: GetHealth, _: &mut Self::Context) -> Vec<ChildHealth> {
        self.core.health()
    }
}

impl Handler<ShutDown> for DaemonSupervisor {
    type Result = ();

    fn handle(&mut self, _: ShutDown, context: &mut Self::Context) {
        self.step(Input::ShutDown, context);
    }
}

/// Returns a number from 0 to 1; without randomness restarts are in step, which does no harm.
fn jitter() -> f64 {
    let mut byte = [128_u8];
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}
