//! ClockActor: the Lamport clock of this process, over the counter that all processes share.

pub mod core;
pub mod messages;

use crate::supervise::ExitGuard;
use actix::{Actor, Context, Handler};
use core::{ClockCore, Effect, Input};
use kitty_runtime::lamport::{ClockError, LamportClock};
use kitty_runtime::node_id::node_id_of_machine;
use messages::{GetNodeId, Observe, Tick};
use std::collections::VecDeque;

/// Hands out clock values.
#[derive(Debug)]
pub struct ClockActor {
    core: ClockCore,
    counter: LamportClock,
    _guard: ExitGuard,
}

impl ClockActor {
    /// Creates the actor over the shared counter.
    #[must_use]
    pub fn new(counter: LamportClock, guard: ExitGuard) -> Self {
        Self {
            core: ClockCore::default(),
            counter,
            _guard: guard,
        }
    }

    fn run(&mut self, input: Input<'_>) -> Result<Vec<u64>, ClockError> {
        let mut effects = VecDeque::from(self.core.step(input));
        let mut answer = Vec::new();
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Take(count) => {
                    let values = self.counter.tick(count)?;
                    effects.extend(self.core.step(Input::Given(&values)));
                }
                Effect::Advance(value) => self.counter.observe(value)?,
                Effect::Answer(values) => answer = values,
            }
        }
        Ok(answer)
    }
}

impl Actor for ClockActor {
    type Context = Context<Self>;
}

impl Handler<Tick> for ClockActor {
    type Result = Result<Vec<u64>, ClockError>;

    fn handle(&mut self, tick: Tick, _: &mut Self::Context) -> Self::Result {
        self.run(Input::Wanted(tick.count))
    }
}

impl Handler<Observe> for ClockActor {
    type Result = Result<(), ClockError>;

    fn handle(&mut self, observe: Observe, _: &mut Self::Context) -> Self::Result {
        self.run(Input::Seen(observe.value)).map(|_| ())
    }
}

impl Handler<GetNodeId> for ClockActor {
    type Result = String;

    fn handle(&mut self, _: GetNodeId, _: &mut Self::Context) -> String {
        self.counter
            .recorded_node_id()
            .unwrap_or_else(node_id_of_machine)
    }
}
