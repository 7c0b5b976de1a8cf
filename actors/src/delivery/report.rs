//! What a drain did: the counts, the failures, and what keeps it from doing more.

use kitty_runtime::outcome::DeliveryState;
use std::time::Duration;

/// How many failures a report lists; the counts are always whole.
const LISTED_FAILURES: usize = 1000;

/// What forbids sending anything at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedBy {
    /// The machine has not opted in.
    Rollout,
    /// Nobody is logged in, or the session ended.
    Authentication,
    /// No server is configured.
    Host,
    /// The account has no Private Teamspace.
    PrivateTeamspace,
    /// The server refuses the account.
    Permission,
    /// Both sides speak different protocols.
    Protocol,
    /// Another process owns the queue.
    Owner,
    /// The server asked to be left alone for longer than this drain may wait.
    Throttled,
    /// The user chose to keep events here.
    Mode,
    /// The project has opted out.
    Consent,
}

impl BlockedBy {
    /// Returns the stable word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rollout => "rollout_disabled",
            Self::Authentication => "auth_present",
            Self::Host => "missing_host_config",
            Self::PrivateTeamspace => "private_teamspace",
            Self::Permission => "permission_denied",
            Self::Protocol => "protocol_mismatch",
            Self::Owner => "queue_owned_elsewhere",
            Self::Throttled => "throttled",
            Self::Mode => "event_sync_mode",
            Self::Consent => "project_refused",
        }
    }
}

/// What forbids sending, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The kind.
    pub by: BlockedBy,
    /// What is the matter, in one sentence.
    pub message: String,
    /// The one next step.
    pub next_action: String,
}

impl Blocked {
    /// Creates one.
    #[must_use]
    pub fn new(by: BlockedBy, message: impl Into<String>, next_action: impl Into<String>) -> Self {
        Self {
            by,
            message: message.into(),
            next_action: next_action.into(),
        }
    }

    /// Reads a 403: no Private Teamspace, or the account is not permitted.
    #[must_use]
    pub fn forbidden(category: &str, message: &str) -> Self {
        if category == "direct_ingress_missing_private_team" {
            return Self::new(
                BlockedBy::PrivateTeamspace,
                "The server has no Private Teamspace for this account.",
                "Ask its operator for a Private Teamspace, then run `spec-kitty sync now`.",
            );
        }
        Self::new(
            BlockedBy::Permission,
            format!("The server refused this account ({category}): {message}"),
            "Check the account with `spec-kitty auth status`.",
        )
    }
}

/// One event that is neither delivered nor a duplicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The event.
    pub event_id: String,
    /// Where it stands.
    pub outcome: DeliveryState,
    /// The HTTP status, if a server answered.
    pub http_status: Option<u16>,
    /// Why.
    pub error: String,
}

/// What a drain did with bodies; they are counted apart from events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodiesReport {
    /// The server has them now.
    pub uploaded: u64,
    /// The server had them.
    pub already_exists: u64,
    /// The server refused them for good.
    pub rejected: u64,
    /// The gate refused them here.
    pub quarantined: u64,
    /// They are sent again later.
    pub later: u64,
    /// They were not tried because their time has not come.
    pub resting: u64,
    /// Captured for somebody else; kept and not sent.
    pub held: u64,
    /// HTTP requests that carried a body.
    pub requests: u64,
    /// The failures, at most the first thousand.
    pub failures: Vec<Failure>,
    /// What ended the sending of bodies before its end; a later drain goes on.
    pub stopped: Option<String>,
    /// Whether it ended only because its time was used up.
    pub interrupted: bool,
}

impl BodiesReport {
    pub(super) fn count(&mut self, state: DeliveryState) {
        match state {
            DeliveryState::Delivered => self.uploaded += 1,
            DeliveryState::Duplicate => self.already_exists += 1,
            DeliveryState::Rejected => self.rejected += 1,
            DeliveryState::Quarantined => self.quarantined += 1,
            DeliveryState::Held => self.held += 1,
            DeliveryState::Queued | DeliveryState::Pending | DeliveryState::Transient => {
                self.later += 1;
            }
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        if self.failures.len() < LISTED_FAILURES {
            self.failures.push(failure);
        }
    }
}

/// What a drain did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DrainReport {
    /// Events that were looked at because they were open.
    pub selected: u64,
    /// The server has them now.
    pub delivered: u64,
    /// The server had them.
    pub duplicate: u64,
    /// The server took them and has not decided.
    pub pending: u64,
    /// The server refused them for good.
    pub rejected: u64,
    /// The gate refused them here.
    pub quarantined: u64,
    /// Nothing is known; they are sent again.
    pub transient: u64,
    /// Captured for somebody else, before this drain or in it; kept and not sent.
    pub held: u64,
    /// Events that were answered over the WebSocket.
    pub told: u64,
    /// HTTP requests that carried events.
    pub requests: u64,
    /// The failures, at most the first thousand.
    pub failures: Vec<Failure>,
    /// What forbids sending.
    pub blocked: Option<Blocked>,
    /// What ended the drain before its end; a later drain goes on.
    pub stopped: Option<String>,
    /// How long the server asked to wait.
    pub wait: Option<Duration>,
    /// The HTTP status of the last answer.
    pub last_status: Option<u16>,
    /// What became of bodies.
    pub bodies: BodiesReport,
}

impl DrainReport {
    /// Adds what was done with events that came while bodies were sent.
    pub(super) fn add(&mut self, later: Self) {
        self.selected += later.selected;
        self.delivered += later.delivered;
        self.duplicate += later.duplicate;
        self.pending += later.pending;
        self.rejected += later.rejected;
        self.quarantined += later.quarantined;
        self.transient += later.transient;
        self.told += later.told;
        self.requests += later.requests;
        self.held = later.held;
        self.blocked = later.blocked;
        self.stopped = later.stopped;
        self.wait = later.wait;
        self.last_status = later.last_status.or(self.last_status);
        for failure in later.failures {
            self.fail(failure);
        }
    }

    /// Creates the report of a drain that was not allowed to begin.
    #[must_use]
    pub fn blocked(blocked: Blocked) -> Self {
        Self {
            blocked: Some(blocked),
            ..Self::default()
        }
    }

    pub(super) fn count(&mut self, state: DeliveryState) {
        match state {
            DeliveryState::Queued => {}
            DeliveryState::Delivered => self.delivered += 1,
            DeliveryState::Duplicate => self.duplicate += 1,
            DeliveryState::Pending => self.pending += 1,
            DeliveryState::Rejected => self.rejected += 1,
            DeliveryState::Quarantined => self.quarantined += 1,
            DeliveryState::Transient => self.transient += 1,
            DeliveryState::Held => self.held += 1,
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        if self.failures.len() < LISTED_FAILURES {
            self.failures.push(failure);
        }
    }

    /// Returns the events that stay open after this drain, of those that it selected.
    #[must_use]
    pub const fn left_open(&self) -> u64 {
        self.selected - self.delivered - self.duplicate - self.rejected - self.quarantined
    }

    /// Tells whether events were sent and the server settled none of them: asking again at once would
    /// end the same way.
    #[must_use]
    pub const fn was_in_vain(&self) -> bool {
        let ended_early = self.stopped.is_some() || self.blocked.is_some();
        self.requests > 0 && ended_early && !self.made_progress()
    }

    /// Tells whether the server answered for at least one event.
    #[must_use]
    pub const fn made_progress(&self) -> bool {
        self.delivered + self.duplicate + self.pending > 0
    }
}
