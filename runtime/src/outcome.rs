//! What targets answered: states, and the journal record that keeps them.
//!
//! A state is one byte per record and target. The answers of one batch are one journal record, so
//! that they survive the loss of the mailbox and can be read without it.

use crate::target::DeliveryTarget;
use serde::{Deserialize, Serialize};

/// Where a record stands with one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DeliveryState {
    /// Not answered yet; it will be sent.
    Queued = 0,
    /// The server has it.
    Delivered = 1,
    /// The server had it already.
    Duplicate = 2,
    /// The server took it and has not decided; it is asked again later.
    Pending = 3,
    /// The server refused this record for good; it is kept and not sent again by itself.
    Rejected = 4,
    /// The contract gate refused it here; it was not sent and will not be.
    Quarantined = 5,
    /// The answer said nothing about it, or something unknown; it is sent again.
    Transient = 6,
    /// It was captured for another account, team or server; it is kept and not sent here.
    Held = 7,
}

impl DeliveryState {
    const ALL: [Self; 8] = [
        Self::Queued,
        Self::Delivered,
        Self::Duplicate,
        Self::Pending,
        Self::Rejected,
        Self::Quarantined,
        Self::Transient,
        Self::Held,
    ];

    /// Returns the state of a byte; an unknown byte is `Queued`, because sending again is safe.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        Self::ALL
            .get(usize::from(byte))
            .copied()
            .unwrap_or(Self::Queued)
    }

    /// Tells whether the record is still to be sent to this target.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Pending | Self::Transient)
    }

    /// Tells whether the target has given its final answer, so that the record may be forgotten.
    #[must_use]
    pub const fn is_answered(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Duplicate | Self::Rejected | Self::Quarantined
        )
    }

    /// Returns the word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Duplicate => "duplicate",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Quarantined => "quarantined",
            Self::Transient => "transient",
            Self::Held => "held",
        }
    }
}

/// How many records of a scope are in each state with one target; `queued` is what remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateCounts {
    /// See [`DeliveryState::Delivered`].
    pub delivered: u64,
    /// See [`DeliveryState::Duplicate`].
    pub duplicate: u64,
    /// See [`DeliveryState::Pending`].
    pub pending: u64,
    /// See [`DeliveryState::Rejected`].
    pub rejected: u64,
    /// See [`DeliveryState::Quarantined`].
    pub quarantined: u64,
    /// See [`DeliveryState::Transient`].
    pub transient: u64,
    /// See [`DeliveryState::Held`].
    pub held: u64,
}

impl StateCounts {
    /// Counts a record that moves from one state to another.
    pub fn shift(&mut self, from: DeliveryState, to: DeliveryState) {
        if let Some(count) = self.slot(from) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.slot(to) {
            *count += 1;
        }
    }

    /// Returns the records that are not queued.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.delivered
            + self.duplicate
            + self.pending
            + self.rejected
            + self.quarantined
            + self.transient
            + self.held
    }

    fn slot(&mut self, state: DeliveryState) -> Option<&mut u64> {
        match state {
            DeliveryState::Queued => None,
            DeliveryState::Delivered => Some(&mut self.delivered),
            DeliveryState::Duplicate => Some(&mut self.duplicate),
            DeliveryState::Pending => Some(&mut self.pending),
            DeliveryState::Rejected => Some(&mut self.rejected),
            DeliveryState::Quarantined => Some(&mut self.quarantined),
            DeliveryState::Transient => Some(&mut self.transient),
            DeliveryState::Held => Some(&mut self.held),
        }
    }
}

/// One answer for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The record.
    pub sequence: u64,
    /// Where it stands now.
    pub state: DeliveryState,
    /// Why, when it is neither delivered nor a duplicate.
    pub detail: Option<OutcomeDetail>,
}

/// When a body may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries without success.
    pub tries: u32,
    /// Not before this moment, in milliseconds since the Unix epoch.
    pub not_before_ms: u64,
    /// Whether the server named the moment; one of our own is disregarded when a person insists.
    pub asked: bool,
}

/// What a target answered for one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyOutcome {
    /// Where it stands.
    pub outcome: Outcome,
    /// When it may be tried again, if it is open.
    pub retry: Option<Retry>,
}

/// Why a record stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeDetail {
    /// The HTTP status of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The server's category, or the gate's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// One line.
    pub message: String,
}

/// Consecutive records with the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRun {
    /// The first sequence.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Where they stand.
    pub state: DeliveryState,
}

/// The payload of a `queue.record_outcome.v1` record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRecord {
    /// Who answered.
    pub target: DeliveryTarget,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The answers, by sequence.
    pub runs: Vec<OutcomeRun>,
    /// Details of single records, by sequence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(u64, OutcomeDetail)>,
    /// Whether the answers are for bodies; a record is for events or for bodies, never for both.
    ///
    /// A release that does not know bodies skips such a record, and nothing else is lost to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bodies: bool,
    /// When single bodies may be tried again, by sequence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<(u64, Retry)>,
}

impl OutcomeRecord {
    /// Packs outcomes, which are sorted by sequence first.
    #[must_use]
    pub fn pack(target: &DeliveryTarget, at_ms: u64, mut outcomes: Vec<Outcome>) -> Self {
        outcomes.sort_by_key(|outcome| outcome.sequence);
        let mut record = Self {
            target: target.clone(),
            at_ms,
            runs: Vec::new(),
            details: Vec::new(),
            bodies: false,
            retries: Vec::new(),
        };
        for outcome in outcomes {
            match record.runs.last_mut() {
                Some(run)
                    if run.state == outcome.state && run.first + run.count == outcome.sequence =>
                {
                    run.count += 1;
                }
                _ => record.runs.push(OutcomeRun {
                    first: outcome.sequence,
                    count: 1,
                    state: outcome.state,
                }),
            }
            record
                .details
                .extend(outcome.detail.map(|detail| (outcome.sequence, detail)));
        }
        record
    }

    /// Packs what was answered for bodies.
    #[must_use]
    pub fn pack_bodies(target: &DeliveryTarget, at_ms: u64, outcomes: Vec<BodyOutcome>) -> Self {
        let retries = outcomes
            .iter()
            .filter_map(|body| Some((body.outcome.sequence, body.retry?)))
            .collect();
        let outcomes = outcomes.into_iter().map(|body| body.outcome).collect();
        Self {
            bodies: true,
            retries,
            ..Self::pack(target, at_ms, outcomes)
        }
    }

    /// Returns every answer, in order.
    pub fn states(&self) -> impl Iterator<Item = (u64, DeliveryState)> + '_ {
        self.runs.iter().flat_map(|run| {
            (run.first..run.first + run.count).map(|sequence| (sequence, run.state))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> DeliveryTarget {
        DeliveryTarget {
            server: "s".into(),
            account: "a".into(),
            team: "t".into(),
        }
    }

    #[test]
    fn every_state_keeps_its_byte_and_an_unknown_one_is_sent_again() {
        for (byte, state) in DeliveryState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, byte);
            assert_eq!(DeliveryState::from_byte(u8::try_from(byte).unwrap()), state);
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(DeliveryState::from_byte(200), DeliveryState::Queued);
    }

    #[test]
    fn no_state_is_both_open_and_answered() {
        for state in DeliveryState::ALL {
            assert!(!(state.is_open() && state.is_answered()), "{state:?}");
        }
        assert!(!DeliveryState::Held.is_open() && !DeliveryState::Held.is_answered());
    }

    #[test]
    fn consecutive_answers_become_one_run_and_come_back_one_by_one() {
        let outcome = |sequence, state| Outcome {
            sequence,
            state,
            detail: None,
        };
        let mut outcomes: Vec<_> = (10..1010)
            .map(|n| outcome(n, DeliveryState::Delivered))
            .collect();
        outcomes.push(outcome(5, DeliveryState::Delivered));
        outcomes.push(Outcome {
            sequence: 1010,
            state: DeliveryState::Rejected,
            detail: Some(OutcomeDetail {
                message: "no".into(),
                ..OutcomeDetail::default()
            }),
        });
        let record = OutcomeRecord::pack(&target(), 1, outcomes.clone());
        assert_eq!(record.runs.len(), 3);
        assert_eq!(record.details.len(), 1);
        outcomes.sort_by_key(|outcome| outcome.sequence);
        let expected: Vec<_> = outcomes.iter().map(|o| (o.sequence, o.state)).collect();
        assert_eq!(record.states().collect::<Vec<_>>(), expected);
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            serde_json::from_str::<OutcomeRecord>(&text).unwrap(),
            record
        );
        assert!(text.len() < 400, "{text}");
    }

    #[test]
    fn counts_follow_a_record_from_state_to_state() {
        let mut counts = StateCounts::default();
        counts.shift(DeliveryState::Queued, DeliveryState::Transient);
        counts.shift(DeliveryState::Transient, DeliveryState::Delivered);
        counts.shift(DeliveryState::Queued, DeliveryState::Held);
        assert_eq!(
            counts,
            StateCounts {
                delivered: 1,
                held: 1,
                ..StateCounts::default()
            }
        );
        assert_eq!(counts.total(), 2);
    }
}
