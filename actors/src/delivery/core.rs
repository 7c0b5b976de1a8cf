//! The rules of delivery: what to send next, and what an answer means. No I/O, no clock.
//!
//! A drain works window by window: the records of a window are gated, sent in batches, and what the
//! server answers is recorded before another answer is taken in. The rules (design 3):
//!
//! - "delivered" needs the server's word for that event id; a missing or unknown word is transient.
//! - A failure of a whole batch changes no event.
//! - 400 with details names its culprits; without details the batch is halved until it is found.
//! - 413 halves the batch, and a single event that is too large is the culprit.
//! - 401 refreshes the token once; 403, 412 and 426 end the drain and keep everything.
//! - A few fresh events go over the WebSocket when it is open, one by one; what is not acknowledged
//!   there goes in a batch at once, and the line is not used again in the drain.
//! - 429 and trouble are tried again a few times, then left to a later drain; a hang at once.

mod protocol;

pub use self::protocol::{DrainPolicy, Effect, Input, Item};

use super::answer::{BatchAnswer, EventAnswer};
use super::report::{Blocked, BlockedBy, DrainReport, Failure};
use kitty_runtime::outcome::{DeliveryState, OutcomeDetail};
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

/// The largest event that goes over a WebSocket, in bytes; a server may end a line for a larger one.
const LARGEST_TOLD: usize = 64 * 1024;

type Outcomes = Vec<(usize, DeliveryState, Option<OutcomeDetail>)>;

/// One drain of one project to one target.
#[derive(Debug)]
pub struct DrainCore {
    policy: DrainPolicy,
    report: DrainReport,
    items: Vec<Item>,
    /// What is still to be sent of the window, the next batch last.
    work: Vec<Range<usize>>,
    sent: Vec<usize>,
    /// What is recorded before anything else happens.
    unrecorded: Outcomes,
    limit: usize,
    tries: u32,
    token_refreshed: bool,
    /// Whether what is sent next may go over the WebSocket: a few fresh events, and no failure yet.
    fresh: bool,
    ending: bool,
}

impl DrainCore {
    /// Creates a drain that has not begun.
    #[must_use]
    pub fn new(policy: DrainPolicy) -> Self {
        Self {
            limit: policy.batch_events.max(1),
            policy,
            report: DrainReport::default(),
            items: Vec::new(),
            work: Vec::new(),
            sent: Vec::new(),
            unrecorded: Vec::new(),
            tries: 0,
            token_refreshed: false,
            fresh: false,
            ending: false,
        }
    }

    /// Returns the first thing to do.
    #[must_use]
    pub const fn begin(&self) -> Effect {
        Effect::Load
    }

    /// Takes in what happened and says what is to be done next.
    pub fn step(&mut self, input: Input) -> Effect {
        match input {
            Input::Loaded(None) => self.finish(),
            Input::Loaded(Some(items)) => self.window(items),
            Input::Gated(refused) => self.gated(refused),
            Input::Answered { status, answer } => self.answered(status, answer),
            Input::NotTold => {
                self.fresh = false;
                self.send_again()
            }
            Input::Told { answers, ending } => self.told(&answers, ending),
            Input::Unanswered(message) => self.trouble(None, message, None),
            // Another try would take as long again, and nobody waits for three of them.
            Input::Hung(message) => self.stop(None, message, None),
            Input::Refreshed(Ok(())) => self.send_again(),
            Input::Refreshed(Err(blocked)) => self.block(blocked),
            Input::Rested => self.send_again(),
            Input::Recorded => self.next(),
        }
    }

    /// Returns the records of the window that the last recorded outcome was about.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Tells whether every record of the window has been decided, in this drain's words.
    #[must_use]
    pub const fn window_is_done(&self) -> bool {
        self.work.is_empty() && self.sent.is_empty()
    }

    fn window(&mut self, items: Vec<Item>) -> Effect {
        self.work.clear();
        self.sent.clear();
        self.unrecorded.clear();
        if items.is_empty() {
            return Effect::Load;
        }
        let is_first = self.report.selected == 0;
        let is_small = |item: &Item| item.bytes <= LARGEST_TOLD;
        let few = items.len() <= self.policy.fresh_events;
        self.fresh = is_first && few && items.iter().all(is_small);
        self.report.selected += items.len() as u64;
        self.items = items;
        Effect::Gate
    }

    fn gated(&mut self, refused: Vec<(usize, OutcomeDetail)>) -> Effect {
        let mut from = 0;
        let mut work = Vec::new();
        for (index, detail) in refused {
            work.push(from..index);
            from = index + 1;
            self.settle(index, DeliveryState::Quarantined, Some(detail));
        }
        work.push(from..self.items.len());
        self.work = work
            .into_iter()
            .filter(|range| !range.is_empty())
            .rev()
            .collect();
        self.record_or_go_on()
    }

    fn answered(&mut self, status: u16, answer: BatchAnswer) -> Effect {
        self.report.last_status = Some(status);
        match answer {
            BatchAnswer::PerEvent(results) => self.per_event(status, &results),
            BatchAnswer::Culprits(culprits) => self.culprits(status, &culprits),
            BatchAnswer::Unacceptable(message) => self.bisect(status, message),
            BatchAnswer::TooLarge { events } => self.halve(events),
            BatchAnswer::Unauthorized if !self.token_refreshed => {
                self.token_refreshed = true;
                Effect::RefreshToken
            }
            BatchAnswer::Unauthorized => self.block(Blocked::new(
                BlockedBy::Authentication,
                "Authentication expired.",
                "Run `spec-kitty auth login` to re-authenticate.",
            )),
            BatchAnswer::Forbidden { category, message } => {
                self.block(Blocked::forbidden(&category, &message))
            }
            BatchAnswer::ProtocolMismatch { advice } => self.block(Blocked::new(
                BlockedBy::Protocol,
                format!("The server does not speak this release's sync protocol (HTTP {status})."),
                advice,
            )),
            BatchAnswer::Throttled { wait } => self.trouble(
                Some(status),
                "the server asks to slow down (HTTP 429)".to_owned(),
                Some(wait.unwrap_or(Duration::from_secs(1))),
            ),
            BatchAnswer::Trouble { message, wait } => self.trouble(Some(status), message, wait),
        }
    }

    fn per_event(&mut self, status: u16, results: &HashMap<String, EventAnswer>) -> Effect {
        for index in std::mem::take(&mut self.sent) {
            let answer = results.get(&self.items[index].id);
            let state = answer.map_or(DeliveryState::Transient, |answer| answer.state);
            self.settle(index, state, detail_of(Some(status), answer));
        }
        self.succeeded()
    }

    /// Takes in what came over the WebSocket; what was not acknowledged is sent in a batch, in its
    /// order, unless the process ends.
    fn told(&mut self, answers: &HashMap<String, EventAnswer>, ending: Option<String>) -> Effect {
        let mut open = Vec::new();
        for index in std::mem::take(&mut self.sent) {
            let Some(answer) = answers.get(&self.items[index].id) else {
                open.push(index);
                continue;
            };
            self.report.told += 1;
            self.settle(index, answer.state, detail_of(None, Some(answer)));
        }
        self.fresh &= open.is_empty();
        let Some(why) = ending else {
            self.push_back(&open);
            return self.succeeded();
        };
        // The first of them was on its way; the rest was not sent.
        if let Some((index, rest)) = open.split_first() {
            self.push_back(rest);
            let detail = OutcomeDetail {
                http_status: None,
                category: None,
                message: why.clone(),
            };
            self.settle(*index, DeliveryState::Transient, Some(detail));
        }
        self.report.stopped = Some(why);
        self.ending = true;
        self.record_or_go_on()
    }

    fn culprits(&mut self, status: u16, culprits: &HashMap<String, String>) -> Effect {
        let sent = std::mem::take(&mut self.sent);
        let (guilty, innocent): (Vec<usize>, Vec<usize>) = sent
            .iter()
            .copied()
            .partition(|index| culprits.contains_key(&self.items[*index].id));
        if guilty.is_empty() {
            self.sent = sent;
            return self.bisect(
                status,
                "the server rejected the batch for events that are not in it".to_owned(),
            );
        }
        for index in guilty {
            let message = culprits[&self.items[index].id].clone();
            self.settle(
                index,
                DeliveryState::Rejected,
                Some(rejection(status, message)),
            );
        }
        self.push_back(&innocent);
        self.succeeded()
    }

    fn bisect(&mut self, status: u16, message: String) -> Effect {
        let sent = std::mem::take(&mut self.sent);
        match sent.as_slice() {
            [] => self.next(),
            [culprit] => {
                self.settle(
                    *culprit,
                    DeliveryState::Rejected,
                    Some(rejection(status, message)),
                );
                self.succeeded()
            }
            many => {
                let (left, right) = many.split_at(many.len() / 2);
                self.push_back(right);
                self.push_back(left);
                // Both halves stay apart, even if the limit would let them be sent together.
                self.tries = 0;
                self.send_next()
            }
        }
    }

    fn halve(&mut self, advertised: Option<usize>) -> Effect {
        let sent = std::mem::take(&mut self.sent);
        if let [culprit] = sent.as_slice() {
            let message = "payload too large (oversized, permanent)".to_owned();
            self.settle(
                *culprit,
                DeliveryState::Rejected,
                Some(rejection(413, message)),
            );
            return self.succeeded();
        }
        self.limit = (sent.len() / 2)
            .min(advertised.unwrap_or(usize::MAX))
            .max(1);
        self.push_back(&sent);
        self.tries = 0;
        self.send_next()
    }

    /// Nothing is known about the batch: tries again a little later, or leaves it to a later drain.
    fn trouble(&mut self, status: Option<u16>, message: String, wait: Option<Duration>) -> Effect {
        let backoff = Duration::from_millis(500) * 2_u32.saturating_pow(self.tries.min(6));
        let pause = wait.unwrap_or(backoff);
        if self.tries < self.policy.retries && pause <= self.policy.longest_pause {
            self.tries += 1;
            return Effect::Pause(pause);
        }
        self.stop(status, message, wait)
    }

    fn stop(&mut self, status: Option<u16>, message: String, wait: Option<Duration>) -> Effect {
        self.report.stopped = Some(message);
        self.report.last_status = status;
        self.report.wait = wait;
        self.finish()
    }

    fn block(&mut self, blocked: Blocked) -> Effect {
        self.report.blocked = Some(blocked);
        self.finish()
    }

    /// A batch was decided: the limit may grow again and trouble is forgotten.
    fn succeeded(&mut self) -> Effect {
        self.tries = 0;
        self.token_refreshed = false;
        if self.sent.is_empty() {
            self.limit = (self.limit * 2).min(self.policy.batch_events.max(1));
        }
        self.record_or_go_on()
    }

    fn record_or_go_on(&mut self) -> Effect {
        if self.unrecorded.is_empty() {
            self.next()
        } else {
            Effect::Record(std::mem::take(&mut self.unrecorded))
        }
    }

    fn next(&mut self) -> Effect {
        if self.ending {
            return self.finish();
        }
        if self.work.is_empty() {
            Effect::Load
        } else {
            self.send_next()
        }
    }

    fn send_next(&mut self) -> Effect {
        let Some(range) = self.work.pop() else {
            return self.next();
        };
        let end = batch_end(&self.items, &range, self.limit, self.policy.batch_bytes);
        if end < range.end {
            self.work.push(end..range.end);
        }
        self.sent = (range.start..end).collect();
        if self.fresh {
            return Effect::Tell(self.sent.clone());
        }
        self.send_again()
    }

    fn send_again(&mut self) -> Effect {
        self.report.requests += 1;
        Effect::Send(self.sent.clone())
    }

    /// Puts records back as the next to be sent, in order, as stretches that are not joined.
    fn push_back(&mut self, indices: &[usize]) {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for index in indices {
            match stretches.last_mut() {
                Some(stretch) if stretch.end == *index => stretch.end += 1,
                _ => stretches.push(*index..index + 1),
            }
        }
        self.work.extend(stretches.into_iter().rev());
    }

    fn settle(&mut self, index: usize, state: DeliveryState, detail: Option<OutcomeDetail>) {
        self.report.count(state);
        if let Some(detail) = &detail {
            self.report.fail(Failure {
                event_id: self.items[index].id.clone(),
                outcome: state,
                http_status: detail.http_status,
                error: detail.message.clone(),
            });
        }
        self.unrecorded.push((index, state, detail));
    }

    fn finish(&mut self) -> Effect {
        if !self.unrecorded.is_empty() {
            self.ending = true;
            return Effect::Record(std::mem::take(&mut self.unrecorded));
        }
        Effect::Finish(Box::new(self.report.clone()))
    }
}

/// Returns the records of the first batch of a window of which the gate refused some.
///
/// What the core sends first is the same, unless the server has asked for smaller batches.
#[must_use]
pub fn first_batch(
    policy: &DrainPolicy,
    items: &[Item],
    refused: impl Iterator<Item = usize>,
) -> Vec<usize> {
    let mut range = 0..items.len();
    for index in refused {
        if index > range.start {
            range.end = index;
            break;
        }
        range.start = index + 1;
    }
    let most = policy.batch_events.max(1);
    (range.start..batch_end(items, &range, most, policy.batch_bytes)).collect()
}

/// Returns where a batch that begins with `range` ends: by count and by bytes, at least one record.
fn batch_end(items: &[Item], range: &Range<usize>, most: usize, most_bytes: usize) -> usize {
    let mut bytes = 0;
    let mut end = range.start;
    while end < range.end && end - range.start < most {
        bytes += items[end].bytes;
        if bytes > most_bytes && end > range.start {
            break;
        }
        end += 1;
    }
    end
}

/// Returns what is kept of an answer, of which nothing is when the server has the event.
fn detail_of(http_status: Option<u16>, answer: Option<&EventAnswer>) -> Option<OutcomeDetail> {
    let Some(answer) = answer else {
        return Some(OutcomeDetail {
            http_status,
            category: None,
            message: "missing per-event result".to_owned(),
        });
    };
    let taken = matches!(
        answer.state,
        DeliveryState::Delivered | DeliveryState::Duplicate
    );
    let message = answer.message.clone();
    (!taken).then(|| OutcomeDetail {
        http_status,
        category: answer.category.clone(),
        message: message.unwrap_or_else(|| answer.state.as_str().to_owned()),
    })
}

fn rejection(status: u16, message: String) -> OutcomeDetail {
    OutcomeDetail {
        http_status: Some(status),
        category: None,
        message,
    }
}

#[cfg(test)]
mod tests;
