//! Bodies: the content of artifacts, uploaded one by one beside the events.
//!
//! A few are under way at a time; what the server said is stored every few of them, so that a drain
//! that is killed or broken off sends hardly any twice. Between them the inbox is looked at: events
//! that came meanwhile go first. Trouble with bodies ends the sending of bodies and nothing else.

pub mod answer;
mod request;

pub use request::{CONTENT_ENDPOINT, content_request};

use super::drain::{AUTH_LIMIT, DrainError, DrainPorts, DrainRequest, LOCAL_LIMIT};
use super::report::{BodiesReport, Failure};
use super::wire::PROTOCOL_HEADER;
use crate::auth::AccessToken;
use crate::auth::messages::GetAccessToken;
use crate::gate::messages::{CheckOutbound, Gated};
use crate::queue::messages::{
    GetConsent, Ingest, NextBodies, NoteBodies, QueueError, RecordBodies,
};
use crate::transport::push_content;
use answer::{BodyAnswer, backoff};
use bytes::Bytes;
use futures_util::future::join_all;
use kitty_config::ServerUrl;
use kitty_contract::Context;
use kitty_runtime::body::BodyTask;
use kitty_runtime::consent::Consent;
use kitty_runtime::mailbox::BodiesRow;
use kitty_runtime::outcome::{BodyOutcome, DeliveryState, Outcome, OutcomeDetail, Retry};
use kitty_runtime::owner::{BatchLimits, BodySelection, OpenBody, now_ms};
use kitty_runtime::target::DeliveryTarget;
use std::time::Duration;

/// Uploads that are under way at the same time.
const AT_ONCE: usize = 4;
/// What is read of the journal at a time; an upload is held in memory about three times.
const PAGE: BatchLimits = BatchLimits {
    records: 64,
    bytes: 4 << 20,
};
/// Answers are stored at the latest after so many, or so long.
const ANSWERS_PER_RECORD: usize = 64;
const LONGEST_UNRECORDED_MS: u64 = 250;
/// Troubles one after the other that end the sending of bodies.
const MOST_TROUBLES: u32 = 3;

/// How the sending of bodies goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Events came in; they go first.
    EventsCame,
    /// Nothing is left to be done now.
    Done,
}

/// The bodies of one drain.
#[derive(Debug)]
pub(super) struct Bodies<'a> {
    ports: &'a DrainPorts,
    request: &'a DrainRequest,
    target: DeliveryTarget,
    server: ServerUrl,
    token: Option<AccessToken>,
    page: Vec<OpenBody>,
    /// The sequence of the next page; `None` behind the last one.
    next: Option<u64>,
    unrecorded: Vec<BodyOutcome>,
    recorded_ms: u64,
    until_ms: u64,
    row: BodiesRow,
    /// Troubles one after the other.
    troubles: u32,
    report: BodiesReport,
}

impl<'a> Bodies<'a> {
    /// Prepares the sending of what is open; `began_ms` is when the drain began.
    pub(super) fn new(
        ports: &'a DrainPorts,
        request: &'a DrainRequest,
        target: DeliveryTarget,
        row: BodiesRow,
        began_ms: u64,
    ) -> Self {
        let server = ports.server.clone().unwrap_or_else(|| {
            ServerUrl::parse(&target.server).expect("ingress resolved to the configured server")
        });
        let limit = request.policy.bodies_for;
        let limit_ms = limit.map_or(u64::MAX, millis);
        Self {
            ports,
            request,
            target,
            server,
            token: None,
            page: Vec::new(),
            next: Some(row.settled_before),
            unrecorded: Vec::new(),
            recorded_ms: began_ms,
            until_ms: began_ms.saturating_add(limit_ms),
            row,
            troubles: 0,
            report: BodiesReport::default(),
        }
    }

    /// Sends until events come in, until nothing is left, or until there is no use in going on.
    pub(super) async fn step(&mut self) -> Result<Step, DrainError> {
        if self.must_rest() {
            return Ok(Step::Done);
        }
        loop {
            if self.page.is_empty() && !self.load().await? {
                self.record().await?;
                return Ok(Step::Done);
            }
            if self.now() >= self.until_ms {
                self.report.interrupted = true;
                self.stop("the time for this delivery is used up");
            }
            let wave = self.page.len().min(AT_ONCE);
            let wave: Vec<OpenBody> = self.page.drain(..wave).collect();
            if self.report.stopped.is_none() {
                self.send(wave).await?;
            }
            if self.report.stopped.is_some() {
                self.record().await?;
                return Ok(Step::Done);
            }
            let waits = self.now().saturating_sub(self.recorded_ms);
            if self.unrecorded.len() >= ANSWERS_PER_RECORD || waits >= LONGEST_UNRECORDED_MS {
                self.record().await?;
                let came = self.ports.queue.ask(Ingest, LOCAL_LIMIT).await??;
                if came.records > 0 {
                    return Ok(Step::EventsCame);
                }
            }
        }
    }

    /// Stores how far everything is settled, and says what was done.
    pub(super) async fn finish(mut self) -> Result<BodiesReport, DrainError> {
        self.record().await?;
        let idle = self.report == BodiesReport::default() && self.row == BodiesRow::default();
        if !idle {
            let note = NoteBodies {
                target: self.target.clone(),
                not_before_ms: self.row.not_before_ms,
                rest_until_ms: self.row.rest_until_ms,
            };
            self.ports.queue.ask(note, LOCAL_LIMIT).await??;
        }
        Ok(self.report)
    }

    /// Tells whether the server has asked, or was found, to be left alone for now.
    fn must_rest(&mut self) -> bool {
        let now = self.now();
        let asked = self.row.not_before_ms.filter(|then| *then > now);
        let own = self.row.rest_until_ms.filter(|then| *then > now);
        let until = asked.or(own.filter(|_| !self.request.insist));
        if let Some(until) = until {
            let seconds = (until - now).div_ceil(1000);
            self.stop(&format!("bodies are sent again in {seconds} s"));
            return true;
        }
        (self.row.not_before_ms, self.row.rest_until_ms) = (None, None);
        false
    }

    fn now(&self) -> u64 {
        now_ms(&self.ports.time)
    }

    fn stop(&mut self, why: &str) {
        if self.report.stopped.is_none() {
            self.report.stopped = Some(why.to_owned());
        }
    }

    /// Loads the next page; tells whether there is anything in it.
    async fn load(&mut self) -> Result<bool, DrainError> {
        while let Some(from) = self.next {
            // What is not recorded yet would be selected again.
            self.record().await?;
            let ask = NextBodies {
                target: self.target.clone(),
                from,
                limits: PAGE,
                insist: self.request.insist,
            };
            let selection = self.ports.queue.ask(ask, LOCAL_LIMIT).await??;
            self.next = selection.next;
            self.take_in(selection);
            if !self.page.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_in(&mut self, selection: BodySelection) {
        self.report.resting += selection.resting;
        for sequence in selection.newly_held {
            self.report.count(DeliveryState::Held);
            self.unrecorded.push(BodyOutcome {
                outcome: Outcome {
                    sequence,
                    state: DeliveryState::Held,
                    detail: None,
                },
                retry: None,
            });
        }
        self.page = selection.open;
    }

    /// Sends a few bodies at the same time and takes in what came of each.
    async fn send(&mut self, wave: Vec<OpenBody>) -> Result<(), DrainError> {
        if self.ports.queue.ask(GetConsent, LOCAL_LIMIT).await?? == Consent::Refused {
            // It was decided just now; what was answered is stored, and nothing more leaves.
            self.record().await?;
            return Err(QueueError::OptedOut.into());
        }
        let mut uploads = Vec::with_capacity(wave.len());
        for body in wave {
            match self.prepare(&body).await? {
                Ok((task, gated)) => uploads.push((body, task, gated)),
                Err(detail) => self.settle(&body, DeliveryState::Quarantined, detail, None),
            }
        }
        if uploads.is_empty() {
            return Ok(());
        }
        if self.token.is_none() && !self.refresh().await? {
            return Ok(());
        }
        let answers = join_all(
            uploads
                .iter()
                .map(|(_, task, gated)| self.upload(task, gated)),
        );
        let answers = answers.await;
        let expired = answers.iter().any(is_unauthorized);
        for ((body, task, gated), answer) in uploads.into_iter().zip(answers) {
            if !is_unauthorized(&answer) {
                self.answered(&body, answer);
                continue;
            }
            // Once more with a new token; the old one was refused for all that were under way.
            if expired && !self.refresh().await? {
                self.answered(&body, answer);
                continue;
            }
            let again = self.upload(&task, &gated).await;
            if is_unauthorized(&again) {
                self.stop("the server accepts no token for bodies");
            }
            self.answered(&body, again);
        }
        Ok(())
    }

    /// Builds the request of a body and asks the gate about it.
    async fn prepare(
        &self,
        body: &OpenBody,
    ) -> Result<Result<(BodyTask, Gated<Bytes>), OutcomeDetail>, DrainError> {
        let refused = |category: &str, message: String| OutcomeDetail {
            http_status: None,
            category: Some(category.to_owned()),
            message,
        };
        let task = match BodyTask::from_bytes(&body.payload) {
            Ok(task) => task,
            Err(error) => return Ok(Err(refused("unreadable_body", error.to_string()))),
        };
        if task.project_uuid != self.ports.project.to_string() {
            let message = "the body does not name the project that stores it".to_owned();
            return Ok(Err(refused("foreign_project", message)));
        }
        let check = CheckOutbound {
            context: Context::BodySync,
            json: content_request(&task, &self.server).into(),
        };
        let checked = self.ports.gate.ask(check, LOCAL_LIMIT).await?;
        Ok(match checked {
            Ok(gated) => Ok((task, gated)),
            Err(violation) => Err(refused(violation.rule.name(), violation.to_string())),
        })
    }

    async fn upload(&self, task: &BodyTask, gated: &Gated<Bytes>) -> Sent {
        let url = self.server.endpoint(CONTENT_ENDPOINT);
        let request = push_content(url, gated, self.request.policy.body_limit)
            .header(PROTOCOL_HEADER.0, PROTOCOL_HEADER.1);
        let token = self.token.as_ref().expect("a token was got before");
        let request = match token.authorize(request) {
            Ok(request) => request,
            Err(foreign) => return Sent::lost(foreign.to_string()),
        };
        match self.ports.transport.send(request).await {
            Ok(response) => Sent {
                status: Some(response.status),
                answer: answer::read(task, &response, self.ports.time.now()),
            },
            Err(error) => Sent::lost(lost(&error)),
        }
    }

    fn answered(&mut self, body: &OpenBody, sent: Sent) {
        self.report.requests += 1;
        let Sent { status, answer } = sent;
        let tries = body.tries + 1;
        let now = self.now();
        let retry = answer.state.is_open().then(|| Retry {
            tries,
            not_before_ms: now + millis(answer.wait.unwrap_or_else(|| backoff(tries))),
            asked: answer.wait.is_some(),
        });
        self.troubles = if answer.trouble { self.troubles + 1 } else { 0 };
        if answer.trouble {
            self.in_trouble(&answer, status, tries, now);
        }
        let detail = OutcomeDetail {
            http_status: status,
            category: None,
            message: answer.reason,
        };
        self.settle(body, answer.state, detail, retry);
    }

    /// The server asks for a pause, cannot be reached, or fails again and again: bodies rest, all of
    /// them, and events go on.
    fn in_trouble(&mut self, answer: &BodyAnswer, status: Option<u16>, tries: u32, now: u64) {
        if let Some(wait) = answer.wait {
            let until = now + millis(wait);
            self.row.not_before_ms = Some(self.row.not_before_ms.unwrap_or(0).max(until));
        }
        let is_over = answer.wait.is_some() || status.is_none() || self.troubles >= MOST_TROUBLES;
        if is_over {
            let until = now + millis(backoff(tries));
            self.row.rest_until_ms = Some(self.row.rest_until_ms.unwrap_or(0).max(until));
            self.stop(&answer.reason);
        }
    }

    fn settle(
        &mut self,
        body: &OpenBody,
        state: DeliveryState,
        detail: OutcomeDetail,
        retry: Option<Retry>,
    ) {
        self.report.count(state);
        let taken = matches!(state, DeliveryState::Delivered | DeliveryState::Duplicate);
        if !taken {
            self.report.fail(Failure {
                event_id: body.id.clone(),
                outcome: state,
                http_status: detail.http_status,
                error: detail.message.clone(),
            });
        }
        self.unrecorded.push(BodyOutcome {
            outcome: Outcome {
                sequence: body.sequence,
                state,
                detail: (!taken).then_some(detail),
            },
            retry,
        });
    }

    async fn record(&mut self) -> Result<(), DrainError> {
        self.recorded_ms = self.now();
        let outcomes = std::mem::take(&mut self.unrecorded);
        if outcomes.is_empty() {
            return Ok(());
        }
        let record = RecordBodies {
            target: self.target.clone(),
            outcomes,
        };
        Ok(self.ports.queue.ask(record, LOCAL_LIMIT).await??)
    }

    /// Gets a token that is not the refused one; without one the sending of bodies ends.
    async fn refresh(&mut self) -> Result<bool, DrainError> {
        let rejected = self.token.as_ref().map(AccessToken::fingerprint);
        let ask = GetAccessToken {
            rejected,
            limit: AUTH_LIMIT,
        };
        match self.ports.auth.ask(ask, AUTH_LIMIT * 2).await? {
            Ok(token) => {
                self.token = Some(token);
                Ok(true)
            }
            Err(error) => {
                self.stop(&error.to_string());
                Ok(false)
            }
        }
    }
}

/// What came of one upload.
#[derive(Debug)]
struct Sent {
    status: Option<u16>,
    answer: BodyAnswer,
}

impl Sent {
    fn lost(reason: String) -> Self {
        Self {
            status: None,
            answer: BodyAnswer {
                state: DeliveryState::Transient,
                reason,
                wait: None,
                trouble: true,
            },
        }
    }
}

fn is_unauthorized(sent: &Sent) -> bool {
    sent.status == Some(401)
}

fn lost(error: &crate::transport::TransportError) -> String {
    match error {
        crate::transport::TransportError::Timeout { .. } => format!("timeout: {error}"),
        _ => format!("connection_error: {error}"),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
