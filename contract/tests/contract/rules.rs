//! Every rule of the rule language, one small contract each.

use kitty_contract::{Context, Gate, VENDORED_ARTIFACT};
use serde_json::{Value, json};

use crate::cases::short;

/// The vendored contract with another shape for one context, and other payload rules.
fn gate(shape: Value, payloads: Value) -> Gate {
    let mut artifact: Value = serde_json::from_str(VENDORED_ARTIFACT).expect("an artifact");
    artifact["contexts"]["tracker_bind"] = shape;
    artifact["payloads"] = payloads;
    artifact["definitions"]["Colour"] = json!({"string": {"allowed": ["red", "green"]}});
    Gate::from_artifact(&artifact.to_string()).expect("a usable contract")
}

/// Checks one property `f` of an open object against values and the verdicts about them.
fn table(shape: Value, rows: &[(Value, &str)]) {
    let gate = gate(json!({"object": {"properties": {"f": shape}}}), json!({}));
    for (value, rule) in rows {
        let document = json!({ "f": value });
        let expected = if *rule == "pass" {
            "pass".to_owned()
        } else {
            (*rule).to_owned()
        };
        let both = [
            short(gate.check(Context::TrackerBind, &document)),
            short(gate.check_bytes(Context::TrackerBind, document.to_string().as_bytes())),
        ];
        assert_eq!(both, [expected.clone(), expected], "{document}");
    }
}

#[test]
fn a_value_has_one_of_the_types_of_its_shape() {
    let values = [
        ("null", json!(null)),
        ("boolean", json!(true)),
        ("integer", json!(7)),
        ("number", json!(0.5)),
        ("string", json!("x")),
        ("array", json!([1])),
        ("object", json!({"a": 1})),
    ];
    for (name, _) in &values {
        let rows: Vec<_> = values
            .iter()
            .map(|(other, value)| {
                let fits = other == name || (*name == "number" && *other == "integer");
                (value.clone(), if fits { "pass" } else { "f|type" })
            })
            .collect();
        table(json!({ *name: {} }), &rows);
    }
    table(
        json!({"null": {}, "string": {}}),
        &[(json!(null), "pass"), (json!(1), "f|type")],
    );
}

#[test]
fn a_reference_stands_for_the_types_of_its_definition() {
    table(
        json!({"ref": "Colour", "null": {}}),
        &[
            (json!("red"), "pass"),
            (json!(null), "pass"),
            (json!("blue"), "f|allowed"),
            (json!(1), "f|type"),
        ],
    );
}

#[test]
fn an_integer_is_written_without_fraction_and_fits_64_bits() {
    let gate = gate(
        json!({"object": {"properties": {"f": {"integer": {}}}}}),
        json!({}),
    );
    for (number, verdict) in [
        ("0", "pass"),
        ("-9223372036854775808", "pass"),
        ("18446744073709551615", "pass"),
        ("1.0", "f|type"),
        ("1e2", "f|type"),
        ("-0", "f|type"),
        ("18446744073709551616", "f|type"),
        ("-9223372036854775809", "f|type"),
        ("1e400", "$|json"),
        ("01", "$|json"),
        ("+1", "$|json"),
        (".5", "$|json"),
        ("1.", "$|json"),
        ("-", "$|json"),
    ] {
        let text = format!("{{\"f\":{number}}}");
        assert_eq!(
            short(gate.check_bytes(Context::TrackerBind, text.as_bytes())),
            verdict,
            "{text}"
        );
    }
}

#[test]
fn numbers_stay_within_their_limits() {
    table(
        json!({"number": {"minimum": 0, "maximum": 4}}),
        &[
            (json!(0), "pass"),
            (json!(-0.0), "pass"),
            (json!(4.0), "pass"),
            (json!(-1), "f|minimum"),
            (json!(-0.5), "f|minimum"),
            (json!(4.5), "f|maximum"),
            (json!(u64::MAX), "f|maximum"),
        ],
    );
    table(
        json!({"integer": {"exclusive_minimum": 0}}),
        &[
            (json!(1), "pass"),
            (json!(0), "f|exclusive_minimum"),
            (json!(i64::MIN), "f|exclusive_minimum"),
        ],
    );
}

#[test]
fn texts_keep_their_length_and_are_not_blank() {
    table(
        json!({"string": {"min_length": 2, "max_length": 3}}),
        &[
            (json!("é😀"), "pass"),
            (json!("é"), "f|min_length"),
            (json!("ab😀d"), "f|max_length"),
        ],
    );
    table(
        json!({"string": {"not_blank": true}}),
        &[
            (json!(" x"), "pass"),
            (json!(""), "f|blank"),
            (json!(" \u{2003}\n"), "f|blank"),
            (json!("\u{200b}"), "pass"),
        ],
    );
}

#[test]
fn texts_are_the_fixed_ones() {
    table(
        json!({"string": {"value": "a"}}),
        &[(json!("a"), "pass"), (json!("A"), "f|value")],
    );
    table(
        json!({"string": {"allowed": ["a", "b"]}}),
        &[(json!("b"), "pass"), (json!(""), "f|allowed")],
    );
    table(
        json!({"string": {"forbidden": ["a"]}}),
        &[(json!("b"), "pass"), (json!("a"), "f|forbidden_value")],
    );
    table(
        json!({"string": {"forbidden_first_segment": ["old"]}}),
        &[
            (json!("older/1"), "pass"),
            (json!("new/old"), "pass"),
            (json!("old"), "f|first_segment"),
            (json!("old/1/2"), "f|first_segment"),
        ],
    );
    table(
        json!({"string": {"format": "semver"}}),
        &[(json!("1.2.3"), "pass"), (json!("1.2"), "f|format")],
    );
}

#[test]
fn arrays_and_objects_have_enough_members() {
    table(
        json!({"array": {"min_items": 1, "items": {"string": {}}}}),
        &[
            (json!(["a"]), "pass"),
            (json!([]), "f|min_items"),
            (json!(["a", 1]), "f.1|type"),
        ],
    );
    table(
        json!({"object": {"min_properties": 1}}),
        &[(json!({"a": 1}), "pass"), (json!({}), "f|min_properties")],
    );
}

#[test]
fn objects_say_which_keys_they_have() {
    let closed = json!({"object": {
        "required": ["a"], "forbidden": ["b"], "properties": {"a": {"null": {}, "string": {}}, "c": {"boolean": {}}},
        "additional": false
    }});
    table(
        closed,
        &[
            (json!({"a": null}), "pass"),
            (json!({"a": "", "c": true}), "pass"),
            (json!({"c": true}), "f.a|required"),
            (json!({"a": "", "b": null}), "f.b|forbidden"),
            (json!({"a": "", "d": null}), "f.d|unexpected"),
            (json!({"a": "", "c": 1}), "f.c|type"),
            (
                json!({"a": "", "mission_key": 1}),
                "f.mission_key|forbidden_anywhere",
            ),
        ],
    );
    table(
        json!({"object": {"additional": {"string": {}}}}),
        &[(json!({"x": "y"}), "pass"), (json!({"x": 1}), "f.x|type")],
    );
}

#[test]
fn conditions_compare_fields_of_one_payload() {
    let payload = json!({"object": {
        "properties": {
            "kind": {"null": {}, "string": {"allowed": ["a", "b"]}}, "loud": {"boolean": {}}, "why": {"null": {}, "string": {}},
            "n": {"integer": {}}, "m": {"integer": {}}, "sum": {"integer": {}}, "old": {"null": {}}, "new": {"null": {}}
        },
        "conditions": [
            {"id": "reason", "field": "why", "text": "t", "when": [{"field": "loud", "in": [true]}],
             "require": [{"field": "why", "blank": false}]},
            {"id": "pair", "field": "kind", "text": "t", "require": [
                {"fields": ["kind", "loud"], "not_in": [["a", true], [null, false]]}]},
            {"id": "sum", "field": "sum", "text": "t", "when": [{"any_present": ["sum"]}],
             "require": [{"sum_of": ["n", "m"], "equals": "sum"}]},
            {"id": "shape", "field": "old", "text": "t", "when": [{"any_present": ["new"]}],
             "require": [{"none_present": ["old"]}]}
        ]
    }});
    let gate = gate(json!({"object": {}}), json!({ "T": payload }));
    for (payload, verdict) in [
        (json!({}), "pass"),
        (json!({"loud": true, "kind": "b", "why": "x"}), "pass"),
        (
            json!({"loud": true, "kind": "b"}),
            "payload.why|condition:reason",
        ),
        (
            json!({"loud": true, "kind": "b", "why": "\t"}),
            "payload.why|condition:reason",
        ),
        (
            json!({"loud": true, "kind": "a", "why": "x"}),
            "payload.kind|condition:pair",
        ),
        (json!({"loud": false}), "payload.kind|condition:pair"),
        (
            json!({"loud": false, "kind": null}),
            "payload.kind|condition:pair",
        ),
        (
            json!({"n": 1, "m": u64::MAX, "sum": 2}),
            "payload.sum|condition:sum",
        ),
        (json!({"n": -1, "m": 3, "sum": 2}), "pass"),
        (json!({"n": 2, "sum": 2}), "payload.sum|condition:sum"),
        (
            json!({"new": null, "old": null}),
            "payload.old|condition:shape",
        ),
        (json!({"new": null}), "pass"),
    ] {
        let document = json!({"event_type": "T", "payload": payload});
        assert_eq!(
            short(gate.check(Context::Payload, &document)),
            verdict,
            "{document}"
        );
        let bytes = document.to_string();
        assert_eq!(
            short(gate.check_bytes(Context::Payload, bytes.as_bytes())),
            verdict,
            "{document}"
        );
    }
}

#[test]
fn the_first_violation_does_not_depend_on_the_order_of_keys() {
    let shape = json!({"object": {"required": ["z"], "properties": {"a": {"null": {}}, "b": {"null": {}}}}});
    let gate = gate(shape, json!({}));
    for (text, verdict) in [
        (r#"{"b":1,"a":1}"#, "z|required"),
        (r#"{"b":1,"z":1,"a":1}"#, "a|type"),
        (
            r#"{"b":1,"z":{"feature_slug":1},"a":1}"#,
            "z.feature_slug|forbidden_anywhere",
        ),
        (
            r#"{"b":1,"feature_slug":1,"a":{"x":1,"x":2}}"#,
            "a.x|duplicate",
        ),
        (r#"{"b":1,"q":1,"\u0062":1,"\u0071":2}"#, "b|duplicate"),
        (r#"{"b":1,"b":2,"#, "$|json"),
    ] {
        assert_eq!(
            short(gate.check_bytes(Context::TrackerBind, text.as_bytes())),
            verdict,
            "{text}"
        );
    }
}

#[test]
fn keys_without_a_rule_are_noticed_when_they_come_twice_however_many_there_are() {
    let gate = gate(json!({"object": {}}), json!({}));
    for count in [1, 15, 16, 17, 40] {
        let keys: Vec<_> = (0..count).map(|n| format!("\"k{n}\":{n}")).collect();
        let text = format!("{{{}}}", keys.join(","));
        assert_eq!(
            short(gate.check_bytes(Context::TrackerBind, text.as_bytes())),
            "pass"
        );
        for twice in [0, count - 1] {
            let text = format!("{{{},\"k\\u00{:02x}\":0}}", keys.join(","), b'0');
            let again = format!("{{{},\"k{twice}\":0}}", keys.join(","));
            let verdicts =
                [text, again].map(|t| short(gate.check_bytes(Context::TrackerBind, t.as_bytes())));
            assert_eq!(
                verdicts,
                ["k0|duplicate".to_owned(), format!("k{twice}|duplicate")]
            );
        }
    }
}

#[test]
fn bytes_that_are_not_json_are_a_violation_of_the_root() {
    let gate = gate(json!({"object": {}}), json!({}));
    let malformed: [&[u8]; 17] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"{}x",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{\"a\":1,}",
        b"{a:1}",
        b"{\"a\":nul}",
        b"{\"a\":\"\n\"}",
        br#"{"a":"\x"}"#,
        br#"{"a":"\ud800"}"#,
        br#"{"a":"\udc00"}"#,
        br#"{"a":"\u12"}"#,
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\"}",
    ];
    for bytes in malformed {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(
            short(gate.check_bytes(Context::TrackerBind, bytes)),
            "$|json",
            "{shown}"
        );
    }
    let text = b" {\"a\" : [ 1 , \"\\ud83d\\ude00\" ] } \r\n\t";
    assert_eq!(short(gate.check_bytes(Context::TrackerBind, text)), "pass");
}
