//! Any sequence of commands against a model that is a list and a map: same events, same order, same
//! counts, whatever was reopened, killed, lost or compacted in between.

use super::tests::{Fixture, drain, fixture};
use super::*;
use crate::outcome::DeliveryState;
use crate::snapshot;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const ANSWERS: [DeliveryState; 6] = [
    DeliveryState::Delivered,
    DeliveryState::Duplicate,
    DeliveryState::Pending,
    DeliveryState::Rejected,
    DeliveryState::Quarantined,
    DeliveryState::Transient,
];

#[derive(Debug, Clone)]
enum Step {
    /// Some new events, and a copy of an old one.
    Append {
        new: usize,
        copy: Option<usize>,
        captured_for: usize,
    },
    Ingest,
    Drain {
        target: usize,
        answers: Vec<usize>,
    },
    /// The owner is killed, and its mailbox with it or not.
    Kill {
        loses_mailbox: bool,
    },
    Release,
    Compact {
        target: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let append = (1..4_usize, prop::option::of(0..8_usize), 0..3_usize);
    prop_oneof![
        4 => append.prop_map(|(new, copy, captured_for)| Step::Append { new, copy, captured_for }),
        3 => Just(Step::Ingest),
        3 => (0..2_usize, prop::collection::vec(0..ANSWERS.len(), 1..5))
            .prop_map(|(target, answers)| Step::Drain { target, answers }),
        1 => any::<bool>().prop_map(|loses_mailbox| Step::Kill { loses_mailbox }),
        1 => Just(Step::Release),
        2 => (0..2_usize).prop_map(|target| Step::Compact { target }),
    ]
}

fn targets() -> [DeliveryTarget; 2] {
    ["u", "v"].map(|account| DeliveryTarget {
        server: "https://a.example".into(),
        account: account.into(),
        team: "t".into(),
    })
}

fn capture_scope(which: usize) -> CaptureScope {
    match targets().get(which) {
        Some(target) => CaptureScope::of(&target.server, &target.account, Some(&target.team)),
        None => CaptureScope::NOBODY,
    }
}

#[derive(Debug, Default)]
struct Model {
    given: u64,
    waiting: Vec<(String, CaptureScope)>,
    journal: Vec<(String, CaptureScope)>,
    states: BTreeMap<(usize, String), DeliveryState>,
}

impl Model {
    fn state(&self, target: usize, id: &str) -> DeliveryState {
        let state = self.states.get(&(target, id.to_owned()));
        state.copied().unwrap_or(DeliveryState::Queued)
    }

    fn ingest(&mut self) {
        for (id, scope) in std::mem::take(&mut self.waiting) {
            if !self.journal.iter().any(|(known, _)| *known == id) {
                self.journal.push((id, scope));
            }
        }
    }

    /// The events that are to be sent to a target, in order.
    fn open(&self, target: usize) -> Vec<String> {
        let accepts = |scope| targets()[target].accepts(scope);
        let journal = self.journal.iter();
        journal
            .filter(|(id, scope)| accepts(*scope) && self.state(target, id).is_open())
            .map(|(id, _)| id.clone())
            .collect()
    }

    fn drain(&mut self, target: usize, answer: impl Fn(&str) -> DeliveryState) -> Vec<String> {
        let open = self.open(target);
        for (id, scope) in &self.journal {
            let key = (target, id.clone());
            if open.contains(id) {
                self.states.insert(key, answer(id));
            } else if !targets()[target].accepts(*scope) {
                self.states.entry(key).or_insert(DeliveryState::Held);
            }
        }
        open
    }

    fn retire(&mut self, target: usize, events: u64) {
        for _ in 0..events {
            let (id, _) = self.journal.remove(0);
            assert!(
                self.state(target, &id).is_answered(),
                "{id} was not answered"
            );
            self.states.retain(|(_, known), _| *known != id);
        }
    }
}

struct Run {
    fixture: Fixture,
    owner: Option<ScopeOwner>,
    model: Model,
}

impl Run {
    fn owner(&mut self) -> &mut ScopeOwner {
        self.owner
            .as_mut()
            .expect("an owner is always there between steps")
    }

    fn reopen(&mut self) {
        self.owner = None;
        self.owner = Some(self.fixture.owner_with_segments(300));
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Append {
                new,
                copy,
                captured_for,
            } => self.append(*new, *copy, *captured_for),
            Step::Ingest => {
                self.owner().ingest().unwrap();
                self.model.ingest();
            }
            Step::Drain { target, answers } => {
                let answer = |id: &str| ANSWERS[answers[number(id) % answers.len()]];
                let sent = drain(self.owner(), &targets()[*target], answer);
                assert_eq!(sent, self.model.drain(*target, answer));
            }
            Step::Kill { loses_mailbox } => {
                self.owner = None;
                if *loses_mailbox {
                    self.fixture.lose_mailbox();
                }
                self.reopen();
            }
            Step::Release => {
                self.owner.take().expect("see owner()").release().unwrap();
                self.reopen();
            }
            Step::Compact { target } => {
                let retired = self.owner().compact(&targets()[*target], Duration::ZERO);
                self.model.retire(*target, retired.unwrap().events);
                // As the queue does when its work is finished: readers count from what it writes.
                self.owner().write_status().unwrap();
            }
        }
    }

    fn append(&mut self, new: usize, copy: Option<usize>, captured_for: usize) {
        let scope = capture_scope(captured_for);
        let mut ids: Vec<String> = (0..new as u64)
            .map(|n| format!("event-{}", self.model.given + n))
            .collect();
        self.model.given += new as u64;
        let mut known = self.model.journal.iter().chain(&self.model.waiting).rev();
        if let Some((id, _)) = copy.and_then(|back| known.nth(back)) {
            ids.push(id.clone());
        }
        let borrowed: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.fixture.append(self.model.given, &borrowed, scope);
        self.model
            .waiting
            .extend(ids.into_iter().map(|id| (id, scope)));
    }

    fn check(&mut self) {
        for target in 0..2 {
            let mut cursor = self.owner().target(&targets()[target]).unwrap().low_water;
            let mut open = Vec::new();
            let limits = BatchLimits {
                records: 5,
                bytes: 1 << 20,
            };
            while let Some(selection) = self
                .owner()
                .select(&targets()[target], RecordKind::Event, cursor, limits)
                .unwrap()
            {
                let ids = selection
                    .selected
                    .iter()
                    .map(|selected| selection.record(selected).0);
                open.extend(ids.map(str::to_owned));
                cursor = selection.next;
            }
            assert_eq!(open, self.model.open(target));
            let counts = self.owner().target(&targets()[target]).unwrap().counts;
            let of = |state| {
                let journal = self.model.journal.iter();
                journal
                    .filter(|(id, _)| self.model.state(target, id) == state)
                    .count() as u64
            };
            assert_eq!(counts.delivered, of(DeliveryState::Delivered));
            assert_eq!(counts.rejected, of(DeliveryState::Rejected));
            assert_eq!(counts.held, of(DeliveryState::Held));
            assert_eq!(
                counts.pending + counts.transient,
                of(DeliveryState::Pending) + of(DeliveryState::Transient)
            );
        }
        assert_eq!(self.owner().events(), self.model.journal.len() as u64);
        let damage = self.owner().damage().to_vec();
        assert!(damage.is_empty(), "{damage:?}");
        // A reader without the lease counts the same, the inbox included.
        let summary =
            snapshot::summarise(&crate::fs::os_filesystem(), &self.fixture.scope).unwrap();
        let events = self.model.journal.len() + self.model.waiting.len();
        assert_eq!(summary.events, events as u64);
    }
}

fn number(id: &str) -> usize {
    id.trim_start_matches("event-").parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_sequence_of_commands_does_what_a_list_and_a_map_do(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = Run { fixture: fixture(), owner: None, model: Model::default() };
        run.reopen();
        for step in &steps {
            run.apply(step);
            run.check();
        }
        // In the end everything that can be delivered is, once.
        run.apply(&Step::Ingest);
        for target in 0..2 {
            run.apply(&Step::Drain { target, answers: vec![0] });
            prop_assert!(run.model.open(target).is_empty());
        }
        run.check();
    }
}
