//! The thinking of the WebSocket: when to connect, what an answer means, when to give up.
//!
//! No failure of the line loses anything: an event whose acknowledgement does not come is given back
//! to its drain, which sends it in a batch. So nothing here is stored, and nothing waits for the line.
//! Times are milliseconds of a clock that never goes back.

use super::frame::Frame;
use crate::delivery::answer::EventAnswer;
use crate::gate::gated::Gated;
use serde_json::Value;
use std::time::Duration;

/// How long an acknowledgement is waited for (reference 8).
pub const ACKNOWLEDGEMENT_LIMIT: Duration = Duration::from_secs(5);
/// The first and the longest pause before the line is opened again (reference 8).
const FIRST_BACKOFF_MS: u64 = 500;
const LONGEST_BACKOFF_MS: u64 = 30_000;
/// How often in a row it is tried before only an occasion is worth another try.
const TRIES: u32 = 10;
/// How long after that no occasion is worth one.
const REST_MS: u64 = 60_000;
/// How long the line must have stood for its end not to count as one more failure in a row.
const PROVEN_MS: u64 = 60_000;
/// The shortest time between two looks at whether there is anything to connect for.
const LOOK_AGAIN_MS: u64 = 1_000;

/// How the line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There is nothing to connect for: no session, no Private Teamspace, or nobody asked.
    Offline,
    /// It is being opened for the first time.
    Connecting,
    /// Events go over it.
    Connected,
    /// It is down and will be opened again.
    Reconnecting,
    /// The server has none, or none that works; only batches are sent.
    OfflineBatchMode,
}

impl Status {
    /// Returns the stable word (reference 8), which has none of its own for the first attempt.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "Offline",
            Self::Connecting | Self::Reconnecting => "Reconnecting",
            Self::Connected => "Connected",
            Self::OfflineBatchMode => "OfflineBatchMode",
        }
    }
}

/// Why no line could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOpen {
    /// There is nothing to connect for.
    Unwanted(String),
    /// Another try may help.
    Trouble {
        /// What went wrong.
        message: String,
        /// How long the server asked to wait.
        wait: Option<Duration>,
    },
    /// The server has no WebSocket for this program.
    Unavailable {
        /// What it said.
        message: String,
        /// How long the server asked to wait.
        wait: Option<Duration>,
    },
}

impl NotOpen {
    fn wait_ms(&self) -> u64 {
        match self {
            Self::Unwanted(_) => 0,
            Self::Trouble { wait, .. } | Self::Unavailable { wait, .. } => {
                wait.map_or(0, milliseconds)
            }
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Time passed.
    Woke,
    /// The daemon has begun, or a drain has reached the server: a line would be of use.
    Occasion,
    /// Nothing may leave, or not to where the line goes.
    Unwanted,
    /// The daemon ends.
    Ending,
    /// The attempt to open the line ended.
    Opened(Result<(), NotOpen>),
    /// A drain has an event to send.
    Tell {
        /// The drain's number for it.
        number: u64,
        /// The event.
        event_id: String,
        /// The frame that carries it.
        frame: Gated<String>,
    },
    /// The server said something.
    Heard(Frame),
    /// The line is gone.
    Broken(String),
}

/// What became of an event that was to go over the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The server's word for its id.
    Answered(EventAnswer),
    /// Nothing is known; a batch may carry it.
    Lost(String),
    /// Nothing is known, and the daemon ends.
    Ending,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Open the line.
    Connect,
    /// Send a frame.
    Say(Gated<String>),
    /// Answer a ping.
    Pong(Value),
    /// End the line, saying so if it still stands.
    HangUp,
    /// Tell a drain what became of its event.
    Settle(u64, Told),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Offline { not_before: u64 },
    Connecting { again: bool },
    Connected { since: u64 },
    Waiting { until: u64 },
    Resting { not_before: u64 },
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outstanding {
    number: u64,
    event_id: String,
    due: u64,
}

/// The state of one line.
#[derive(Debug, Clone)]
pub struct LineCore {
    state: State,
    failures: u32,
    outstanding: Vec<Outstanding>,
    trouble: Option<String>,
}

impl Default for LineCore {
    fn default() -> Self {
        Self {
            state: State::Offline { not_before: 0 },
            failures: 0,
            outstanding: Vec::new(),
            trouble: None,
        }
    }
}

impl LineCore {
    /// Returns how the line stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.state {
            State::Offline { .. } | State::Ended => Status::Offline,
            State::Connecting { again: false } => Status::Connecting,
            State::Connecting { again: true } | State::Waiting { .. } => Status::Reconnecting,
            State::Connected { .. } => Status::Connected,
            State::Resting { .. } => Status::OfflineBatchMode,
        }
    }

    /// Returns why the line is not open.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Returns when [`Input::Woke`] is due; a line that is open and idle needs no waking.
    #[must_use]
    pub fn next_wake(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => self.outstanding.iter().map(|it| it.due).min(),
        }
    }

    /// Takes in what happened and says what is to be done; `jitter` is random, 0 to 1000.
    pub fn step(&mut self, now: u64, jitter: u64, input: Input) -> Vec<Effect> {
        if self.state == State::Ended {
            return match input {
                Input::Tell { number, .. } => vec![Effect::Settle(number, Told::Ending)],
                Input::Opened(Ok(())) => vec![Effect::HangUp],
                _ => Vec::new(),
            };
        }
        match input {
            Input::Woke => self.woke(now, jitter),
            Input::Occasion => self.occasion(now),
            Input::Unwanted => self.unwanted(now),
            Input::Ending => self.leave(State::Ended, &Told::Ending),
            Input::Opened(result) => self.opened(now, jitter, result),
            Input::Tell {
                number,
                event_id,
                frame,
            } => self.tell(now, number, event_id, frame),
            Input::Heard(frame) => self.heard(now, jitter, frame),
            Input::Broken(why) => self.failed(now, jitter, why, None),
        }
    }

    fn unwanted(&mut self, now: u64) -> Vec<Effect> {
        let asked_for = match self.state {
            State::Waiting { until } => until,
            State::Resting { not_before } | State::Offline { not_before } => not_before,
            _ => 0,
        };
        let not_before = asked_for.max(now + LOOK_AGAIN_MS);
        self.leave(State::Offline { not_before }, &lost("it is not wanted"))
    }

    fn woke(&mut self, now: u64, jitter: u64) -> Vec<Effect> {
        match self.state {
            State::Waiting { until } if now >= until => {
                self.state = State::Connecting { again: true };
                vec![Effect::Connect]
            }
            State::Connected { .. } if self.outstanding.iter().any(|it| now >= it.due) => {
                let seconds = ACKNOWLEDGEMENT_LIMIT.as_secs();
                let why = format!("no acknowledgement came within {seconds} s");
                self.failed(now, jitter, why, None)
            }
            _ => Vec::new(),
        }
    }

    fn occasion(&mut self, now: u64) -> Vec<Effect> {
        match self.state {
            State::Offline { not_before } | State::Resting { not_before } if now >= not_before => {
                let again = matches!(self.state, State::Resting { .. });
                self.state = State::Connecting { again };
                vec![Effect::Connect]
            }
            _ => Vec::new(),
        }
    }

    fn opened(&mut self, now: u64, jitter: u64, result: Result<(), NotOpen>) -> Vec<Effect> {
        if !matches!(self.state, State::Connecting { .. }) {
            // It is not wanted any more; what the server asked for holds all the same.
            if let (Err(not_open), State::Offline { not_before }) = (&result, &mut self.state) {
                let rest = now.saturating_add(not_open.wait_ms().max(LOOK_AGAIN_MS));
                *not_before = rest.max(*not_before);
            }
            return vec![Effect::HangUp];
        }
        match result {
            Ok(()) => {
                self.state = State::Connected { since: now };
                self.trouble = None;
                Vec::new()
            }
            Err(NotOpen::Unwanted(why)) => {
                self.failures = 0;
                self.trouble = Some(why);
                let not_before = now + LOOK_AGAIN_MS;
                self.state = State::Offline { not_before };
                Vec::new()
            }
            Err(NotOpen::Trouble { message, wait }) => self.failed(now, jitter, message, wait),
            Err(NotOpen::Unavailable { message, wait }) => {
                self.failures = TRIES;
                self.failed(now, jitter, message, wait)
            }
        }
    }

    fn tell(
        &mut self,
        now: u64,
        number: u64,
        event_id: String,
        frame: Gated<String>,
    ) -> Vec<Effect> {
        if !matches!(self.state, State::Connected { .. }) {
            return vec![Effect::Settle(number, lost("no WebSocket is open"))];
        }
        self.outstanding.push(Outstanding {
            number,
            event_id,
            due: now + milliseconds(ACKNOWLEDGEMENT_LIMIT),
        });
        vec![Effect::Say(frame)]
    }

    fn heard(&mut self, now: u64, jitter: u64, frame: Frame) -> Vec<Effect> {
        if !matches!(self.state, State::Connected { .. }) {
            return Vec::new();
        }
        match frame {
            Frame::Ping(timestamp) => vec![Effect::Pong(timestamp)],
            Frame::Answer { event_id, answer } => {
                let at = self
                    .outstanding
                    .iter()
                    .position(|it| it.event_id == event_id);
                // Late, or about nothing that was asked: the batch had its own answer.
                let Some(at) = at else { return Vec::new() };
                self.failures = 0;
                let number = self.outstanding.remove(at).number;
                vec![Effect::Settle(number, Told::Answered(answer))]
            }
            Frame::Refusal(why) if !self.outstanding.is_empty() => self.failed(
                now,
                jitter,
                format!("the server did not take a frame: {why}"),
                None,
            ),
            Frame::Refusal(_)
            | Frame::Snapshot
            | Frame::Subscribed
            | Frame::Event(_)
            | Frame::Other => Vec::new(),
        }
    }

    /// The line is of no use now: what is on its way goes by batch, and it is opened again later.
    fn failed(
        &mut self,
        now: u64,
        jitter: u64,
        why: String,
        wait: Option<Duration>,
    ) -> Vec<Effect> {
        let since = match self.state {
            State::Connected { since } => Some(since),
            State::Connecting { .. } => None,
            _ => return Vec::new(),
        };
        if since.is_some_and(|since| now >= since + PROVEN_MS) && self.outstanding.is_empty() {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let told = lost(&why);
        self.trouble = Some(why);
        let wait = wait.map_or(0, milliseconds);
        let next = if self.failures > TRIES {
            let not_before = now.saturating_add(wait.max(REST_MS));
            State::Resting { not_before }
        } else {
            let doubled = FIRST_BACKOFF_MS << (self.failures - 1).min(16);
            // Between 80 and 120 per cent, so that many machines do not come back together.
            let share = 800 + jitter.min(1000) * 2 / 5;
            let backoff = doubled.min(LONGEST_BACKOFF_MS) * share / 1000;
            let until = now.saturating_add(wait.max(backoff));
            State::Waiting { until }
        };
        self.leave(next, &told)
    }

    fn leave(&mut self, next: State, told: &Told) -> Vec<Effect> {
        let stood = matches!(self.state, State::Connected { .. });
        self.state = next;
        let outstanding = std::mem::take(&mut self.outstanding).into_iter();
        let settled = outstanding.map(|it| Effect::Settle(it.number, told.clone()));
        settled.chain(stood.then_some(Effect::HangUp)).collect()
    }
}

fn lost(why: &str) -> Told {
    Told::Lost(why.to_owned())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
