//! Every state, every order, every fault.

use super::super::messages::State;
use super::*;

const EVERYTHING: Requirements = Requirements {
    binding: true,
    reachability: true,
};
const LEAST: Requirements = Requirements {
    binding: false,
    reachability: false,
};

fn server() -> ServerUrl {
    ServerUrl::parse("https://a.example").unwrap()
}

fn good() -> Facts {
    Facts {
        rollout: Some(Ok(true)),
        session: Some(Ok(true)),
        host: Some(Ok(Host::Named(server()))),
        reach: Some(Ok(Reach::Answered)),
        binding: Some(Ok(true)),
        subject: "demo".to_owned(),
    }
}

fn done(requirements: Requirements, facts: &Facts) -> Readiness {
    match step(requirements, facts) {
        Step::Done(readiness) => readiness,
        Step::Ask(question) => panic!("asks {question:?}"),
    }
}

/// Every state, the facts that lead to it, and its exact words.
fn table() -> Vec<(State, Facts, &'static str, Option<&'static str>)> {
    vec![
        (
            State::RolloutDisabled,
            Facts {
                rollout: Some(Ok(false)),
                ..good()
            },
            "Hosted SaaS sync is not enabled on this machine.",
            Some("Set `SPEC_KITTY_ENABLE_SAAS_SYNC=1` to opt in."),
        ),
        (
            State::MissingAuth,
            Facts {
                session: Some(Ok(false)),
                ..good()
            },
            "No SaaS authentication token is present.",
            Some("Run `spec-kitty auth login`."),
        ),
        (
            State::MissingHostConfig,
            Facts {
                host: Some(Ok(Host::None)),
                ..good()
            },
            "No SaaS host URL is configured.",
            Some("Set `SPEC_KITTY_SAAS_URL` in your environment."),
        ),
        (
            State::HostUnreachable,
            Facts {
                reach: Some(Ok(Reach::Failed("HTTP 503".to_owned()))),
                ..good()
            },
            "The configured SaaS host did not respond within 2 seconds.",
            Some("Check network connectivity to `https://a.example` and retry."),
        ),
        (
            State::MissingMissionBinding,
            Facts {
                binding: Some(Ok(false)),
                ..good()
            },
            "No tracker binding exists for feature `demo`.",
            Some("Run `spec-kitty tracker bind` from this repo."),
        ),
        (State::Ready, good(), "", None),
    ]
}

#[test]
fn every_state_has_its_exact_message_and_one_next_action() {
    let table = table();
    assert_eq!(
        table.iter().map(|row| row.0).collect::<Vec<_>>(),
        State::ALL
    );
    for (state, facts, message, next_action) in table {
        let readiness = done(EVERYTHING, &facts);
        assert_eq!(readiness.state, state);
        assert_eq!(readiness.message, message);
        assert_eq!(readiness.next_action.as_deref(), next_action);
        assert_eq!(readiness.is_ready(), state == State::Ready);
        let document = readiness.document();
        assert_eq!(document["state"], state.as_str());
        assert_eq!(document.as_object().unwrap().len(), 4);
    }
}

#[test]
fn the_first_thing_that_is_missing_wins() {
    let bad = Facts {
        rollout: Some(Ok(false)),
        session: Some(Ok(false)),
        host: Some(Ok(Host::None)),
        reach: Some(Ok(Reach::Failed("refused".to_owned()))),
        binding: Some(Ok(false)),
        subject: String::new(),
    };
    let mut facts = bad;
    let repairs: [fn(&mut Facts); 5] = [
        |facts| facts.rollout = Some(Ok(true)),
        |facts| facts.session = Some(Ok(true)),
        |facts| facts.host = Some(Ok(Host::Named(server()))),
        |facts| facts.reach = Some(Ok(Reach::Answered)),
        |facts| facts.binding = Some(Ok(true)),
    ];
    for (state, repair) in State::ALL.into_iter().zip(repairs) {
        assert_eq!(done(EVERYTHING, &facts).state, state);
        repair(&mut facts);
    }
    assert!(done(EVERYTHING, &facts).is_ready());
}

#[test]
fn questions_come_one_by_one_and_only_those_that_are_required() {
    let asked = |requirements: Requirements| {
        let (mut facts, all, mut asked) = (Facts::default(), good(), Vec::new());
        while let Step::Ask(question) = step(requirements, &facts) {
            match question {
                Question::Rollout => facts.rollout.clone_from(&all.rollout),
                Question::Session => facts.session.clone_from(&all.session),
                Question::Host => facts.host.clone_from(&all.host),
                Question::Reach(_) => facts.reach.clone_from(&all.reach),
                Question::Binding => facts.binding.clone_from(&all.binding),
            }
            asked.push(question);
        }
        asked
    };
    let least = vec![Question::Rollout, Question::Session, Question::Host];
    assert_eq!(asked(LEAST), least);
    let mut all = least;
    all.extend([Question::Reach(server()), Question::Binding]);
    assert_eq!(asked(EVERYTHING), all);
}

#[test]
fn a_fault_anywhere_is_host_unreachable_with_its_reason() {
    let fault = || "the disk is gone".to_owned();
    let faults = [
        Facts {
            rollout: Some(Err(fault())),
            ..good()
        },
        Facts {
            session: Some(Err(fault())),
            ..good()
        },
        Facts {
            host: Some(Err(fault())),
            ..good()
        },
        Facts {
            reach: Some(Err(fault())),
            ..good()
        },
        Facts {
            binding: Some(Err(fault())),
            ..good()
        },
    ];
    for facts in faults {
        let readiness = done(EVERYTHING, &facts);
        assert_eq!(readiness.state, State::HostUnreachable, "{facts:?}");
        assert_eq!(readiness.details["error"], "the disk is gone");
    }
}

#[test]
fn an_address_that_may_not_be_used_counts_as_none_and_says_why() {
    let facts = Facts {
        host: Some(Ok(Host::Unusable("Invalid server URL.".to_owned()))),
        ..good()
    };
    let readiness = done(EVERYTHING, &facts);
    assert_eq!(readiness.state, State::MissingHostConfig);
    assert_eq!(readiness.details["error"], "Invalid server URL.");
}
