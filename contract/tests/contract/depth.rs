//! Nesting, however deep, costs no stack and no panic.

use kitty_contract::{Context, Gate};
use serde_json::{Value, json};

use crate::cases::short;

const LIMIT: usize = 100;

#[test]
fn a_document_nests_as_deep_as_the_limit_and_no_deeper() {
    let gate = Gate::vendored();
    for (extra, verdict) in [(0, "pass"), (1, "$|depth")] {
        let mut value = json!(1);
        for level in 0..LIMIT - 1 + extra {
            value = if level % 2 == 0 {
                json!([value])
            } else {
                json!({ "a": value })
            };
        }
        let document = json!({"mission_slug": "demo", "deep": value});
        assert_eq!(
            short(gate.check(Context::OrchestratorApi, &document)),
            verdict
        );
        let bytes = document.to_string();
        assert_eq!(
            short(gate.check_bytes(Context::OrchestratorApi, bytes.as_bytes())),
            verdict
        );
    }
}

#[test]
fn a_hundred_thousand_levels_are_refused_without_recursion() {
    let gate = Gate::vendored();
    let levels = 100_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[", "]}]")] {
        let deep = open.repeat(levels) + "1" + &close.repeat(levels);
        let document = format!("{{\"mission_slug\":\"demo\",\"deep\":{deep}}}");
        for context in Context::ALL {
            let verdict = short(gate.check_bytes(context, document.as_bytes()));
            assert_eq!(verdict, "$|depth", "{context}");
        }
        let cut = &document[..document.len() - 2];
        assert_eq!(short(gate.check_event(cut.as_bytes())), "$|json");
    }
}

#[test]
fn a_parsed_value_of_a_hundred_thousand_levels_is_refused() {
    let gate = Gate::vendored();
    let mut value = Value::Null;
    for _ in 0..100_000 {
        value = Value::Array(vec![value]);
    }
    assert_eq!(short(gate.check_event_value(&value)), "$|depth");
    // A value drops itself by recursion, which would overflow the stack: take it apart instead.
    while let Value::Array(mut items) = value {
        value = items.pop().unwrap_or(Value::Null);
    }
}
