mod line;

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A server that knows what it thinks of every event, and a driver that obeys the core.
struct Simulation {
    windows: Vec<Vec<Item>>,
    bad: BTreeSet<String>,
    details: bool,
    most_events: usize,
    accepted: Vec<String>,
    posts: usize,
    /// How many events the WebSocket answers before it breaks; `None` when there is none.
    line: Option<usize>,
    recorded: Vec<(String, DeliveryState)>,
}

fn item(sequence: u64) -> Item {
    Item {
        sequence,
        id: format!("e{sequence}"),
        bytes: 100,
    }
}

fn simulation(count: u64, window: usize) -> Simulation {
    let all: Vec<Item> = (0..count).map(item).collect();
    Simulation {
        windows: all.chunks(window.max(1)).map(<[Item]>::to_vec).collect(),
        bad: BTreeSet::new(),
        details: false,
        most_events: usize::MAX,
        accepted: Vec::new(),
        posts: 0,
        line: None,
        recorded: Vec::new(),
    }
}

impl Simulation {
    fn run(&mut self, policy: DrainPolicy) -> DrainReport {
        let mut core = DrainCore::new(policy);
        let mut effect = core.begin();
        let mut windows = std::mem::take(&mut self.windows).into_iter();
        loop {
            let input = match effect {
                Effect::Load => Input::Loaded(windows.next()),
                Effect::Gate => Input::Gated(Vec::new()),
                Effect::Send(indices) => self.post(&core, &indices),
                Effect::Tell(indices) => self.tell(&core, &indices),
                Effect::RefreshToken => Input::Refreshed(Ok(())),
                Effect::Pause(_) => Input::Rested,
                Effect::Record(outcomes) => {
                    for (index, state, _) in outcomes {
                        self.recorded.push((core.items()[index].id.clone(), state));
                    }
                    let done = core.window_is_done();
                    effect = core.step(Input::Recorded);
                    match effect {
                        Effect::Load => assert!(done, "a window was left with records to be sent"),
                        Effect::Send(_) => assert!(!done, "a window was called done too early"),
                        _ => {}
                    }
                    continue;
                }
                Effect::Finish(report) => return *report,
            };
            effect = core.step(input);
        }
    }

    fn post(&mut self, core: &DrainCore, indices: &[usize]) -> Input {
        self.posts += 1;
        assert!(!indices.is_empty());
        let ids: Vec<String> = indices
            .iter()
            .map(|index| core.items()[*index].id.clone())
            .collect();
        if ids.len() > self.most_events {
            return Input::Answered {
                status: 413,
                answer: BatchAnswer::TooLarge { events: None },
            };
        }
        let guilty: HashMap<String, String> = ids
            .iter()
            .filter(|id| self.bad.contains(*id))
            .map(|id| (id.clone(), "bad".into()))
            .collect();
        if !guilty.is_empty() {
            let answer = if self.details {
                BatchAnswer::Culprits(guilty)
            } else {
                BatchAnswer::Unacceptable("bad".into())
            };
            return Input::Answered {
                status: 400,
                answer,
            };
        }
        self.accepted.extend(ids.iter().cloned());
        answer_all(&ids, DeliveryState::Delivered)
    }

    fn state(&self, id: &str) -> Option<DeliveryState> {
        let states: Vec<_> = self
            .recorded
            .iter()
            .filter(|(known, _)| known == id)
            .collect();
        assert!(
            states.len() <= 1,
            "{id} was recorded {} times",
            states.len()
        );
        states.first().map(|(_, state)| *state)
    }
}

fn word(state: DeliveryState) -> EventAnswer {
    EventAnswer {
        state,
        category: None,
        message: None,
    }
}

fn answer_all(ids: &[String], state: DeliveryState) -> Input {
    let answer = word(state);
    let results = ids.iter().map(|id| (id.clone(), answer.clone())).collect();
    Input::Answered {
        status: 200,
        answer: BatchAnswer::PerEvent(results),
    }
}

fn policy(batch_events: usize) -> DrainPolicy {
    DrainPolicy {
        batch_events,
        ..DrainPolicy::default()
    }
}

/// Brings a core to the point where one batch of `count` events was sent.
fn sent(count: u64) -> (DrainCore, Effect) {
    let mut core = DrainCore::new(policy(1000));
    core.step(Input::Loaded(Some((0..count).map(item).collect())));
    let effect = core.step(Input::Gated(Vec::new()));
    (core, effect)
}

fn finished(effect: Effect) -> DrainReport {
    match effect {
        Effect::Finish(report) => *report,
        other => panic!("not finished: {other:?}"),
    }
}

#[test]
fn everything_is_delivered_in_order_and_in_batches() {
    let mut simulation = simulation(2500, 1000);
    let report = simulation.run(policy(400));
    assert_eq!(
        (report.delivered, report.selected, report.left_open()),
        (2500, 2500, 0)
    );
    assert_eq!(simulation.posts, 3 + 3 + 2);
    let expected: Vec<String> = (0..2500).map(|n| format!("e{n}")).collect();
    assert_eq!(simulation.accepted, expected);
}

#[test]
fn batches_are_cut_by_bytes_and_a_large_event_goes_alone() {
    let mut simulation = simulation(5, 10);
    simulation.windows[0][2].bytes = 5000;
    let report = simulation.run(DrainPolicy {
        batch_bytes: 250,
        ..policy(1000)
    });
    assert_eq!((report.delivered, simulation.posts), (5, 3));
}

#[test]
fn the_gate_keeps_an_event_out_and_the_rest_goes() {
    let mut core = DrainCore::new(policy(1000));
    core.step(Input::Loaded(Some((0..3).map(item).collect())));
    let detail = OutcomeDetail {
        message: "no".into(),
        ..OutcomeDetail::default()
    };
    let effect = core.step(Input::Gated(vec![(1, detail.clone())]));
    assert_eq!(
        effect,
        Effect::Record(vec![(1, DeliveryState::Quarantined, Some(detail))])
    );
    assert_eq!(core.step(Input::Recorded), Effect::Send(vec![0]));
}

#[test]
fn answers_decide_event_by_event_and_a_missing_one_is_transient() {
    let (mut core, effect) = sent(3);
    assert_eq!(effect, Effect::Send(vec![0, 1, 2]));
    let answer = |state| EventAnswer {
        state,
        category: None,
        message: None,
    };
    let results = HashMap::from([
        ("e0".to_owned(), answer(DeliveryState::Pending)),
        ("e2".to_owned(), answer(DeliveryState::Rejected)),
        ("foreign".to_owned(), answer(DeliveryState::Delivered)),
    ]);
    let effect = core.step(Input::Answered {
        status: 200,
        answer: BatchAnswer::PerEvent(results),
    });
    let Effect::Record(outcomes) = effect else {
        panic!("{effect:?}")
    };
    let states: Vec<_> = outcomes
        .iter()
        .map(|(index, state, _)| (*index, *state))
        .collect();
    assert_eq!(
        states,
        [
            (0, DeliveryState::Pending),
            (1, DeliveryState::Transient),
            (2, DeliveryState::Rejected)
        ]
    );
    assert_eq!(
        outcomes[1].2.as_ref().unwrap().message,
        "missing per-event result"
    );
    assert_eq!(core.step(Input::Recorded), Effect::Load);
    let report = finished(core.step(Input::Loaded(None)));
    assert_eq!(
        (
            report.pending,
            report.transient,
            report.rejected,
            report.left_open()
        ),
        (1, 1, 1, 2)
    );
    assert_eq!(report.failures.len(), 3);
}

#[test]
fn a_token_is_refreshed_once_per_batch_and_then_the_drain_is_blocked() {
    let (mut core, _) = sent(1);
    let unauthorized = || Input::Answered {
        status: 401,
        answer: BatchAnswer::Unauthorized,
    };
    assert_eq!(core.step(unauthorized()), Effect::RefreshToken);
    assert_eq!(core.step(Input::Refreshed(Ok(()))), Effect::Send(vec![0]));
    let report = finished(core.step(unauthorized()));
    assert_eq!(report.blocked.unwrap().by, BlockedBy::Authentication);
    assert_eq!((report.requests, report.transient), (2, 0));
}

#[test]
fn a_mismatch_of_protocols_ends_the_drain_after_one_request_and_changes_nothing() {
    let (mut core, _) = sent(4);
    let answer = BatchAnswer::ProtocolMismatch {
        advice: "upgrade".into(),
    };
    let report = finished(core.step(Input::Answered {
        status: 412,
        answer,
    }));
    let blocked = report.blocked.clone().unwrap();
    assert_eq!(
        (blocked.by, blocked.next_action.as_str()),
        (BlockedBy::Protocol, "upgrade")
    );
    assert_eq!((report.requests, report.left_open()), (1, 4));
}

#[test]
fn a_missing_private_teamspace_is_told_apart_from_a_refused_account() {
    for (category, by) in [
        (
            "direct_ingress_missing_private_team",
            BlockedBy::PrivateTeamspace,
        ),
        ("suspended", BlockedBy::Permission),
    ] {
        let (mut core, _) = sent(1);
        let answer = BatchAnswer::Forbidden {
            category: category.into(),
            message: "m".into(),
        };
        let report = finished(core.step(Input::Answered {
            status: 403,
            answer,
        }));
        assert_eq!(report.blocked.unwrap().by, by);
    }
}

#[test]
fn trouble_is_tried_again_a_few_times_with_growing_pauses_and_changes_no_event() {
    let (mut core, _) = sent(2);
    let trouble = || Input::Unanswered("broken".into());
    assert_eq!(
        core.step(trouble()),
        Effect::Pause(Duration::from_millis(500))
    );
    assert_eq!(core.step(Input::Rested), Effect::Send(vec![0, 1]));
    assert_eq!(core.step(trouble()), Effect::Pause(Duration::from_secs(1)));
    assert_eq!(core.step(Input::Rested), Effect::Send(vec![0, 1]));
    let report = finished(core.step(trouble()));
    assert_eq!(
        (report.stopped.as_deref(), report.transient),
        (Some("broken"), 0)
    );
    assert_eq!(report.left_open(), 2);
}

#[test]
fn a_server_that_hangs_is_left_to_a_later_drain_at_once_and_changes_no_event() {
    let (mut core, _) = sent(2);
    let report = finished(core.step(Input::Hung("no answer".into())));
    assert_eq!(
        (report.stopped.as_deref(), report.requests),
        (Some("no answer"), 1)
    );
    assert_eq!(report.left_open(), 2);
}

#[test]
fn a_short_wait_is_honoured_and_a_long_one_ends_the_drain() {
    let throttled = |seconds| Input::Answered {
        status: 429,
        answer: BatchAnswer::Throttled {
            wait: Some(Duration::from_secs(seconds)),
        },
    };
    let (mut core, _) = sent(1);
    assert_eq!(
        core.step(throttled(3)),
        Effect::Pause(Duration::from_secs(3))
    );
    let (mut core, _) = sent(1);
    let report = finished(core.step(throttled(60)));
    assert_eq!(report.wait, Some(Duration::from_secs(60)));
    assert!(report.stopped.unwrap().contains("429"));
}

#[test]
fn a_batch_that_is_too_large_is_halved_and_grows_back() {
    let mut simulation = simulation(64, 64);
    simulation.most_events = 10;
    let report = simulation.run(policy(64));
    assert_eq!(report.delivered, 64);
    assert!(simulation.posts <= 24, "{} posts", simulation.posts);
}

#[test]
fn a_single_event_that_is_too_large_is_rejected_and_never_posted_again() {
    let mut simulation = simulation(1, 1);
    simulation.most_events = 0;
    let report = simulation.run(policy(10));
    assert_eq!((report.rejected, simulation.posts), (1, 1));
    assert_eq!(
        report.failures[0].error,
        "payload too large (oversized, permanent)"
    );
}

proptest! {
    #[test]
    fn what_is_prepared_is_what_is_sent_first(
        sizes in proptest::collection::vec(1_usize..60, 1..30),
        refused in proptest::collection::btree_set(0_usize..30, 0..6),
        batch_events in 1_usize..20,
    ) {
        let policy = DrainPolicy { batch_bytes: 100, ..policy(batch_events) };
        let items: Vec<Item> = (0..).zip(&sizes).map(|(n, bytes)| Item { bytes: *bytes, ..item(n) }).collect();
        let refused: Vec<usize> = refused.into_iter().filter(|index| *index < items.len()).collect();
        let prepared = first_batch(&policy, &items, refused.iter().copied());
        let mut core = DrainCore::new(policy);
        core.step(Input::Loaded(Some(items)));
        let detail = OutcomeDetail::default();
        let verdicts = refused.iter().map(|index| (*index, detail.clone())).collect();
        let mut effect = core.step(Input::Gated(verdicts));
        if let Effect::Record(_) = effect {
            effect = core.step(Input::Recorded);
        }
        match effect {
            Effect::Send(indices) => prop_assert_eq!(indices, prepared),
            other => {
                prop_assert_eq!(other, Effect::Load);
                prop_assert!(prepared.is_empty());
            }
        }
    }
}

proptest! {
    #[test]
    fn every_innocent_event_is_delivered_and_only_culprits_are_rejected(
        count in 1_u64..300,
        window in 1_usize..200,
        batch in 1_usize..120,
        bad in proptest::collection::btree_set(0_u64..300, 0..6),
        details in any::<bool>(),
        most_events in 1_usize..100,
    ) {
        let mut simulation = simulation(count, window);
        simulation.bad = bad.iter().filter(|n| **n < count).map(|n| format!("e{n}")).collect();
        simulation.details = details;
        simulation.most_events = most_events;
        let bad = simulation.bad.clone();
        let report = simulation.run(policy(batch));
        for sequence in 0..count {
            let id = format!("e{sequence}");
            let expected = if bad.contains(&id) { DeliveryState::Rejected } else { DeliveryState::Delivered };
            prop_assert_eq!(simulation.state(&id), Some(expected));
        }
        let mut sorted = simulation.accepted.clone();
        sorted.sort_by_key(|id| id[1..].parse::<u64>().unwrap());
        prop_assert_eq!(&simulation.accepted, &sorted, "order is kept");
        prop_assert_eq!(report.left_open(), 0);
    }

    #[test]
    fn finding_culprits_by_halving_takes_few_posts(
        bad in proptest::collection::btree_set(0_u64..1000, 1..6),
    ) {
        let mut simulation = simulation(1000, 1000);
        simulation.bad = bad.iter().map(|n| format!("e{n}")).collect();
        simulation.run(policy(1000));
        let bound = 2 * bad.len() * 10 + 1;
        prop_assert!(simulation.posts <= bound, "{} posts for {} culprits", simulation.posts, bad.len());
    }

    #[test]
    fn no_order_of_inputs_breaks_the_core(inputs in proptest::collection::vec(any_input(), 0..40)) {
        let mut core = DrainCore::new(policy(3));
        for input in inputs {
            core.step(input);
        }
    }
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Loaded(None)),
        (0_u64..6).prop_map(|count| Input::Loaded(Some((0..count).map(item).collect()))),
        Just(Input::Gated(Vec::new())),
        Just(Input::Unanswered("x".into())),
        Just(Input::Hung("x".into())),
        Just(Input::Refreshed(Ok(()))),
        Just(Input::Rested),
        Just(Input::Recorded),
        (100_u16..600).prop_map(|status| Input::Answered {
            status,
            answer: BatchAnswer::Unacceptable("x".into())
        }),
        Just(Input::Answered {
            status: 413,
            answer: BatchAnswer::TooLarge { events: Some(1) }
        }),
        Just(answer_all(
            &["e0".into(), "e1".into()],
            DeliveryState::Delivered
        )),
    ]
}
