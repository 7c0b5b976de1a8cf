mod damage;

use super::*;
use crate::fs::os_filesystem;
use crate::journal::Cursor;
use crate::outcome::{DeliveryState, OutcomeDetail, StateCounts};
use crate::snapshot;
use crate::time::system_time;
use std::collections::BTreeSet;
use std::time::Duration;

const LIMITS: BatchLimits = BatchLimits {
    records: 3,
    bytes: 1 << 20,
};

pub(super) struct Fixture {
    _directory: tempfile::TempDir,
    pub(super) scope: Scope,
    factory: MemoryFactory,
}

pub(super) fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let paths = ScopePaths::at(directory.path().join("scope"));
    let scope = Scope {
        paths,
        name: "project".into(),
    };
    Fixture {
        _directory: directory,
        scope,
        factory: MemoryFactory::default(),
    }
}

fn ports() -> OwnerPorts {
    OwnerPorts::new(os_filesystem(), system_time())
}

impl Fixture {
    pub(super) fn owner(&self) -> ScopeOwner {
        self.owner_with(Box::new(self.factory.clone()))
    }

    fn sled_owner(&self) -> ScopeOwner {
        self.owner_with(Box::new(SledFactory::new(
            os_filesystem(),
            self.scope.paths.mailbox(),
        )))
    }

    fn owner_with(&self, factory: Box<dyn MailboxFactory>) -> ScopeOwner {
        self.open(ports(), factory)
    }

    pub(super) fn owner_with_segments(&self, segment_limit: u64) -> ScopeOwner {
        let ports = OwnerPorts {
            segment_limit,
            ..ports()
        };
        self.open(ports, Box::new(self.factory.clone()))
    }

    pub(super) fn lose_mailbox(&self) {
        self.factory.set_aside().unwrap();
    }

    fn open(&self, ports: OwnerPorts, factory: Box<dyn MailboxFactory>) -> ScopeOwner {
        let lease =
            OwnerLease::try_acquire(&ports.filesystem, &self.scope.paths, &ports.time, "test");
        ScopeOwner::open(ports, self.scope.clone(), lease.unwrap().unwrap(), factory).unwrap()
    }

    pub(super) fn append(&self, lamport: u64, ids: &[&str], capture: CaptureScope) {
        let inbox = Inbox::new(os_filesystem(), self.scope.paths.clone());
        let records: Vec<_> = ids
            .iter()
            .map(|id| RecordView {
                sequence: 0,
                kind: RecordKind::Event,
                captured_ms: 1000 + lamport,
                scope: capture,
                id,
                payload: id.as_bytes(),
            })
            .collect();
        inbox.append(lamport, &records).unwrap();
    }

    fn summary(&self) -> snapshot::ScopeSummary {
        snapshot::summarise(&os_filesystem(), &self.scope).unwrap()
    }
}

fn target() -> DeliveryTarget {
    DeliveryTarget {
        server: "https://a.example".into(),
        account: "u".into(),
        team: "t".into(),
    }
}

pub(super) fn drain(
    owner: &mut ScopeOwner,
    target: &DeliveryTarget,
    answer: impl Fn(&str) -> DeliveryState,
) -> Vec<String> {
    let (mut sent, mut cursor) = (Vec::new(), owner.target(target).unwrap().low_water);
    while let Some(selection) = owner
        .select(target, RecordKind::Event, cursor, LIMITS)
        .unwrap()
    {
        let mut outcomes = Vec::new();
        for selected in &selection.selected {
            let (id, payload) = selection.record(selected);
            assert_eq!(id.as_bytes(), payload);
            sent.push(id.to_owned());
            let detail = OutcomeDetail {
                message: "said so".into(),
                ..OutcomeDetail::default()
            };
            outcomes.push(Outcome {
                sequence: selected.sequence,
                state: answer(id),
                detail: Some(detail),
            });
        }
        for sequence in &selection.newly_held {
            outcomes.push(Outcome {
                sequence: *sequence,
                state: DeliveryState::Held,
                detail: None,
            });
        }
        let all_closed = outcomes.iter().all(|outcome| !outcome.state.is_open());
        owner
            .record_outcomes(
                target,
                outcomes,
                all_closed.then_some(cursor..selection.next),
            )
            .unwrap();
        cursor = selection.next;
    }
    sent
}

#[test]
fn events_travel_from_the_inbox_through_the_journal_to_the_target_in_order_and_once() {
    let fixture = fixture();
    fixture.append(5, &["c", "d"], CaptureScope::NOBODY);
    fixture.append(2, &["a", "b"], CaptureScope::NOBODY);
    let mut owner = fixture.sled_owner();
    assert_eq!(
        owner.ingest().unwrap(),
        Ingested {
            records: 4,
            ..Ingested::default()
        }
    );
    fixture.append(9, &["e"], CaptureScope::NOBODY);
    owner.ingest().unwrap();
    assert_eq!(
        drain(&mut owner, &target(), |_| DeliveryState::Delivered),
        ["a", "b", "c", "d", "e"]
    );
    assert!(drain(&mut owner, &target(), |_| DeliveryState::Delivered).is_empty());
    owner.release().unwrap();
    let mut owner = fixture.sled_owner();
    assert!(drain(&mut owner, &target(), |_| DeliveryState::Delivered).is_empty());
    let row = owner.target(&target()).unwrap();
    assert_eq!(
        row.counts,
        StateCounts {
            delivered: 5,
            ..StateCounts::default()
        }
    );
    assert_eq!(
        fixture.scope.paths.inbox_new().read_dir().unwrap().count(),
        0
    );
}

#[test]
fn a_second_target_gets_everything_and_the_first_nothing_again() {
    let fixture = fixture();
    fixture.append(1, &["a", "b"], CaptureScope::NOBODY);
    let mut owner = fixture.owner();
    owner.ingest().unwrap();
    drain(&mut owner, &target(), |_| DeliveryState::Delivered);
    let second = DeliveryTarget {
        team: "t-2".into(),
        ..target()
    };
    assert_eq!(
        drain(&mut owner, &second, |_| DeliveryState::Delivered),
        ["a", "b"]
    );
    assert!(drain(&mut owner, &target(), |_| DeliveryState::Delivered).is_empty());
}

#[test]
fn what_was_captured_for_somebody_else_is_held_and_never_sent() {
    let fixture = fixture();
    let mine = CaptureScope::of("https://a.example", "u", Some("t"));
    let theirs = CaptureScope::of("https://a.example", "other", Some("t-other"));
    fixture.append(1, &["mine"], mine);
    fixture.append(2, &["theirs"], theirs);
    fixture.append(3, &["nobodys"], CaptureScope::NOBODY);
    let mut owner = fixture.owner();
    owner.ingest().unwrap();
    assert_eq!(
        drain(&mut owner, &target(), |_| DeliveryState::Delivered),
        ["mine", "nobodys"]
    );
    assert_eq!(owner.target(&target()).unwrap().counts.held, 1);
    let explanation = owner.explain("theirs").unwrap().unwrap();
    assert_eq!(explanation.answers[0].state, DeliveryState::Held);
}

#[test]
fn open_answers_are_sent_again_and_final_ones_are_not() {
    let fixture = fixture();
    fixture.append(
        1,
        &["ok", "busy", "bad", "later", "gone"],
        CaptureScope::NOBODY,
    );
    let mut owner = fixture.owner();
    owner.ingest().unwrap();
    let answer = |id: &str| match id {
        "ok" => DeliveryState::Delivered,
        "busy" => DeliveryState::Transient,
        "bad" => DeliveryState::Rejected,
        "later" => DeliveryState::Pending,
        _ => DeliveryState::Quarantined,
    };
    drain(&mut owner, &target(), answer);
    assert_eq!(
        drain(&mut owner, &target(), |_| DeliveryState::Duplicate),
        ["busy", "later"]
    );
    let explanation = owner.explain("bad").unwrap().unwrap();
    assert_eq!(
        explanation.answers[0].detail.as_ref().unwrap().message,
        "said so"
    );
    assert_eq!(owner.explain("never seen").unwrap(), None);
}

#[test]
fn the_same_id_twice_is_one_event_wherever_the_copy_stands() {
    let fixture = fixture();
    fixture.append(1, &["a"], CaptureScope::NOBODY);
    let mut owner = fixture.owner();
    owner.ingest().unwrap();
    fixture.append(2, &["a", "b", "b"], CaptureScope::NOBODY);
    assert_eq!(
        owner.ingest().unwrap(),
        Ingested {
            records: 1,
            known: 2,
            damaged_files: 0
        }
    );
    let copy = RecordView {
        sequence: 0,
        kind: RecordKind::Event,
        captured_ms: 1,
        scope: CaptureScope::NOBODY,
        id: "a",
        payload: b"a",
    };
    owner.journal.append(&[copy]).unwrap();
    owner.index().unwrap();
    assert_eq!(
        drain(&mut owner, &target(), |_| DeliveryState::Delivered),
        ["a", "b"]
    );
    assert_eq!(owner.events(), 2);
}

#[test]
fn durable_commands_stay_open_until_they_are_done_and_are_done_once() {
    let fixture = fixture();
    let inbox = Inbox::new(os_filesystem(), fixture.scope.paths.clone());
    for (lamport, id) in [(2, "second"), (1, "first")] {
        let record = RecordView {
            sequence: 0,
            kind: RecordKind::RevokeToken,
            captured_ms: 1,
            scope: CaptureScope::NOBODY,
            id,
            payload: id.as_bytes(),
        };
        inbox.append(lamport, &[record]).unwrap();
    }
    let mut owner = fixture.owner();
    owner.ingest().unwrap();
    let open = owner.open_commands(RecordKind::RevokeToken).unwrap();
    assert_eq!(
        open,
        [
            ("first".into(), b"first".to_vec()),
            ("second".into(), b"second".to_vec())
        ]
    );
    owner
        .complete_command(RecordKind::RevokeToken, "first")
        .unwrap();
    owner
        .complete_command(RecordKind::RevokeToken, "first")
        .unwrap();
    drop(owner);
    let mut owner = fixture.owner();
    assert_eq!(
        owner.open_commands(RecordKind::RevokeToken).unwrap().len(),
        1
    );
    assert!(
        owner
            .open_commands(RecordKind::DrainProject)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_reader_without_the_lease_sees_the_same_numbers_with_and_without_the_status_file() {
    let fixture = fixture();
    assert_eq!(fixture.summary(), snapshot::ScopeSummary::default());
    assert!(!fixture.scope.paths.directory().exists());
    fixture.append(1, &["a", "b", "c", "d"], CaptureScope::NOBODY);
    let mut owner = fixture.owner();
    owner.ingest().unwrap();
    drain(&mut owner, &target(), |id| {
        if id == "c" {
            DeliveryState::Transient
        } else {
            DeliveryState::Delivered
        }
    });
    owner.release().unwrap();
    fixture.append(7, &["e", "f"], CaptureScope::NOBODY);
    let with = fixture.summary();
    std::fs::remove_file(fixture.scope.paths.status()).unwrap();
    let mut without = fixture.summary();
    assert_eq!((with.events, with.waiting_in_inbox), (6, 2));
    let summary = with.for_target(&target());
    assert_eq!(
        (
            summary.queued,
            summary.counts.delivered,
            summary.counts.transient
        ),
        (2, 3, 1)
    );
    assert_eq!(summary.oldest_open_ms, Some(1001));
    without.targets[0].attempt = with.targets[0].attempt.clone();
    assert_eq!(with, without);
    let fresh = with.for_target(&DeliveryTarget {
        team: "new".into(),
        ..target()
    });
    assert_eq!(fresh.queued, 6);
}

#[test]
fn a_reader_finds_an_event_in_the_inbox_and_in_the_journal_and_lists_what_would_be_sent() {
    let fixture = fixture();
    let filesystem = os_filesystem();
    let find = |id: &str| snapshot::find(&filesystem, &fixture.scope, id).unwrap();
    fixture.append(1, &["a", "b"], CaptureScope::NOBODY);
    assert_eq!(find("a").unwrap().sequence, None);
    let mut owner = fixture.owner();
    owner.ingest().unwrap();
    drain(&mut owner, &target(), |id| {
        if id == "b" {
            DeliveryState::Rejected
        } else {
            DeliveryState::Delivered
        }
    });
    fixture.append(2, &["c"], CaptureScope::NOBODY);
    fixture.append(
        3,
        &["x"],
        CaptureScope::of("https://a.example", "someone", None),
    );
    let found = find("b").unwrap();
    assert_eq!(found.answers[0].state, DeliveryState::Rejected);
    assert_eq!(found.answers[0].detail.as_ref().unwrap().message, "said so");
    assert_eq!(find("nothing"), None);
    let list = |target: Option<&DeliveryTarget>| -> Vec<String> {
        let events = snapshot::open_events(&filesystem, &fixture.scope, target, 10).unwrap();
        events.into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(list(Some(&target())), ["c"]);
    assert_eq!(list(None), ["a", "b", "c", "x"]);
}

#[test]
fn answered_segments_are_deleted_after_their_retention_and_numbers_stay_right() {
    let fixture = fixture();
    let mut owner = fixture.owner();
    owner.journal = Journal::open(
        &os_filesystem(),
        &fixture.scope.paths,
        "project",
        Mark::default(),
    )
    .unwrap()
    .0
    .with_segment_limit(300);
    let ids: Vec<String> = (0..20).map(|number| format!("event-{number:02}")).collect();
    for (lamport, id) in (1..).zip(&ids) {
        fixture.append(lamport, &[id], CaptureScope::NOBODY);
        owner.ingest().unwrap();
    }
    drain(&mut owner, &target(), |id| {
        if id == "event-12" {
            DeliveryState::Transient
        } else {
            DeliveryState::Delivered
        }
    });
    let kept = owner
        .compact(&target(), Duration::from_secs(u64::MAX / 1000))
        .unwrap();
    assert_eq!(kept, Retired::default());
    let retired = owner.compact(&target(), Duration::ZERO).unwrap();
    assert!(
        retired.segments > 0 && retired.events > 0 && retired.events <= 12,
        "{retired:?}"
    );
    assert_eq!(owner.events(), 20 - retired.events);
    assert_eq!(
        owner.target(&target()).unwrap().counts.delivered,
        19 - retired.events
    );
    let before = owner.release().unwrap();
    let mut owner = fixture.owner_with(Box::new(MemoryFactory::default()));
    assert_eq!(
        drain(&mut owner, &target(), |_| DeliveryState::Delivered),
        ["event-12"]
    );
    drop(owner);
    let rebuilt = fixture
        .owner_with(Box::new(MemoryFactory::default()))
        .release()
        .unwrap();
    assert_eq!(rebuilt.meta.events, before.meta.events);
    let survivors: BTreeSet<_> = snapshot::open_events(&os_filesystem(), &fixture.scope, None, 100)
        .unwrap()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(survivors.len() as u64, rebuilt.meta.events);
}

#[test]
fn a_cursor_behind_the_end_selects_nothing() {
    let fixture = fixture();
    let mut owner = fixture.owner();
    let far = Cursor {
        segment: 99,
        offset: 99,
    };
    assert!(
        owner
            .select(&target(), RecordKind::Event, far, LIMITS)
            .unwrap()
            .is_none()
    );
}
