//! Properties over any document.

use kitty_contract::{Context, Gate};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::cases::{Case, case, event_with, payloads, short};

/// Any JSON value, with keys that rules know among them.
fn any_value() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "event_type",
            "payload",
            "build_id",
            "feature_slug",
            "force",
            "a"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("WPStatusChanged")),
    ];
    scalar.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(key.clone(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

const CONTEXTS: [&str; 6] = [
    "event",
    "envelope",
    "payload",
    "body_sync",
    "tracker_bind",
    "orchestrator_api",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_gets_the_same_verdict_parsed_and_as_bytes(value in any_value(), pretty: bool) {
        let gate = Gate::vendored();
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        for context in CONTEXTS {
            let case = Case { context, text: text.clone() };
            prop_assert_eq!(case.verdict(gate), case.value_verdict(gate, &value));
        }
    }

    #[test]
    fn any_bytes_are_json_to_the_gate_if_and_only_if_they_are_to_serde(bytes: Vec<u8>) {
        agrees_with_serde(&bytes)?;
    }

    #[test]
    fn text_near_json_is_json_to_the_gate_if_and_only_if_it_is_to_serde(
        text in r#"([\[\]{},: \n]|"([a-z"]|\\[a-z"\\/]|\\u[0-9a-dA-D]{4})*"|-?[0-9]{1,3}(\.[0-9]*)?([eE][+-]?[0-9]{0,3})?|true|fals|null){0,12}"#
    ) {
        agrees_with_serde(text.as_bytes())?;
    }

    #[test]
    fn documents_near_conforming_ones_get_the_same_verdict_parsed_and_as_bytes(seed: u64) {
        let gate = Gate::vendored();
        let case = case(seed);
        let verdict = case.verdict(gate);
        match serde_json::from_str::<Value>(&case.text) {
            Err(_) => prop_assert_eq!(verdict, "$|json"),
            Ok(value) if !verdict.ends_with("|duplicate") => {
                prop_assert_eq!(case.value_verdict(gate, &value), verdict);
            }
            Ok(_) => {}
        }
    }

    #[test]
    fn a_required_field_that_is_dropped_is_named(at in 0..200_usize) {
        let gate = Gate::vendored();
        let event = event_with(&payloads()[at % payloads().len()]);
        for field in required("envelope") {
            let mut event = event.clone();
            event.as_object_mut().expect("an object").remove(&field);
            prop_assert_eq!(short(gate.check_event_value(&event)), format!("{field}|required"));
        }
        let event_type = event["event_type"].as_str().expect("a name");
        for field in required(event_type) {
            let mut event = event.clone();
            event["payload"].as_object_mut().expect("an object").remove(&field);
            let verdict = format!("payload.{field}|required");
            prop_assert_eq!(short(gate.check_event(event.to_string().as_bytes())), verdict);
        }
    }

    #[test]
    fn a_field_of_a_wrong_type_is_named(at in 0..200_usize, wrong in prop::sample::select(vec![json!(0.5), json!([[]])])) {
        let gate = Gate::vendored();
        let event = event_with(&payloads()[at % payloads().len()]);
        let Some(payload) = event["payload"].as_object() else { return Ok(()) };
        for field in payload.keys().filter(|field| *field != "estimated_cost_usd") {
            let mut event = event.clone();
            event["payload"][field] = wrong.clone();
            let verdict = short(gate.check_event_value(&event));
            // An array may be right where arrays are; then its items are wrong.
            let named = verdict.starts_with(&format!("payload.{field}")) && verdict.ends_with("|type");
            let open = verdict == "pass" && !knows(&event, field);
            prop_assert!(named || open, "{}: {}", field, verdict);
        }
    }

    #[test]
    fn a_key_that_is_forbidden_anywhere_is_found_wherever_it_is(path in prop::collection::vec(0..3_u8, 0..40), key in 0..5_usize) {
        let gate = Gate::vendored();
        let key = gate.forbidden_keys().nth(key).expect("five keys");
        let mut value = json!({ key: null });
        let mut field = key.to_owned();
        for step in path {
            (value, field) = match step {
                0 => (json!([value]), format!("0.{field}")),
                1 => (json!([1, value]), format!("1.{field}")),
                _ => (json!({"in": value}), format!("in.{field}")),
            };
        }
        let mut event = event_with(&json!({"event_type": "Unruled", "payload": {}}));
        event["payload"]["deep"] = value;
        let verdict = format!("payload.deep.{field}|forbidden_anywhere");
        prop_assert_eq!(short(gate.check(Context::Envelope, &event)), verdict.clone());
        prop_assert_eq!(short(gate.check_event(event.to_string().as_bytes())), verdict);
    }
}

fn agrees_with_serde(bytes: &[u8]) -> Result<(), TestCaseError> {
    let verdict = short(Gate::vendored().check_bytes(Context::OrchestratorApi, bytes));
    let parsed = serde_json::from_slice::<Value>(bytes);
    prop_assert_eq!(verdict == "$|json", parsed.is_err(), "{:?}", parsed);
    Ok(())
}

fn rules(name: &str) -> Value {
    let artifact: Value =
        serde_json::from_str(kitty_contract::VENDORED_ARTIFACT).expect("an artifact");
    let section = if name == "envelope" {
        "contexts"
    } else {
        "payloads"
    };
    artifact[section][name]["object"].clone()
}

fn required(name: &str) -> Vec<String> {
    serde_json::from_value(rules(name)["required"].clone()).unwrap_or_default()
}

/// Whether a payload's rules name a field.
fn knows(event: &Value, field: &str) -> bool {
    let rules = rules(event["event_type"].as_str().expect("a name"));
    rules["properties"].get(field).is_some()
}
