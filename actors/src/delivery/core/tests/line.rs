//! What goes over the WebSocket, and what becomes of it when the line breaks.

use super::*;

impl Simulation {
    /// Answers over the WebSocket; the event at which it breaks arrives, and its answer does not.
    pub(super) fn tell(&mut self, core: &DrainCore, indices: &[usize]) -> Input {
        let Some(answers) = self.line.take() else {
            return Input::NotTold;
        };
        let ids: Vec<String> = indices
            .iter()
            .map(|index| core.items()[*index].id.clone())
            .collect();
        let arrived = ids.iter().take(answers.saturating_add(1));
        let good = arrived.filter(|id| !self.bad.contains(*id)).cloned();
        self.accepted.extend(good);
        let answers = ids.iter().take(answers).map(|id| {
            let state = if self.bad.contains(id) {
                DeliveryState::Rejected
            } else {
                DeliveryState::Delivered
            };
            (id.clone(), word(state))
        });
        Input::Told {
            answers: answers.collect(),
            ending: None,
        }
    }
}

fn fresh(events: usize) -> DrainPolicy {
    DrainPolicy {
        fresh_events: events,
        ..policy(1000)
    }
}

#[test]
fn a_few_fresh_events_go_over_the_line_and_a_backlog_does_not() {
    for (count, window, bytes, told) in [
        (3, 10, 100, 3),
        (32, 100, 100, 32),
        (33, 100, 100, 0),
        // What comes after a window is a backlog, however little it is.
        (60, 32, 100, 32),
        (3, 10, LARGEST_TOLD + 1, 0),
    ] {
        let mut simulation = simulation(count, window);
        simulation.windows[0][0].bytes = bytes;
        simulation.line = Some(usize::MAX);
        let report = simulation.run(fresh(32));
        assert_eq!(
            (report.told, report.delivered),
            (told, count),
            "{count} {bytes}"
        );
    }
}

#[test]
fn the_end_of_the_process_notes_the_event_on_its_way_and_leaves_the_rest_as_it_was() {
    let mut core = DrainCore::new(fresh(32));
    core.step(Input::Loaded(Some((0..3).map(item).collect())));
    assert_eq!(
        core.step(Input::Gated(Vec::new())),
        Effect::Tell(vec![0, 1, 2])
    );
    let effect = core.step(Input::Told {
        answers: HashMap::from([("e0".to_owned(), word(DeliveryState::Delivered))]),
        ending: Some("the end".to_owned()),
    });
    let Effect::Record(outcomes) = effect else {
        panic!("{effect:?}")
    };
    let states: Vec<_> = outcomes
        .iter()
        .map(|(index, state, _)| (*index, *state))
        .collect();
    let expected = [(0, DeliveryState::Delivered), (1, DeliveryState::Transient)];
    assert_eq!(states, expected);
    assert!(!core.window_is_done(), "the window is not settled");
    let report = finished(core.step(Input::Recorded));
    assert_eq!((report.left_open(), report.requests), (2, 0));
    assert_eq!(report.stopped.as_deref(), Some("the end"));
}

proptest! {
    /// Wherever the line breaks, everything is decided once, arrives in order, and what arrives
    /// twice is only what the line did not answer.
    #[test]
    fn wherever_the_line_breaks_everything_arrives_in_order_and_is_decided_once(
        count in 1..40_u64, answers in 0..45_usize, bad in proptest::collection::btree_set(0..40_u64, 0..4),
    ) {
        let mut simulation = simulation(count, 100);
        simulation.line = Some(answers);
        simulation.details = true;
        simulation.bad = bad.iter().map(|n| format!("e{n}")).collect();
        let report = simulation.run(fresh(40));
        prop_assert_eq!(report.left_open(), 0);
        let mut arrived = BTreeSet::new();
        let (mut last, mut twice) = (None, 0);
        for id in &simulation.accepted {
            let number: u64 = id[1..].parse().unwrap();
            if !arrived.insert(number) { twice += 1; continue; }
            prop_assert!(last < Some(number));
            last = Some(number);
        }
        prop_assert!(twice <= 1);
        for n in 0..count {
            let id = format!("e{n}");
            let expected = if bad.contains(&n) { DeliveryState::Rejected } else { DeliveryState::Delivered };
            prop_assert_eq!(simulation.state(&id), Some(expected));
        }
    }
}
