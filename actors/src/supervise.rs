//! What every actor of this program carries: a guard that reports its end, and an address that
//! outlives it.
//!
//! actix restarts nothing after a panic: a panic in a handler ends the actor, and a panic in a
//! response future ends only that reply and tells nobody. So every actor holds an [`ExitGuard`],
//! every response future runs under [`caught`], and callers keep a [`Child`], whose address the
//! supervisor replaces.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// Which actor: several of one name may run, for example the queues of several projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId {
    /// What it is called in errors and logs.
    pub name: &'static str,
    /// Tells it from others of the name; given once per process.
    pub number: u32,
}

impl ChildId {
    fn next(name: &'static str) -> Self {
        static GIVEN: AtomicU32 = AtomicU32::new(0);
        Self {
            name,
            number: GIVEN.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// Tells the supervisor that an actor has ended.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ChildExited {
    /// The actor.
    pub child: ChildId,
    /// Whether it ended in a panic.
    pub panicked: bool,
    /// Whether only a reply was lost and the actor lives on.
    pub alive: bool,
}

/// Reports the end of the actor that holds it, whatever ended it.
#[derive(Debug)]
pub struct ExitGuard {
    child: ChildId,
    supervisor: Recipient<ChildExited>,
}

impl ExitGuard {
    /// Creates the guard of an actor.
    #[must_use]
    pub const fn new(child: ChildId, supervisor: Recipient<ChildExited>) -> Self {
        Self { child, supervisor }
    }

    /// Reports that a response future panicked; the actor itself lives on.
    pub fn reply_panicked(&self) {
        self.report(true, true);
    }

    fn report(&self, panicked: bool, alive: bool) {
        let exited = ChildExited {
            child: self.child,
            panicked,
            alive,
        };
        // A supervisor that is gone is ending the program.
        if self.supervisor.try_send(exited).is_err() {
            tracing::debug!(child = self.child.name, "the supervisor is gone");
        }
    }
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        self.report(std::thread::panicking(), false);
    }
}

/// An ask that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The actor has ended and was not restarted (yet).
    #[error("{actor} is not running; run the command again")]
    Unavailable {
        /// The actor.
        actor: &'static str,
    },
    /// The actor did not answer in time.
    #[error("{actor} did not answer {message} within {} ms", after.as_millis())]
    Timeout {
        /// The actor.
        actor: &'static str,
        /// The message.
        message: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The handler of the message panicked; the actor was restarted or is about to be.
    #[error("{actor} failed while it handled {message}; run the command again")]
    Panicked {
        /// The actor.
        actor: &'static str,
        /// The message.
        message: &'static str,
    },
}

/// The address of a supervised actor; valid across its restarts.
pub struct Child<A: Actor> {
    id: ChildId,
    address: Arc<RwLock<Option<Addr<A>>>>,
}

impl<A: Actor> std::fmt::Debug for Child<A> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Child")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<A: Actor> Clone for Child<A> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            address: self.address.clone(),
        }
    }
}

impl<A: Actor> Child<A> {
    /// Creates the place for an address; the supervisor fills it.
    #[must_use]
    pub fn unborn(name: &'static str) -> Self {
        Self {
            id: ChildId::next(name),
            address: Arc::new(RwLock::new(None)),
        }
    }

    /// Returns which actor it is.
    #[must_use]
    pub const fn id(&self) -> ChildId {
        self.id
    }

    /// Takes over the address of a new incarnation.
    pub fn reborn(&self, address: Addr<A>) {
        *self
            .address
            .write()
            .expect("nothing panics while the lock is held") = Some(address);
    }

    /// Forgets the address; asks are refused until the next incarnation.
    pub fn gone(&self) {
        *self
            .address
            .write()
            .expect("nothing panics while the lock is held") = None;
    }

    fn current(&self) -> Option<Addr<A>> {
        self.address
            .read()
            .expect("nothing panics while the lock is held")
            .clone()
    }

    /// Asks and waits for the answer, no longer than `limit`.
    ///
    /// Dropping the future cancels the wait, not what the actor does.
    ///
    /// # Errors
    /// [`AskError`], which names actor and message.
    pub async fn ask<M>(&self, message: M, limit: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let (actor, name) = (self.id.name, short_name::<M>());
        let address = self.current().ok_or(AskError::Unavailable { actor })?;
        match tokio::time::timeout(limit, address.send(message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) if address.connected() => Err(AskError::Panicked {
                actor,
                message: name,
            }),
            Ok(Err(_)) => Err(AskError::Unavailable { actor }),
            Err(_) => Err(AskError::Timeout {
                actor,
                message: name,
                after: limit,
            }),
        }
    }
}

/// Runs a response future so that a panic in it becomes `None` instead of silence.
pub async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(future).catch_unwind().await.ok()
}

fn short_name<M>() -> &'static str {
    let path = std::any::type_name::<M>();
    path.rsplit("::").next().unwrap_or(path)
}
