//! The drain: runs the rules of delivery against queue, gate, session and server.

use super::answer;
use super::core::{DrainCore, DrainPolicy, Effect, Input, Item};
use super::report::{Blocked, BlockedBy, DrainReport};
use super::wire::{Admission, BATCH_ENDPOINT, GatedBatch, PROTOCOL_HEADER};
use crate::auth::messages::GetAccessToken;
use crate::auth::pause::SharedPauses;
use crate::auth::{AccessToken, AuthActor};
use crate::gate::GateActor;
use crate::gate::messages::{CheckWindow, GatedWindow};
use crate::host_memory::HostMemories;
use crate::ingress::IngressResolverActor;
use crate::ingress::messages::{IngressAnswer, IngressSkipped, ResolveIngress};
use crate::queue::QueueActor;
use crate::queue::core::{DrainEnd, after_drain};
use crate::queue::messages::{
    BeginWork, FinishWork, GetTarget, NextBatch, QueueError, RecordAttempt, RecordOutcome,
    WorkBegun,
};
use crate::supervise::{AskError, Child};
use crate::transport::{HttpRequest, Method, SharedTransport};
use kitty_config::ServerUrl;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::journal::Cursor;
use kitty_runtime::outcome::{DeliveryState, Outcome, OutcomeDetail};
use kitty_runtime::owner::{BatchLimits, Selection, now_ms};
use kitty_runtime::target::DeliveryTarget;
use kitty_runtime::time::SharedTime;
use std::sync::Arc;
use std::time::Duration;

/// How long one ask of a local actor may take; the disk is slow before it is broken.
const LOCAL_LIMIT: Duration = Duration::from_secs(60);
/// How long one batch may take, the server's work included (reference 5).
const BATCH_LIMIT: Duration = Duration::from_secs(60);
/// How long a token or the account's teams may take.
const AUTH_LIMIT: Duration = Duration::from_secs(15);

/// The drain could not go on because something in this process failed.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// An actor did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Who a drain works with.
#[derive(Debug, Clone)]
pub struct DrainPorts {
    /// The configured server.
    pub server: Option<ServerUrl>,
    /// The project.
    pub project: ProjectUuid,
    /// Its queue.
    pub queue: Child<QueueActor>,
    /// The gate.
    pub gate: Child<GateActor>,
    /// The session.
    pub auth: Child<AuthActor>,
    /// Where events may go.
    pub ingress: Child<IngressResolverActor>,
    /// The network.
    pub transport: SharedTransport,
    /// What is remembered of the server.
    pub memories: HostMemories,
    /// The time.
    pub time: SharedTime,
    /// Pauses.
    pub pauses: SharedPauses,
}

/// How a drain is asked to go about it.
#[derive(Debug, Clone)]
pub struct DrainRequest {
    /// What for, for others to read.
    pub purpose: String,
    /// How long to wait for another process that owns the queue.
    pub patience: Duration,
    /// The rules' numbers.
    pub policy: DrainPolicy,
    /// Whether what is remembered of the server is disregarded, because a person asked for it.
    pub insist: bool,
}

/// What a drain did, and what is worth saying about where it was going.
#[derive(Debug, Clone, Default)]
pub struct Drained {
    /// The counts.
    pub report: DrainReport,
    /// Direct ingress was skipped.
    pub skipped: Option<IngressSkipped>,
}

/// How far a drain has come; for progress bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events that were answered or settled in this drain.
    pub done: u64,
    /// Events that were open when it began.
    pub open: u64,
}

/// Is told how far a drain has come.
pub type OnProgress<'a> = &'a dyn Fn(Progress);

/// Sends what is open to the Private Teamspace of the account, and records every answer.
///
/// Nothing is sent that the gate did not let pass. Whatever happens, no event is lost: what is not
/// answered stays open. Dropping the future stops the drain at once.
///
/// # Errors
/// [`DrainError`] when this process cannot go on; everything that belongs to the network is part of
/// the report.
pub async fn drain(
    ports: &DrainPorts,
    request: &DrainRequest,
    on_progress: OnProgress<'_>,
) -> Result<Drained, DrainError> {
    let target = match resolve(ports, request).await? {
        Ok(target) => target,
        Err(drained) => return Ok(*drained),
    };
    let begin = BeginWork {
        purpose: request.purpose.clone(),
        patience: request.patience,
    };
    if let WorkBegun::Busy(owner) = ports
        .queue
        .ask(begin, LOCAL_LIMIT + request.patience)
        .await??
    {
        let who = owner.map_or_else(String::new, |owner| {
            format!(" ({}, process {})", owner.purpose, owner.pid)
        });
        let blocked = Blocked::new(
            BlockedBy::Owner,
            format!("Another process is delivering this project's events{who}."),
            "Wait for it to finish, then run `spec-kitty sync now`.",
        );
        return Ok(Drained {
            report: DrainReport::blocked(blocked),
            skipped: None,
        });
    }
    let run = Run::new(ports, request, target.clone(), on_progress).await;
    let report = match run {
        Ok(mut run) => run.until_done().await,
        Err(error) => Err(error),
    };
    let finished = ports
        .queue
        .ask(
            FinishWork {
                target: Some(target),
            },
            LOCAL_LIMIT,
        )
        .await;
    let report = report?;
    finished??;
    Ok(Drained {
        report,
        skipped: None,
    })
}

/// Finds out where events may go, or why nowhere.
async fn resolve(
    ports: &DrainPorts,
    request: &DrainRequest,
) -> Result<Result<DeliveryTarget, Box<Drained>>, DrainError> {
    let ask = ResolveIngress {
        endpoint: BATCH_ENDPOINT,
        insist: request.insist,
        limit: AUTH_LIMIT,
    };
    let answer = ports.ingress.ask(ask, AUTH_LIMIT * 2).await?;
    let blocked = |by, message: &str, next: &str| {
        let report = DrainReport::blocked(Blocked::new(by, message, next));
        Err(Box::new(Drained {
            report,
            skipped: None,
        }))
    };
    Ok(match answer {
        IngressAnswer::Direct(target) => Ok(target),
        IngressAnswer::Off => blocked(
            BlockedBy::Rollout,
            "Hosted SaaS sync is not enabled on this machine.",
            "Set `SPEC_KITTY_ENABLE_SAAS_SYNC=1` to opt in.",
        ),
        IngressAnswer::NoHost => blocked(
            BlockedBy::Host,
            "No SaaS host URL is configured.",
            "Set `SPEC_KITTY_SAAS_URL` in your environment, or run `spec-kitty sync server <url>`.",
        ),
        IngressAnswer::NotAuthenticated { message } => blocked(
            BlockedBy::Authentication,
            &message,
            "Run `spec-kitty auth login`.",
        ),
        IngressAnswer::Skipped(skipped) => {
            let report = DrainReport::blocked(Blocked::new(
                BlockedBy::PrivateTeamspace,
                "skipped: no Private Teamspace available for direct ingress",
                "Run `spec-kitty auth status` to see the teams of this account.",
            ));
            Err(Box::new(Drained {
                report,
                skipped: Some(skipped),
            }))
        }
    })
}

/// One drain that owns the queue.
struct Run<'a> {
    ports: &'a DrainPorts,
    policy: DrainPolicy,
    target: DeliveryTarget,
    server: ServerUrl,
    admission: Admission,
    core: DrainCore,
    window: Option<(Arc<Selection>, Cursor)>,
    gated: Option<GatedWindow>,
    /// Whether every record of the window is answered or held so far.
    all_closed: bool,
    cursor: Cursor,
    token: Option<AccessToken>,
    progress: Progress,
    on_progress: OnProgress<'a>,
    wait_until_ms: Option<u64>,
}

impl<'a> Run<'a> {
    async fn new(
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
        let backlog = ports
            .queue
            .ask(crate::queue::messages::GetBacklog, LOCAL_LIMIT)
            .await??;
        let summary = backlog.for_target(&target);
        let open = summary.queued + summary.counts.pending + summary.counts.transient;
        let server = ports.server.clone().unwrap_or_else(|| {
            ServerUrl::parse(&target.server).expect("ingress resolved to the configured server")
        });
        Ok(Self {
            ports,
            policy: request.policy,
            admission: Admission::local(&server),
            server,
            target,
            core: DrainCore::new(request.policy),
            window: None,
            gated: None,
            all_closed: true,
            cursor: row.low_water,
            token: None,
            progress: Progress { done: 0, open },
            on_progress,
            wait_until_ms: row.attempt.not_before_ms,
        })
    }

    async fn until_done(&mut self) -> Result<DrainReport, DrainError> {
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
                Effect::Gate => Input::Gated(self.gate().await?),
                Effect::Send(indices) => self.send(&indices).await?,
                Effect::RefreshToken => Input::Refreshed(self.refresh().await?),
                Effect::Pause(pause) => {
                    self.ports.pauses.pause(pause).await;
                    Input::Rested
                }
                Effect::Record(outcomes) => {
                    self.record(outcomes).await?;
                    Input::Recorded
                }
                Effect::Finish(report) => {
                    self.note_end(&report).await?;
                    return Ok(*report);
                }
            };
            effect = self.core.step(input);
        }
    }

    /// Loads the next window that has something to send; settles what it passes on the way.
    async fn load(&mut self) -> Result<Option<Vec<Item>>, DrainError> {
        self.settle_window().await?;
        loop {
            let limits = BatchLimits {
                records: self.policy.batch_events,
                bytes: 2 * self.policy.batch_bytes,
            };
            let ask = NextBatch {
                target: self.target.clone(),
                from: self.cursor,
                limits,
            };
            let Some(selection) = self.ports.queue.ask(ask, LOCAL_LIMIT).await?? else {
                return Ok(None);
            };
            let start = self.cursor;
            self.cursor = selection.next;
            self.all_closed = true;
            let held = selection.newly_held.iter().map(|sequence| Outcome {
                sequence: *sequence,
                state: DeliveryState::Held,
                detail: None,
            });
            let held: Vec<Outcome> = held.collect();
            if selection.selected.is_empty() {
                self.store(held, Some(start..selection.next)).await?;
                continue;
            }
            if !held.is_empty() {
                self.store(held, None).await?;
            }
            let items = selection
                .selected
                .iter()
                .map(|selected| {
                    let (id, event) = selection.record(selected);
                    Item {
                        sequence: selected.sequence,
                        id: id.to_owned(),
                        bytes: self.admission.size(id, event),
                    }
                })
                .collect();
            self.window = Some((selection, start));
            return Ok(Some(items));
        }
    }

    async fn gate(&mut self) -> Result<Vec<(usize, OutcomeDetail)>, DrainError> {
        let (selection, _) = self.window.as_ref().expect("a window was loaded");
        let check = CheckWindow {
            selection: selection.clone(),
            project: self.ports.project,
        };
        let window = self.ports.gate.ask(check, LOCAL_LIMIT).await?;
        let refused = window.refused().to_vec();
        self.gated = Some(window);
        Ok(refused)
    }

    async fn send(&mut self, indices: &[usize]) -> Result<Input, DrainError> {
        if self.token.is_none()
            && let Err(blocked) = self.refresh().await?
        {
            return Ok(Input::Refreshed(Err(blocked)));
        }
        let window = self.gated.as_ref().expect("the window was gated");
        let batch = GatedBatch::build(
            &self.admission,
            indices.iter().filter_map(|index| window.event(*index)),
        );
        let request = HttpRequest::new(
            "the event batch",
            Method::Post,
            self.server.endpoint(BATCH_ENDPOINT),
            BATCH_LIMIT,
        )
        .header("Content-Encoding", "gzip")
        .header(PROTOCOL_HEADER.0, PROTOCOL_HEADER.1)
        .body("application/json", batch.body());
        let token = self.token.as_ref().expect("a token was got above");
        let request = match token.authorize(request) {
            Ok(request) => request,
            Err(foreign) => {
                let next = "Run `spec-kitty auth login`.";
                let blocked = Blocked::new(BlockedBy::Authentication, foreign.to_string(), next);
                return Ok(Input::Refreshed(Err(blocked)));
            }
        };
        match self.ports.transport.send(request).await {
            Ok(response) => {
                self.ports
                    .memories
                    .update(&self.server, crate::host_memory::HostMemory::reached);
                Ok(Input::Answered {
                    status: response.status,
                    answer: answer::read(&response),
                })
            }
            Err(error) => {
                let now = now_ms(&self.ports.time);
                self.ports
                    .memories
                    .update(&self.server, |memory| memory.unreachable(now));
                Ok(Input::Unanswered(error.to_string()))
            }
        }
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
        self.store(outcomes, None).await
    }

    /// Moves the low water over the window that is done, if everything in it is closed.
    async fn settle_window(&mut self) -> Result<(), DrainError> {
        let Some((selection, start)) = self.window.take() else {
            return Ok(());
        };
        if self.all_closed {
            self.store(Vec::new(), Some(start..selection.next)).await?;
        }
        Ok(())
    }

    async fn store(
        &self,
        outcomes: Vec<Outcome>,
        settled: Option<std::ops::Range<Cursor>>,
    ) -> Result<(), DrainError> {
        let record = RecordOutcome {
            target: self.target.clone(),
            outcomes,
            settled,
        };
        Ok(self.ports.queue.ask(record, LOCAL_LIMIT).await??)
    }

    /// Remembers how the drain went, for status and for the next one.
    async fn note_end(&mut self, report: &DrainReport) -> Result<(), DrainError> {
        if report.requests == 0 && report.blocked.is_none() {
            return Ok(());
        }
        let row = self
            .ports
            .queue
            .ask(
                GetTarget {
                    target: self.target.clone(),
                },
                LOCAL_LIMIT,
            )
            .await??;
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
