//! Bodies on their way: which are open, and what was answered for them.
//!
//! Bodies have an index of their own and a mark of their own, so that one that waits for its event for
//! a week makes no other body and no event wait, and costs no reading of the journal.

use super::selection::States;
use super::{BatchLimits, OwnerError, ScopeOwner};
use crate::mailbox::{Key, StoreError, unpack, unpack_position};
use crate::outcome::{BodyOutcome, DeliveryState, OutcomeRecord, Retry};
use crate::target::DeliveryTarget;

/// Rows of the index that are looked at at once.
const ROWS_PER_SCAN: usize = 1000;

/// A body that a target still has to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenBody {
    /// Its sequence.
    pub sequence: u64,
    /// Its id.
    pub id: String,
    /// What is stored of it.
    pub payload: Vec<u8>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Tries without success.
    pub tries: u32,
}

/// Some of the bodies that are to be sent now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodySelection {
    /// In the order of the journal.
    pub open: Vec<OpenBody>,
    /// Captured for somebody else and not marked as held yet.
    pub newly_held: Vec<u64>,
    /// Bodies that were passed because their time has not come.
    pub resting: u64,
    /// The sequence from which the next selection begins; `None` at the end.
    pub next: Option<u64>,
}

impl ScopeOwner {
    /// Selects bodies for a target from a sequence on, up to a number and a size; at least one, if
    /// there is one whose time has come. Whoever insists waits only where the server asked for it.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn select_bodies(
        &mut self,
        target: &DeliveryTarget,
        from: u64,
        limits: BatchLimits,
        insist: bool,
    ) -> Result<BodySelection, OwnerError> {
        self.mending(|owner| owner.choose_bodies(target, from, limits, insist))
    }

    fn choose_bodies(
        &self,
        target: &DeliveryTarget,
        from: u64,
        limits: BatchLimits,
        insist: bool,
    ) -> Result<BodySelection, OwnerError> {
        let mut states = States::new(self, target);
        let (mut selection, mut bytes) = (BodySelection::default(), 0);
        let now = self.now_ms();
        let mut after = from.checked_sub(1).map(|last| Key::Body(last).to_bytes());
        loop {
            let rows = self
                .store
                .scan(Key::bodies(), after.as_deref(), ROWS_PER_SCAN)?;
            let is_last = rows.len() < ROWS_PER_SCAN;
            for (key, value) in rows {
                let position = unpack_position(&value)?;
                let sequence = position.sequence;
                if selection.open.len() >= limits.records || bytes >= limits.bytes {
                    selection.next = Some(sequence);
                    return Ok(selection);
                }
                after = Some(key);
                let Some(state) = states.of(sequence)?.filter(|state| state.is_open()) else {
                    continue;
                };
                let retry = self.retry(target, sequence)?;
                if retry.not_before_ms > now && (retry.asked || !insist) {
                    selection.resting += 1;
                    continue;
                }
                let slab = self.journal.view().record_at(position);
                let Some(slab) = slab.map_err(|source| self.io_error(source))? else {
                    // Damaged since it was indexed; reading the journal finds and reports it.
                    continue;
                };
                let entry = &slab.entries()[0];
                if !target.accepts(entry.scope) {
                    selection.newly_held.push(sequence);
                    continue;
                }
                bytes += slab.payload(entry).len();
                selection.open.push(OpenBody {
                    sequence,
                    id: slab.id(entry).to_owned(),
                    payload: slab.payload(entry).to_vec(),
                    state,
                    tries: retry.tries,
                });
            }
            if is_last {
                return Ok(selection);
            }
        }
    }

    fn retry(&self, target: &DeliveryTarget, sequence: u64) -> Result<Retry, StoreError> {
        match self.store.get(&Key::Retry(target.key(), sequence))? {
            Some(row) => unpack(&row),
            None => Ok(Retry::default()),
        }
    }

    /// Stores what a target answered for bodies; durable when it returns.
    ///
    /// # Errors
    /// [`OwnerError`]; then none of the answers counts and the bodies will be sent again.
    pub fn record_bodies(
        &mut self,
        target: &DeliveryTarget,
        outcomes: Vec<BodyOutcome>,
    ) -> Result<(), OwnerError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let record = OutcomeRecord::pack_bodies(target, self.now_ms(), outcomes);
        self.journal_outcomes(&record)?;
        self.mending(Self::index)
    }

    /// Remembers when bodies may be sent again (by the server's word, and by ours), and how far
    /// everything is settled.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn note_bodies(
        &mut self,
        target: &DeliveryTarget,
        not_before_ms: Option<u64>,
        rest_until_ms: Option<u64>,
    ) -> Result<(), OwnerError> {
        let before = self.target(target)?.bodies.settled_before;
        let settled = self.mending(|owner| owner.settled_before(target, before))?;
        self.update_target(target, |row| {
            row.bodies.not_before_ms = not_before_ms;
            row.bodies.rest_until_ms = rest_until_ms;
            row.bodies.settled_before = settled;
        })
    }

    /// Returns the sequence before which no body is open.
    fn settled_before(&self, target: &DeliveryTarget, from: u64) -> Result<u64, OwnerError> {
        let mut states = States::new(self, target);
        let mut settled = from;
        let mut after = from.checked_sub(1).map(|last| Key::Body(last).to_bytes());
        loop {
            let rows = self
                .store
                .scan(Key::bodies(), after.as_deref(), ROWS_PER_SCAN)?;
            for (_, value) in &rows {
                let sequence = unpack_position(value)?.sequence;
                if states.of(sequence)?.is_some_and(DeliveryState::is_open) {
                    return Ok(settled);
                }
                settled = sequence + 1;
            }
            let Some((last, _)) = rows.last().filter(|_| rows.len() == ROWS_PER_SCAN) else {
                return Ok(settled);
            };
            after = Some(last.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::Inbox;
    use crate::outcome::{Outcome, OutcomeDetail};
    use crate::owner::tests::{Fixture, fixture};
    use crate::record::{CaptureScope, RecordKind, RecordView};
    use crate::snapshot;

    const LIMITS: BatchLimits = BatchLimits {
        records: 3,
        bytes: 1 << 20,
    };

    fn target(account: &str) -> DeliveryTarget {
        DeliveryTarget {
            server: "https://a.example".into(),
            account: account.into(),
            team: "t".into(),
        }
    }

    fn append(fixture: &Fixture, ids: &[&str], scope: CaptureScope) {
        let inbox = Inbox::new(crate::fs::os_filesystem(), fixture.scope.paths.clone());
        let records: Vec<RecordView<'_>> = ids
            .iter()
            .map(|id| RecordView {
                sequence: 0,
                kind: RecordKind::Body,
                captured_ms: 1,
                scope,
                id,
                payload: b"{}",
            })
            .collect();
        inbox.append(1, &records).unwrap();
    }

    fn answer(sequence: u64, state: DeliveryState, retry: Option<Retry>) -> BodyOutcome {
        let detail = Some(OutcomeDetail {
            message: "said so".into(),
            ..OutcomeDetail::default()
        });
        BodyOutcome {
            outcome: Outcome {
                sequence,
                state,
                detail,
            },
            retry,
        }
    }

    /// The ids that would be sent, page by page.
    fn open(owner: &mut ScopeOwner, target: &DeliveryTarget, insist: bool) -> Vec<String> {
        let (mut ids, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let page = owner.select_bodies(target, from, LIMITS, insist).unwrap();
            assert!(page.open.len() <= LIMITS.records);
            ids.extend(page.open.into_iter().map(|body| body.id));
            next = page.next;
        }
        ids
    }

    #[test]
    fn what_was_answered_for_bodies_and_when_they_rest_survives_the_loss_of_the_mailbox() {
        let fixture = fixture();
        let target = target("u");
        let later = |asked| {
            Some(Retry {
                tries: 2,
                not_before_ms: u64::MAX / 2,
                asked,
            })
        };
        let mut owner = fixture.owner();
        append(&fixture, &["a", "b", "c", "d", "e"], CaptureScope::NOBODY);
        owner.ingest().unwrap();
        assert_eq!(open(&mut owner, &target, false), ["a", "b", "c", "d", "e"]);
        let page = owner.select_bodies(
            &target,
            0,
            BatchLimits {
                records: 9,
                ..LIMITS
            },
            false,
        );
        let at: Vec<u64> = page
            .unwrap()
            .open
            .iter()
            .map(|body| body.sequence)
            .collect();
        let outcomes = vec![
            answer(at[0], DeliveryState::Delivered, None),
            answer(at[1], DeliveryState::Transient, later(false)),
            answer(at[2], DeliveryState::Transient, later(true)),
            answer(at[3], DeliveryState::Rejected, None),
        ];
        owner.record_bodies(&target, outcomes).unwrap();
        owner.note_bodies(&target, Some(7), Some(8)).unwrap();
        let row = owner.target(&target).unwrap();
        assert_eq!(row.bodies.settled_before, at[1]);
        assert_eq!((row.counts.total(), row.bodies.counts.total()), (0, 4));
        for lost in [false, true] {
            if lost {
                drop(owner);
                fixture.lose_mailbox();
                owner = fixture.owner();
            }
            assert_eq!(open(&mut owner, &target, false), ["e"], "{lost}");
            assert_eq!(open(&mut owner, &target, true), ["b", "e"], "{lost}");
            let counts = owner.target(&target).unwrap().bodies.counts;
            assert_eq!(
                (counts.delivered, counts.transient, counts.rejected),
                (1, 2, 1)
            );
            let told = owner.explain("b").unwrap().unwrap();
            assert_eq!(told.answers[0].retry, later(false));
        }
        // A reader without the lease, and without what the owner wrote, counts the same.
        drop(owner);
        let read = snapshot::summarise(&crate::fs::os_filesystem(), &fixture.scope).unwrap();
        assert_eq!((read.events, read.bodies), (0, 5));
        assert_eq!(read.for_target(&target).open_bodies(), 3);
    }

    #[test]
    fn a_body_that_one_account_may_not_have_another_may() {
        let fixture = fixture();
        let mut owner = fixture.owner();
        let scope = |account| CaptureScope::of("https://a.example", account, Some("t"));
        append(&fixture, &["same"], scope("one"));
        append(&fixture, &["same"], scope("two"));
        append(&fixture, &["same"], scope("two"));
        let ingested = owner.ingest().unwrap();
        assert_eq!((ingested.records, ingested.known), (2, 1));
        for account in ["one", "two"] {
            let page = owner
                .select_bodies(&target(account), 0, LIMITS, false)
                .unwrap();
            assert_eq!(
                (page.open.len(), page.newly_held.len()),
                (1, 1),
                "{account}"
            );
        }
    }

    #[test]
    fn a_segment_of_answered_bodies_leaves_no_trace() {
        let fixture = fixture();
        let target = target("u");
        let mut owner = fixture.owner_with_segments(300);
        for number in 0..10 {
            append(&fixture, &[&format!("body-{number}")], CaptureScope::NOBODY);
            owner.ingest().unwrap();
        }
        let page = BatchLimits {
            records: 99,
            ..LIMITS
        };
        let all = owner.select_bodies(&target, 0, page, false).unwrap().open;
        let taken = all
            .iter()
            .map(|body| answer(body.sequence, DeliveryState::Delivered, None));
        owner.record_bodies(&target, taken.collect()).unwrap();
        let retired = owner.compact(&target, std::time::Duration::ZERO).unwrap();
        assert!(retired.segments > 0 && retired.events == 0, "{retired:?}");
        let left = owner.target(&target).unwrap().bodies.counts.delivered;
        assert!(left < 10);
        assert_eq!(open(&mut owner, &target, true), [""; 0]);
        append(&fixture, &["body-0"], CaptureScope::NOBODY);
        owner.ingest().unwrap();
        assert_eq!(
            open(&mut owner, &target, true),
            ["body-0"],
            "it is new again"
        );
    }
}
