//! Tables and a model of the line.

use super::*;
use kitty_runtime::outcome::DeliveryState;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The middle of the jitter: exactly the backoff.
const MIDDLE: u64 = 500;

fn answer(state: DeliveryState) -> EventAnswer {
    EventAnswer {
        state,
        category: None,
        message: None,
    }
}

fn acknowledged(event_id: &str) -> Input {
    Input::Heard(Frame::Answer {
        event_id: event_id.to_owned(),
        answer: answer(DeliveryState::Delivered),
    })
}

/// What is said is for the gate to make; the rules of the line do not look at it.
fn framed(event_id: &str) -> Gated<String> {
    let frame = crate::gate::gated::request(&event_id.into()).unwrap();
    frame.reform(|json| String::from_utf8(json.into()).unwrap())
}

fn tell(number: u64, event_id: &str) -> Input {
    Input::Tell {
        number,
        event_id: event_id.to_owned(),
        frame: framed(event_id),
    }
}

fn trouble(wait: Option<Duration>) -> Input {
    let message = "trouble".to_owned();
    Input::Opened(Err(NotOpen::Trouble { message, wait }))
}

fn connected() -> LineCore {
    let mut core = LineCore::default();
    assert_eq!(core.step(0, MIDDLE, Input::Occasion), [Effect::Connect]);
    assert_eq!(core.status(), Status::Connecting);
    assert_eq!(core.step(0, MIDDLE, Input::Opened(Ok(()))), []);
    assert_eq!(core.status(), Status::Connected);
    core
}

#[test]
fn an_open_line_needs_no_waking_and_answers_pings() {
    let mut core = connected();
    assert_eq!(core.next_wake(), None);
    let ping = Input::Heard(Frame::Ping("t".into()));
    assert_eq!(core.step(9, MIDDLE, ping), [Effect::Pong("t".into())]);
    assert_eq!(core.next_wake(), None);
}

#[test]
fn an_event_is_settled_by_the_word_for_its_own_id_and_by_no_other() {
    let mut core = connected();
    let said = core.step(10, MIDDLE, tell(1, "a"));
    assert_eq!(said, [Effect::Say(framed("a"))]);
    assert_eq!(core.next_wake(), Some(5_010));
    assert_eq!(core.step(11, MIDDLE, acknowledged("b")), []);
    let settled = core.step(12, MIDDLE, acknowledged("a"));
    let told = Told::Answered(answer(DeliveryState::Delivered));
    assert_eq!(settled, [Effect::Settle(1, told)]);
    assert_eq!(core.step(13, MIDDLE, acknowledged("a")), [], "once");
    assert_eq!(core.next_wake(), None);
}

#[test]
fn a_missing_acknowledgement_gives_the_event_back_and_ends_the_line() {
    let mut core = connected();
    core.step(0, MIDDLE, tell(1, "a"));
    assert_eq!(core.step(4_999, MIDDLE, Input::Woke), []);
    let given_back = core.step(5_000, MIDDLE, Input::Woke);
    let why = "no acknowledgement came within 5 s".to_owned();
    let expected = [Effect::Settle(1, Told::Lost(why.clone())), Effect::HangUp];
    assert_eq!(given_back, expected);
    assert_eq!(
        (core.status(), core.trouble()),
        (Status::Reconnecting, Some(&*why))
    );
    assert_eq!(core.next_wake(), Some(5_500));
    let down = core.step(5_001, MIDDLE, tell(2, "b"));
    assert_eq!(down, [Effect::Settle(2, lost("no WebSocket is open"))]);
    assert_eq!(core.step(5_002, MIDDLE, acknowledged("a")), [], "late");
}

#[test]
fn every_failure_doubles_the_pause_up_to_half_a_minute_and_ten_are_enough() {
    let mut core = LineCore::default();
    core.step(0, MIDDLE, Input::Occasion);
    let mut now = 0;
    for pause in [
        500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000,
    ] {
        assert_eq!(core.step(now, MIDDLE, trouble(None)), []);
        assert_eq!(core.status(), Status::Reconnecting);
        assert_eq!(core.next_wake(), Some(now + pause));
        assert_eq!(
            core.step(now, MIDDLE, Input::Occasion),
            [],
            "no sooner for it"
        );
        assert_eq!(core.step(now + pause - 1, MIDDLE, Input::Woke), []);
        now += pause;
        assert_eq!(core.step(now, MIDDLE, Input::Woke), [Effect::Connect]);
    }
    core.step(now, MIDDLE, trouble(None));
    assert_eq!(
        (core.status(), core.next_wake()),
        (Status::OfflineBatchMode, None)
    );
    assert_eq!(core.step(now + 59_999, MIDDLE, Input::Occasion), []);
    let again = core.step(now + 60_000, MIDDLE, Input::Occasion);
    assert_eq!(again, [Effect::Connect]);
    core.step(now + 60_000, MIDDLE, trouble(None));
    assert_eq!(core.status(), Status::OfflineBatchMode, "one try each");
    core.step(now + 120_000, MIDDLE, Input::Occasion);
    core.step(now + 120_000, MIDDLE, Input::Opened(Ok(())));
    core.step(now + 120_000, MIDDLE, tell(1, "a"));
    core.step(now + 120_001, MIDDLE, acknowledged("a"));
    core.step(now + 120_002, MIDDLE, Input::Broken("gone".to_owned()));
    assert_eq!(
        core.next_wake(),
        Some(now + 120_502),
        "an answer makes it new"
    );
}

#[test]
fn what_the_server_asked_for_is_more_than_the_backoff_and_jitter_spreads_it() {
    for (jitter, wait, pause) in [
        (0, None, 400),
        (1000, None, 600),
        (9999, None, 600),
        (0, Some(Duration::from_secs(90)), 90_000),
        (0, Some(Duration::from_millis(1)), 400),
    ] {
        let mut core = LineCore::default();
        core.step(7, jitter, Input::Occasion);
        core.step(7, jitter, trouble(wait));
        assert_eq!(core.next_wake(), Some(7 + pause));
    }
    let mut core = LineCore::default();
    core.step(0, MIDDLE, Input::Occasion);
    let (message, wait) = ("no".to_owned(), Some(Duration::from_secs(3600)));
    core.step(
        0,
        MIDDLE,
        Input::Opened(Err(NotOpen::Unavailable { message, wait })),
    );
    assert_eq!(core.status(), Status::OfflineBatchMode);
    assert_eq!(core.step(3_599_999, MIDDLE, Input::Occasion), []);
    assert_eq!(
        core.step(3_600_000, MIDDLE, Input::Occasion),
        [Effect::Connect]
    );
}

#[test]
fn a_line_that_opens_and_breaks_at_once_is_not_opened_in_a_hot_loop() {
    let mut core = LineCore::default();
    core.step(0, MIDDLE, Input::Occasion);
    let (mut now, mut tries) = (0, 1);
    while core.status() != Status::OfflineBatchMode {
        core.step(now, MIDDLE, Input::Opened(Ok(())));
        core.step(now, MIDDLE, Input::Broken("gone".to_owned()));
        if let Some(wake) = core.next_wake() {
            assert!(wake > now);
            now = wake;
            tries += 1;
            assert_eq!(core.step(now, MIDDLE, Input::Woke), [Effect::Connect]);
        }
    }
    assert_eq!(tries, 11);
}

#[test]
fn a_line_that_stood_for_a_while_and_breaks_is_soon_opened_again() {
    let mut core = connected();
    for round in 1..30 {
        let now = round * 100_000;
        core.step(now, MIDDLE, Input::Broken("gone".to_owned()));
        assert_eq!(core.next_wake(), Some(now + 500));
        core.step(now + 500, MIDDLE, Input::Woke);
        core.step(now + 500, MIDDLE, Input::Opened(Ok(())));
    }
}

#[test]
fn without_anything_to_connect_for_nothing_wakes_it() {
    let mut core = LineCore::default();
    core.step(0, MIDDLE, Input::Occasion);
    let unwanted = NotOpen::Unwanted("no session".to_owned());
    core.step(0, MIDDLE, Input::Opened(Err(unwanted)));
    assert_eq!((core.status(), core.next_wake()), (Status::Offline, None));
    assert_eq!(core.step(999, MIDDLE, Input::Occasion), []);
    assert_eq!(core.step(1_000, MIDDLE, Input::Occasion), [Effect::Connect]);
}

#[test]
fn what_is_not_wanted_any_more_is_ended_also_when_it_opens_just_then() {
    let mut core = connected();
    core.step(0, MIDDLE, tell(1, "a"));
    let left = core.step(1, MIDDLE, Input::Unwanted);
    assert_eq!(
        left,
        [Effect::Settle(1, lost("it is not wanted")), Effect::HangUp]
    );
    core.step(2_000, MIDDLE, Input::Occasion);
    assert_eq!(core.step(2_001, MIDDLE, Input::Unwanted), []);
    let opened = core.step(2_002, MIDDLE, Input::Opened(Ok(())));
    assert_eq!(
        (opened, core.status()),
        (vec![Effect::HangUp], Status::Offline)
    );
}

#[test]
fn the_end_gives_everything_back_and_takes_nothing_on() {
    let mut core = connected();
    core.step(0, MIDDLE, tell(1, "a"));
    let end = core.step(1, MIDDLE, Input::Ending);
    assert_eq!(end, [Effect::Settle(1, Told::Ending), Effect::HangUp]);
    assert_eq!(
        core.step(2, MIDDLE, tell(2, "b")),
        [Effect::Settle(2, Told::Ending)]
    );
    for input in [
        Input::Occasion,
        Input::Woke,
        acknowledged("a"),
        Input::Ending,
    ] {
        assert_eq!(core.step(9, MIDDLE, input), []);
    }
}

#[test]
fn a_refusal_without_an_event_settles_none_and_leaves_the_rest_to_batches() {
    let mut core = connected();
    let refusal = || Input::Heard(Frame::Refusal("what?".to_owned()));
    assert_eq!(core.step(0, MIDDLE, refusal()), [], "nothing was asked");
    core.step(0, MIDDLE, tell(1, "a"));
    let effects = core.step(1, MIDDLE, refusal());
    assert!(matches!(
        &effects[..],
        [Effect::Settle(1, Told::Lost(_)), Effect::HangUp]
    ));
}

fn inputs() -> impl Strategy<Value = Vec<(u64, u64, Input)>> {
    let input = prop_oneof![
        4 => Just(Input::Woke),
        2 => Just(Input::Occasion),
        1 => Just(Input::Unwanted),
        4 => Just(Input::Opened(Ok(()))),
        2 => (0..100_u64).prop_map(|seconds| trouble(Some(Duration::from_secs(seconds)))),
        1 => Just(Input::Opened(Err(NotOpen::Unwanted(String::new())))),
        6 => "[a-c]".prop_map(|id| tell(0, &id)),
        6 => "[a-c]".prop_map(|id| acknowledged(&id)),
        1 => Just(Input::Heard(Frame::Refusal(String::new()))),
        1 => Just(Input::Broken(String::new())),
    ];
    proptest::collection::vec((0..8_000_u64, 0..=1000_u64, input), 1..200)
}

proptest! {
    /// Every event that is told is settled exactly once; a line is opened only when none is open or
    /// being opened, and never sooner than the shortest pause after a failure.
    #[test]
    fn every_event_is_settled_once_and_no_line_is_opened_twice(story in inputs()) {
        let mut core = LineCore::default();
        let (mut now, mut number) = (0, 0);
        let mut open_tells = BTreeSet::new();
        let (mut dialling, mut standing, mut failed_at) = (false, false, None::<u64>);
        let ending = std::iter::once((0, 0, Input::Ending));
        for (pause, jitter, mut input) in story.into_iter().chain(ending) {
            now += pause;
            match &mut input {
                Input::Tell { number: ours, .. } => {
                    number += 1;
                    *ours = number;
                    open_tells.insert(number);
                }
                // The shell says this only of an attempt, and that only of an open line.
                Input::Opened(_) if !dialling => continue,
                Input::Heard(_) | Input::Broken(_) if !standing => continue,
                Input::Opened(result) => {
                    dialling = false;
                    standing = result.is_ok();
                    if !standing { failed_at = Some(now); }
                }
                _ => {}
            }
            let effects = core.step(now, jitter, input);
            let gone = effects.contains(&Effect::HangUp);
            for effect in effects {
                match effect {
                    Effect::Connect => {
                        prop_assert!(!dialling || core.status() != Status::Connected);
                        prop_assert!(!standing);
                        if let Some(at) = failed_at { prop_assert!(now >= at + 400); }
                        dialling = true;
                    }
                    Effect::Settle(settled, _) => prop_assert!(open_tells.remove(&settled)),
                    Effect::Say(_) => prop_assert!(standing),
                    Effect::Pong(_) | Effect::HangUp => {}
                }
            }
            if gone { standing = false; }
            prop_assert_eq!(standing, core.status() == Status::Connected);
        }
        prop_assert!(open_tells.is_empty());
    }
}
