//! The WebSocket to the Teamspace: fresh events go over it one by one, each acknowledged (reference 8).
//!
//! `core` decides and touches nothing; `frame` reads and writes what is said; `ticket` says where a
//! line may go; `dial` opens it; `live` is the line of somebody who watches. This file is the shell: one task that holds the line, and [`Line`],
//! through which drains use it. No drain waits for a line that is not open: then batches are sent.

pub mod core;
pub mod dial;
pub mod frame;
pub mod live;
pub mod ticket;

use self::core::{Effect, Input, LineCore, NotOpen, Status, Told};
use self::dial::Dialled;
use self::frame::Frame;
use crate::gate::gated::Gated;
use crate::transport::{Heard, WebSocket};
use futures_util::future::LocalBoxFuture;
use kitty_runtime::target::DeliveryTarget;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How long a goodbye may take.
const GOODBYE_LIMIT: Duration = Duration::from_millis(200);
/// How long an attempt that is under way when the daemon ends may take, because it may hold a token.
const ATTEMPT_GRACE: Duration = Duration::from_millis(500);

/// How a line stands, for others to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub status: Status,
    /// Where it goes while it is open.
    pub target: Option<DeliveryTarget>,
    /// Events that went over it.
    pub told: u64,
    /// Events of these that were answered.
    pub answered: u64,
    /// Why it is not open.
    pub trouble: Option<String>,
}

/// A handle to the line; every clone means the same one.
#[derive(Debug, Clone)]
pub struct Line {
    orders: mpsc::UnboundedSender<Order>,
    standing: Arc<Mutex<Standing>>,
}

#[derive(Debug)]
enum Order {
    Do(Input),
    Tell {
        event_id: String,
        frame: Gated<String>,
        answer: oneshot::Sender<Told>,
    },
}

impl Line {
    /// Creates a line that nobody holds yet, and what holds it.
    #[must_use]
    pub fn new() -> (Self, LineTask) {
        let (orders, receiver) = mpsc::unbounded_channel();
        let standing = Arc::new(Mutex::new(Standing {
            status: Status::Offline,
            target: None,
            told: 0,
            answered: 0,
            trouble: None,
        }));
        let line = Self {
            orders,
            standing: standing.clone(),
        };
        let task = LineTask {
            orders: receiver,
            standing,
        };
        (line, task)
    }

    /// Returns how it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let standing = self.standing.lock();
        standing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells whether it is open and goes to a target.
    #[must_use]
    pub fn goes_to(&self, target: &DeliveryTarget) -> bool {
        let standing = self.standing();
        standing.status == Status::Connected && standing.target.as_ref() == Some(target)
    }

    /// Tells whether it is open and goes elsewhere than to a target.
    #[must_use]
    pub fn goes_elsewhere(&self, target: &DeliveryTarget) -> bool {
        let standing = self.standing();
        standing.status == Status::Connected && standing.target.as_ref() != Some(target)
    }

    /// Says that an open line would be of use now.
    pub fn occasion(&self) {
        self.order(Input::Occasion);
    }

    /// Says that nothing may go over it.
    pub fn unwanted(&self) {
        self.order(Input::Unwanted);
    }

    /// Ends it: what is on its way is given back, and the server is told.
    pub fn end(&self) {
        self.order(Input::Ending);
    }

    /// Sends an event and waits for its acknowledgement, which has a deadline.
    pub async fn tell(&self, event_id: &str, frame: Gated<String>) -> Told {
        let (answer, told) = oneshot::channel();
        let order = Order::Tell {
            event_id: event_id.to_owned(),
            frame,
            answer,
        };
        let gone = || Told::Lost("nobody holds the WebSocket".to_owned());
        if self.orders.send(order).is_err() {
            return gone();
        }
        told.await.unwrap_or_else(|_| gone())
    }

    fn order(&self, input: Input) {
        // Nobody listens when the daemon has ended, and then there is nothing to say.
        let _ = self.orders.send(Order::Do(input));
    }
}

/// Opens the line.
pub type Dial<'a> = Box<dyn Fn() -> Dialling<'a> + 'a>;

/// An attempt to open the line.
pub type Dialling<'a> = LocalBoxFuture<'a, Result<Dialled, NotOpen>>;

/// What the task of a line asks of its surroundings.
pub struct LineSurroundings<'a> {
    /// Opens the line.
    pub dial: Dial<'a>,
    /// Names the build that is worked in, if it may be named.
    pub build_id: Box<dyn Fn() -> Option<String> + 'a>,
    /// Is told when its state changes.
    pub on_change: Box<dyn Fn(&Standing) + 'a>,
    /// Returns a random number, 0 to 1000.
    pub jitter: Box<dyn Fn() -> u64 + 'a>,
}

impl fmt::Debug for LineSurroundings<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LineSurroundings")
            .finish_non_exhaustive()
    }
}

/// What holds the line.
#[derive(Debug)]
pub struct LineTask {
    orders: mpsc::UnboundedReceiver<Order>,
    standing: Arc<Mutex<Standing>>,
}

impl LineTask {
    /// Holds the line until [`Line::end`]; runs on the thread that it is called on.
    pub async fn run(self, surroundings: LineSurroundings<'_>) {
        let holder = Holder {
            orders: self.orders,
            standing: self.standing,
            surroundings,
            core: LineCore::default(),
            begun: Instant::now(),
            dialling: None,
            socket: None,
            target: None,
            waiting: HashMap::new(),
            next_number: 0,
        };
        holder.hold().await;
    }
}

struct Holder<'a> {
    orders: mpsc::UnboundedReceiver<Order>,
    standing: Arc<Mutex<Standing>>,
    surroundings: LineSurroundings<'a>,
    core: LineCore,
    begun: Instant,
    dialling: Option<Dialling<'a>>,
    socket: Option<Box<WebSocket>>,
    target: Option<DeliveryTarget>,
    waiting: HashMap<u64, oneshot::Sender<Told>>,
    next_number: u64,
}

impl Holder<'_> {
    async fn hold(mut self) {
        loop {
            let input = self.next().await;
            let ending = matches!(input, Input::Ending);
            self.take_in(input).await;
            if ending {
                break;
            }
        }
        if let Some(dialling) = self.dialling.take()
            && let Ok(Ok(dialled)) = tokio::time::timeout(ATTEMPT_GRACE, dialling).await
        {
            dialled.socket.close(GOODBYE_LIMIT).await;
        }
    }

    /// Waits for whatever happens first; an open line without work waits without a timer.
    async fn next(&mut self) -> Input {
        let wake = self.core.next_wake();
        let wake = wake.map(|at| self.begun + Duration::from_millis(at));
        tokio::select! {
            order = self.orders.recv() => match order {
                None => Input::Ending,
                Some(Order::Do(input)) => input,
                Some(Order::Tell { event_id, frame, answer }) => {
                    self.next_number += 1;
                    self.waiting.insert(self.next_number, answer);
                    Input::Tell { number: self.next_number, event_id, frame }
                }
            },
            dialled = in_progress(&mut self.dialling) => {
                self.dialling = None;
                Input::Opened(dialled.map(|Dialled { socket, target }| {
                    self.socket = Some(socket);
                    self.target = Some(target);
                }))
            }
            heard = hear(&mut self.socket) => match heard {
                Ok(Heard::Text(text)) => Input::Heard(Frame::read(&text)),
                Ok(Heard::Closed(why)) if why.is_empty() => {
                    Input::Broken("the server closed the WebSocket".to_owned())
                }
                Ok(Heard::Closed(why)) => {
                    let why = crate::delivery::answer::shorten(&why);
                    Input::Broken(format!("the server closed the WebSocket: {why}"))
                }
                Err(broken) => Input::Broken(broken.to_string()),
            },
            () = until(wake) => Input::Woke,
        }
    }

    async fn take_in(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let jitter = (self.surroundings.jitter)();
            let effects = self.core.step(now, jitter, input);
            // Before a drain goes on, so that it sees a line that is gone as gone.
            self.publish(&effects);
            for effect in effects {
                if let Err(broken) = self.carry_out(effect).await {
                    inputs.push(Input::Broken(broken));
                }
            }
        }
    }

    async fn carry_out(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            // An attempt that is under way is not dropped, because it may hold a token.
            Effect::Connect if self.dialling.is_some() => {}
            Effect::Connect => self.dialling = Some((self.surroundings.dial)()),
            Effect::Say(frame) => return self.say(frame).await,
            Effect::Pong(timestamp) => {
                let build_id = (self.surroundings.build_id)();
                let pong = frame::pong(&timestamp, build_id.as_deref());
                return self.say(pong.map_err(|why| why.to_string())?).await;
            }
            Effect::HangUp => {
                if let Some(socket) = self.socket.take() {
                    socket.close(GOODBYE_LIMIT).await;
                }
            }
            Effect::Settle(number, told) => {
                if let Some(answer) = self.waiting.remove(&number) {
                    // The drain may have been dropped, and the event stays open then.
                    let _ = answer.send(told);
                }
            }
        }
        Ok(())
    }

    async fn say(&mut self, frame: Gated<String>) -> Result<(), String> {
        match &mut self.socket {
            Some(socket) => socket.say(frame).await.map_err(|broken| broken.to_string()),
            None => Err("the WebSocket is gone".to_owned()),
        }
    }

    fn publish(&mut self, effects: &[Effect]) {
        let said = effects
            .iter()
            .filter(|it| matches!(it, Effect::Say(_)))
            .count();
        let answered = |it: &&Effect| matches!(it, Effect::Settle(_, Told::Answered(_)));
        let answered = effects.iter().filter(answered).count();
        let status = self.core.status();
        let (before, after) = {
            let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
            let before = standing.status;
            standing.status = status;
            standing.target = (status == Status::Connected)
                .then(|| self.target.clone())
                .flatten();
            standing.told += said as u64;
            standing.answered += answered as u64;
            standing.trouble = self.core.trouble().map(str::to_owned);
            (before, standing.clone())
        };
        if before != after.status {
            (self.surroundings.on_change)(&after);
        }
    }
}

async fn in_progress(dialling: &mut Option<Dialling<'_>>) -> Result<Dialled, NotOpen> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

async fn hear(socket: &mut Option<Box<WebSocket>>) -> Result<Heard, crate::transport::LineBroken> {
    match socket {
        Some(socket) => socket.hear().await,
        None => std::future::pending().await,
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
