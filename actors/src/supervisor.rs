//! DaemonSupervisor: starts the actors, starts them again after a panic, and stops them.

pub mod core;
pub mod messages;

use crate::supervise::{ChildExited, ChildId};
use actix::{Actor, AsyncContext as _, Context, Handler, ResponseFuture};
use core::{Effect, Input, SupervisorCore};
use kitty_runtime::time::SharedTime;
use messages::{ChildHealth, GetHealth, ShutDown};
use std::collections::BTreeMap;
use std::fmt;
use tokio::sync::oneshot;

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
    children: BTreeMap<ChildId, Box<dyn Nursery>>,
    awaiting_the_end: Vec<oneshot::Sender<()>>,
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
    /// Which child.
    pub child: ChildId,
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
            awaiting_the_end: Vec::new(),
        }
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        for effect in self.core.step(self.time.now(), input) {
            match effect {
                Effect::Restart { child, after } => {
                    tracing::warn!(
                        child = child.name,
                        after_ms = after.as_millis(),
                        "an actor ended and is started again"
                    );
                    context.run_later(after, move |supervisor, context| {
                        supervisor.start(child, context);
                    });
                }
                Effect::GiveUp(child) => {
                    tracing::error!(
                        child = child.name,
                        "an actor ended too often and stays down"
                    );
                    if let Some(nursery) = self.children.get(&child) {
                        nursery.stop();
                    }
                }
                Effect::StopChildren => self.children.values().for_each(|nursery| nursery.stop()),
                Effect::AllStopped => {
                    for waiting in self.awaiting_the_end.drain(..) {
                        // Whoever no longer waits needs no answer.
                        let _ = waiting.send(());
                    }
                }
            }
        }
    }

    fn start(&mut self, child: ChildId, context: &mut Context<Self>) {
        let stopping = self.core.is_stopping();
        if let Some(nursery) = self.children.get(&child).filter(|_| !stopping) {
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
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: ShutDown, context: &mut Self::Context) -> Self::Result {
        let (waiting, stopped) = oneshot::channel();
        self.awaiting_the_end.push(waiting);
        self.step(Input::ShutDown, context);
        Box::pin(async move {
            // A supervisor that ended first has no children left either.
            let _ = stopped.await;
        })
    }
}

/// Returns a number from 0 to 1; without randomness restarts are in step, which does no harm.
fn jitter() -> f64 {
    let mut byte = [128_u8];
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}
