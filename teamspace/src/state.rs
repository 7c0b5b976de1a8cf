//! What every request handler may use.

use crate::approval::Attempts;
use crate::limits::Limits;
use crate::options::{Lifetimes, Options};
use crate::pages::PageSessions;
use crate::sealed::Sealer;
use crate::secret::ApprovalKey;
use crate::store::Store;
use crate::time::{Moment, SharedTime};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, watch};

/// More requests than all connections of all workers together can carry.
const MOST_REQUESTS: u32 = 1 << 20;

/// The unit in which room for bodies is given away.
const ROOM_UNIT: usize = 1024;

/// The one state of a server, shared by its worker threads.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) approval_key: ApprovalKey,
    pub(crate) attempts: Attempts,
    pub(crate) page_sessions: PageSessions,
    pub(crate) sealer: Sealer,
    /// Bounds how many WebSockets are open.
    pub(crate) websockets: Arc<Semaphore>,
    /// Becomes true when the server is stopping, so that what stays open closes.
    pub(crate) stopping: watch::Sender<bool>,
    /// Bounds the memory that batches take while they are unpacked and stored.
    batches: Semaphore,
    /// Bounds the memory that bodies take as they arrive, in units of [`ROOM_UNIT`].
    bodies: Semaphore,
    /// One permit per request that is being answered; taken whole, it keeps requests away.
    pub(crate) requests: Semaphore,
    /// The address clients use, without a trailing slash.
    pub(crate) public_url: String,
    /// The commit that this program was built from.
    pub(crate) commit: Option<&'static str>,
    time: SharedTime,
}

impl State {
    /// Assembles the state of a server that is about to start.
    pub(crate) fn new(
        store: Store,
        approval_key: ApprovalKey,
        public_url: String,
        sealer: Sealer,
        options: &Options,
    ) -> Self {
        Self {
            sealer,
            store,
            approval_key,
            attempts: Attempts::new(options.limits.max_failed_approvals_per_minute),
            page_sessions: PageSessions::default(),
            websockets: Arc::new(Semaphore::new(options.limits.max_websockets)),
            stopping: watch::Sender::new(false),
            batches: Semaphore::new(options.limits.concurrent_batches.max(1)),
            bodies: Semaphore::new(body_units(&options.limits)),
            requests: Semaphore::new(MOST_REQUESTS as usize),
            public_url,
            limits: options.limits.clone(),
            lifetimes: options.lifetimes.clone(),
            commit: options.commit,
            time: options.time.clone(),
        }
    }

    /// Waits for room to receive a body of this many bytes; `None` when there is none in time.
    pub(crate) async fn room_for_body(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let units = bytes.div_ceil(ROOM_UNIT).clamp(1, body_units(&self.limits));
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.in_time(self.bodies.acquire_many(units)).await
    }

    /// Waits for the turn of a batch to be unpacked; `None` when it does not come in time.
    pub(crate) async fn turn_of_batch(&self) -> Option<SemaphorePermit<'_>> {
        self.in_time(self.batches.acquire()).await
    }

    async fn in_time<'a>(
        &self,
        waiting: impl Future<Output = Result<SemaphorePermit<'a>, AcquireError>>,
    ) -> Option<SemaphorePermit<'a>> {
        let waited = tokio::time::timeout(self.limits.store_deadline, waiting).await;
        waited.ok().and_then(Result::ok)
    }

    /// Waits until every request is answered and lets no further one begin; false when that takes
    /// longer than the deadline.
    pub(crate) async fn finish_requests(&self, deadline: Duration) -> bool {
        let all = self.requests.acquire_many(MOST_REQUESTS);
        match tokio::time::timeout(deadline, all).await {
            Ok(Ok(permits)) => {
                permits.forget();
                true
            }
            Ok(Err(_)) | Err(_) => {
                self.requests.close();
                false
            }
        }
    }

    /// Reads the clock.
    pub(crate) fn now(&self) -> Moment {
        Moment::now(&self.time)
    }

    /// Returns the clock itself.
    pub(crate) fn time(&self) -> SharedTime {
        self.time.clone()
    }

    /// Returns the address of a path of this server.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// Tells whether browsers reach this server over HTTPS.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// Returns the units of room for bodies: at least those of one body, at most what fits a permit.
fn body_units(limits: &Limits) -> usize {
    let held = limits.max_held_body_bytes.max(limits.max_body_bytes);
    held.div_ceil(ROOM_UNIT)
        .clamp(1, Semaphore::MAX_PERMITS.min(1 << 31))
}
