//! One drain that owns the queue: what its rules ask for is done here, one effect at a time.
//!
//! While the server works on a batch, the answers of the batch before are stored and the next window
//! is prepared. What the server says about a batch is taken in only after everything that it said
//! before is stored, so that a crash costs repeated sends of at most two batches and never an answer.

use super::{
    AUTH_LIMIT, BATCH_LIMIT, DrainError, DrainPorts, DrainRequest, LOCAL_LIMIT, OnProgress,
    Progress,
};
use crate::auth::AccessToken;
use crate::auth::messages::GetAccessToken;
use crate::delivery::answer;
use crate::delivery::core::{DrainCore, Effect, Input, Item};
use crate::delivery::report::{Blocked, BlockedBy, DrainReport};
use crate::delivery::window::{Preparation, Window};
use crate::delivery::wire::{Admission, BATCH_ENDPOINT, PROTOCOL_HEADER};
use crate::host_memory::HostMemory;
use crate::queue::core::{DrainEnd, after_drain};
use crate::queue::messages::{GetBacklog, GetConsent, GetTarget, RecordAttempt, RecordOutcome};
use crate::transport::{HttpRequest, HttpResponse, Method, TransportError};
use crate::websocket::core::Told;
use futures_util::future::{join, join3};
use kitty_config::ServerUrl;
use kitty_runtime::consent::Consent;
use kitty_runtime::journal::Cursor;
use kitty_runtime::mailbox::TargetRow;
use kitty_runtime::outcome::{DeliveryState, Outcome, OutcomeDetail};
use kitty_runtime::owner::now_ms;
use kitty_runtime::target::DeliveryTarget;
use std::collections::HashMap;
use std::ops::Range;
use std::pin::Pin;

/// How long a drain goes on with the WebSocket when each answer is slow; the rest goes by batch.
const TELLING_LIMIT_MS: u64 = 10_000;

/// The state of a drain: its window, the one prepared behind it, and how far it has come.
pub(super) struct Run<'a> {
    ports: &'a DrainPorts,
    target: DeliveryTarget,
    server: ServerUrl,
    preparation: Preparation<'a>,
    core: DrainCore,
    window: Option<Window>,
    /// The window after the present one, if it was prepared already.
    ahead: Option<Window>,
    /// What is being stored.
    storing: Option<Storing<'a>>,
    /// Whether every record of the window is answered or held so far.
    all_closed: bool,
    cursor: Cursor,
    token: Option<AccessToken>,
    progress: Progress,
    on_progress: OnProgress<'a>,
    wait_until_ms: Option<u64>,
}

impl<'a> Run<'a> {
    pub(super) async fn new(
        ports: &'a DrainPorts,
        request: &DrainRequest,
        target: DeliveryTarget,
        on_progress: OnProgress<'a>,
    ) -> Result<Self, DrainError> {
        let row = ports
            .queue
            .ask(
                GetTarget {
                    target: target.clone(),
                },
                LOCAL_LIMIT,
            )
            .await??;
        let backlog = ports.queue.ask(GetBacklog, LOCAL_LIMIT).await??;
        let summary = backlog.for_target(&target);
        let open = summary.queued + summary.counts.pending + summary.counts.transient;
        let server = ports.server.clone().unwrap_or_else(|| {
            ServerUrl::parse(&target.server).expect("ingress resolved to the configured server")
        });
        let preparation = Preparation {
            ports,
            policy: request.policy,
            target: target.clone(),
            admission: Admission::local(&server),
        };
        Ok(Self {
            ports,
            server,
            target,
            preparation,
            core: DrainCore::new(request.policy),
            window: None,
            ahead: None,
            storing: None,
            all_closed: true,
            cursor: row.low_water,
            token: None,
            progress: Progress { done: 0, open },
            on_progress,
            wait_until_ms: row.attempt.not_before_ms,
        })
    }

    pub(super) async fn until_done(&mut self) -> Result<DrainReport, DrainError> {
        let now = now_ms(&self.ports.time);
        if let Some(until) = self.wait_until_ms.filter(|until| *until > now) {
            let seconds = (until - now).div_ceil(1000);
            return Ok(DrainReport::blocked(Blocked::new(
                BlockedBy::Throttled,
                format!("The server asked to be left alone for another {seconds} s."),
                "Run `spec-kitty sync now` again after that.",
            )));
        }
        (self.on_progress)(self.progress);
        let mut effect = self.core.begin();
        loop {
            let input = match effect {
                Effect::Load => Input::Loaded(self.load().await?),
                Effect::Gate => Input::Gated(self.refused()),
                Effect::Send(indices) => self.send(&indices).await?,
                Effect::Tell(indices) => self.tell(&indices).await?,
                Effect::RefreshToken => {
                    self.stored().await?;
                    Input::Refreshed(self.refresh().await?)
                }
                Effect::Pause(pause) => {
                    self.stored().await?;
                    self.ports.pauses.pause(pause).await;
                    Input::Rested
                }
                Effect::Record(outcomes) => {
                    self.record(outcomes).await?;
                    Input::Recorded
                }
                Effect::Finish(mut report) => {
                    self.stored().await?;
                    let row = self.target_row().await?;
                    report.held = row.counts.held;
                    self.note_end(&report, &row).await?;
                    return Ok(*report);
                }
            };
            effect = self.core.step(input);
        }
    }

    /// Loads the next window that has something to send; settles what it passes on the way.
    async fn load(&mut self) -> Result<Option<Vec<Item>>, DrainError> {
        loop {
            let window = match self.ahead.take() {
                Some(window) => window,
                None => {
                    self.stored().await?;
                    let Some(window) = self.preparation.window(self.cursor).await? else {
                        return Ok(None);
                    };
                    window
                }
            };
            self.cursor = window.stretch.end;
            self.all_closed = true;
            let held = window.selection.newly_held.iter().map(|sequence| Outcome {
                sequence: *sequence,
                state: DeliveryState::Held,
                detail: None,
            });
            let held: Vec<Outcome> = held.collect();
            if window.selection.selected.is_empty() {
                self.store(held, Some(window.stretch)).await?;
                continue;
            }
            if !held.is_empty() {
                self.store(held, None).await?;
            }
            let items = self.preparation.items(&window);
            self.window = Some(window);
            return Ok(Some(items));
        }
    }

    fn refused(&self) -> Vec<(usize, OutcomeDetail)> {
        let window = self.window.as_ref().expect("a window was loaded");
        window.gated.refused().to_vec()
    }

    async fn send(&mut self, indices: &[usize]) -> Result<Input, DrainError> {
        if self.token.is_none() {
            self.stored().await?;
            if let Err(blocked) = self.refresh().await? {
                return Ok(Input::Refreshed(Err(blocked)));
            }
        }
        let window = self.window.as_mut().expect("a window was loaded");
        let batch = self.preparation.batch(window, indices);
        let request = HttpRequest::new(
            "the event batch",
            Method::Post,
            self.server.endpoint(BATCH_ENDPOINT),
            BATCH_LIMIT,
        )
        .header("Content-Encoding", "gzip")
        .header(PROTOCOL_HEADER.0, PROTOCOL_HEADER.1)
        .json(batch.body());
        let token = self.token.as_ref().expect("a token was got above");
        let request = match token.authorize(request) {
            Ok(request) => request,
            Err(foreign) => {
                let next = "Run `spec-kitty auth login`.";
                let blocked = Blocked::new(BlockedBy::Authentication, foreign.to_string(), next);
                return Ok(Input::Refreshed(Err(blocked)));
            }
        };
        Ok(match self.exchange(request).await? {
            Ok(response) => {
                self.ports
                    .memories
                    .update(&self.server, HostMemory::reached);
                Input::Answered {
                    status: response.status,
                    answer: answer::read(&response, self.ports.time.now()),
                }
            }
            Err(error) => {
                let now = now_ms(&self.ports.time);
                self.ports
                    .memories
                    .update(&self.server, |memory| memory.failed(now));
                match error {
                    TransportError::Timeout { .. } => Input::Hung(error.to_string()),
                    _ => Input::Unanswered(error.to_string()),
                }
            }
        })
    }

    /// Sends records over the WebSocket, each after the answer to the one before, so that the order
    /// of the project holds whatever the server does.
    async fn tell(&mut self, indices: &[usize]) -> Result<Input, DrainError> {
        let Some(line) = &self.ports.line else {
            return Ok(Input::NotTold);
        };
        if line.goes_elsewhere(&self.target) {
            // Somebody else has logged in since.
            line.unwanted();
        }
        if !line.goes_to(&self.target) {
            return Ok(Input::NotTold);
        }
        self.stored().await?;
        let window = self.window.as_ref().expect("a window was loaded");
        let begun = now_ms(&self.ports.time);
        let (mut answers, mut ending) = (HashMap::new(), None);
        for index in indices {
            let id = &self.core.items()[*index].id;
            let Some(frame) = self.preparation.frame(window, *index) else {
                break;
            };
            if self.ports.queue.ask(GetConsent, LOCAL_LIMIT).await?? == Consent::Refused {
                // It was decided just now; what was answered is recorded, and nothing more leaves.
                ending = Some("the project has opted out".to_owned());
                break;
            }
            match line.tell(id, frame).await {
                Told::Answered(answer) => {
                    answers.insert(id.clone(), answer);
                }
                Told::Lost(why) => {
                    tracing::info!(%why, "the WebSocket is of no use; a batch is sent");
                    break;
                }
                Told::Ending => {
                    ending = Some("the daemon ended before the acknowledgement came".to_owned());
                    break;
                }
            }
            if now_ms(&self.ports.time).abs_diff(begun) > TELLING_LIMIT_MS {
                break;
            }
        }
        if !answers.is_empty() {
            let memories = &self.ports.memories;
            memories.update(&self.server, HostMemory::reached);
        }
        Ok(Input::Told { answers, ending })
    }

    /// Sends a request; what is to be done here is done while the server works on it.
    async fn exchange(
        &mut self,
        request: HttpRequest,
    ) -> Result<Result<HttpResponse, TransportError>, DrainError> {
        let sending = self.ports.transport.send(request);
        let storing = finished(self.storing.take());
        let (answer, stored) = if self.ahead.is_some() {
            join(sending, storing).await
        } else {
            let preparing = self.preparation.window(self.cursor);
            let (answer, ahead, stored) = join3(sending, preparing, storing).await;
            // A window that could not be prepared is tried again when its turn comes.
            self.ahead = ahead.ok().flatten();
            (answer, stored)
        };
        stored?;
        Ok(answer)
    }

    async fn refresh(&mut self) -> Result<Result<(), Blocked>, DrainError> {
        let rejected = self.token.as_ref().map(AccessToken::fingerprint);
        let ask = GetAccessToken {
            rejected,
            limit: AUTH_LIMIT,
        };
        match self.ports.auth.ask(ask, AUTH_LIMIT * 2).await? {
            Ok(token) => {
                self.token = Some(token);
                Ok(Ok(()))
            }
            Err(error) => {
                if error.comes_from_the_server() {
                    let now = now_ms(&self.ports.time);
                    self.ports
                        .memories
                        .update(&self.server, |memory| memory.failed(now));
                }
                let next = "Run `spec-kitty auth login`.";
                Ok(Err(Blocked::new(
                    BlockedBy::Authentication,
                    error.to_string(),
                    next,
                )))
            }
        }
    }

    async fn record(
        &mut self,
        outcomes: Vec<(usize, DeliveryState, Option<OutcomeDetail>)>,
    ) -> Result<(), DrainError> {
        let items = self.core.items();
        let outcomes: Vec<Outcome> = outcomes
            .into_iter()
            .map(|(index, state, detail)| Outcome {
                sequence: items[index].sequence,
                state,
                detail,
            })
            .collect();
        self.all_closed &= outcomes.iter().all(|outcome| !outcome.state.is_open());
        self.progress.done += outcomes
            .iter()
            .filter(|outcome| !outcome.state.is_open())
            .count() as u64;
        (self.on_progress)(self.progress);
        let settled = self
            .window
            .as_ref()
            .filter(|_| self.all_closed && self.core.window_is_done())
            .map(|window| window.stretch.clone());
        self.store(outcomes, settled).await
    }

    /// Begins to store what is known; what was begun before is stored then.
    async fn store(
        &mut self,
        outcomes: Vec<Outcome>,
        settled: Option<Range<Cursor>>,
    ) -> Result<(), DrainError> {
        self.stored().await?;
        let record = RecordOutcome {
            target: self.target.clone(),
            outcomes,
            settled,
        };
        let queue = &self.ports.queue;
        self.storing = Some(Box::pin(async move {
            Ok(queue.ask(record, LOCAL_LIMIT).await??)
        }));
        Ok(())
    }

    /// Waits until everything that is known is stored.
    async fn stored(&mut self) -> Result<(), DrainError> {
        finished(self.storing.take()).await
    }

    async fn target_row(&self) -> Result<TargetRow, DrainError> {
        let ask = GetTarget {
            target: self.target.clone(),
        };
        Ok(self.ports.queue.ask(ask, LOCAL_LIMIT).await??)
    }

    /// Remembers how the drain went, for status and for the next one.
    async fn note_end(&self, report: &DrainReport, row: &TargetRow) -> Result<(), DrainError> {
        let silent = report.requests == 0 && report.told == 0 && report.stopped.is_none();
        if silent && report.blocked.is_none() && report.held == 0 {
            // Nothing was to be done for this target, and nothing is to be said of it.
            return Ok(());
        }
        let blocked = report
            .blocked
            .as_ref()
            .map(|blocked| blocked.message.clone());
        let end = DrainEnd {
            progress: report.made_progress(),
            trouble: report.stopped.clone().or(blocked),
            wait: report.wait,
            http_status: report.last_status,
        };
        let attempt = after_drain(&row.attempt, &end, now_ms(&self.ports.time));
        let record = RecordAttempt {
            target: self.target.clone(),
            attempt,
        };
        Ok(self.ports.queue.ask(record, LOCAL_LIMIT).await??)
    }
}

/// Something that is being stored.
type Storing<'a> = Pin<Box<dyn Future<Output = Result<(), DrainError>> + 'a>>;

async fn finished(storing: Option<Storing<'_>>) -> Result<(), DrainError> {
    match storing {
        Some(storing) => storing.await,
        None => Ok(()),
    }
}
