//! What the vendored contract says about the real wire.

use std::collections::BTreeSet;

use kitty_contract::{Context, Gate, Rule, Standing, VENDORED_ARTIFACT};
use serde_json::{Value, json};

use crate::cases::{answer, bind, body, captured, event_with, payloads, request, short};

#[test]
fn captured_envelopes_conform_except_dossier_events_without_a_build_id() {
    let gate = Gate::vendored();
    let mut conforming = 0;
    for envelope in captured() {
        let verdict = short(gate.check_event_value(envelope));
        assert_eq!(
            short(gate.check_event(envelope.to_string().as_bytes())),
            verdict
        );
        assert_eq!(short(gate.check(Context::Envelope, envelope)), verdict);
        if envelope["aggregate_type"] == "MissionDossier" {
            assert_eq!(verdict, "build_id|min_length");
            let mut repaired = envelope.clone();
            repaired["build_id"] = json!("c4ad781d-049b-5533-a459-64c1ad68b1ce");
            assert_eq!(short(gate.check_event_value(&repaired)), "pass");
        } else {
            assert_eq!(verdict, "pass", "{envelope}");
            conforming += 1;
        }
    }
    assert_eq!((captured().len(), conforming), (39, 24));
}

#[test]
fn every_event_type_with_rules_has_samples_that_conform() {
    let gate = Gate::vendored();
    let mut seen = BTreeSet::new();
    for sample in payloads() {
        let text = sample.to_string();
        assert_eq!(
            short(gate.check(Context::Payload, sample)),
            "pass",
            "{sample}"
        );
        assert_eq!(
            short(gate.check_bytes(Context::Payload, text.as_bytes())),
            "pass",
            "{sample}"
        );
        assert_eq!(
            short(gate.check_event_value(&event_with(sample))),
            "pass",
            "{sample}"
        );
        seen.insert(sample["event_type"].as_str().expect("a name").to_owned());
    }
    assert_eq!(seen, gate.event_types().map(str::to_owned).collect());
    assert_eq!(seen.len(), 38);
}

#[test]
fn the_other_contexts_pass_what_we_send() {
    let gate = Gate::vendored();
    for (context, value) in [
        (Context::BodySync, body()),
        (Context::TrackerBind, bind()),
        (Context::OrchestratorApi, answer()),
        (Context::Request, request()),
    ] {
        assert_eq!(short(gate.check(context, &value)), "pass", "{context}");
        assert_eq!(
            short(gate.check_bytes(context, value.to_string().as_bytes())),
            "pass"
        );
        assert_eq!(Context::parse(context.name()), Some(context));
    }
    assert_eq!(Context::parse("merge"), None);
}

#[test]
fn a_request_of_any_form_passes_unless_it_has_a_forbidden_key_somewhere() {
    let gate = Gate::vendored();
    for text in ["[]", "1", "{}", r#"{"a":[{"b":{}}]}"#] {
        assert_eq!(
            short(gate.check_bytes(Context::Request, text.as_bytes())),
            "pass"
        );
    }
    for key in gate.forbidden_keys() {
        let mut request = request();
        request["items"][0]["fields"][0][key] = json!(1);
        let place = format!("items.0.fields.0.{key}|forbidden_anywhere");
        assert_eq!(short(gate.check(Context::Request, &request)), place);
        let bytes = request.to_string();
        assert_eq!(
            short(gate.check_bytes(Context::Request, bytes.as_bytes())),
            place
        );
    }
    assert_eq!(short(gate.check_bytes(Context::Request, b"{")), "$|json");
}

#[test]
fn reasons_have_the_words_of_the_upstream_gate() {
    let gate = Gate::vendored();
    let mut event = event_with(&payloads()[9]);
    let said = |change: fn(&mut Value)| {
        let mut changed = event.clone();
        change(&mut changed);
        gate.check_event_value(&changed)
            .expect_err("a violation")
            .to_string()
    };
    let words = [
        (
            said(|event| {
                drop(
                    event
                        .as_object_mut()
                        .and_then(|event| event.remove("build_id")),
                );
            }),
            "envelope: required field 'build_id' missing in envelope payload (field=build_id)",
        ),
        (
            said(|event| event["force"] = json!(true)),
            "envelope: forbidden field 'force' present in envelope payload (field=force)",
        ),
        (
            said(|event| event["aggregate_type"] = json!("Feature")),
            "envelope: field 'aggregate_type' must be one of ['Build', 'Mission', 'WorkPackage', \
             'MissionDossier'], got 'Feature' (field=aggregate_type)",
        ),
        (
            said(|event| event["event_type"] = json!("FeatureCompleted")),
            "envelope: field 'event_type' value 'FeatureCompleted' is forbidden in envelope \
             (field=event_type)",
        ),
        (
            said(|event| event["schema_version"] = json!("2.9.0")),
            "envelope: field 'schema_version' must equal '3.0.0', got '2.9.0' (field=schema_version)",
        ),
        (
            said(|event| event["payload"]["wp_id"] = json!(7)),
            "payload: field 'payload.wp_id' must be string or null, got integer (field=payload.wp_id)",
        ),
    ];
    for (said, expected) in words {
        assert_eq!(said, expected);
    }
    event["payload"]["feature_slug"] = json!("x");
    let violation = gate
        .check(Context::Envelope, &event)
        .expect_err("a violation");
    assert_eq!(
        (violation.rule, violation.context),
        (Rule::ForbiddenAnywhere, Context::Envelope)
    );
}

#[test]
fn an_event_type_without_rules_may_carry_anything_but_forbidden_keys() {
    let gate = Gate::vendored();
    let event =
        event_with(&json!({"event_type": "ProofItemRecorded", "payload": {"a": [{"b": 1}]}}));
    assert_eq!(short(gate.check_event_value(&event)), "pass");
    let event = event_with(&json!({"event_type": "X", "payload": {"a": [{"feature_number": 1}]}}));
    assert_eq!(
        short(gate.check_event_value(&event)),
        "payload.a.0.feature_number|forbidden_anywhere"
    );
}

#[test]
fn a_payload_before_its_event_type_is_checked_all_the_same() {
    let gate = Gate::vendored();
    let event = event_with(&payloads()[0]);
    let members = event.as_object().expect("an object");
    for wrong in [false, true] {
        let payload = if wrong {
            json!({"build_id": 1})
        } else {
            members["payload"].clone()
        };
        let rest = members.iter().filter(|(key, _)| *key != "payload");
        let rest: Vec<_> = rest
            .map(|(key, value)| format!("{}:{value}", json!(key)))
            .collect();
        let text = format!("{{\"payload\":{payload},{}}}", rest.join(","));
        let expected = if wrong {
            "payload.build_id|type"
        } else {
            "pass"
        };
        assert_eq!(short(gate.check_event(text.as_bytes())), expected);
    }
}

#[test]
fn provenance_names_the_sources() {
    let provenance = Gate::vendored().provenance();
    let packages: Vec<_> = provenance
        .packages()
        .map(|p| (p.name, p.version, p.source_commit))
        .collect();
    let name = "spec-kitty-events";
    assert_eq!(
        packages,
        [(name, "3.0.0", Some("5b8e6dc")), (name, "6.1.0", None)]
    );
    assert!(
        provenance
            .packages()
            .all(|p| p.files > 0 && p.files_sha256.len() == 64)
    );
    assert_eq!(provenance.ingress().name, "spec-kitty-saas");
    assert_eq!(provenance.ingress().source_commit, "3a0e4af");
    assert_eq!(
        (provenance.schema_version(), provenance.rule_language()),
        ("3.0.0", 1)
    );
    assert_eq!(provenance.artifact_version(), "1.0.0");
}

#[test]
fn the_vocabulary_lists_the_words_of_the_command_surface() {
    let words = Gate::vendored().orchestrator_api();
    assert_eq!(words.contract_version(), "1.3.0");
    assert_eq!(
        (
            words.commands().allowed().len(),
            words.commands().reserved().len()
        ),
        (10, 11)
    );
    for (word, standing) in [
        ("merge-mission", Standing::Allowed),
        ("specify", Standing::Reserved),
        ("feature-state", Standing::Forbidden),
        ("nothing", Standing::Unknown),
    ] {
        assert_eq!(words.commands().standing(word), standing, "{word}");
    }
    assert_eq!(
        words.error_codes().standing("FEATURE_NOT_FOUND"),
        Standing::Forbidden
    );
    assert_eq!(
        words.error_codes().standing("WP_ALREADY_CLAIMED"),
        Standing::Allowed
    );
    assert_eq!(
        words.cli_flags().allowed().collect::<Vec<_>>(),
        ["--mission"]
    );
    assert_eq!(
        words.cli_flags().forbidden().collect::<Vec<_>>(),
        ["--feature"]
    );
}

#[test]
fn forbidden_keys_are_those_of_both_releases_and_of_the_cutover() {
    let mut keys: Vec<_> = Gate::vendored().forbidden_keys().collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "feature_number",
            "feature_slug",
            "feature_type",
            "legacy_aggregate_id",
            "mission_key"
        ]
    );
}

#[test]
fn feature_era_event_types_are_forbidden() {
    let types: Vec<_> = Gate::vendored().forbidden_event_types().collect();
    assert_eq!(
        types,
        ["FeatureCreated", "FeatureClosed", "FeatureCompleted"]
    );
}

#[test]
fn the_artifact_is_in_its_canonical_form() {
    let value: Value = serde_json::from_str(VENDORED_ARTIFACT).expect("JSON");
    let canonical = serde_json::to_string_pretty(&value).expect("JSON") + "\n";
    assert_eq!(VENDORED_ARTIFACT, canonical);
}
